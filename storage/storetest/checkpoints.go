package storetest

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"snowlink/shortener"
)

func checkpoints(t *testing.T, logs EventLogs) {
	place := logs.Place(t)
	log := logs.Open(t, place, time.Now)
	ctx := t.Context()
	if at, err := log.Checkpoint(ctx, "a"); at != 0 || err != nil {
		t.Errorf("checkpoint never set: got %d, %v; want 0", at, err)
	}
	for _, at := range []int64{5, 9, 3} {
		if err := log.SetCheckpoint(ctx, "a", at); err != nil {
			t.Fatalf("set checkpoint: %v", err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	log = logs.open(t, place)
	if at, err := log.Checkpoint(ctx, "a"); at != 3 || err != nil {
		t.Errorf("checkpoint after a restart: got %d, %v; want 3", at, err)
	}
	short, cancel := context.WithCancel(ctx)
	cancel()
	if err := log.Wait(short, 0); err == nil {
		t.Error("wait under a context that ended: no error")
	}
}

func secrets(t *testing.T, logs EventLogs) {
	place := logs.Place(t)
	log := logs.Open(t, place, time.Now)
	ctx := t.Context()
	var wg sync.WaitGroup
	got := make([][]byte, 8)
	for i := range got {
		wg.Go(func() {
			var err error
			if got[i], err = log.Meta(ctx, "secret", func() []byte { return []byte{byte(i)} }); err != nil {
				t.Errorf("meta: %v", err)
			}
		})
	}
	wg.Wait()
	for _, g := range got {
		if !bytes.Equal(g, got[0]) {
			t.Errorf("callers at the same time: got %v and %v, want the same", g, got[0])
		}
	}
	salt := func(day string) []byte {
		s, err := log.Salt(ctx, day)
		if err != nil || len(s) < 16 {
			t.Fatalf("salt of %s: got %d bytes, %v", day, len(s), err)
		}
		return s
	}
	first, second := salt("2026-03-01"), salt("2026-03-02")
	if bytes.Equal(first, second) {
		t.Error("salts of two days: got equal ones")
	}
	if err := log.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	log = logs.open(t, place)
	if again, err := log.Meta(ctx, "secret", func() []byte { return []byte("other") }); err != nil || !bytes.Equal(again, got[0]) {
		t.Errorf("meta after a restart: got %v, %v; want %v", again, err, got[0])
	}
	if !bytes.Equal(salt("2026-03-01"), first) || !bytes.Equal(salt("2026-03-03"), salt("2026-03-03")) {
		t.Error("salt asked for again: got another one")
	}
	salt("2026-03-04") // three days after the first
	if !bytes.Equal(salt("2026-03-02"), second) {
		t.Error("salt of two days before: got another one, want it kept")
	}
	if bytes.Equal(salt("2026-03-01"), first) {
		t.Error("salt of three days before: got the old one, want it deleted")
	}
}

func apiKeys(t *testing.T, logs EventLogs) {
	log := logs.fresh(t)
	ctx := t.Context()
	key := shortener.APIKey{ID: "key_1", Name: "one", Role: shortener.RoleEditor, Hash: [32]byte{1}, Hint: "abcd", CreatedAt: start, CreatedBy: "key_0", ExpiresAt: start.Add(time.Hour), Rate: 0.5, Burst: 7}
	if err := log.CreateKey(ctx, key); err != nil {
		t.Fatalf("create: %v", err)
	}
	wantKind(t, "create again", log.CreateKey(ctx, key), shortener.Taken)
	if got, err := log.KeyByHash(ctx, key.Hash); got != key || err != nil {
		t.Errorf("key by hash: got %+v, %v; want %+v", got, err, key)
	}
	_, err := log.KeyByHash(ctx, [32]byte{2})
	wantKind(t, "key by another hash", err, shortener.NotFound)

	wantKind(t, "revoke no key", log.RevokeKey(ctx, "key_9", start), shortener.NotFound)
	for _, at := range []time.Time{start, start.Add(time.Minute)} {
		if err := log.RevokeKey(ctx, key.ID, at); err != nil {
			t.Errorf("revoke: %v", err)
		}
	}
	if got, _ := log.KeyByHash(ctx, key.Hash); !got.RevokedAt.Equal(start) {
		t.Errorf("revoked at: got %v, want the first time, %v", got.RevokedAt, start)
	}
	same := key
	same.ID, same.Role, same.CreatedAt = "key_2", shortener.RoleOwner, start.Add(time.Hour)
	if err := log.PutKey(ctx, same); err != nil {
		t.Fatalf("put a known secret: %v", err)
	}
	want := key
	want.Role = shortener.RoleOwner
	if keys, err := log.Keys(ctx); err != nil || len(keys) != 1 || keys[0] != want {
		t.Errorf("keys: got %+v, %v; want %+v alone, in force again", keys, err, want)
	}
}
