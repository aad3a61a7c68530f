package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"snowlink/shortener"
	"snowlink/storage/eventstore"
)

// Few of each, so that they meet.
var (
	drawCode   = rapid.StringMatching(`[a-c_%]{1,2}`)
	drawDomain = rapid.SampledFrom([]string{"", "go.example"})
	drawTags   = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"red", "blue", "Grün", "100%"}), 0, 3, rapid.ID[string])
	drawText   = rapid.SampledFrom([]string{"", "Summer Sale", "ÄPFEL & pears", "a_b", "50%", `back\slash`})
	drawMoment = rapid.Custom(func(t *rapid.T) *time.Time {
		if rapid.Bool().Draw(t, "none") {
			return nil
		}
		at := start.Add(time.Duration(rapid.IntRange(-5, 5).Draw(t, "hours")) * time.Hour)
		return &at
	})
	drawContent = rapid.Custom(func(t *rapid.T) shortener.Content {
		tags := drawTags.Draw(t, "tags")
		slices.Sort(tags)
		return shortener.Content{
			Target: "https://" + rapid.SampledFrom([]string{"one", "two"}).Draw(t, "host") + ".example/",
			Title:  drawText.Draw(t, "title"), Note: drawText.Draw(t, "note"), Tags: tags, RedirectStatus: 302,
			StartsAt: drawMoment.Draw(t, "starts"), ExpiresAt: drawMoment.Draw(t, "expires"),
			ForwardQuery: rapid.Bool().Draw(t, "forward"),
		}
	})
)

// live puts a random history into the log and returns the links as they should be.
func live(t *rapid.T, tt testing.TB, log eventstore.Store) map[shortener.Ref]shortener.Link {
	model := make(map[shortener.Ref]shortener.Link)
	for range rapid.IntRange(1, 25).Draw(t, "commits") {
		r := shortener.Ref{Domain: drawDomain.Draw(t, "domain"), Code: drawCode.Draw(t, "code")}
		content := drawContent.Draw(t, "content")
		var c shortener.Commit
		if before, ok := model[r]; !ok {
			c = creation(r, content)
		} else {
			kind := rapid.SampledFrom([]shortener.EventType{
				shortener.LinkEdited, shortener.LinkDisabled, shortener.LinkEnabled, shortener.LinkDeleted, shortener.LinkRestored,
			}).Draw(t, "kind")
			if c = commit(before, kind, carried(kind, &content)); len(c.After.Tags) == 0 {
				c.After.Tags = nil
			}
		}
		link := mustAppend(tt, log, c)
		model[r] = link
	}
	return model
}

// carried returns the content for the events that carry one.
func carried(kind shortener.EventType, c *shortener.Content) *shortener.Content {
	if kind == shortener.LinkEdited {
		return c
	}
	return nil
}

func lists(t *testing.T, logs EventLogs) {
	rapid.Check(t, func(rt *rapid.T) {
		log := logs.Open(t, logs.Place(t), time.Now)
		defer log.Close()
		model := live(rt, t, log)
		for range 5 {
			q := shortener.LinkQuery{
				Text: rapid.SampledFrom([]string{"", "summer", "SALE sum", "äpfel", "_", "%", `\`, "one.ex a", "nowhere", "grün"}).Draw(rt, "text"),
				Tag:  rapid.SampledFrom([]string{"", "", "red", "100%", "none"}).Draw(rt, "tag"),
				Status: rapid.SampledFrom([]shortener.Status{
					"", shortener.StatusActive, shortener.StatusScheduled, shortener.StatusExpired, shortener.StatusDisabled, shortener.StatusDeleted,
				}).Draw(rt, "status"),
				Sort:  rapid.SampledFrom([]shortener.Sort{"", shortener.SortCreated, shortener.SortUpdated}).Draw(rt, "sort"),
				Limit: rapid.IntRange(1, 30).Draw(rt, "limit"),
				Now:   start.Add(time.Duration(rapid.IntRange(-5, 5).Draw(rt, "now")) * time.Hour),
			}
			if rapid.Bool().Draw(rt, "by domain") {
				domain := drawDomain.Draw(rt, "of domain")
				q.Domain = &domain
			}
			got, err := log.List(t.Context(), q)
			if err != nil {
				rt.Fatalf("list %+v: %v", q, err)
			}
			if want := search(model, q); !slices.EqualFunc(got, want, equalLinks) {
				rt.Fatalf("list %+v:\ngot  %v\nwant %v", q, got, want)
			}
		}
	})
}

func equalLinks(a, b shortener.Link) bool { return reflect.DeepEqual(a, b) }

// search is what List must say, the slow way.
func search(model map[shortener.Ref]shortener.Link, q shortener.LinkQuery) []shortener.Link {
	var found []shortener.Link
	for _, l := range model {
		if selects(q, l) {
			found = append(found, l)
		}
	}
	key := func(l shortener.Link) time.Time {
		if q.Sort == shortener.SortUpdated {
			return l.UpdatedAt
		}
		return l.CreatedAt
	}
	slices.SortFunc(found, func(a, b shortener.Link) int { return key(b).Compare(key(a)) })
	return found[:min(len(found), q.Limit)]
}

func selects(q shortener.LinkQuery, l shortener.Link) bool {
	status := l.StatusAt(q.Now)
	if q.Status == "" && status == shortener.StatusDeleted || q.Status != "" && q.Status != status {
		return false
	}
	if q.Domain != nil && *q.Domain != l.Domain || q.Tag != "" && !slices.Contains(l.Tags, q.Tag) {
		return false
	}
	for _, word := range strings.Fields(strings.ToLower(q.Text)) {
		fields := append([]string{l.Code, l.Target, l.Title, l.Note}, l.Tags...)
		if !slices.ContainsFunc(fields, func(f string) bool { return strings.Contains(strings.ToLower(f), word) }) {
			return false
		}
	}
	return true
}

func pages(t *testing.T, logs EventLogs) {
	log := logs.fresh(t)
	for i := range 25 {
		c := creation(ref(fmt.Sprintf("c%02d", i)), to("https://one.example/"))
		c.Events[0].At = start.Add(time.Duration(i/10) * time.Hour) // many at one moment
		c.After.CreatedAt, c.After.UpdatedAt = c.Events[0].At, c.Events[0].At
		mustAppend(t, log, c)
	}
	for _, sort := range []shortener.Sort{shortener.SortCreated, shortener.SortUpdated} {
		q := shortener.LinkQuery{Limit: 4, Sort: sort, Now: start}
		var codes []string
		for {
			page, err := log.List(t.Context(), q)
			if err != nil {
				t.Fatalf("list: %v", err)
			}
			if len(page) == 0 {
				break
			}
			for _, l := range page {
				codes = append(codes, l.Code)
			}
			last := page[len(page)-1]
			q.After = &shortener.LinkPosition{At: last.CreatedAt, ID: last.ID}
		}
		want := make([]string, 25)
		for i := range want {
			want[24-i] = fmt.Sprintf("c%02d", i)
		}
		if !slices.Equal(codes, want) {
			t.Errorf("pages by %s:\ngot  %v\nwant %v", sort, codes, want)
		}
	}
}

func replays(t *testing.T, logs EventLogs) {
	rapid.Check(t, func(rt *rapid.T) {
		log := logs.Open(t, logs.Place(t), time.Now)
		defer log.Close()
		model := live(rt, t, log)
		var done, total int64
		if err := log.Replay(t.Context(), func(d, n int64) { done, total = d, n }); err != nil {
			rt.Fatalf("replay: %v", err)
		}
		if head, _ := log.Head(t.Context()); done != head || total != head {
			rt.Errorf("progress: got %d of %d at last, want %d of %d", done, total, head, head)
		}
		for r, want := range model {
			if got, err := log.Link(t.Context(), r); err != nil || !equalLinks(got, want) {
				rt.Fatalf("link %s after the replay:\ngot  %+v, %v\nwant %+v", r, got, err, want)
			}
		}
		if report, err := log.Verify(t.Context(), nil); err != nil || !report.OK() || report.Links != int64(len(model)) {
			rt.Fatalf("verify after the replay: got %+v, %v; want %d links without a fault", report, err, len(model))
		}
	})
}
