package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"snowlink/infra/ratelimit"
	"snowlink/shortener"
)

// Limiter says how often something may be done.
type Limiter interface {
	// Allow spends cost tokens of key if it has as many, and none otherwise. It answers soon whatever is down.
	Allow(ctx context.Context, key string, cost int) ratelimit.Result
}

// ownRemembered is how many keys with one limit of their own are remembered.
const ownRemembered = 1000

// setLimiters makes the limiters that are not given, for this process alone.
func (c *Config) setLimiters() {
	alone := func(rate float64, burst int) Limiter {
		return ratelimit.Alone{Local: ratelimit.NewLocal(ratelimit.Limit{Rate: rate, Burst: burst}, c.Limits.Remembered, c.Now)}
	}
	if c.Calls == nil {
		c.Calls = alone(c.Limits.KeyRate, c.Limits.KeyBurst)
	}
	if c.OwnCalls == nil {
		c.OwnCalls = func(limit ratelimit.Limit) Limiter {
			return ratelimit.Alone{Local: ratelimit.NewLocal(limit, ownRemembered, c.Now)}
		}
	}
	if c.WrongKeys == nil {
		c.WrongKeys = alone(c.Limits.WrongKeyRate, c.Limits.WrongKeyBurst)
	}
}

// limitCalls spends as many tokens of the key that makes the call as the call still costs, and says in the
// headers what is left.
func (a *API) limitCalls(ctx context.Context, cost int) error {
	c := callOf(ctx)
	cost -= c.paid
	result := a.limiterOf(c.key).Allow(ctx, c.key.ID, cost)
	setLimitHeaders(c.answer, "key", result)
	if result.Allowed {
		c.paid += cost
		return nil
	}
	if c.paid+cost > result.Limit { // who comes again has to pay all of it again
		result.RetryAfter = ratelimit.Never
	}
	return limited("This key makes too many calls.", result)
}

// limiterOf returns what limits the calls of a key. Keys with the same limit of their own have one limiter.
func (a *API) limiterOf(key shortener.APIKey) Limiter {
	if key.Rate <= 0 {
		return a.config.Calls
	}
	limit := ratelimit.Limit{Rate: key.Rate, Burst: key.Burst}
	if known, ok := a.ownLimits.Load(limit); ok {
		return known.(Limiter) //nolint:forcetypeassert // nothing else is stored
	}
	made, _ := a.ownLimits.LoadOrStore(limit, a.config.OwnCalls(limit))
	return made.(Limiter) //nolint:forcetypeassert // nothing else is stored
}

// limitWrongKeys spends a token of the address that showed a wrong key. A right one costs nothing, so
// that nobody is locked out by a neighbour.
func (a *API) limitWrongKeys(ctx huma.Context) error {
	result := a.config.WrongKeys.Allow(ctx.Context(), clientOf(ctx.Header(ClientHeader), ctx.RemoteAddr()), 1)
	if result.Allowed {
		return nil
	}
	setLimitHeaders(callOf(ctx.Context()).answer, "wrong-keys", result)
	return limited("Too many wrong keys came from your address.", result)
}

func setLimitHeaders(answer http.Header, name string, result ratelimit.Result) {
	limit, policy := result.Headers(name)
	answer.Set("RateLimit", limit)
	answer.Set("RateLimit-Policy", policy)
}

func limited(message string, result ratelimit.Result) error {
	if result.RetryAfter == ratelimit.Never {
		return shortener.Errorf(shortener.Limited, "%s This costs more than the limit, %d, ever allows at once.", message, result.Limit)
	}
	p := shortener.Errorf(shortener.Limited, "%s Come back in %s second(s).", message, result.RetryAfterSeconds())
	p.RetryAfter = result.RetryAfter
	return p
}
