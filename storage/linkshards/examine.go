package linkshards

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"snowlink/shortener"
)

// Report is what Examine found.
type Report struct {
	RunID    string
	Version  string   // of Redis
	Keys     int64    // there now
	Warnings []string // what speaks against the shard and does not forbid it, a sentence or two each
}

// examineTimeout bounds all of Examine.
const examineTimeout = 5 * time.Second

// Examine looks at a Redis that is to become a shard, and changes nothing there. The error tells what
// is wrong with it and what to do: it cannot be reached, or does not let the user in; it is no primary
// of its own; it holds what is not this installation's; it is a shard already.
func (s *Shards) Examine(ctx context.Context, spec MemberSpec) (Report, error) {
	if err := checkSpec(spec); err != nil {
		return Report{}, err
	}
	parsed, err := spec.Member()
	if err != nil {
		return Report{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, examineTimeout)
	defer cancel()
	client := parsed.client()
	defer client.Close()
	x := examination{s: s, spec: spec, sentinels: parsed.failover != nil, client: client}
	for _, step := range []func(context.Context) error{x.reach, x.checkKind, x.checkRights, x.checkUnused, x.checkKeys} {
		if err := step(ctx); err != nil {
			return Report{}, err
		}
	}
	x.warn(ctx)
	return x.report, nil
}

// examination is one Examine under way.
type examination struct {
	s         *Shards
	spec      MemberSpec
	sentinels bool
	client    *redis.Client
	info      string
	report    Report
}

func (x *examination) refuse(format string, args ...any) error {
	return shortener.InvalidField("url", "shard-refused", "%s: %s", Redact(x.spec.URL), fmt.Sprintf(format, args...))
}

// reach asks the server what it is.
func (x *examination) reach(ctx context.Context) error {
	info, err := x.client.Info(ctx).Result()
	if err != nil {
		return x.unreached(err)
	}
	x.info = info
	x.report.RunID, x.report.Version = infoField(info, "run_id"), infoField(info, "redis_version")
	if x.report.RunID == "" {
		return x.refuse("it does not tell which run of Redis it is (run_id of INFO), so that a restart from old data would go unnoticed: use Redis 6.2 or later")
	}
	return nil
}

func (x *examination) unreached(err error) error {
	var refused redis.Error
	switch {
	case x.sentinels && errors.Is(err, redis.Nil):
		return x.refuse("the Sentinels know no primary of that name")
	case redis.HasErrorPrefix(err, "NOAUTH"):
		return x.refuse("it wants a password: write it into the address, redis://:password@host:port")
	case redis.HasErrorPrefix(err, "WRONGPASS"), redis.HasErrorPrefix(err, "AUTH"):
		return x.refuse("it refuses the user or the password of the address")
	case redis.HasErrorPrefix(err, "NOPERM"):
		return x.refuse("its user may not call INFO, which tells restarts: ACL SETUSER %s +info", x.user())
	case errors.As(err, &refused):
		return x.refuse("it answers %q", refused.Error())
	case x.sentinels:
		return x.refuse("no primary was reached by these Sentinels; are their addresses and passwords right, and is TLS? (%v)", err)
	case x.client.Options().TLSConfig != nil:
		return x.refuse("it cannot be reached from here by TLS; use redis:// if it has none (%v)", err)
	}
	return x.refuse("it cannot be reached from here; use rediss:// if it wants TLS (%v)", err)
}

func (x *examination) user() string {
	if name := x.client.Options().Username; name != "" {
		return name
	}
	return "default"
}

// checkKind refuses what is Redis and cannot be a shard.
func (x *examination) checkKind(context.Context) error {
	switch mode := infoField(x.info, "redis_mode"); {
	case mode == "sentinel":
		return x.refuse("that is a Sentinel: write redis+sentinel://host:port,…/name-of-the-primary")
	case mode == "cluster" || infoField(x.info, "cluster_enabled") == "1":
		return x.refuse("it runs in cluster mode, which splits keys by itself: use single instances (cluster-enabled no), as many as you like")
	case infoField(x.info, "role") != "master":
		return x.refuse("it is a replica of %s:%s, and takes no writes: name its primary, or all Sentinels by redis+sentinel://",
			infoField(x.info, "master_host"), infoField(x.info, "master_port"))
	}
	return nil
}

// checkRights tries what a shard is asked to do, by calls that change nothing.
func (x *examination) checkRights(ctx context.Context) error {
	const key = "l:" // of no link: a code is never empty
	var denied []string
	for _, probe := range [][]any{
		{"get", epochKey},
		{"getrange", key, 0, 0},
		{"mget", key},
		{"set", key, "", "nx", "xx"}, // a contradiction, which is looked at after the rights
		{"del", key},
		{"exists", key},
		{"dbsize"},
		{"scan", 0, "count", 1},
		{"multi"},
		{"script", "load", "return 0"},
		{"eval", "return 0", 0},
		{"evalsha", strings.Repeat("0", 40), 0},
		{"publish", changesChannel, ""},
		{"publish", membersChannel, ""},
	} {
		// A connection each: MULTI leaves one that cannot be used on.
		conn := x.client.Conn()
		err := conn.Do(ctx, probe...).Err()
		if probe[0] == "multi" && err == nil {
			err = conn.Do(ctx, "discard").Err()
		}
		_ = conn.Close()
		if redis.HasErrorPrefix(err, "NOPERM") {
			denied = append(denied, fmt.Sprint(probe[0]))
		} else if _, answered := errors.AsType[redis.Error](err); err != nil && !answered {
			return x.unreached(err)
		}
	}
	if err := x.subscribe(ctx); redis.HasErrorPrefix(err, "NOPERM") {
		denied = append(denied, "subscribe")
	} else if err != nil {
		return x.unreached(err)
	}
	if len(denied) > 0 {
		return x.refuse("its user lacks rights (%s): allow it these commands, all keys and all channels, for example ACL SETUSER %s ~* &* +@all -@dangerous +info",
			strings.Join(slices.Compact(denied), ", "), x.user())
	}
	return nil
}

func (x *examination) subscribe(ctx context.Context) error {
	sub := x.client.Subscribe(ctx, changesChannel, membersChannel)
	defer sub.Close()
	_, err := sub.ReceiveTimeout(ctx, time.Second)
	return err
}

// checkUnused refuses what is a shard under another name.
func (x *examination) checkUnused(ctx context.Context) error {
	for _, status := range x.s.Status(ctx) {
		if status.RunID != x.report.RunID || status.Name == x.spec.Name {
			continue
		}
		other := x.s.view.Load().member(status.Name)
		if other == nil || other.database() == x.client.Options().DB {
			return shortener.Errorf(shortener.Conflict, "%s is the same Redis as shard %s: use another instance", Redact(x.spec.URL), status.Name)
		}
		x.warnf("It is the same Redis as shard %s, in another database: the two fail together, and share one core and one memory.", status.Name)
	}
	return nil
}

// checkKeys refuses what holds keys of others.
func (x *examination) checkKeys(ctx context.Context) error {
	var owner *redis.StringCmd
	var size *redis.IntCmd
	if _, err := x.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		owner, size = p.Get(ctx, installationKey), p.DBSize(ctx)
		return nil
	}); err != nil && !errors.Is(err, redis.Nil) {
		return x.unreached(err)
	}
	x.report.Keys = size.Val()
	switch mine := x.s.opts.Installation; {
	case owner.Val() != "" && owner.Val() != mine:
		return x.refuse("%v", &foreignError{owner.Val()})
	case owner.Val() != "" || x.report.Keys == 0:
		return nil
	}
	keys, _, err := x.client.Scan(ctx, 0, "", 1000).Result()
	if err != nil {
		return x.unreached(err)
	}
	for _, key := range keys {
		if !slices.Contains(x.s.otherKeys(), key) {
			return x.refuse("it holds %d keys that are not of this installation, for example %.60q: use an empty instance, or empty this one by FLUSHDB if nobody needs them",
				x.report.Keys, key)
		}
	}
	return nil
}

func (x *examination) warnf(format string, args ...any) {
	x.report.Warnings = append(x.report.Warnings, fmt.Sprintf(format, args...))
}

// warn tells what speaks against the instance.
func (x *examination) warn(ctx context.Context) {
	if policy := infoField(x.info, "maxmemory_policy"); policy != "noeviction" {
		x.warnf("Its maxmemory-policy is %s: when its memory is full it deletes links, which then come from the event store, and the streams of clicks, "+
			"which are sent again and delayed. Set maxmemory-policy noeviction.", policy)
	}
	if infoField(x.info, "aof_enabled") == "0" {
		if saves, err := x.client.ConfigGet(ctx, "save").Result(); err == nil && saves["save"] == "" {
			x.warnf("It keeps nothing on disk: no link and no click is lost by that, but after a restart it is empty and has to be filled from the event store. Set appendonly yes.")
		} else {
			x.warnf("It keeps snapshots at most (appendonly no): no link and no click is lost by that, but after a restart its links are old, and are not used until all have been compared with the event store. Set appendonly yes.")
		}
	}
	// Redis tells this field only if both min-replicas settings are on.
	if x.sentinels && infoField(x.info, "min_slaves_good_slaves") == "" {
		x.warnf("It is managed by Sentinel and accepts writes without a replica (min-replicas-to-write 0): one that is cut off accepts writes that are thrown away after " +
			"the failover. Set min-replicas-to-write 1 and min-replicas-max-lag 10.")
	}
	if older(x.report.Version, 6, 2) {
		x.warnf("It is Redis %s: snowlink is tested with 6.2 and later.", x.report.Version)
	}
}

// older reports whether a version "7.0.15" is before major.minor.
func older(version string, major, minor int) bool {
	parts := strings.SplitN(version+".0", ".", 3)
	a, errA := strconv.Atoi(parts[0])
	b, errB := strconv.Atoi(parts[1])
	return errA != nil || errB != nil || a < major || a == major && b < minor
}
