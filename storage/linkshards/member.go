package linkshards

import (
	"errors"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"snowlink/infra/breaker"
)

// member is a shard of the membership with what guards it.
type member struct {
	name    string
	spec    MemberSpec // zero if the shards are fixed
	dial    func() *redis.Client
	breaker *breaker.Breaker
	opts    *Options
	current atomic.Pointer[instance] // nil once the member has left
}

func (s *Shards) newMember(spec MemberSpec, parsed Member) *member {
	m := &member{name: spec.Name, spec: spec, dial: parsed.client, opts: &s.opts}
	m.breaker = s.guard(m.name)
	m.current.Store(m.newInstance())
	return m
}

func (s *Shards) fixedMember(shard Shard) *member {
	m := &member{name: shard.Name, opts: &s.opts}
	m.breaker = s.guard(m.name)
	m.current.Store(fixedInstance(m, shard.Client))
	return m
}

func (s *Shards) guard(name string) *breaker.Breaker {
	config := s.opts.Breaker
	config.OnChange = func(from, to breaker.State) {
		s.opts.Logger.Warn("link shard's breaker", "shard", name, "from", from.String(), "to", to.String())
		if s.opts.OnState != nil {
			s.opts.OnState(name, to)
		}
	}
	return breaker.New("link shard "+name, config)
}

// with calls f with the instance that the shard is. If a connection turns out to reach another one
// than those before it, f is called again with that: nothing was sent to it yet.
func (m *member) with(f func(*instance) error) error {
	const turns = 3 // more than that in one call is no failover but two servers behind one address
	err := errLeft
	for range turns {
		in := m.enter()
		if in == nil {
			return errLeft
		}
		err = f(in)
		in.exit()
		if !errors.Is(err, errOtherInstance) {
			return err
		}
	}
	return err
}

// enter returns the instance that the shard is, which stays open until exit; nil if the shard left.
func (m *member) enter() *instance {
	for {
		in := m.current.Load()
		if in == nil || in.enter() {
			return in
		}
	}
}

// succeed puts a new instance in the place of one that a connection has shown not to be there any more.
func (m *member) succeed(in *instance) {
	if m.current.Load() != in {
		return
	}
	next := m.newInstance()
	if !m.current.CompareAndSwap(in, next) {
		next.retire()
		return
	}
	in.retire()
}

// leave ends the connections once the calls under way have ended.
func (m *member) leave() {
	if in := m.current.Swap(nil); in != nil {
		in.retire()
	}
}

// database is the number of the database that the shard is.
func (m *member) database() int {
	in := m.enter()
	if in == nil {
		return 0
	}
	defer in.exit()
	return in.client.Options().DB
}
