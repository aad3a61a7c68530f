package fleet

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// A book knows what each link may lead to at each moment, from what the service acknowledged. It is safe
// for concurrent use.
type book struct {
	seeds int // links that were there before: seedCode(0) and on

	mu      sync.Mutex
	links   map[string]*history // all but the seeds that were never edited
	created []string
	touched []touch // creates and edits in the order in which they were answered
}

// history is what a link has led to. Whoever edits a link waits for the answer before the next edit.
type history struct {
	tenures []tenure
	doubt   bool // whether the last edit was made is not known: both targets are right for ever
	busy    bool // an edit is under way
}

// A tenure is the time of one target.
type tenure struct {
	target string
	from   time.Time // when it was asked for
	until  time.Time // when the next was acknowledged; zero if it was not
}

type touch struct {
	code string
	at   time.Time
}

func newBook(seeds int) *book { return &book{seeds: seeds, links: map[string]*history{}} }

const seedPrefix = "seed-"

func seedCode(i int) string { return fmt.Sprintf(seedPrefix+"%07d", i) }

// nthTarget returns the nth target of a link, in the form in which the service stores it.
func nthTarget(code string, n int) string {
	return fmt.Sprintf("https://www.example.com/articles/%s?version=%d", code, n)
}

// of returns the history of a link. The caller holds the lock.
func (b *book) of(code string) *history {
	h, ok := b.links[code]
	if !ok {
		h = &history{tenures: []tenure{{target: nthTarget(code, 1)}}}
		b.links[code] = h
	}
	return h
}

// create remembers a link that was answered 201. It returns false if the code was given before.
func (b *book) create(code, target string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, taken := b.links[code]; taken || strings.HasPrefix(code, seedPrefix) {
		return false
	}
	b.links[code] = &history{tenures: []tenure{{target: target}}}
	b.created = append(b.created, code)
	b.touched = append(b.touched, touch{code, now})
	return true
}

// begin chooses the next target of a link, which counts from now on beside the one it has. It returns
// false if the link must be left alone.
func (b *book) begin(code string, now time.Time) (target string, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.of(code)
	if h.busy || h.doubt {
		return "", false
	}
	h.busy = true
	target = nthTarget(code, len(h.tenures)+1)
	h.tenures = append(h.tenures, tenure{target: target, from: now})
	return target, true
}

// end says what became of the edit that begin began: the time of the target before it is over, or
// nobody knows.
func (b *book) end(code string, acknowledged bool, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.of(code)
	h.busy, h.doubt = false, !acknowledged
	if acknowledged {
		h.tenures[len(h.tenures)-2].until = now
	}
	b.touched = append(b.touched, touch{code, now})
}

// judge says whether a link may lead to target for somebody who asked and was answered at these times.
// If so, lag is for how long another target had been acknowledged when it was asked.
func (b *book) judge(code, target string, asked, answered time.Time) (lag time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h, kept := b.links[code]
	if !kept {
		return 0, target == nthTarget(code, 1)
	}
	for _, t := range h.tenures {
		if t.target != target || t.from.After(answered) {
			continue
		}
		if t.until.IsZero() {
			return 0, true
		}
		return max(0, asked.Sub(t.until)), true
	}
	return 0, false
}

// settled returns what a link leads to in the end: one target, or two if an edit is in doubt.
func (b *book) settled(code string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var targets []string
	for _, t := range b.of(code).tenures {
		if t.until.IsZero() {
			targets = append(targets, t.target)
		}
	}
	return targets
}

// hot is how many of the seeds are followed all the time.
const hot = 100

// draw picks a link to follow: one that was made or edited a moment ago, a hot one, or any.
func (b *book) draw(now time.Time) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch p := rand.Float64(); {
	case p < 0.4:
		if lately := b.since(now.Add(-3 * time.Second)); len(lately) > 0 {
			return lately[rand.IntN(len(lately))].code
		}
	case p < 0.7:
		return b.hot()
	}
	return b.any()
}

// since returns what was touched after a moment.
func (b *book) since(then time.Time) []touch {
	i := len(b.touched)
	for i > 0 && b.touched[i-1].at.After(then) {
		i--
	}
	return b.touched[i:]
}

// drawEdit picks a link to edit.
func (b *book) drawEdit() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if rand.IntN(2) == 0 {
		return b.hot()
	}
	return b.any()
}

func (b *book) hot() string { return seedCode(rand.IntN(min(hot, b.seeds))) }

func (b *book) any() string {
	if i := rand.IntN(b.seeds + len(b.created)); i >= b.seeds {
		return b.created[i-b.seeds]
	}
	return seedCode(rand.IntN(b.seeds))
}

// all returns the codes of every link that the service answered for: those that were created or
// edited, and the first of the others until there are enough.
func (b *book) all(enough int) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var codes []string
	for code := range b.links {
		codes = append(codes, code)
	}
	for i := range b.seeds {
		if len(codes) >= enough {
			break
		}
		if _, kept := b.links[seedCode(i)]; !kept {
			codes = append(codes, seedCode(i))
		}
	}
	return codes
}
