package shortener

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestOneOfManyASecondIsToldOf(t *testing.T) {
	var o occasional
	var told, untold, events atomic.Int64
	now := time.Unix(1_700_000_000, 0)
	for second := range 5 {
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				events.Add(1)
				if n, ok := o.tell(now.Add(time.Duration(second) * time.Second)); ok {
					told.Add(1)
					untold.Add(n)
				}
			})
		}
		all.Wait()
	}
	n, _ := o.tell(now.Add(time.Minute))
	if told.Load() != 5 || told.Load()+untold.Load()+n != events.Load() {
		t.Errorf("%d of %d events told of, %d others; want 5 and all the others", told.Load(), events.Load(), untold.Load()+n)
	}
}
