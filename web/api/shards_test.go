package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"snowlink/shortener"
	"snowlink/web/api"
)

// shardSet is a membership in memory: what it is asked to do it does at once, and never moves anything.
type shardSet struct {
	epoch   uint64
	names   []string
	weights map[string]int
	down    bool
}

func (s *shardSet) Shards(context.Context) (api.Shards, error) {
	if s.down {
		return api.Shards{}, shortener.Errorf(shortener.Unavailable, "The event store does not answer.")
	}
	out := api.Shards{Epoch: s.epoch, Phase: "settled", Slots: 16384}
	for _, name := range s.names {
		out.Shards = append(out.Shards, api.Shard{Name: name, Weight: s.weights[name], State: "member"})
	}
	return out, nil
}

func (s *shardSet) ExplainShard(_ context.Context, ref shortener.Ref) (api.ShardExplanation, error) {
	return api.ShardExplanation{Domain: ref.Domain, Code: ref.Code, Slot: 7, Owner: s.names[0], Found: []api.ShardCopy{}}, nil
}

func (s *shardSet) AddShard(_ context.Context, name, url string, weight int) ([]string, error) {
	if _, has := s.weights[name]; has {
		p := shortener.Errorf(shortener.Taken, "The name %s is in use.", name)
		p.Slug = "shard-exists"
		return nil, p
	}
	if !strings.HasPrefix(url, "redis://") {
		return nil, shortener.InvalidField("url", "invalid-shard", "This is no address of a Redis.")
	}
	s.epoch++
	s.names, s.weights[name] = append(s.names, name), weight
	return []string{"it keeps nothing over a restart"}, nil
}

func (s *shardSet) RemoveShard(_ context.Context, name string) error {
	if _, has := s.weights[name]; !has {
		return shortener.Errorf(shortener.NotFound, "There is no shard %s.", name)
	}
	s.epoch++
	return nil
}

func (s *shardSet) RebalanceShards(_ context.Context, weights map[string]int) error {
	s.epoch++
	for name, weight := range weights {
		s.weights[name] = weight
	}
	return nil
}

func newShardWorld(t *testing.T) (*world, *shardSet) {
	s := &shardSet{epoch: 1, names: []string{"a"}, weights: map[string]int{"a": 1}}
	return newWorld(t, func(c *api.Config) { c.Shards = s }), s
}

func TestShardsAreShownAndChangedByOwners(t *testing.T) {
	w, s := newShardWorld(t)
	listed := decode[api.Shards](w.call("GET", "/api/v1/shards", owner, "").status(http.StatusOK))
	if listed.Epoch != 1 || len(listed.Shards) != 1 || listed.Shards[0].Name != "a" || listed.Move != nil {
		t.Errorf("listed %+v, want epoch 1 with shard a and no move", listed)
	}
	change := decode[api.ShardChange](w.call("POST", "/api/v1/shards", owner,
		`{"name":"b","url":"redis://10.0.0.2:6379","weight":3}`).status(http.StatusAccepted))
	if change.Epoch != 2 || len(change.Shards.Shards) != 2 || s.weights["b"] != 3 || len(change.Warnings) != 1 {
		t.Errorf("adding b led to %+v, want epoch 2, two shards, b of weight 3 and one warning", change)
	}
	w.call("POST", "/api/v1/shards", owner, `{"name":"c","url":"redis://10.0.0.3:6379"}`).status(http.StatusAccepted)
	if s.weights["c"] != 1 {
		t.Errorf("a shard without a weight got %d, want 1", s.weights["c"])
	}
	w.call("POST", "/api/v1/shards/rebalance", owner, `{"weights":{"a":5}}`).status(http.StatusAccepted)
	if s.weights["a"] != 5 {
		t.Errorf("a has the weight %d, want 5", s.weights["a"])
	}
	change = decode[api.ShardChange](w.call("DELETE", "/api/v1/shards/b", owner, "").status(http.StatusAccepted))
	if change.Epoch != 5 || change.Warnings == nil {
		t.Errorf("removing b led to epoch %d with warnings %v, want 5 and an empty list", change.Epoch, change.Warnings)
	}
	explained := decode[api.ShardExplanation](w.call("GET", "/api/v1/shards/explain/abc?domain=go.example.org", owner, "").status(http.StatusOK))
	if explained.Code != "abc" || explained.Domain != "go.example.org" || explained.Owner != "a" {
		t.Errorf("explained %+v, want abc of go.example.org on a", explained)
	}
}

func TestShardsRefusals(t *testing.T) {
	w, s := newShardWorld(t)
	for name, c := range map[string]struct {
		method, path, key, body string
		status                  int
	}{
		"no key":            {"GET", "/api/v1/shards", "", "", 401},
		"an editor":         {"POST", "/api/v1/shards", editor, `{"name":"b","url":"redis://h:1"}`, 403},
		"a used name":       {"POST", "/api/v1/shards", owner, `{"name":"a","url":"redis://h:1"}`, 409},
		"no address":        {"POST", "/api/v1/shards", owner, `{"name":"b","url":"h:1"}`, 422},
		"a name of spaces":  {"POST", "/api/v1/shards", owner, `{"name":"b c","url":"redis://h:1"}`, 422},
		"a negative weight": {"POST", "/api/v1/shards", owner, `{"name":"b","url":"redis://h:1","weight":-1}`, 422},
		"an unknown member": {"POST", "/api/v1/shards", owner, `{"name":"b","url":"redis://h:1","epoch":1}`, 422},
		"an unknown shard":  {"DELETE", "/api/v1/shards/z", owner, "", 404},
		"an unknown domain": {"GET", "/api/v1/shards/explain/ab?domain=other.example", owner, "", 422},
	} {
		w.call(c.method, c.path, c.key, c.body).status(c.status)
		if s.epoch != 1 {
			t.Errorf("%s: the membership has changed", name)
		}
	}
	s.down = true
	w.call("GET", "/api/v1/shards", owner, "").status(http.StatusServiceUnavailable)
}
