package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"snowlink/shortener"
)

// KeyFinder finds keys by the SHA-256 of their secret.
type KeyFinder interface {
	// KeyByHash returns the key, revoked and expired ones too; NotFound if there was never one.
	KeyByHash(ctx context.Context, hash [32]byte) (shortener.APIKey, error)
}

// How long a key that was found is believed, and how long while the store does not answer: with the
// store down no key can be revoked either.
const (
	keyFresh   = 10 * time.Second
	keyStale   = time.Hour
	keysCached = 10_000
)

// keyring is a small memory of keys that were found. It is safe for concurrent use.
type keyring struct {
	store KeyFinder
	now   func() time.Time

	mu    sync.Mutex
	found map[[32]byte]foundKey
}

type foundKey struct {
	key shortener.APIKey
	at  time.Time
}

func newKeyring(store KeyFinder, now func() time.Time) *keyring {
	return &keyring{store: store, now: now, found: make(map[[32]byte]foundKey)}
}

// find returns the key with the secret. The error is Unauthorized if there is none in force.
func (k *keyring) find(ctx context.Context, secret string) (shortener.APIKey, error) {
	hash := sha256.Sum256([]byte(secret))
	k.mu.Lock()
	known, ok := k.found[hash]
	k.mu.Unlock()
	age := k.now().Sub(known.at)
	if !ok || age >= keyFresh {
		key, err := k.store.KeyByHash(ctx, hash)
		switch {
		case err == nil:
			known = foundKey{key, k.now()}
			k.remember(hash, known)
		case shortener.KindOf(err) == shortener.NotFound:
			return shortener.APIKey{}, errWrongKey
		case !ok || age >= keyStale || errors.Is(err, context.Canceled):
			return shortener.APIKey{}, err
		}
	}
	if !known.key.Live(k.now()) {
		return shortener.APIKey{}, errWrongKey
	}
	return known.key, nil
}

func (k *keyring) remember(hash [32]byte, known foundKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.found[hash]; !ok && len(k.found) >= keysCached {
		for other := range k.found { // whichever comes first: all cost one lookup
			delete(k.found, other)
			break
		}
	}
	k.found[hash] = known
}

// forget makes the next use of a key ask the store.
func (k *keyring) forget(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for hash, known := range k.found {
		if known.key.ID == id {
			delete(k.found, hash)
		}
	}
}

var (
	errNoKey    = shortener.Errorf(shortener.Unauthorized, "An API key is needed: send it as Authorization: Bearer slk_….")
	errWrongKey = shortener.Errorf(shortener.Unauthorized, "This API key is not valid: it is unknown, was revoked or has expired.")
)

// The names of what an operation says of itself in its metadata.
const (
	needsRole = "role"
	unhurried = "unhurried" // no deadline
)

// authenticate lets a call pass whose key has the role that its operation needs, within its limit.
func (a *API) authenticate(ctx huma.Context, next func(huma.Context)) {
	need, guarded := ctx.Operation().Metadata[needsRole].(shortener.Role)
	if guarded {
		if err := a.admit(ctx, need); err != nil {
			_ = huma.WriteErr(a.huma, ctx, 500, "", err) // the hook makes of it what it is
			return
		}
	}
	next(ctx)
}

func (a *API) admit(ctx huma.Context, need shortener.Role) error {
	c := callOf(ctx.Context())
	header := ctx.Header("Authorization")
	if header == "" {
		return errNoKey
	}
	c.presented = true
	key, err := a.identify(ctx.Context(), header)
	if err == errWrongKey { //nolint:errorlint // it is that very value
		return cmp.Or[error](a.limitWrongKeys(ctx), err)
	}
	if err != nil {
		return err
	}
	c.key = key
	if err := a.limitCalls(ctx.Context(), 1); err != nil {
		return err
	}
	if !key.Role.Allows(need) {
		return shortener.Errorf(shortener.Forbidden, "This needs a key of the role %s, and yours is a %s.", need, key.Role)
	}
	return nil
}

func (a *API) identify(ctx context.Context, header string) (shortener.APIKey, error) {
	scheme, secret, _ := strings.Cut(header, " ")
	secret = strings.TrimSpace(secret)
	if !strings.EqualFold(scheme, "Bearer") || !strings.HasPrefix(secret, shortener.APIKeyPrefix) || len(secret) > 200 {
		return shortener.APIKey{}, errWrongKey
	}
	return a.keys.find(ctx, secret)
}
