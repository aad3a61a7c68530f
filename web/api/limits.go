package api

import (
	"github.com/danielgtaylor/huma/v2"

	"snowlink/infra/ratelimit"
	"snowlink/shortener"
)

// limitCalls spends a token of the key and says in the headers what is left. The limit is of this
// process: a fleet of n allows n times as much.
func (a *API) limitCalls(ctx huma.Context, key shortener.APIKey) error {
	result := a.calls.Allow(key.ID, 1)
	setLimitHeaders(ctx, "key", result)
	if result.Allowed {
		return nil
	}
	return limited("This key makes too many calls.", result)
}

// limitWrongKeys spends a token of the address that showed a wrong key. A right one costs nothing, so
// that nobody is locked out by a neighbour.
func (a *API) limitWrongKeys(ctx huma.Context) error {
	result := a.wrong.Allow(clientOf(ctx.Header(ClientHeader), ctx.RemoteAddr()), 1)
	if result.Allowed {
		return nil
	}
	setLimitHeaders(ctx, "wrong-keys", result)
	return limited("Too many wrong keys came from your address.", result)
}

func setLimitHeaders(ctx huma.Context, name string, result ratelimit.Result) {
	limit, policy := result.Headers(name)
	ctx.SetHeader("RateLimit", limit)
	ctx.SetHeader("RateLimit-Policy", policy)
}

func limited(message string, result ratelimit.Result) error {
	p := shortener.Errorf(shortener.Limited, "%s Come back in %s second(s).", message, result.RetryAfterSeconds())
	p.RetryAfter = result.RetryAfter
	return p
}
