package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"snowlink/storage/linkshards"
)

// membershipFile is where an edge keeps what the api told it last, to start while the api is away. It
// holds the passwords of the shards.
const membershipFile = "membership.json"

// told is what an edge knows of the installation from the api.
type told struct {
	Installation string                `json:"installation"`
	Membership   linkshards.Membership `json:"membership"`
}

// openShardsByAPI joins the shards of an edge that has no event store: by what it was told at an earlier
// time, or as soon as the api can be asked.
func (s *service) openShardsByAPI(ctx context.Context, configured []linkshards.MemberSpec, observe shardObserver) (*shardSet, error) {
	known, err := s.rememberedMembership()
	if err != nil {
		return nil, err
	}
	newest := func(ctx context.Context) (linkshards.Membership, error) {
		fresh, err := s.askMembership(ctx, known)
		if err != nil {
			return linkshards.Membership{}, err
		}
		known = fresh
		return fresh.Membership.WithAddresses(configured), nil
	}
	if known.Installation != "" {
		s.gateway.client.Belong(known.Installation)
	}
	if known.Membership.Epoch() == 0 {
		err := s.await(ctx, s.firstAPI(), func(ctx context.Context) error { _, err := newest(ctx); return err })
		if err != nil {
			return nil, err
		}
	}
	s.installation = known.Installation
	return joinShards(ctx, known.Membership.WithAddresses(configured), newest, known.Installation, s.host.Logger, observe)
}

func (s *service) rememberedMembership() (known told, err error) {
	raw, err := s.stores.folder.read(membershipFile)
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &known)
	}
	if err != nil {
		return known, fmt.Errorf("read what the api said last: %w; delete the file, and the api is asked again", err)
	}
	return known, nil
}

// askMembership asks the api, and keeps what is new.
func (s *service) askMembership(ctx context.Context, known told) (told, error) {
	installation, body, err := s.gateway.client.Membership(ctx, known.Membership.Epoch())
	if err != nil || body == nil {
		return known, err
	}
	fresh := told{Installation: installation}
	if err := fresh.Membership.UnmarshalJSON(body); err != nil {
		return known, fmt.Errorf("read the membership of the link shards: %w", err)
	}
	s.gateway.client.Belong(installation)
	raw, err := json.Marshal(fresh)
	if err != nil {
		return known, err
	}
	return fresh, s.stores.folder.write(membershipFile, raw)
}

// firstAPI waits for an api that tells a new edge its shards.
func (s *service) firstAPI() patience {
	return patience{
		what:    "an api with the same SNOWLINK_CLUSTER_SECRET and coordination store, which tells this new edge its shards",
		between: 250 * time.Millisecond,
		passes:  func(error) bool { return true },
		nudge:   func(ctx context.Context) { _ = s.gateway.apis.Look(ctx) }, // if nobody answers it is asked again
	}
}
