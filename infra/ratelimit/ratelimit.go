// Package ratelimit says how often something may be done: a token bucket for each key, as the generic
// cell rate algorithm (GCRA) in whole nanoseconds.
//
// Over any stretch of time t, the calls that are allowed for a key cost at most Burst + Rate × t
// together. That holds for every key, at all times, however many keys there are and whatever the
// clock does.
//
// Local keeps its buckets in the memory of one process, in a table that never grows. When it is full,
// a new key takes the place of one that is nearest to a full bucket, and begins with what that one
// had left. So nobody gains tokens by being forgotten, nor by making others be forgotten, and all
// keys together are never allowed more than the buckets of the table would be. Who floods it with
// keys makes life harder for those that had tokens left, and easier for none.
//
// Shared keeps its buckets in a Redis, for many processes together. What it promises:
//
//   - While Redis remembers, the bound above is that of all processes together, by the clock of Redis. A key
//     in Redis is gone when its bucket is full.
//   - Redis is never waited for longer than a deadline. After three failures, or when one call in eleven
//     fails, it is not waited for at all: Run asks whether it is back.
//   - Without Redis a limit allows everything, or nothing, or each process counts for itself up to its share:
//     the limit divided by the processes. Over any stretch of time that is another Burst + Rate × t
//     at most, so twice the limit in all, however often Redis goes and comes. That holds for as long as
//     no process takes them for fewer than they are.
//   - A Redis that comes back empty, to processes that knew it before, begins with empty buckets: that it has
//     forgotten gives nobody anything. It does if all who knew it are gone, too.
//   - A key that has too few tokens is refused in this process until it can have gathered them: a
//     flood of calls does not reach Redis.
//   - Redis is told nothing of a key but a hash that takes a secret to make.
package ratelimit

import "time"

// A Limit is Burst at once and Rate in the long run. A Limit that has one of the two at 0 or less allows
// nothing.
type Limit struct {
	Rate  float64 // tokens a second. The time for one token is rounded up to whole nanoseconds
	Burst int     // tokens in a full bucket; no more than the Rate brings in 73 years
}

// Never is the RetryAfter of a call that can never be allowed: it costs more than a full bucket.
const Never time.Duration = 1<<63 - 1

// A Result is the answer to one call, and where it leaves the bucket.
type Result struct {
	Allowed    bool
	Remaining  int           // whole tokens that are left
	Limit      int           // tokens in a full bucket
	RetryAfter time.Duration // until the same call would be allowed, if it was not; else 0
	ResetAfter time.Duration // until the bucket is full
	Window     time.Duration // in which an empty bucket gets full
}
