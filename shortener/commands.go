package shortener

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Optional is a value that may be left out, where leaving it out and giving the zero value differ.
type Optional[T any] struct {
	Set   bool
	Value T
}

// Some returns an Optional that is set to v.
func Some[T any](v T) Optional[T] { return Optional[T]{Set: true, Value: v} }

// NewLink is the order for a link. All but URL may be left at zero.
type NewLink struct {
	URL            string
	Code           string // "": generated
	Domain         string // "" or the default one's name: the default one
	Title          string
	Note           string
	Tags           []string
	StartsAt       time.Time
	ExpiresAt      time.Time
	RedirectStatus int // 0: 302
	FallbackURL    string
	ForwardQuery   bool
}

// Patch is a change of a link: what is nil or not set stays as it is. An Optional that is set to its
// zero value takes the value away.
type Patch struct {
	URL            *string
	Title          *string
	Note           *string
	Tags           *[]string
	StartsAt       Optional[time.Time]
	ExpiresAt      Optional[time.Time]
	RedirectStatus *int // 0: 302
	FallbackURL    Optional[string]
	ForwardQuery   *bool
	Disabled       *bool
}

// CodeSource generates codes, as Codes does.
type CodeSource interface {
	Next() (id, code string, err error)
}

// ServiceConfig is what a Service is made of. Log, Codes and Targets are needed.
type ServiceConfig struct {
	Log           Log
	View          View // nil: none is kept
	Codes         CodeSource
	Targets       *Targets
	Domains       []string         // besides the default one
	DefaultDomain string           // host of the base URL: given as a domain it means ""
	Now           func() time.Time // nil: time.Now
	Logger        *slog.Logger     // nil: nothing is logged
}

// Service makes, changes and finds links: every change of a link goes through it. It holds no state
// of its own, so that any number of them may work on one Log. It is safe for concurrent use.
//
// A command that returned no error is durable. One that returned an error has changed nothing, but
// for an error of the Log itself while it committed, after which nobody knows: a Once makes such a
// command repeatable. The View is brought up after the commit as well as can be; a View that is down
// fails no command and is repaired later, from the Log.
type Service struct {
	log     Log
	view    View
	codes   CodeSource
	targets *Targets
	domains map[string]string // canonical name → domain of refs
	now     func() time.Time
	logger  *slog.Logger

	repairing chan struct{} // holds one for each repair under way
	repairs   sync.WaitGroup
	behind    occasional // links whose view is not up to date
}

// maxRepairs bounds the repairs of the view under way. One more is left to the next who finds the link
// missing there.
const maxRepairs = 64

// NewService returns a service on what cfg holds.
func NewService(cfg ServiceConfig) *Service {
	s := &Service{
		log: cfg.Log, view: cfg.View, codes: cfg.Codes, targets: cfg.Targets, now: cfg.Now, logger: cfg.Logger,
		domains: map[string]string{"": ""}, repairing: make(chan struct{}, maxRepairs),
	}
	for _, name := range cfg.Domains {
		s.domains[CanonicalHost(name)] = CanonicalHost(name)
	}
	s.domains[CanonicalHost(cfg.DefaultDomain)] = ""
	if s.now == nil {
		s.now = time.Now
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	return s
}

// attempts is how often a command is tried that lost a race: for a generated code to another link's
// chosen one, or for a version to another command.
const attempts = 5

// Create makes a link for the actor. With once it happens at most once a key: replayed is true if
// the link was made by an earlier call.
//
// The errors: Problems with every rule that n breaks; Taken if the chosen code is another link's;
// Unavailable if no code can be generated; and those of Log.Append.
func (s *Service) Create(ctx context.Context, actor string, n NewLink, once *Once) (link Link, replayed bool, err error) {
	now := s.clock()
	content, ref, problems := s.check(n, now)
	if err := problems.err(); err != nil {
		return Link{}, false, err
	}
	for attempt := 1; ; attempt++ {
		id, code, err := s.nextCode()
		if err != nil {
			return Link{}, false, err
		}
		content.ID = id
		if n.Code == "" {
			ref.Code = code
		}
		link, replayed, err := s.commit(ctx, actor, Link{Ref: ref}, once, now, change{LinkCreated, &content})
		switch {
		case err == nil:
			return link, replayed, nil
		case KindOf(err) == Taken && n.Code == "" && attempt < attempts:
			s.logger.WarnContext(ctx, "generated code is taken", "ref", ref.String(), "attempt", attempt)
		case KindOf(err) == Taken && n.Code == "":
			return Link{}, false, Errorf(Unavailable, "No free code was found: try again.").Wrap(err)
		default:
			return Link{}, false, fmt.Errorf("create link: %w", err)
		}
	}
}

// nextCode passes over those codes that are words of the service's.
func (s *Service) nextCode() (id, code string, err error) {
	for {
		id, code, err = s.codes.Next()
		if err != nil {
			return "", "", fmt.Errorf("generate code: %w", err)
		}
		if !Reserved(code) {
			return id, code, nil
		}
	}
}

// Edit changes a link. A patch that changes nothing leaves it as it is, at its version. With
// expected the link must be at that version; without, a race against another edit is run again.
//
// The errors: NotFound; Gone if the link is deleted; Conflict if it is not at the version expected;
// Problems with every rule that the changed values break; and those of Log.Append.
func (s *Service) Edit(ctx context.Context, actor string, ref Ref, p Patch, expected *int64) (Link, error) {
	return s.change(ctx, actor, ref, expected, func(l Link, now time.Time) ([]change, error) {
		if l.State == Deleted {
			return nil, gone(ref)
		}
		content, problems := s.patch(l, p, now)
		if err := problems.err(); err != nil {
			return nil, err
		}
		var changes []change
		if !content.equal(l.Content()) {
			changes = append(changes, change{LinkEdited, &content})
		}
		switch {
		case p.Disabled == nil || *p.Disabled == (l.State == Disabled):
		case *p.Disabled:
			changes = append(changes, change{LinkDisabled, nil})
		default:
			changes = append(changes, change{LinkEnabled, nil})
		}
		return changes, nil
	})
}

// Delete deletes a link; its code stays taken, and Restore brings it back. The errors are those of
// Edit.
func (s *Service) Delete(ctx context.Context, actor string, ref Ref, expected *int64) (Link, error) {
	return s.change(ctx, actor, ref, expected, func(l Link, _ time.Time) ([]change, error) {
		if l.State == Deleted {
			return nil, gone(ref)
		}
		return []change{{LinkDeleted, nil}}, nil
	})
}

// Restore makes a deleted link active again, as it was but for having been disabled. A link that is
// not deleted stays as it is. The errors are those of Edit, without Gone.
func (s *Service) Restore(ctx context.Context, actor string, ref Ref, expected *int64) (Link, error) {
	return s.change(ctx, actor, ref, expected, func(l Link, _ time.Time) ([]change, error) {
		if l.State != Deleted {
			return nil, nil
		}
		return []change{{LinkRestored, nil}}, nil
	})
}

func gone(ref Ref) error { return Errorf(Gone, "The link %q was deleted: restore it first.", ref.Code) }

// change is one event to be: data is nil for those types that have none.
type change struct {
	kind EventType
	data *Content
}

// change reads a link, lets decide say what becomes of it, and commits that.
func (s *Service) change(
	ctx context.Context, actor string, ref Ref, expected *int64, decide func(Link, time.Time) ([]change, error),
) (Link, error) {
	for attempt := 1; ; attempt++ {
		before, err := s.log.Link(ctx, ref)
		if err != nil {
			return Link{}, fmt.Errorf("read link: %w", err)
		}
		now := s.clock()
		changes, err := decide(before, now)
		switch {
		case err != nil && KindOf(err) == Gone:
			return Link{}, err
		case expected != nil && *expected != before.Version:
			return Link{}, Errorf(Conflict, "The link is at version %d, not %d: read it again.", before.Version, *expected)
		case err != nil:
			return Link{}, err
		case len(changes) == 0:
			return before, nil
		}
		after, _, err := s.commit(ctx, actor, before, nil, now, changes...)
		if err == nil {
			return after, nil
		}
		if KindOf(err) != Conflict || expected != nil || attempt == attempts {
			return Link{}, fmt.Errorf("change link: %w", err)
		}
	}
}

// commit appends the changes of a link that is before them as given, and brings the view up.
func (s *Service) commit(
	ctx context.Context, actor string, before Link, once *Once, now time.Time, changes ...change,
) (Link, bool, error) {
	after := before
	events := make([]Event, len(changes))
	for i, c := range changes {
		e := Event{ID: newEventID(), Ref: before.Ref, Version: after.Version + 1, Type: c.kind, At: now, Actor: actor}
		var err error
		if e.Data, err = c.encode(); err != nil {
			return Link{}, false, err
		}
		if after, err = after.Apply(e); err != nil {
			return Link{}, false, err
		}
		events[i] = e
	}
	link, replayed, err := s.log.Append(ctx, Commit{
		Ref: before.Ref, Expected: before.Version, Events: events, After: after, Once: once,
	})
	if err != nil {
		return Link{}, false, err
	}
	if !replayed { // a link as it was made once, which may have changed since, is nothing to show
		s.show(ctx, link)
	}
	return link, replayed, nil
}

func (c change) encode() (json.RawMessage, error) {
	if c.data == nil {
		return json.RawMessage("{}"), nil
	}
	data, err := json.Marshal(c.data)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", c.kind, err)
	}
	return data, nil
}

// viewTimeout bounds what a slow view costs a command.
const viewTimeout = 500 * time.Millisecond

// show puts a link that has changed into the view.
func (s *Service) show(ctx context.Context, l Link) { s.write(ctx, l, View.Put) }

// repair puts a link back that the view was found without. Nobody waits for it but Close: the view may be
// what does not answer.
func (s *Service) repair(ctx context.Context, l Link) {
	select {
	case s.repairing <- struct{}{}:
		s.repairs.Go(func() {
			defer func() { <-s.repairing }()
			s.write(ctx, l, View.Repair)
		})
	default:
	}
}

// Close waits for repairs of the view that are under way, which is not for long. There must be no calls
// any more.
func (s *Service) Close() { s.repairs.Wait() }

// write brings the view up. A caller that hangs up must not leave the view behind, so the deadline is
// our own.
func (s *Service) write(ctx context.Context, l Link, put func(View, context.Context, Record) error) {
	if s.view == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), viewTimeout)
	defer cancel()
	if err := put(s.view, ctx, l.Record()); err != nil {
		// A shard that takes no writes fails for every link: one of them a second tells why.
		if untold, ok := s.behind.tell(s.now()); ok {
			s.logger.WarnContext(ctx, "view not updated", "ref", l.Ref.String(), "version", l.Version, "error", err, "others", untold)
		}
	}
}

// clock returns the time as events carry it.
func (s *Service) clock() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

func newEventID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
