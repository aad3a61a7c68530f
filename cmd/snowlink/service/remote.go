package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
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
		if err := s.awaitMembership(ctx, newest); err != nil {
			return nil, err
		}
	}
	return joinShards(ctx, known.Membership.WithAddresses(configured), newest, known.Installation, s.host.Logger, observe)
}

func (s *service) rememberedMembership() (known told, err error) {
	raw, err := os.ReadFile(s.stores.folder.join(membershipFile))
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

// awaitMembership asks the api until it answers, or the process is told to stop.
func (s *service) awaitMembership(ctx context.Context, newest func(context.Context) (linkshards.Membership, error)) error {
	for failures := 0; ; failures++ {
		m, err := newest(ctx)
		if err == nil && m.Epoch() > 0 {
			return nil
		}
		if failures%20 == 0 {
			s.host.Logger.Warn("this edge is new and waits for an api that tells it its shards: start one with the same"+
				" SNOWLINK_CLUSTER_SECRET and coordination store", "error", err)
		}
		select {
		case <-s.host.Stopping:
			return errors.New("stopped while waiting for the api")
		case <-time.After(250 * time.Millisecond):
		}
		_ = s.gateway.watcher.Look(ctx) // if nobody answers it is asked again
	}
}
