package edge

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/bits"
	"net/netip"
	"sync/atomic"
	"time"
)

// Salts gives the key under which the visitors of a UTC day are hashed. All edges get the same for the
// same day, and nobody has it once the day is over.
type Salts interface {
	Salt(ctx context.Context, day time.Time) ([16]byte, error)
}

const (
	daySeconds = 24 * 60 * 60
	saltAhead  = 5 * time.Minute  // before midnight the next day's salt is asked for
	saltLooks  = 30 * time.Second // between looks at the clock
	saltRetry  = 2 * time.Second  // after a failure, and the time a call may take
)

// salter hashes visitors. It never makes a visitor wait for a salt: while there is none for the day it
// uses a random one of its own, under which people are told apart, but not recognized by other edges.
type salter struct {
	source Salts
	log    *slog.Logger
	days   [2]atomic.Pointer[salt] // even days and odd days
}

type salt struct {
	day     int64 // since 1970
	key     [16]byte
	private bool // of this process: to be replaced as soon as the day's own is known
}

func newSalter(source Salts, log *slog.Logger, now time.Time) *salter {
	s := &salter{source: source, log: log}
	for i := range s.days {
		s.days[i].Store(privateSalt(now.Unix()/daySeconds + 1))
		now = now.Add(-daySeconds * time.Second)
	}
	return s
}

func privateSalt(day int64) *salt {
	k := &salt{day: day, private: true}
	_, _ = rand.Read(k.key[:]) // never fails
	return k
}

// visitor returns who came, as a number that cannot be led back to the address without the salt, and
// means nothing on any other day.
func (s *salter) visitor(now time.Time, addr netip.Addr, agent string) uint64 {
	day := now.Unix() / daySeconds
	k := s.days[day&1].Load()
	key := k.key
	if k.day != day { // the clock has jumped, and run has not looked at it since
		key[0] ^= byte(day)
		key[1] ^= byte(day >> 8)
	}
	return sipHash(key, addr.As16(), agent)
}

// run keeps the salts of today, and before midnight of tomorrow, until ctx ends. The salts of other
// days are forgotten.
func (s *salter) run(ctx context.Context, now func() time.Time) {
	for {
		wait := saltLooks
		if err := s.refresh(ctx, now()); err != nil && ctx.Err() == nil {
			s.log.Warn("no salt for visitors; using one of this process", "error", err)
			wait = saltRetry
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (s *salter) refresh(ctx context.Context, now time.Time) error {
	today := now.Unix() / daySeconds
	next := now.Add(saltAhead).Unix() / daySeconds
	if next == today && s.days[(today+1)&1].Load().day != today+1 {
		s.days[(today+1)&1].Store(privateSalt(today + 1))
	}
	if err := s.fetch(ctx, today); err != nil {
		return err
	}
	return s.fetch(ctx, next)
}

// fetch makes sure of a salt of the day: its own, or until that can be had a private one.
func (s *salter) fetch(ctx context.Context, day int64) error {
	slot := &s.days[day&1]
	if k := slot.Load(); k.day != day {
		slot.Store(privateSalt(day))
	} else if !k.private {
		return nil
	}
	if s.source == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, saltRetry)
	defer cancel()
	key, err := s.source.Salt(ctx, time.Unix(day*daySeconds, 0).UTC())
	if err != nil {
		return fmt.Errorf("get the salt of the day: %w", err)
	}
	slot.Store(&salt{day: day, key: key})
	return nil
}

// sipHash is SipHash-2-4 (Aumasson and Bernstein, 2012) of the address followed by the agent.
func sipHash(key, addr [16]byte, agent string) uint64 {
	k0, k1 := binary.LittleEndian.Uint64(key[:8]), binary.LittleEndian.Uint64(key[8:])
	v0, v1, v2, v3 := k0^0x736f6d6570736575, k1^0x646f72616e646f6d, k0^0x6c7967656e657261, k1^0x7465646279746573
	v0, v1, v2, v3 = sipWord(v0, v1, v2, v3, binary.LittleEndian.Uint64(addr[:8]))
	v0, v1, v2, v3 = sipWord(v0, v1, v2, v3, binary.LittleEndian.Uint64(addr[8:]))
	last := uint64(len(addr)+len(agent)) << 56
	for ; len(agent) >= 8; agent = agent[8:] {
		v0, v1, v2, v3 = sipWord(v0, v1, v2, v3, binary.LittleEndian.Uint64(bytesOf(agent[:8])))
	}
	for i := range len(agent) {
		last |= uint64(agent[i]) << (8 * i)
	}
	v0, v1, v2, v3 = sipWord(v0, v1, v2, v3, last)
	v2 ^= 0xff
	for range 4 {
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	}
	return v0 ^ v1 ^ v2 ^ v3
}

// sipWord and sipRound hand the state on by value, which keeps it in registers.
func sipWord(v0, v1, v2, v3, m uint64) (uint64, uint64, uint64, uint64) {
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3^m)
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	return v0 ^ m, v1, v2, v3
}

func sipRound(v0, v1, v2, v3 uint64) (uint64, uint64, uint64, uint64) {
	v0 += v1
	v2 += v3
	v1 = bits.RotateLeft64(v1, 13) ^ v0
	v3 = bits.RotateLeft64(v3, 16) ^ v2
	v0 = bits.RotateLeft64(v0, 32)
	v2 += v1
	v0 += v3
	v1 = bits.RotateLeft64(v1, 17) ^ v2
	v3 = bits.RotateLeft64(v3, 21) ^ v0
	v2 = bits.RotateLeft64(v2, 32)
	return v0, v1, v2, v3
}
