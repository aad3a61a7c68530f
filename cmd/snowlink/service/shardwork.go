package service

import (
	"context"

	"snowlink/cmd/snowlink/config"
	"snowlink/storage/linkshards"
)

// joinWorker sees to it that clicks which are kept in a file are kept in one.
func (s *service) joinWorker(ctx context.Context) error {
	if !s.cfg.Postgres() || s.cfg.ClickHouse() {
		return nil // no other process has the links, or all have the clicks
	}
	return s.processes.checkAlone(ctx)
}

// shardWork is the singleton that keeps the link shards of an installation.
const shardWork = "shards:"

// runShardWork starts what keeps the link shards as the event store says: one process of an installation
// does it at a time.
func (s *service) runShardWork() {
	s.gauge("snowlink_projector_lag_events", "Link events that the shards' projector has not looked at yet.",
		func() float64 { return float64(s.lag.Load()) })
	projector := linkshards.NewProjector(linkshards.ProjectorConfig{
		Log: s.stores.events, Shards: s.shards.links, Name: "link shards", Logger: s.host.Logger,
		AtHead: s.shards.volatile, OnLag: s.lag.Store,
	})
	if s.shards.volatile {
		s.background.start("projector", projector.Run)
		return
	}
	mover := linkshards.NewMover(linkshards.MoverConfig{
		Memberships: s.memberships, Links: s.stores.events, Shards: s.shards.links,
		Logger: s.host.Logger, Waiting: s.processes.late, OnProgress: s.moveProgress().tell,
	})
	verifier := linkshards.NewVerifier(s.shards.links, s.stores.events, 0, s.host.Logger)
	s.background.start("link shards", singleton{
		name: shardWork + s.installation, holder: s.identity, client: s.coordination.client, log: s.host.Logger,
		work: []func(context.Context) error{projector.Run, verifier.Run, mover.Run},
	}.run)
}

func (s *service) moveProgress() *moveProgress {
	return &moveProgress{client: s.coordination.client, key: "move:" + s.installation}
}

// vitals are what this process tells the others of itself.
func (s *service) vitals() vitals {
	return vitals{epoch: s.shards.links.Epoch(), pending: s.ownPendingClicks(), ownStore: s.cfg.Plays(config.Worker) && !s.cfg.ClickHouse(), roles: s.cfg.Roles}
}
