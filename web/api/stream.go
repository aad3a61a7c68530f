package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"snowlink/shortener"
)

const (
	streamPulse    = 15 * time.Second // between signs of life
	streamPatience = 10 * time.Second // for a viewer to take what is sent
	streamRetry    = "2000"           // ms after which a browser comes back
	// What is stored after a later click was: a viewer who comes back is told of that much again.
	streamOverlap = 10 * time.Second
)

func (a *API) routeStream() {
	op := operation(http.MethodGet, "/clicks/stream", "stream-clicks", tagClicks, shortener.RoleReader, "Follow clicks as they come")
	op.Description = "Server-sent events. An event `click` has every stored field; its id is to be sent as Last-Event-ID by who comes back, " +
		"and is told what came meanwhile (up to 1,000 clicks of the last hour, the last few perhaps again: `id` tells them apart). `skipped` says that " +
		"there were more than could be told, `unavailable` and `available` whether the click store answers. The filters are those of the other calls; a range is not taken."
	op.Metadata[unhurried] = true
	op.Responses = map[string]*huma.Response{"200": {
		Description: "The clicks", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: "string"}}},
	}}
	huma.Register(a.huma, op, a.stream)
}

func (a *API) stream(ctx context.Context, req *struct {
	ClickParams
	LastEventID string `header:"Last-Event-ID" maxLength:"200"`
},
) (*huma.StreamResponse, error) {
	if req.Range != "" || req.From != "" || req.To != "" {
		return nil, in("query", shortener.InvalidField("range", "invalid-range", "A stream has no range: it begins now, or behind Last-Event-ID."))
	}
	q, err := a.selectClicks(ctx, &req.ClickParams)
	if err != nil {
		return nil, err
	}
	since, err := readEventID(req.LastEventID)
	if err != nil {
		return nil, err
	}
	v, err := a.feed.join(q.query)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		defer a.feed.leave(v)
		s := stream{api: a, out: humagin.Unwrap(ctx).Writer, control: http.NewResponseController(humagin.Unwrap(ctx).Writer)}
		s.begin()
		if !since.IsZero() {
			s.catchUp(ctx.Context(), q.query, since)
		}
		if !headOnly(ctx.Context()) {
			s.follow(ctx, v)
		}
	}}, nil
}

// eventID is the time of the click in Unix ms and its id.
func eventID(c *shortener.StoredClick) string {
	return strconv.FormatInt(c.At.UnixMilli(), 10) + "." + c.ID()
}

// readEventID returns the time of an event, zero for none.
func readEventID(id string) (time.Time, error) {
	if id == "" {
		return time.Time{}, nil
	}
	text, _, _ := strings.Cut(id, ".")
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < 0 {
		return time.Time{}, shortener.InvalidField("Last-Event-ID", "invalid-event-id", "%.50q is not the id of an event: leave it away to begin now.", id)
	}
	return time.UnixMilli(ms), nil
}

// stream is one answer of server-sent events.
type stream struct {
	api     *API
	out     http.ResponseWriter
	control *http.ResponseController
	told    map[string]bool // by catchUp, for follow may come upon the same
	row     []byte
	broken  bool
}

func (s *stream) begin() {
	h := s.out.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	s.out.WriteHeader(http.StatusOK)
	s.write("retry: " + streamRetry + "\n\n")
	s.flush()
}

// catchUp tells of what was stored since a time, the newest of it if that is much.
func (s *stream) catchUp(ctx context.Context, q shortener.ClickQuery, since time.Time) {
	const longest = time.Hour
	if earliest := s.api.now().Add(-longest); since.Before(earliest) {
		since = earliest
	}
	q.From = since.Add(-streamOverlap)
	ctx, cancel := context.WithTimeout(ctx, s.api.config.Limits.Timeout)
	defer cancel()
	page, err := s.api.config.Clicks.Recent(ctx, q, feedPage)
	if err != nil {
		s.event(feedEvent{name: eventUnavailable})
	}
	slices.SortFunc(page, byTime)
	if len(page) == feedPage {
		s.event(feedEvent{name: eventSkipped})
	}
	s.told = make(map[string]bool, len(page))
	for i := range page {
		s.event(feedEvent{eventClick, &page[i]})
		s.told[page[i].ID()] = true
	}
	s.flush()
}

// follow tells of what comes, until the viewer leaves, its key is no longer valid or the service stops.
func (s *stream) follow(ctx huma.Context, v *viewer) {
	pulse := time.NewTicker(streamPulse)
	defer pulse.Stop()
	for !s.broken {
		select {
		case <-ctx.Context().Done():
			return
		case e, ok := <-v.events:
			if !ok {
				return
			}
			s.event(e)
			for range len(v.events) {
				s.event(<-v.events)
			}
		case <-pulse.C:
			if _, err := s.api.identify(ctx.Context(), ctx.Header("Authorization")); shortener.KindOf(err) == shortener.Unauthorized && err != nil {
				return
			}
			s.write(":\n\n")
		}
		s.flush()
	}
}

func (s *stream) event(e feedEvent) {
	if e.name != eventClick {
		s.write("event: " + e.name + "\ndata: {}\n\n")
		return
	}
	if s.told[e.click.ID()] {
		return
	}
	s.row = append(s.row[:0], "event: click\nid: "...)
	s.row = append(append(s.row, eventID(e.click)...), "\ndata: "...)
	s.row = append(s.api.appendJSON(s.row, e.click), '\n')
	s.write(string(s.row))
}

func (s *stream) write(text string) {
	_ = s.control.SetWriteDeadline(time.Now().Add(streamPatience)) // not every listener has deadlines
	if _, err := s.out.Write([]byte(text)); err != nil {
		s.broken = true
	}
}

func (s *stream) flush() {
	if err := s.control.Flush(); err != nil {
		s.broken = true
	}
}
