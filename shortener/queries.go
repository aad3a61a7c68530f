package shortener

import (
	"context"
	"fmt"
)

// Ref returns the ref of a code in a domain that a caller named: however its host is spelled, and
// "" for the default one whether it was named or not. The error is Invalid, of the field "domain"
// and with slug unknown-domain, if the service has no such domain. The code is taken as it is.
func (s *Service) Ref(domain, code string) (Ref, error) {
	own, ok := s.domain(domain)
	if !ok {
		return Ref{}, unknownDomain(domain)
	}
	return Ref{Domain: own, Code: code}, nil
}

func (s *Service) domain(name string) (string, bool) {
	if name == "" {
		return "", true
	}
	own, ok := s.domains[CanonicalHost(name)]
	return own, ok
}

func unknownDomain(name string) *Problem {
	return InvalidField("domain", "unknown-domain", "The service has no domain %q.", name)
}

// Link returns the link, deleted ones too. The error is NotFound if there was never one.
func (s *Service) Link(ctx context.Context, ref Ref) (Link, error) {
	l, err := s.log.Link(ctx, ref)
	if err != nil {
		return Link{}, fmt.Errorf("read link: %w", err)
	}
	return l, nil
}

// Resolve returns what a redirect needs to know of a link, deleted ones too, and has the view repaired,
// which the caller has just found without it. The error is NotFound if there was never one.
func (s *Service) Resolve(ctx context.Context, ref Ref) (Record, error) {
	l, err := s.Link(ctx, ref)
	if err != nil {
		return Record{}, err
	}
	s.repair(ctx, l)
	return l.Record(), nil
}

// Change is an event with the link as it was before it and after it.
type Change struct {
	Event
	Before *Link // nil for the first
	After  *Link
}

// History returns all changes of a link, oldest first. The error is NotFound if there was never one.
func (s *Service) History(ctx context.Context, ref Ref) ([]Change, error) {
	events, err := s.log.Events(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	changes := make([]Change, len(events))
	var before *Link
	for i, e := range events {
		var link Link
		if before != nil {
			link = *before
		}
		after, err := link.Apply(e)
		if err != nil {
			return nil, err
		}
		changes[i] = Change{Event: e, Before: before, After: &after}
		before = &after
	}
	return changes, nil
}
