package ratelimit

import (
	"strconv"
	"time"
)

// Headers returns the values of the RateLimit and RateLimit-Policy fields (draft-ietf-httpapi-
// ratelimit-headers, since its revision 08) under a name that tells the policy from others of the
// service. Several policies are joined by ", ". When the call was refused, the time in RateLimit is that
// of Retry-After.
func (r Result) Headers(policyName string) (rateLimit, policy string) {
	reset := r.ResetAfter
	if !r.Allowed && r.RetryAfter != Never {
		reset = r.RetryAfter
	}
	name := appendString(make([]byte, 0, 64), policyName)
	policy = string(appendParam(appendParam(name, ";q=", int64(r.Limit)), ";w=", seconds(r.Window)))
	rateLimit = string(appendParam(appendParam(name, ";r=", int64(r.Remaining)), ";t=", seconds(reset)))
	return rateLimit, policy
}

// RetryAfterSeconds returns the value of the Retry-After field: whole seconds, rounded up, so that who
// waits that long is not refused again. It is "" if the call was allowed, or never can be.
func (r Result) RetryAfterSeconds() string {
	if r.Allowed || r.RetryAfter == Never {
		return ""
	}
	return strconv.FormatInt(seconds(r.RetryAfter), 10)
}

func seconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second > 0 {
		s++
	}
	return s
}

func appendParam(b []byte, name string, value int64) []byte {
	return strconv.AppendInt(append(b, name...), value, 10)
}

// appendString appends s as a String of RFC 9651, with "?" for what such a string cannot hold.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c > '~':
			b = append(b, '?')
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
