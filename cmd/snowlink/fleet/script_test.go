//go:build integration

package fleet

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestScript holds the script to what it says of processes: that it knows its own, and leaves
// another's alone.
func TestScript(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "--layout", "one", "--replicas", "0", "--shards", "a b")
	states := func() string {
		t.Helper()
		var all []string
		for _, part := range f.parts() {
			all = append(all, part.name+" "+part.state)
		}
		return strings.Join(all, ", ")
	}
	want := func(when, states, got string) {
		t.Helper()
		if got != states {
			t.Errorf("%s: got %q, want %q", when, got, states)
		}
	}
	f.do("pause", "redis-a-1")
	f.do("kill", "redis-b-1")
	want("paused and killed", "redis-a-1 paused, redis-b-1 down, one up", states())
	f.do("resume", "redis-a-1")
	f.do("up")
	want("up again", "redis-a-1 up, redis-b-1 up, one up", states())

	stranger := exec.Command("sleep", "600")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Process.Kill(); _ = stranger.Wait() }()
	path := filepath.Join(f.dir, "run", "redis-a-1")
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(kept))
	forged := fmt.Sprintf("%d %s\n", stranger.Process.Pid, fields[1])
	if err := os.WriteFile(path, []byte(forged), 0o644); err != nil {
		t.Fatal(err)
	}
	want("another process has got the number", "redis-a-1 down, redis-b-1 up, one up", states())
	for _, verb := range []string{"kill", "pause"} {
		if out, err := f.try(verb, "redis-a-1"); err == nil {
			t.Errorf("fleet %s of another's process: printed %q, want a refusal", verb, out)
		}
	}
	f.do("stop", "redis-a-1")
	if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", stranger.Process.Pid)); err != nil || !slices.Contains(strings.Fields(string(state)), "S") {
		t.Errorf("another's process: got %q (%v), want it asleep", state, err)
	}
	if err := os.WriteFile(path, kept, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"melt"}, {"kill"}, {"kill", "nobody"}, {"empty", "redis-a-1"}, {"up", "--edges", "3"}} {
		if out, err := f.try(args...); err == nil {
			t.Errorf("fleet %v: printed %q, want a refusal", args, out)
		}
	}
	f.do("down")
	want("down", "redis-a-1 down, redis-b-1 down, one down", states())
}
