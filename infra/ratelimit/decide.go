package ratelimit

import (
	"context"
	"errors"
	"time"
)

// decide spends what all claims ask for, or nothing: by what is known here, by Redis, or without it.
func (s *Shared) decide(ctx context.Context, claims []Claim, results []Result) (allowed bool) {
	allowed = true
	for i, c := range claims {
		results[i] = c.Limit.heard(c.Key, c.Cost)
		allowed = allowed && results[i].Allowed
	}
	if !allowed { // a flood ends here
		return false
	}
	if !s.guard.open() {
		if spent, ok := s.decideTogether(ctx, claims, results); ok {
			return spent
		}
	}
	return s.decideAlone(claims, results)
}

// decideTogether has Redis decide; ok says whether it did.
func (s *Shared) decideTogether(ctx context.Context, claims []Claim, results []Result) (spent, ok bool) {
	asked := make([]int64, len(claims))
	for i, c := range claims {
		asked[i] = c.Limit.known.now()
	}
	bounded, cancel := context.WithTimeout(ctx, s.config.Deadline)
	defer cancel()
	spent, left, err := s.ask(bounded, claims)
	if err != nil {
		s.lost(ctx, err)
		return false, false
	}
	s.guard.succeeded()
	for i, c := range claims {
		c.Limit.known.hear(c.Key, asked[i]+int64(left[i])) // from before Redis was asked: no later than it is
		results[i] = c.Limit.told(left[i], c.Cost, spent)
	}
	return spent, true
}

// lost counts a failure, unless it is that nobody waits for the answer.
func (s *Shared) lost(ctx context.Context, err error) {
	if ctx.Err() == nil && !errors.Is(err, context.Canceled) && s.guard.failed() {
		s.config.Logger.Warn("Redis does not answer: rate limits are kept by each process for itself", "error", err)
	}
}

// decideAlone decides without Redis. Of several claims those before one that loses a race may be spent in vain.
func (s *Shared) decideAlone(claims []Claim, results []Result) bool {
	for _, spend := range []bool{false, true} {
		for i, c := range claims {
			results[i] = c.Limit.withoutRedis(c.Key, c.Cost, spend)
		}
		if !all(results) {
			return false
		}
	}
	return true
}

func all(results []Result) bool {
	for i := range results {
		if !results[i].Allowed {
			return false
		}
	}
	return true
}

// heard is what would become of a call by what Redis told last.
func (l *SharedLimit) heard(key string, cost int) Result {
	tat, now := l.known.heard(key)
	_, wait := l.gcra.spend(tat, now, cost)
	return l.gcra.result(tat, now, wait)
}

// told is the result of a call that left a bucket of so much less than full.
func (l *SharedLimit) told(left time.Duration, cost int, spent bool) Result {
	var wait time.Duration
	if !spent {
		_, wait = l.gcra.spend(int64(left), 0, cost)
	}
	return l.gcra.result(int64(left), 0, wait)
}

// withoutRedis is what becomes of a call while Redis does not answer. A process that spends each token as
// often as there are processes uses up its share.
func (l *SharedLimit) withoutRedis(key string, cost int, spend bool) Result {
	full := l.gcra.result(0, 0, 0)
	switch {
	case cost > l.gcra.burst:
		full.Allowed, full.RetryAfter = false, Never
		return full
	case l.fallback == Open:
		return full
	case l.fallback == Closed:
		full.Allowed, full.Remaining, full.RetryAfter = false, 0, l.shared.config.Retry
		return full
	}
	processes := max(1, l.shared.config.Processes())
	return l.own.share(key, max(0, cost), processes, spend)
}
