package linkshards_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"snowlink/shortener"
	"snowlink/storage/linkshards"
)

// TestMemoryOfALink holds the record to what capacity is planned by: at most 160 bytes beside the target,
// all of Redis's own included.
func TestMemoryOfALink(t *testing.T) {
	const links, batch = 100_000, 1000
	server := startRedis(t)
	s := open(t, mustFirst(t, server.spec("a")), linkshards.Options{})
	empty := s.Status(t.Context())[0]
	target := "https://www.example.com/" + strings.Repeat("path/", 7) + "x"
	err := s.OnInstance(t.Context(), "a", func(ctx context.Context, in *linkshards.Instance) error {
		for at := 0; at < links; at += batch {
			records := make([]shortener.Record, batch)
			for i := range records {
				records[i] = shortener.Record{
					Ref: shortener.Ref{Code: fmt.Sprintf("c%07d", at+i)}, Version: 1, RedirectStatus: 302, Target: target,
				}
			}
			if _, err := in.Put(ctx, 1, records); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	full := s.Status(t.Context())[0]
	if full.Links != links {
		t.Fatalf("got %d links, want %d", full.Links, links)
	}
	each := float64(full.Bytes-empty.Bytes) / links
	t.Logf("%.1f bytes a link, of which %d are the target's", each, len(target))
	if limit := float64(160 + len(target)); each > limit {
		t.Errorf("a link takes %.1f bytes, want at most %.0f", each, limit)
	}
}
