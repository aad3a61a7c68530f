package shortener

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var testKey = []byte("0123456789abcdef0123456789abcdef")

func newCodes(t testing.TB, node int, notBefore time.Time) *Codes {
	t.Helper()
	c, err := NewCodes(node, testKey, notBefore)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustNext(t testing.TB, c *Codes) (id, code string) {
	t.Helper()
	id, code, err := c.Next()
	if err != nil {
		t.Fatal(err)
	}
	return id, code
}

func TestAMillionCodesAreDistinctAndShowNoOrder(t *testing.T) {
	const n = 1_000_000
	nodes := make([]*Codes, MaxNode+1)
	for i := range nodes {
		nodes[i] = newCodes(t, i, time.Time{})
	}
	codes, ids := make([]string, n), make(map[string]bool, n)
	for i := range codes {
		id, code := mustNext(t, nodes[i%len(nodes)])
		if len(code) != codeLen || strings.Trim(code, base62) != "" {
			t.Fatalf("code %q, want %d base62 characters", code, codeLen)
		}
		codes[i], ids[id] = code, true
	}
	if len(ids) != n {
		t.Errorf("%d different ids, want %d", len(ids), n)
	}
	order := make([]int, n) // order[rank of the code] = turn in which it was made
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(codes[a], codes[b]) })
	for rank := 1; rank < n; rank++ {
		if codes[order[rank]] == codes[order[rank-1]] {
			t.Fatalf("code %s was made twice", codes[order[rank]])
		}
	}
	if r := spearman(order); math.Abs(r) >= 0.01 {
		t.Errorf("rank correlation of turn and code = %f, want it under 0.01", r)
	}
}

// spearman returns the rank correlation of the indices of a permutation with what is at them.
func spearman(order []int) float64 {
	n, sum := float64(len(order)), 0.0
	for i, j := range order {
		d := float64(i - j)
		sum += d * d
	}
	return 1 - 6*sum/(n*(n*n-1))
}

func TestSpearmanSeesAnOrder(t *testing.T) {
	for _, tc := range []struct {
		order []int
		want  float64
	}{{[]int{0, 1, 2, 3}, 1}, {[]int{3, 2, 1, 0}, -1}, {[]int{1, 3, 0, 2}, 0}} {
		if got := spearman(tc.order); math.Abs(got-tc.want) > 1e-9 {
			t.Errorf("spearman(%v) = %f, want %f", tc.order, got, tc.want)
		}
	}
}

func TestNodesShareNoIDs(t *testing.T) {
	var wg sync.WaitGroup
	made := make([][]string, 4)
	for node := range made {
		codes := newCodes(t, node, time.Time{})
		var mu sync.Mutex
		for range 2 { // callers a node
			wg.Go(func() {
				for range 1000 {
					id, _, err := codes.Next()
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					made[node] = append(made[node], id)
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	seen := make(map[string]int)
	for node, ids := range made {
		for _, id := range ids {
			if other, ok := seen[id]; ok {
				t.Fatalf("nodes %d and %d both made id %s", other, node, id)
			}
			seen[id] = node
			if n, _ := strconv.Atoi(id); n>>stepBits&MaxNode != node {
				t.Fatalf("id %s is of node %d, want %d", id, n>>stepBits&MaxNode, node)
			}
		}
	}
}

func TestIDsRiseAndTellTheTime(t *testing.T) {
	codes := newCodes(t, 3, time.Time{})
	if got := codes.HighWater(); !got.IsZero() {
		t.Errorf("HighWater before the first id = %v, want zero", got)
	}
	before := time.Now().Truncate(time.Millisecond)
	last := 0
	for range 100 {
		id, code := mustNext(t, codes)
		n, err := strconv.Atoi(id)
		if err != nil || n <= last {
			t.Fatalf("id %q after %d, want a greater number", id, last)
		}
		if got := codes.permutation.Decode(number(code)); got != uint64(n) {
			t.Fatalf("code %s stands for %d, want %d", code, got, n)
		}
		last = n
	}
	if got := codes.HighWater(); got.Before(before) || got.After(time.Now()) || !got.Equal(IDTime(int64(last))) {
		t.Errorf("HighWater = %v, want the time of id %d, after %v", got, last, before)
	}
}

// number undoes codeOf.
func number(code string) uint64 {
	var n uint64
	for _, c := range code {
		n = n*62 + uint64(strings.IndexRune(base62, c))
	}
	return n
}

func TestCodesHaveOneSpelling(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "00000000", 61: "0000000z", 62: "00000010", CodeSpace - 1: "zzzzzzzz", 10*62 + 36: "000000Aa",
	} {
		if got := codeOf(n); got != want || number(got) != n {
			t.Errorf("codeOf(%d) = %q, want %q", n, got, want)
		}
	}
}

// The clock of a bubble stands still while a generator spins, so that no test here asks for more than
// 32 ids in one of its milliseconds. It starts in the year 2000.
func sleepUntil(at time.Time) { time.Sleep(time.Until(at)) }

func TestAClockSetBackMakesNoIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sleepUntil(epoch.Add(time.Hour))
		highWater := time.Now().Add(3 * time.Second)
		codes := newCodes(t, 1, highWater)
		_, _, err := codes.Next()
		p, ok := errors.AsType[*Problem](err)
		if !ok || p.Kind != Unavailable || p.RetryAfter <= 0 || p.RetryAfter > 4*time.Second {
			t.Fatalf("Next before the high-water time: %v, want Unavailable with the time to wait", err)
		}
		sleepUntil(highWater)
		if id, _, err := codes.Next(); err == nil {
			t.Fatalf("Next in the very millisecond of the high-water time = %s, want an error", id)
		}
		if !codes.HighWater().IsZero() {
			t.Errorf("HighWater = %v with no id made, want zero", codes.HighWater())
		}
		time.Sleep(time.Millisecond)
		mustNext(t, codes)
	})
}

func TestTimesOutsideOfTheLayoutMakeNoIDs(t *testing.T) {
	for name, tc := range map[string]struct {
		at time.Time
		ok bool
	}{
		"before the epoch":                {epoch.Add(-time.Hour), false},
		"a millisecond before the epoch":  {epoch.Add(-time.Millisecond), false},
		"a millisecond after it":          {epoch.Add(time.Millisecond), true},
		"six and a half years later":      {epoch.AddDate(6, 6, 0), true},
		"when the codes are used up":      {epoch.Add(CodeSpace >> (nodeBits + stepBits) * time.Millisecond).Add(time.Millisecond), false},
		"the last millisecond with codes": {epoch.Add((CodeSpace>>(nodeBits+stepBits) - 1) * time.Millisecond), true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sleepUntil(tc.at)
				id, code, err := newCodes(t, 0, time.Time{}).Next()
				if (err == nil) != tc.ok || (!tc.ok && KindOf(err) != Unavailable) {
					t.Errorf("Next = %s, %s, %v; want success %v", id, code, err, tc.ok)
				}
			})
		})
	}
}

func TestGeneratorsThatCannotBe(t *testing.T) {
	for name, tc := range map[string]struct {
		node int
		key  []byte
	}{
		"node below": {-1, testKey}, "node above": {MaxNode + 1, testKey}, "no key": {0, nil}, "short key": {0, testKey[:15]},
	} {
		if _, err := NewCodes(tc.node, tc.key, time.Time{}); err == nil {
			t.Errorf("%s: NewCodes returned a generator, want an error", name)
		}
	}
}

// BenchmarkNext is bounded by the layout: 32 ids a millisecond, 31 µs each. BenchmarkNextOfAllNodes
// is not.
func BenchmarkNext(b *testing.B) {
	codes := newCodes(b, 0, time.Time{})
	for b.Loop() {
		mustNext(b, codes)
	}
}

func BenchmarkNextOfAllNodes(b *testing.B) {
	nodes := make([]*Codes, MaxNode+1)
	for i := range nodes {
		nodes[i] = newCodes(b, i, time.Time{})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		mustNext(b, nodes[i&MaxNode])
	}
}
