package edge

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestDeadlinesAreSharedByThoseWhoComeTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deadlines{after: 50 * time.Millisecond}
		first := d.next(time.Now())
		time.Sleep(4 * time.Millisecond)
		if d.next(time.Now()) != first {
			t.Error("who comes soon after has a context of its own")
		}
		time.Sleep(2 * time.Millisecond)
		second := d.next(time.Now())
		if second == first {
			t.Error("who comes later has the same context")
		}
		began := time.Now()
		<-first.Done()
		if took := time.Since(began); took != 44*time.Millisecond || !errors.Is(first.Err(), context.DeadlineExceeded) {
			t.Errorf("the first ended %v later with %v, want 44ms and a deadline", took, first.Err())
		}
		<-second.Done()
	})
}
