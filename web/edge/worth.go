package edge

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

// worth says how much an answer is worth. The zero value is one that holds.
type worth struct {
	stale bool          // it may be out of date: nothing could be asked that knows better
	age   time.Duration // since it held, or ageUnknown
}

const ageUnknown time.Duration = -1

// seconds is the age for programs: a whole number, or "unknown".
func (w worth) seconds() string {
	if w.age < 0 {
		return "unknown"
	}
	return strconv.FormatInt(int64(w.age/time.Second), 10)
}

// hint tells people what an answer is worth; it is "" for one that holds.
func (w worth) hint() string {
	switch {
	case !w.stale:
		return ""
	case w.age < 0:
		return "This is from a copy that cannot be checked at the moment: it may have changed since."
	}
	return "This is how we remember it from " + ago(w.age) + ". It cannot be checked at the moment, and may have changed since."
}

func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute ago"
	case d < 2*time.Minute:
		return "a minute ago"
	case d < time.Hour:
		return fmt.Sprintf("%d minutes ago", d/time.Minute)
	case d < 2*time.Hour:
		return "an hour ago"
	}
	return fmt.Sprintf("%d hours ago", d/time.Hour)
}

// rarely lets one of many say something, once a second.
type rarely struct {
	last   atomic.Int64 // Unix seconds
	missed atomic.Int64
}

// now reports whether to say something, and how many have not since the last one did.
func (r *rarely) now() (missed int64, ok bool) {
	second := time.Now().Unix()
	last := r.last.Load()
	if second == last || !r.last.CompareAndSwap(last, second) {
		r.missed.Add(1)
		return 0, false
	}
	return r.missed.Swap(0), true
}
