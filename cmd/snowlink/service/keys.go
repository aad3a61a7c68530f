package service

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"snowlink/cmd/snowlink/config"
	"snowlink/cmd/snowlink/credentials"
	"snowlink/shortener"
)

type keyStore interface {
	Keys(ctx context.Context) ([]shortener.APIKey, error)
	PutKey(ctx context.Context, key shortener.APIKey) error
}

// newSecret returns an API key with 160 bits of entropy.
func newSecret() string { return shortener.APIKeyPrefix + strings.ToLower(rand.Text()+rand.Text()[:6]) }

// ownerKey returns the entry of an owner key with the secret. Its id follows from the secret, so that
// a configured key keeps its id over restarts.
func ownerKey(secret, name string, now time.Time) shortener.APIKey {
	hash := sha256.Sum256([]byte(secret))
	return shortener.APIKey{
		ID: "key_" + hex.EncodeToString(hash[:6]), Name: name, Role: shortener.RoleOwner, Hash: hash,
		Hint: secret[len(secret)-4:], CreatedAt: now.UTC().Truncate(time.Millisecond),
	}
}

// ensureOwner sees to it that somebody can get in: the configured key is accepted, and where there
// is neither one nor any other, a new one is made and returned.
func ensureOwner(ctx context.Context, store keyStore, cfg config.Config, now time.Time) (made string, err error) {
	if cfg.AdminKey != "" {
		return "", store.PutKey(ctx, ownerKey(cfg.AdminKey, "configured", now))
	}
	keys, err := store.Keys(ctx)
	if err != nil || len(keys) > 0 {
		return "", err
	}
	made = newSecret()
	return made, store.PutKey(ctx, ownerKey(made, "first start", now))
}

// welcome prints what a newcomer needs: where the service is, what it runs on, and, on a first start,
// the key and the three lines to type next.
func welcome(w io.Writer, in installation, made string) {
	if in.roles != "" {
		fmt.Fprintf(w, "snowlink %s is %s of %s (admin %s)\n", in.version, in.roles, in.baseURL, in.adminURL)
	} else {
		fmt.Fprintf(w, "snowlink %s serves %s (admin %s)\n", in.version, in.baseURL, in.adminURL)
	}
	fmt.Fprintf(w, "  %s\n", in.stores)
	if made == "" {
		return
	}
	fmt.Fprintf(w, `
This is the first start. Your owner key, shown once; only its hash is kept by the service:

  %[1]s

Next, in another terminal:

  %[2]s link create%[4]s https://example.com/a?b=c
  curl -sI %[3]s/CODE
  %[2]s link stats%[4]s CODE

`, made, in.command, in.baseURL, in.server)
}

// rememberKey lets the command line of the same user find the service and its key.
func rememberKey(in installation, made, server string) error {
	return credentials.Save(in.id, made, server)
}

// installation is what is told of a running service.
type installation struct {
	id       string
	version  string
	baseURL  string
	adminURL string
	stores   string
	roles    string // "" for all
	command  string // how this program is called
	server   string // " --server URL" if the command line would not find the service without
}
