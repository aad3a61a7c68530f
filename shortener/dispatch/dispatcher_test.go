package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"snowlink/shortener/dispatch"
)

// memoryLog is a Log of numbered batches without content.
type memoryLog struct {
	mu     sync.Mutex
	closed uint64
	acked  map[uint64]int
}

func (l *memoryLog) Oldest() uint64 { return 1 }

func (l *memoryLog) Closed() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

func (l *memoryLog) Read(n uint64) ([]byte, error) { return fmt.Append(nil, n), nil }
func (l *memoryLog) CloseBatch()                   {}

func (l *memoryLog) Ack(n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[n]++
}

func (l *memoryLog) grow(n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed += n
}

// sender calls send for each batch.
type sender func(n string) error

func (s sender) Send(_ context.Context, raw []byte) error { return s(string(raw)) }

func TestEveryBatchIsForgottenOnceAndOnlyWhenAcknowledged(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		total := rapid.Uint64Range(1, 60).Draw(rt, "batches")
		fates := rapid.SliceOfN(rapid.SampledFrom([]string{"stored", "lost", "refused", "stored, ack lost"}), 200, 200).Draw(rt, "fates")
		synctest.Test(t, func(t *testing.T) {
			log := &memoryLog{acked: map[uint64]int{}}
			stored := map[string]int{}
			var d *dispatch.Dispatcher
			calls := 0
			d = dispatch.New(dispatch.Config{Log: log, InFlight: 8, Logger: slog.New(slog.DiscardHandler), Sender: sender(func(n string) error {
				fate := fates[calls%len(fates)]
				if calls++; calls > len(fates) { // the faults end at last
					fate = "stored"
				}
				switch fate {
				case "refused":
					return errors.New("queue is away")
				case "lost":
					return nil
				}
				stored[n]++
				if fate == "stored" {
					var number uint64
					fmt.Sscan(n, &number)
					d.Applied([]uint64{number, number}) // told twice on purpose
				}
				return nil
			})})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- d.Run(ctx) }()
			log.grow(total)
			for range 10_000 {
				if time.Sleep(time.Second); d.Pending() == 0 {
					break
				}
			}
			cancel()
			<-done
			if left := d.Pending(); left != 0 {
				t.Fatalf("%d batches are still pending, want 0", left)
			}
			for n := uint64(1); n <= total; n++ {
				if log.acked[n] != 1 || stored[fmt.Sprint(n)] == 0 {
					t.Fatalf("batch %d: acknowledged %d times (want 1), stored %d times (want at least 1)", n, log.acked[n], stored[fmt.Sprint(n)])
				}
			}
		})
	})
}

func TestNoMoreThanTheWindowIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memoryLog{acked: map[uint64]int{}}
		sent := 0
		d := dispatch.New(dispatch.Config{Log: log, InFlight: 4, Logger: slog.New(slog.DiscardHandler), Sender: sender(func(string) error { sent++; return nil })})
		log.grow(100)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // less than the time to resend
		defer cancel()
		_ = d.Run(ctx)
		if sent != 4 {
			t.Errorf("sent %d batches without any acknowledgement, want 4", sent)
		}
		if got := d.Pending(); got != 100 {
			t.Errorf("Pending() = %d, want 100", got)
		}
	})
}

func TestDrainReportsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &memoryLog{acked: map[uint64]int{}}
		d := dispatch.New(dispatch.Config{Log: log, Logger: slog.New(slog.DiscardHandler), Sender: sender(func(string) error { return nil })})
		log.grow(3)
		time.AfterFunc(time.Second, func() { d.Applied([]uint64{1, 3}) })
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if left := d.Drain(ctx); left != 1 {
			t.Errorf("Drain() = %d batches left, want 1", left)
		}
	})
}
