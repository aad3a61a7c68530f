package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/cobra"
)

// limitedService makes links in batches, of no more than a bucket of tokens that fill one a second.
type limitedService struct {
	burst int
	full  time.Time
	made  []string
}

func (s *limitedService) RoundTrip(r *http.Request) (*http.Response, error) {
	var batch struct{ Links []struct{ URL string } }
	if err := json.NewDecoder(r.Body).Decode(&batch); err != nil {
		return nil, err
	}
	if now := time.Now(); s.full.Before(now) {
		s.full = now
	}
	after := s.full.Add(time.Duration(len(batch.Links)) * time.Second)
	wait := time.Until(after) - time.Duration(s.burst)*time.Second
	w := &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{}, Request: r}
	body := `{"title":"Too many calls","status":429}`
	switch {
	case len(batch.Links) > s.burst:
	case wait > 0:
		w.Header.Set("Retry-After", fmt.Sprint(int(wait/time.Second)))
	default:
		s.full, w.StatusCode, body = after, http.StatusOK, `{"results":[]}`
		for _, l := range batch.Links {
			s.made = append(s.made, l.URL)
		}
	}
	w.Body = io.NopCloser(strings.NewReader(body))
	return w, nil
}

func TestAnImportKeepsWithinTheLimitOfItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &limitedService{burst: 100}
		c := &client{server: "http://sho.rt", http: &http.Client{Transport: s}}
		cmd := &cobra.Command{}
		cmd.SetErr(io.Discard)
		links := make([]map[string]any, 1100)
		for i := range links {
			links[i] = map[string]any{"url": fmt.Sprint(i)}
		}
		began := time.Now()
		if err := c.importLinks(t.Context(), cmd, links); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 1000*time.Second || took > 1100*time.Second {
			t.Errorf("took %v, want what 1,000 links have to wait for", took)
		}
		for i, url := range s.made {
			if url != fmt.Sprint(i) {
				t.Fatalf("link %d: got %s, want each once and in order", i, url)
			}
		}
		if len(s.made) != len(links) {
			t.Errorf("got %d links, want %d", len(s.made), len(links))
		}
	})
}

func TestAnImportThatMayMakeNothingSaysSo(t *testing.T) {
	c := &client{server: "http://sho.rt", http: &http.Client{Transport: &limitedService{}}}
	cmd := &cobra.Command{}
	cmd.SetErr(io.Discard)
	if err := c.importLinks(t.Context(), cmd, make([]map[string]any, 3)); err == nil || !strings.Contains(err.Error(), "after 0 of 3") {
		t.Errorf("got %v, want an error that tells how far it came", err)
	}
}
