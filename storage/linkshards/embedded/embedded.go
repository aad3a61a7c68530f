// Package embedded runs Redis instances inside this process, for an installation of one machine: they
// are dialled in memory and have no port.
//
// What they hold ends with the process. They are for what is a view, and for what will be sent again.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"snowlink/infra/memnet"
	"snowlink/storage/linkshards"
)

// Shards are instances that run in this process. The clients of all may be used for whatever Redis is
// used for; keys there expire only if somebody calls FastForward on Instances.
type Shards struct {
	instances []*miniredis.Miniredis
	shards    []linkshards.Shard

	mu     sync.Mutex
	closed bool
}

// New starts n instances, named "embedded-1" and so on.
func New(n int) (*Shards, error) {
	s := &Shards{}
	for i := range n {
		instance := miniredis.NewMiniRedis()
		// The library starts a server without a listener with the first such connection, and has no
		// other way. Connections of its own making are not used: see pipe.
		first, err := instance.Dial()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("start embedded shard %d: %w", i+1, err), s.Close())
		}
		first.Close()
		s.instances = append(s.instances, instance)
		options := linkshards.DialOptions("embedded")
		options.Dialer = func(context.Context, string, string) (net.Conn, error) { return s.dial(instance) }
		s.shards = append(s.shards, linkshards.Shard{
			Name: fmt.Sprintf("embedded-%d", i+1), Weight: 1, Client: redis.NewClient(options),
		})
	}
	return s, nil
}

// Shards returns the shards with their clients, which end with Close.
func (s *Shards) Shards() []linkshards.Shard { return s.shards }

// Instances returns the instances themselves, in the order of Shards.
func (s *Shards) Instances() []*miniredis.Miniredis { return s.instances }

// Close ends the clients and then the instances, with all that is in them.
func (s *Shards) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	for _, shard := range s.shards {
		errs = append(errs, shard.Client.Close())
	}
	for _, instance := range s.instances {
		instance.Close()
	}
	return errors.Join(errs...)
}

func (s *Shards) dial(instance *miniredis.Miniredis) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, net.ErrClosed
	}
	client, server := memnet.Pipe(0)
	instance.Server().ServeConn(server)
	return client, nil
}
