package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"time"
)

// Key is the owner key of every service that is measured.
const Key = "slk_benchmark0123456789abcdefghij"

// Snowlink is a running service.
type Snowlink struct {
	*Process
	Address string
	Admin   string // address of its metrics and profiles
}

// StartSnowlink runs the binary on embedded stores in dir, with no limit on its API, and returns when
// it is ready.
func StartSnowlink(ctx context.Context, binary, dir string, core int, flags ...string) (*Snowlink, error) {
	address, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	admin, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	p, err := Start(dir, core, append([]string{
		binary, "serve", "--listen=" + address, "--admin-listen=" + admin, "--data-dir=" + filepath.Join(dir, "data"),
		"--admin-key=" + Key, "--limit-key=0",
	}, flags...)...)
	if err != nil {
		return nil, err
	}
	s := &Snowlink{Process: p, Address: address, Admin: admin}
	if err := p.Await(ctx, "http://"+admin+"/readyz", http.StatusOK); err != nil {
		p.Stop()
		return nil, err
	}
	return s, nil
}

// Link is a short link to be made.
type Link struct {
	Code string `json:"code"`
	URL  string `json:"url"`
}

// Links draws codes of eight characters and targets as people shorten them.
func Links(n int) []Link {
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	random := rand.New(rand.NewPCG(1, 2)) // the same links in each run
	links := make([]Link, n)
	for i := range links {
		var code [8]byte
		for j := range code {
			code[j] = base62[random.IntN(len(base62))]
		}
		links[i] = Link{Code: string(code[:]), URL: fmt.Sprintf("https://www.example.com/articles/2026/%06d/a-title-of-some-length?ref=newsletter", i)}
	}
	return links
}

// Make creates links with codes of their own.
func (s *Snowlink) Make(ctx context.Context, links []Link) error {
	const batch = 1000
	for len(links) > 0 {
		n := min(batch, len(links))
		var answer struct {
			Results []struct {
				Status  int             `json:"status"`
				Problem json.RawMessage `json:"problem"`
			} `json:"results"`
		}
		if err := s.call(ctx, http.MethodPost, "/api/v1/links/batch", map[string]any{"links": links[:n]}, &answer); err != nil {
			return err
		}
		for i, r := range answer.Results {
			if r.Status != http.StatusCreated {
				return fmt.Errorf("create %s: status %d: %s", links[i].Code, r.Status, r.Problem)
			}
		}
		links = links[n:]
	}
	return nil
}

// AwaitClicks returns once the click store holds as many clicks.
func (s *Snowlink) AwaitClicks(ctx context.Context, clicks int64) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for {
		got, err := s.Clicks(ctx)
		if err != nil {
			return err
		}
		if got >= clicks {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the click store holds %d of %d clicks: %w", got, clicks, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Clicks returns how many clicks the click store holds.
func (s *Snowlink) Clicks(ctx context.Context) (int64, error) {
	var answer struct {
		Clicks int64 `json:"clicks"`
	}
	err := s.call(ctx, http.MethodGet, "/api/v1/analytics/summary", nil, &answer)
	return answer.Clicks, err
}

func (s *Snowlink) call(ctx context.Context, method, path string, body, answer any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.Address+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+Key)
	if body == nil {
		req.Body, req.ContentLength = http.NoBody, 0
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %.300s", method, path, resp.Status, said)
	}
	return json.Unmarshal(said, answer)
}
