package edge

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"snowlink/shortener"
)

func version(v int64, target string) shortener.Record {
	r := link("abc", target)
	r.Version = v
	return r
}

func TestWhatAShardHasUnverified(t *testing.T) {
	const memory, copied, right = "https://memory.example/", "https://copy.example/", "https://truth.example/"
	tests := map[string]struct {
		memory, copied int64 // versions; 0: it has none
		api            bool
		want           string // "": 503
		stale          string
	}{
		"the api knows better":                  {copied: 3, api: true, want: right},
		"better than nothing":                   {copied: 3, want: copied, stale: "unknown"},
		"better than what memory has":           {memory: 2, copied: 3, want: copied, stale: "unknown"},
		"not as good as what memory has":        {memory: 3, copied: 2, want: memory, stale: "60"},
		"memory knows since when it is so":      {memory: 3, copied: 3, want: memory, stale: "60"},
		"nobody has anything":                   {},
		"memory alone":                          {memory: 3, want: memory, stale: "60"},
		"the api knows better than the newer":   {memory: 2, copied: 3, api: true, want: right},
		"the api knows better than memory does": {memory: 3, copied: 2, api: true, want: right},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := startRemote(t, nil)
				if tt.memory > 0 {
					r.shards.put(version(tt.memory, memory))
					r.want("/abc", 302)
				}
				time.Sleep(time.Minute)
				delete(r.shards.records, shortener.Ref{Code: "abc"})
				if tt.copied > 0 {
					r.shards.put(version(tt.copied, copied))
				}
				r.shards.doubted = true
				r.api.put(version(4, right))
				r.api.setDown(!tt.api)
				for range 3 {
					resp := r.want("/abc", map[bool]int{true: 302, false: 503}[tt.want != ""])
					if got := string(resp.Header.Peek("Location")); got != tt.want {
						t.Errorf("Location = %q, want %q", got, tt.want)
					}
				}
				if tt.want != "" {
					if got := string(r.want("/abc+", 200).Header.Peek("X-Snowlink-Stale")); got != tt.stale {
						t.Errorf("X-Snowlink-Stale = %q, want %q", got, tt.stale)
					}
				}
				r.api.setDown(false)
				time.Sleep(5 * time.Second)
				r.want("/abc", 302) // may be the one that has the api asked
				time.Sleep(time.Second)
				if got := string(r.want("/abc", 302).Header.Peek("Location")); got != right {
					t.Errorf("once the api is back: Location = %q, want %q", got, right)
				}
			})
		})
	}
}

// What may be out of date leads somewhere or nowhere: that there is no link is not its to say.
func TestNothingIsOverForWantOfAnAnswer(t *testing.T) {
	ended := version(3, "https://example.com/")
	ended.State = shortener.Deleted
	disabled := version(3, "https://example.com/")
	disabled.State = shortener.Disabled
	for name, tt := range map[string]struct {
		record shortener.Record
		status int
	}{
		"deleted": {ended, 410}, "disabled": {disabled, 404},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := startRemote(t, nil, tt.record)
				r.want("/abc", tt.status)
				r.stop(false)
				time.Sleep(time.Minute)
				r.want("/abc", 503) // from memory
				r.want("/abc+", 503)
				r.Invalidate(shortener.Ref{Code: "abc"})
				r.shards.setDown(false)
				r.shards.doubted = true
				r.want("/abc", 503) // from the shard
			})
		})
	}
}

func TestAStalePermanentRedirectIsNotKeptByBrowsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moved := link("abc", "https://example.com/")
		moved.RedirectStatus = 301
		r := startRemote(t, nil, moved)
		r.want("/abc", 301)
		r.stop(false)
		time.Sleep(time.Minute)
		if got := string(r.want("/abc", 301).Header.Peek("Cache-Control")); got != "private, no-store" {
			t.Errorf("Cache-Control = %q, want private, no-store", got)
		}
	})
}

func TestThePreviewSaysWhatItIsWorth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRemote(t, nil, link("abc", "https://example.com/"))
		fresh := r.want("/abc+", 200)
		if h := fresh.Header.Peek("X-Snowlink-Stale"); h != nil || strings.Contains(string(fresh.Body()), `role="note"`) {
			t.Errorf("a fresh preview: X-Snowlink-Stale = %q, body %s", h, fresh.Body())
		}
		r.stop(false)
		for _, tt := range []struct {
			after   time.Duration
			seconds string
			text    string
		}{
			{31 * time.Second, "31", "less than a minute ago"},
			{59 * time.Second, "90", "a minute ago"},
			{10 * time.Minute, "690", "11 minutes ago"},
			{time.Hour, "4290", "an hour ago"},
			{5 * time.Hour, "22290", "6 hours ago"},
		} {
			time.Sleep(tt.after)
			resp := r.want("/abc+", 200)
			if got := string(resp.Header.Peek("X-Snowlink-Stale")); got != tt.seconds {
				t.Errorf("X-Snowlink-Stale = %q, want %s", got, tt.seconds)
			}
			if !strings.Contains(string(resp.Body()), tt.text) {
				t.Errorf("after %ss: the page does not say %q", tt.seconds, tt.text)
			}
		}
		if got := r.metrics.lookups[lookupStale].n.Load(); got != 5 {
			t.Errorf("%d stale answers were counted, want 5", got)
		}
	})
}

// The announcement of a new link may be lost with its shard, so what was unknown is asked for again soon.
func TestUnknownIsForgottenSoonWhileTheShardIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRemote(t, nil)
		r.shards.setDown(true)
		r.want("/abc", 404)
		r.api.put(link("abc", "https://example.com/"))
		time.Sleep(time.Second)
		r.want("/abc", 302)
	})
}
