package linkshards_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"snowlink/infra/hashring"
	"snowlink/shortener"
	"snowlink/storage/linkshards"
)

func TestAMissIsAMiss(t *testing.T) {
	onBoth(t, func(t *testing.T, s *linkshards.Shards, _ *redis.Client) {
		if _, err := s.Get(t.Context(), shortener.Ref{Code: "none"}); !errors.Is(err, linkshards.ErrMiss) {
			t.Errorf("get of what is not there: got %v, want ErrMiss", err)
		}
	})
}

func TestARecordNeverGoesBack(t *testing.T) {
	onBoth(t, func(t *testing.T, s *linkshards.Shards, _ *redis.Client) {
		var run atomic.Int64
		rapid.Check(t, func(rt *rapid.T) {
			code := fmt.Sprintf("c%d", run.Add(1))
			var newest int64
			for _, version := range rapid.SliceOfN(rapid.Int64Range(1, 20), 1, 12).Draw(rt, "versions") {
				r := record(code, version)
				if version%5 == 0 {
					r.State = shortener.Deleted // a tombstone is a record like any other
				}
				mustPut(t, s, r)
				newest = max(newest, version)
				got, err := s.Get(t.Context(), r.Ref)
				if err != nil || got.Version != newest || (got.State == shortener.Deleted) != (newest%5 == 0) {
					rt.Fatalf("after version %d: got version %d, state %d, %v; want %d", version, got.Version, got.State, err, newest)
				}
			}
		})
	})
}

func TestVersionsAreComparedAsNumbers(t *testing.T) {
	onBoth(t, func(t *testing.T, s *linkshards.Shards, _ *redis.Client) {
		for _, version := range []int64{0x9, 0xa, 0xff, 0x100, 0x7fffffff, 0xffffffff} {
			mustPut(t, s, record("a", version))
			wantRecord(t, s, record("a", version))
		}
		mustPut(t, s, record("a", 1))
		wantRecord(t, s, record("a", 0xffffffff))
	})
}

func TestWhatDoesNotBelongIsNeverReturned(t *testing.T) {
	key := "l:mine"
	mine := record("mine", 2)
	encoded := func(r shortener.Record) string { return string(shortener.AppendRecord(nil, r)) }
	other := mine
	other.Domain = "go.example"
	for name, value := range map[string]string{
		"another link's, older":             encoded(record("other", 1)),
		"another link's, newer":             encoded(record("other", 9)),
		"the same code's in another domain": encoded(other),
		"damaged, of the same version":      encoded(mine)[:20],
		"of another format, same version":   "00000002" + "9" + encoded(mine)[9:],
		"damaged, of an older version":      "00000001",
		"nothing of ours":                   "hello, world",
		"empty":                             "",
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, s *linkshards.Shards, client *redis.Client) {
				mustSet(t, client, key, value)
				if got, err := s.Get(t.Context(), mine.Ref); !errors.Is(err, linkshards.ErrMiss) {
					t.Fatalf("get: got %+v, %v; want ErrMiss", got, err)
				}
				mustPut(t, s, mine)
				wantRecord(t, s, mine)
			})
		})
	}
	t.Run("first version over a damaged one", func(t *testing.T) {
		onBoth(t, func(t *testing.T, s *linkshards.Shards, client *redis.Client) {
			first := record("mine", 1)
			mustSet(t, client, key, encoded(first)[:20])
			mustPut(t, s, first)
			wantRecord(t, s, first)
			mustPut(t, s, mine)
			mustPut(t, s, first)
			wantRecord(t, s, mine)
		})
	})
}

func mustSet(t *testing.T, client *redis.Client, key, value string) {
	t.Helper()
	if err := client.Set(t.Context(), key, value, 0).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestBehind(t *testing.T) {
	s := newShards(t, linkshards.Options{}, newEmbedded(t, 3)...)
	var records, want []shortener.Record
	for i := range 100 {
		r := record(fmt.Sprintf("c%d", i), 5)
		records = append(records, r)
		if stored := i % 4; stored > 0 { // none, older, equal, newer
			mustPut(t, s, record(r.Code, []int64{0, 4, 5, 6}[stored]))
		}
		if i%4 < 2 {
			want = append(want, r)
		}
	}
	behind, err := s.Behind(t.Context(), records)
	if err != nil || len(behind) != len(want) {
		t.Fatalf("behind: got %d records, %v; want %d", len(behind), err, len(want))
	}
	found := make(map[shortener.Ref]bool)
	for _, r := range behind {
		found[r.Ref] = true
	}
	for _, r := range want {
		if !found[r.Ref] {
			t.Errorf("behind: %s is missing", r.Ref)
		}
	}
}

func TestStatusAndOwner(t *testing.T) {
	s := newShards(t, linkshards.Options{}, newEmbedded(t, 3)...)
	wantKeys := make(map[string]int64)
	for i := range 300 {
		r := record(fmt.Sprintf("c%d", i), 1)
		mustPut(t, s, r)
		wantKeys[s.Owner(r.Ref)]++
	}
	slots := 0
	for _, status := range s.Status(t.Context()) {
		slots += status.Slots
		if status.Links != wantKeys[status.Name] || status.Err != nil || status.Breaker != "closed" || status.Weight != 1 {
			t.Errorf("status: got %+v, want %d keys and a closed breaker", status, wantKeys[status.Name])
		}
	}
	if slots != hashring.Slots {
		t.Errorf("slots: got %d, want %d", slots, hashring.Slots)
	}
	_, err := linkshards.New(1, []linkshards.Shard{{Name: "a"}, {Name: "a"}}, linkshards.Options{})
	if err == nil {
		t.Error("two shards of one name: no error")
	}
}

func BenchmarkGet(b *testing.B) {
	onEach(b, func(b *testing.B, s *linkshards.Shards) {
		mustPut(b, s, record("hot", 2))
		for b.Loop() {
			if _, err := s.Get(b.Context(), shortener.Ref{Code: "hot"}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPutFirstVersion(b *testing.B) {
	onEach(b, func(b *testing.B, s *linkshards.Shards) {
		for i := 0; b.Loop(); i++ {
			mustPut(b, s, record(fmt.Sprintf("c%d", i), 1))
		}
	})
}

func BenchmarkPutNextVersion(b *testing.B) {
	onEach(b, func(b *testing.B, s *linkshards.Shards) {
		for i := int64(2); b.Loop(); i++ {
			mustPut(b, s, record("hot", i))
		}
	})
}

func onEach(b *testing.B, bench func(*testing.B, *linkshards.Shards)) {
	b.Run("redis-server", func(b *testing.B) {
		bench(b, newShards(b, linkshards.Options{}, startRedis(b).shard(b, "a")))
	})
	b.Run("embedded", func(b *testing.B) { bench(b, newShards(b, linkshards.Options{}, newEmbedded(b, 1)...)) })
}
