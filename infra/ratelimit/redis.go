package ratelimit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed spend.lua
var spendLua string

var spendScript = redis.NewScript(spendLua)

// The keys in Redis, behind the prefix.
const (
	sinceKey = "since"
	keyBytes = 15 // of a hash: nobody shares a bucket by chance
)

func (s *Shared) bucketKey(limit, key string) string {
	mac := hmac.New(sha256.New, s.config.Secret)
	mac.Write([]byte(key))
	return s.config.Prefix + limit + ":" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:keyBytes])
}

// ask has Redis spend what the claims ask for. left is how far the buckets are from full after that.
func (s *Shared) ask(ctx context.Context, claims []Claim) (spent bool, left []time.Duration, err error) {
	keys := append(make([]string, 0, 1+len(claims)), s.config.Prefix+sinceKey)
	args := append(make([]any, 0, 1+3*len(claims)), seenArg(s.seen.Load()))
	for _, c := range claims {
		keys = append(keys, s.bucketKey(c.Limit.name, c.Key))
		args = append(args, c.Limit.gcra.interval/int64(time.Microsecond), c.Limit.gcra.burst, max(0, c.Cost))
	}
	reply, err := spendScript.Run(ctx, s.client, keys, args...).Int64Slice()
	if err != nil {
		return false, nil, fmt.Errorf("spend tokens in Redis: %w", err)
	}
	s.seen.Store(true)
	return read(reply, claims)
}

func seenArg(seen bool) int {
	if seen {
		return 1
	}
	return 0
}

var errReply = errors.New("ratelimit: a reply that makes no sense")

// read believes nothing that the script cannot have said.
func read(reply []int64, claims []Claim) (spent bool, left []time.Duration, err error) {
	if len(reply) != 1+len(claims) || reply[0] < 0 || reply[0] > 1 {
		return false, nil, errReply
	}
	left = make([]time.Duration, len(claims))
	for i, us := range reply[1:] {
		if us < 0 || us > claims[i].Limit.gcra.window/int64(time.Microsecond) {
			return false, nil, errReply
		}
		left[i] = time.Duration(us) * time.Microsecond
	}
	return reply[0] == 1, left, nil
}
