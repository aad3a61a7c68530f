package linkshards

import (
	"cmp"
	"log/slog"
	"regexp"
	"slices"

	"snowlink/infra/hashring"
	"snowlink/shortener"
)

// MemberSpec is a shard as the membership keeps it. The URL holds the password, if there is one.
type MemberSpec struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	Weight int    `json:"weight"` // 1 if it is 0
	// Joined is the epoch that took the shard in. What was said of an instance when it was a shard at
	// another time does not count any more.
	Joined uint64 `json:"joined"`
}

// String names the shard and its address without a password.
func (s MemberSpec) String() string { return s.Name + "=" + Redact(s.URL) }

// GoString is String: a password does not get into logs by %#v either.
func (s MemberSpec) GoString() string { return s.String() }

// LogValue is String: nor does it get into logs by slog.
func (s MemberSpec) LogValue() slog.Value { return slog.StringValue(s.String()) }

// shardName is what a shard may be called: it stands before the "=" in what ParseMembers reads.
var shardName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func checkSpec(spec MemberSpec) error {
	if !shardName.MatchString(spec.Name) {
		return shortener.InvalidField("name", "invalid-shard",
			"a shard cannot be called %q: use up to 64 letters, digits, dots, dashes and underscores, a letter or a digit first", spec.Name)
	}
	if spec.Weight > hashring.MaxWeight {
		return shortener.InvalidField("weight", "invalid-weight", "shard %s: the weight %d is over %d", spec.Name, spec.Weight, hashring.MaxWeight)
	}
	if _, err := spec.Member(); err != nil {
		return shortener.InvalidField("url", "invalid-shard", "shard %s: %v", spec.Name, err)
	}
	return nil
}

// checkAddresses refuses two shards of one address: they would be one shard, whose links it would
// both keep and not keep.
func checkAddresses(specs []MemberSpec) error {
	sorted := slices.SortedFunc(slices.Values(specs), func(a, b MemberSpec) int { return cmp.Compare(a.URL, b.URL) })
	for i := 1; i < len(sorted); i++ {
		if sorted[i].URL == sorted[i-1].URL {
			return shortener.Errorf(shortener.Conflict, "shards %s and %s have the same address: one instance can be one shard only",
				sorted[i-1].Name, sorted[i].Name)
		}
	}
	return nil
}
