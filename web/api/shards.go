package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"snowlink/shortener"
)

// ShardKeeper knows the link shards and changes their membership. A change returns as soon as it is
// decided and kept: the links move afterwards, and Shards tells how far they are.
type ShardKeeper interface {
	Shards(ctx context.Context) (Shards, error)
	ExplainShard(ctx context.Context, ref shortener.Ref) (ShardExplanation, error)
	// AddShard takes a shard in. The warnings are what speaks against it and does not forbid it.
	AddShard(ctx context.Context, name, url string, weight int) (warnings []string, err error)
	RemoveShard(ctx context.Context, name string) error
	// RebalanceShards gives shards new weights, and moves what they then have too much or too little of.
	RebalanceShards(ctx context.Context, weights map[string]int) error
}

// Shards is the membership of the link shards, and how each of them is.
type Shards struct {
	Epoch  uint64     `json:"epoch" doc:"The version of the membership. Each step of a move is one more."`
	Phase  string     `json:"phase" enum:"settled,copying,clearing" doc:"copying: links are copied to their new shards. clearing: their old copies are deleted."`
	Slots  int        `json:"slots" doc:"How many slots the links are spread over."`
	Lag    int64      `json:"lag_events" doc:"Changes of links that were not compared with the shards yet."`
	Move   *ShardMove `json:"move,omitempty" doc:"The move under way; left out if there is none."`
	Shards []Shard    `json:"shards"`
}

// ShardMove is how far a move is.
type ShardMove struct {
	Looked      int64     `json:"looked" doc:"Links looked at in this phase."`
	Links       int64     `json:"links" doc:"Links there are."`
	Moved       int64     `json:"moved" doc:"Links copied or deleted in this phase."`
	Rate        float64   `json:"rate" doc:"Links looked at a second."`
	SecondsLeft *float64  `json:"seconds_left" nullable:"true" doc:"Of this phase; null while it is not known."`
	StartedAt   time.Time `json:"started_at"`
	WaitingFor  []string  `json:"waiting_for" doc:"Processes that have not taken the membership up yet."`
	Error       string    `json:"error" doc:"What the move waits for, empty if nothing."`
}

// Shard is one of the link shards.
type Shard struct {
	Name         string  `json:"name"`
	Address      string  `json:"address" doc:"Without a password."`
	State        string  `json:"state" enum:"member,joining,leaving"`
	Weight       int     `json:"weight" doc:"Its share of the slots relative to the others'."`
	Slots        int     `json:"slots"`
	Share        float64 `json:"share" doc:"Of all slots, from 0 to 1."`
	Keys         *int64  `json:"keys" nullable:"true" doc:"Of links, and the few of leases if the shard is the coordination store too; null if it does not answer."`
	Bytes        *int64  `json:"bytes" nullable:"true" doc:"Memory of the instance; null if it does not tell."`
	BytesPerLink float64 `json:"bytes_per_link"`
	Epoch        uint64  `json:"epoch" doc:"The oldest membership whose writes the shard accepts."`
	Breaker      string  `json:"breaker" enum:"closed,open,half-open" doc:"Of the process that answers."`
	Verified     bool    `json:"verified" doc:"Whether the instance has been compared with the event store since it started. Until then its links are asked for there."`
	Role         string  `json:"role" doc:"master, as the instance says; empty if it does not tell."`
	Error        string  `json:"error" doc:"Why the shard does not answer, empty if it does."`
}

// ShardExplanation tells where a link is kept, and why.
type ShardExplanation struct {
	Domain string      `json:"domain"`
	Code   string      `json:"code"`
	Key    string      `json:"key" doc:"Of the link in its shard."`
	Slot   int         `json:"slot"`
	Owner  string      `json:"owner" doc:"The shard that the slot belongs to."`
	Before string      `json:"before" doc:"The shard that the slot belonged to before the move under way, empty if it does not move."`
	Epoch  uint64      `json:"epoch"`
	Found  []ShardCopy `json:"found" doc:"What each shard has of the link."`
	Truth  *int64      `json:"version" nullable:"true" doc:"The link's version in the event store; null if there is no such link, or the store cannot be asked."`
}

// ShardCopy is what one shard has of a link.
type ShardCopy struct {
	Shard   string `json:"shard"`
	Version *int64 `json:"version" nullable:"true" doc:"null if it has none."`
	Error   string `json:"error"`
}

func (a *API) routeShards() {
	if a.config.Shards == nil {
		return
	}
	huma.Register(a.huma, operation(http.MethodGet, "/shards", "list-shards", tagAdmin, shortener.RoleOwner, "Show the link shards"), a.listShards)
	explain := operation(http.MethodGet, "/shards/explain/{code}", "explain-shard", tagAdmin, shortener.RoleOwner, "Show where a link is kept")
	huma.Register(a.huma, explain, a.explainShard)

	add := operation(http.MethodPost, "/shards", "add-shard", tagAdmin, shortener.RoleOwner, "Add a link shard")
	add.Description = "Links move to it while everything goes on. The shard must be an empty Redis, or have belonged to this installation before."
	changesShards(&add, a.config.Limits.MaxBody)
	huma.Register(a.huma, add, a.addShard)
	remove := operation(http.MethodDelete, "/shards/{name}", "remove-shard", tagAdmin, shortener.RoleOwner, "Remove a link shard")
	remove.Description = "Its links move to the others first. A shard that is down can be removed too."
	changesShards(&remove, 0)
	remove.Errors = append(remove.Errors, http.StatusNotFound)
	huma.Register(a.huma, remove, a.removeShard)
	rebalance := operation(http.MethodPost, "/shards/rebalance", "rebalance-shards", tagAdmin, shortener.RoleOwner, "Give link shards other weights")
	changesShards(&rebalance, a.config.Limits.MaxBody)
	rebalance.Errors = append(rebalance.Errors, http.StatusNotFound)
	huma.Register(a.huma, rebalance, a.rebalanceShards)
}

// changesShards marks an operation that begins a move, which 409 refuses while another is under way.
func changesShards(op *huma.Operation, body int64) {
	op.DefaultStatus = http.StatusAccepted
	op.Errors = append(op.Errors, http.StatusConflict)
	if body > 0 {
		takesBody(op, body, bodyPatience)
	}
}

// ShardChange answers a change of the membership.
type ShardChange struct {
	Warnings []string `json:"warnings" doc:"What speaks against the shard and does not forbid it."`
	Shards
}

func (a *API) listShards(ctx context.Context, _ *struct{}) (*struct{ Body Shards }, error) {
	shards, err := a.config.Shards.Shards(ctx)
	if err != nil {
		return nil, err
	}
	return &struct{ Body Shards }{shards}, nil
}

func (a *API) explainShard(ctx context.Context, req *struct {
	Code   string `path:"code"`
	Domain string `query:"domain" doc:"Host of the link; the default domain if left out."`
},
) (*struct{ Body ShardExplanation }, error) {
	ref, err := a.config.Links.Ref(req.Domain, req.Code)
	if err != nil {
		return nil, in("query", err)
	}
	explanation, err := a.config.Shards.ExplainShard(ctx, ref)
	if err != nil {
		return nil, err
	}
	return &struct{ Body ShardExplanation }{explanation}, nil
}

func (a *API) addShard(ctx context.Context, req *struct {
	Body struct {
		Name   string `json:"name" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" patternDescription:"letters, digits, dots, dashes and underscores"`
		URL    string `json:"url" minLength:"1" maxLength:"2048" example:"redis://10.0.0.4:6379" doc:"redis://, rediss://, unix:// or redis+sentinel://"`
		Weight int    `json:"weight,omitempty" minimum:"1" maximum:"100" default:"1"`
	}
},
) (*struct{ Body ShardChange }, error) {
	warnings, err := a.config.Shards.AddShard(ctx, req.Body.Name, req.Body.URL, req.Body.Weight)
	return a.shardChange(ctx, warnings, err)
}

func (a *API) removeShard(ctx context.Context, req *struct {
	Name string `path:"name"`
},
) (*struct{ Body ShardChange }, error) {
	return a.shardChange(ctx, nil, a.config.Shards.RemoveShard(ctx, req.Name))
}

func (a *API) rebalanceShards(ctx context.Context, req *struct {
	Body struct {
		Weights map[string]int `json:"weights,omitempty" doc:"New weights by name, from 1 to 100; who is not named keeps its own."`
	}
},
) (*struct{ Body ShardChange }, error) {
	return a.shardChange(ctx, nil, a.config.Shards.RebalanceShards(ctx, req.Body.Weights))
}

// shardChange answers a change with the membership that it led to.
func (a *API) shardChange(ctx context.Context, warnings []string, err error) (*struct{ Body ShardChange }, error) {
	if err != nil {
		return nil, err
	}
	shards, err := a.config.Shards.Shards(ctx)
	if err != nil {
		return nil, err
	}
	if warnings == nil {
		warnings = []string{}
	}
	return &struct{ Body ShardChange }{ShardChange{warnings, shards}}, nil
}
