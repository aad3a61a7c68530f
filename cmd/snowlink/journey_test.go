package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// command runs the command line against the service, as the person who started it.
func (s *service) command(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	binary, err := buildBinary()
	if err != nil {
		s.t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(os.Environ(), "HOME="+s.dir, "XDG_CONFIG_HOME="+s.dir, "SNOWLINK_SERVER=http://"+s.public, "SNOWLINK_KEY="+testKey)
	err = cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		s.t.Fatalf("run %v: %v", args, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// visit asks for a short URL without following it.
func visit(t *testing.T, method, address string) *http.Response {
	t.Helper()
	req, err := http.NewRequest(method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, address, err)
	}
	_ = resp.Body.Close()
	return resp
}

type summary struct{ Clicks, Humans, Bots, Visitors, Pending int64 }

// summarize asks for the clicks of a link.
func (s *service) summarize(code string) (sum summary, err error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+s.public+"/api/v1/analytics/summary?code="+code, nil)
	if err != nil {
		return sum, err
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return sum, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return sum, fmt.Errorf("summary: %s", resp.Status)
	}
	return sum, json.NewDecoder(resp.Body).Decode(&sum)
}

// wantClicks waits for the summary to say so.
func (s *service) wantClicks(code string, limit time.Duration, want summary) {
	s.t.Helper()
	s.eventually("counted", limit, func() error {
		got, err := s.summarize(code)
		if err == nil && (got.Humans != want.Humans || got.Bots != want.Bots || got.Clicks != got.Humans+got.Bots) {
			err = fmt.Errorf("summary: got %+v, want %+v", got, want)
		}
		return err
	})
}

func TestJourneyOfANewcomer(t *testing.T) {
	s := newService(t)
	s.start()
	journeyOfANewcomer(t, s, "http://"+s.public, 2*time.Second*raceFactor)
	s.checkAudits()
}

// journeyOfANewcomer makes a first link by way of s, follows it, counts it, and does so again after a restart. base is
// what short URLs begin with, and soon how long a click may take to be counted.
func journeyOfANewcomer(t *testing.T, s *service, base string, soon time.Duration) {
	t.Helper()
	const target = "https://example.com/a?b=c"
	out, errs, code := s.command("link", "create", target)
	short := strings.TrimSpace(out)
	if code != 0 || strings.Count(out, "\n") != 1 || !strings.HasPrefix(short, base+"/") {
		t.Fatalf("link create: exit %d, printed %q and %q, want one short URL", code, out, errs)
	}
	name := short[strings.LastIndexByte(short, '/')+1:]
	short = "http://" + s.public + "/" + name
	if len(name) != 8 {
		t.Errorf("generated code %q, want 8 characters", name)
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		if resp := visit(t, method, short); resp.StatusCode != http.StatusFound || resp.Header.Get("Location") != target {
			t.Fatalf("%s %s: got %s to %q, want 302 to %q", method, short, resp.Status, resp.Header.Get("Location"), target)
		}
	}
	want := summary{Humans: 1, Bots: 1} // a HEAD is counted as a bot
	s.wantClicks(name, soon, want)

	s.stop()
	s.start()
	s.wantClicks(name, soon, want)
	if resp := visit(t, http.MethodGet, short); resp.Header.Get("Location") != target {
		t.Errorf("after a restart: got %s to %q, want %q", resp.Status, resp.Header.Get("Location"), target)
	}
	s.wantClicks(name, soon, summary{Humans: 2, Bots: 1})
}

// checkAudits runs the verbs that check what is stored: on the running service, and on its folder once
// it has stopped.
func (s *service) checkAudits() {
	s.t.Helper()
	s.checkRunning()
	s.stop()
	for _, verb := range audits {
		if out, errs, code := s.command(append(verb, "--data-dir="+s.dir)...); code != 0 {
			s.t.Errorf("%v of the folder: exit %d\n%s%s", verb, code, out, errs)
		}
	}
}

// audits are the verbs that check what is stored.
var audits = [][]string{{"events", "verify"}, {"events", "replay"}, {"clicks", "verify"}}

// checkRunning runs them on the running service.
func (s *service) checkRunning() {
	s.t.Helper()
	for _, verb := range audits {
		if out, errs, code := s.command(verb...); code != 0 {
			s.t.Errorf("%v of the running service: exit %d\n%s%s", verb, code, out, errs)
		}
	}
}

func TestJourneyOfALink(t *testing.T) {
	s := newService(t)
	s.start()
	journeyOfALink(t, s)
}

// journeyOfALink makes, changes, deletes and restores a link by way of s.
func journeyOfALink(t *testing.T, s *service) {
	t.Helper()
	do := func(want int, args ...string) string {
		t.Helper()
		out, errs, code := s.command(args...)
		if code != want {
			t.Fatalf("snowlink %v: exit %d, want %d\n%s%s", args, code, want, out, errs)
		}
		return out + errs
	}
	status := func(want int) {
		t.Helper()
		s.eventually("answered as changed", 2*time.Second*raceFactor, func() error {
			if resp := visit(t, http.MethodGet, "http://"+s.public+"/spring"); resp.StatusCode != want {
				return fmt.Errorf("GET /spring: got %s, want %d", resp.Status, want)
			}
			return nil
		})
	}
	status(http.StatusNotFound) // and remembered as such by the edge
	do(0, "link", "create", "--code", "spring", "--tag", "sale", "https://example.com/one")
	status(http.StatusFound)
	if text := do(1, "link", "create", "--code", "spring", "https://example.com/two"); !strings.Contains(text, "spring") {
		t.Errorf("a taken code is refused with %q, want it named", text)
	}
	do(0, "link", "edit", "spring", "--url", "https://example.com/three")
	do(0, "link", "edit", "spring", "--disable")
	status(http.StatusNotFound)
	do(0, "link", "edit", "spring", "--enable")
	status(http.StatusFound)
	do(0, "link", "delete", "spring")
	status(http.StatusGone)
	do(0, "link", "restore", "spring")
	status(http.StatusFound)
	if text := do(0, "link", "history", "spring"); strings.Count(text, "link.") != 6 {
		t.Errorf("history:\n%s\nwant 6 events", text)
	}
	for _, args := range [][]string{
		{"link", "get", "spring"},
		{"link", "list", "--tag", "sale"},
		{"link", "export"},
		{"link", "stats", "spring"},
	} {
		if text := do(0, args...); !strings.Contains(text, "spring") && args[1] != "stats" {
			t.Errorf("snowlink %v printed %q, want the link", args, text)
		}
	}
	do(2, "link", "create")
	do(2, "link", "melt")
	do(2, "serve", "--lisen", ":1", "--role", "baker")
	do(1, "link", "create", "javascript:alert(1)")
}
