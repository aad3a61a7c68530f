package breaker

import "time"

// Config says when a breaker opens and closes. Its zero value is a good start.
type Config struct {
	// Window is how far back results count, in steps of Window / Buckets. 0 means 10 s.
	Window time.Duration
	// Buckets is the number of steps. 0 means 10.
	Buckets int
	// MinCalls is how many results the window must hold before they are judged. 0 means 20.
	MinCalls int
	// FailureRate is the part of calls, from 0 to 1, at which the breaker opens. 0 means 0.5.
	FailureRate float64
	// SlowCall is the duration from which on a call is slow, whatever its result. 0 means never.
	SlowCall time.Duration
	// SlowRate is the part of slow calls, from 0 to 1, at which the breaker opens. 0 means 0.5.
	SlowRate float64
	// OpenFor is how long the breaker stays open, give or take a fifth, by chance, so that the
	// breakers of a fleet do not probe all at once. 0 means 5 s.
	OpenFor time.Duration
	// HalfOpenPermits is how many probes may run at once, and how many must succeed for the breaker
	// to close. 0 means 3.
	HalfOpenPermits int
	// PermitDeadline is how long a probe may take before it counts as failed. 0 means 10 s.
	PermitDeadline time.Duration
	// IsFailure tells which errors are the dependency's fault. It is not asked about nil, nor about
	// what wraps context.Canceled. nil means that all others are.
	IsFailure func(error) bool
	// OnChange is told of each change of state. It may use the breaker. nil means nobody is.
	OnChange func(from, to State)
	// Now tells the time. nil means the system's monotonic clock.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	c.Window = or(c.Window, 10*time.Second)
	c.Buckets = or(c.Buckets, 10)
	c.MinCalls = or(c.MinCalls, 20)
	c.FailureRate = or(c.FailureRate, 0.5)
	c.SlowRate = or(c.SlowRate, 0.5)
	c.OpenFor = or(c.OpenFor, 5*time.Second)
	c.HalfOpenPermits = or(c.HalfOpenPermits, 3)
	c.PermitDeadline = or(c.PermitDeadline, 10*time.Second)
	if c.IsFailure == nil {
		c.IsFailure = func(error) bool { return true }
	}
	return c
}

func or[T int | float64 | time.Duration](given, otherwise T) T {
	if given <= 0 {
		return otherwise
	}
	return given
}
