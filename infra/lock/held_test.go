package lock

import (
	"testing"
	"time"
)

func testHeld(t *testing.T, s server) {
	if held, err := Held(t.Context(), s.client, "job", "other job"); err != nil || len(held) > 0 {
		t.Fatalf("Held: %+v, %v; want none", held, err)
	}
	a, err := Acquire(t.Context(), s.client, "job", "edge:1~x", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	held, err := Held(t.Context(), s.client, "other job", "job")
	if err != nil || len(held) != 1 {
		t.Fatalf("Held: %+v, %v; want one", held, err)
	}
	h := held[0]
	if h.Name != "job" || h.Holder != "edge_1_x" || h.Fence != a.Fence() || h.Left <= 0 || h.Left > time.Minute || h.Since.UnixMilli() != a.Fence() {
		t.Errorf("Held: %+v, want job of edge_1_x with fence %d", h, a.Fence())
	}
}

func testAgain(t *testing.T, s server) {
	first, err := AcquireAgain(t.Context(), s.client, "mine", "one", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	again, err := AcquireAgain(t.Context(), s.client, "mine", "one", time.Minute)
	if err != nil || again.Fence() != first.Fence() {
		t.Errorf("the same holder again: %v, %v; want what it had", again, err)
	}
	if _, err := AcquireAgain(t.Context(), s.client, "mine", "two", time.Minute); err == nil {
		t.Error("another holder has it too")
	}
}
