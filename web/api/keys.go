package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"snowlink/shortener"
)

// KeyStore keeps API keys, without their secrets.
type KeyStore interface {
	KeyFinder
	KeyKeeper
}

// KeyKeeper makes, lists and ends keys.
type KeyKeeper interface {
	CreateKey(ctx context.Context, key shortener.APIKey) error
	// Keys returns all keys, revoked and expired ones too, oldest first.
	Keys(ctx context.Context) ([]shortener.APIKey, error)
	// RevokeKey ends a key; NotFound if there was never one. One that was revoked before stays so.
	RevokeKey(ctx context.Context, id string, at time.Time) error
}

func (a *API) routeKeys() {
	create := operation(http.MethodPost, "/keys", "create-key", tagKeys, shortener.RoleOwner, "Make an API key")
	create.Description = "The key itself is in this answer and nowhere else: only its hash is kept."
	create.DefaultStatus = http.StatusCreated
	takesBody(&create, a.config.Limits.MaxBody, bodyPatience)
	huma.Register(a.huma, create, a.createKey)
	huma.Register(a.huma, operation(http.MethodGet, "/keys", "list-keys", tagKeys, shortener.RoleOwner, "List API keys"), a.listKeys)

	revoke := operation(http.MethodDelete, "/keys/{id}", "revoke-key", tagKeys, shortener.RoleOwner, "Revoke an API key")
	revoke.Description = "It opens nothing after 10 seconds at the latest. A key cannot revoke itself, so that one owner is always left."
	revoke.DefaultStatus = http.StatusNoContent
	revoke.Errors = append(revoke.Errors, http.StatusNotFound)
	huma.Register(a.huma, revoke, a.revokeKey)
	huma.Register(a.huma, operation(http.MethodGet, "/me", "get-me", tagKeys, shortener.RoleReader, "Show the key of this call"), a.me)
}

// Key is an API key as callers see it.
type Key struct {
	ID        string     `json:"id" example:"key_0123456789ab"`
	Name      string     `json:"name"`
	Role      string     `json:"role" enum:"reader,editor,owner"`
	Hint      string     `json:"hint" doc:"The last four characters."`
	CreatedAt time.Time  `json:"created_at"`
	CreatedBy string     `json:"created_by" doc:"Id of the key that made it, empty for the first."`
	ExpiresAt *time.Time `json:"expires_at" nullable:"true"`
	RevokedAt *time.Time `json:"revoked_at" nullable:"true"`
	Limit     *KeyLimit  `json:"limit" doc:"Of this key alone; null if it has that of every key."`
}

// KeyLimit is how often a key may be used.
type KeyLimit struct {
	Rate  float64 `json:"rate" minimum:"0.0001" maximum:"1000000" doc:"Calls a second in the long run."`
	Burst int     `json:"burst" minimum:"1" maximum:"1000000000" doc:"Calls at once."`
}

// TransformSchema says what struct tags cannot: that limit may be null.
func (Key) TransformSchema(_ huma.Registry, s *huma.Schema) *huma.Schema {
	limit := s.Properties["limit"]
	s.Properties["limit"] = &huma.Schema{Description: limit.Description, AnyOf: []*huma.Schema{{Ref: limit.Ref}, {Type: "null"}}}
	return s
}

// NewKey is a key with its secret.
type NewKey struct {
	Key
	Secret string `json:"key" doc:"The key itself. It is shown once." example:"slk_…"`
}

func showKey(k shortener.APIKey) Key {
	var limit *KeyLimit
	if k.Rate > 0 {
		limit = &KeyLimit{k.Rate, k.Burst}
	}
	return Key{
		Limit: limit,
		ID:    k.ID, Name: k.Name, Role: string(k.Role), Hint: k.Hint, CreatedAt: k.CreatedAt.UTC(), CreatedBy: k.CreatedBy,
		ExpiresAt: timeOrNull(k.ExpiresAt), RevokedAt: timeOrNull(k.RevokedAt),
	}
}

// newSecret returns a secret of 160 bits.
func newSecret() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // it never fails
	return shortener.APIKeyPrefix + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

func (a *API) createKey(ctx context.Context, req *struct {
	Body struct {
		Name      string              `json:"name" minLength:"1" maxLength:"100" pattern:"^[^\\x00-\\x1f\\x7f]*$" patternDescription:"text without control characters"`
		Role      string              `json:"role" enum:"reader,editor,owner"`
		ExpiresAt optional[time.Time] `json:"expires_at,omitzero"`
		Limit     *KeyLimit           `json:"limit,omitempty" doc:"That of every key if not given."`
	}
}) (*struct {
	Location string `header:"Location"`
	Body     NewKey
}, error,
) {
	now := a.now().UTC().Truncate(time.Millisecond)
	expires := req.Body.ExpiresAt.Value
	if req.Body.ExpiresAt.Set && !req.Body.ExpiresAt.Null && !expires.After(now) {
		return nil, shortener.InvalidField("expires_at", "expires-in-past", "expires_at is past: use a time to come.")
	}
	secret := newSecret()
	hash := sha256.Sum256([]byte(secret))
	key := shortener.APIKey{
		ID: "key_" + hex.EncodeToString(hash[:6]), Name: req.Body.Name, Role: shortener.Role(req.Body.Role), Hash: hash,
		Hint: secret[len(secret)-4:], CreatedAt: now, CreatedBy: actor(ctx), ExpiresAt: expires.UTC().Truncate(time.Millisecond),
	}
	if expires.IsZero() {
		key.ExpiresAt = time.Time{}
	}
	if limit := req.Body.Limit; limit != nil {
		key.Rate, key.Burst = limit.Rate, limit.Burst
	}
	if err := a.config.Keys.CreateKey(ctx, key); err != nil {
		return nil, err
	}
	return &struct {
		Location string `header:"Location"`
		Body     NewKey
	}{prefix + "/keys/" + key.ID, NewKey{showKey(key), secret}}, nil
}

// KeyList is all keys, the oldest first.
type KeyList struct {
	Keys []Key `json:"keys"`
}

func (a *API) listKeys(ctx context.Context, _ *struct{}) (*struct{ Body KeyList }, error) {
	keys, err := a.config.Keys.Keys(ctx)
	if err != nil {
		return nil, err
	}
	out := KeyList{Keys: make([]Key, len(keys))}
	for i, k := range keys {
		out.Keys[i] = showKey(k)
	}
	return &struct{ Body KeyList }{out}, nil
}

func (a *API) revokeKey(ctx context.Context, req *struct {
	ID string `path:"id" doc:"The id of the key, which is not the key itself."`
},
) (*struct{}, error) {
	if req.ID == actor(ctx) {
		p := shortener.Errorf(shortener.Forbidden, "A key cannot revoke itself: use another owner's.")
		p.Slug = "own-key"
		return nil, p
	}
	if err := a.config.Keys.RevokeKey(ctx, req.ID, a.now().UTC().Truncate(time.Millisecond)); err != nil {
		return nil, err
	}
	a.keys.forget(req.ID)
	return nil, nil //nolint:nilnil // 204 has no body
}

func (a *API) me(ctx context.Context, _ *struct{}) (*struct{ Body Key }, error) {
	return &struct{ Body Key }{showKey(callOf(ctx).key)}, nil
}
