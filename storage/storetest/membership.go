package storetest

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	"snowlink/shortener"
)

// memberships: of many who have seen the same epoch one may make the next.
func memberships(t *testing.T, logs EventLogs) {
	place := logs.Place(t)
	log := logs.open(t, place)
	if epoch, body, err := log.Membership(t.Context()); epoch != 0 || body != nil || err != nil {
		t.Fatalf("the first membership is epoch %d, %q, %v; want none", epoch, body, err)
	}
	for epoch := uint64(1); epoch <= 3; epoch++ {
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() { errs[i] = log.PutMembership(t.Context(), epoch, fmt.Appendf(nil, "%d by %d", epoch, i)) })
		}
		wg.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner < 0:
				winner = i
			case shortener.KindOf(err) != shortener.Conflict:
				t.Errorf("epoch %d: the error of %d is %v; want one to succeed and a conflict for the others", epoch, i, err)
			}
		}
		got, body, err := log.Membership(t.Context())
		if want := fmt.Sprintf("%d by %d", epoch, winner); got != epoch || string(body) != want || err != nil {
			t.Errorf("the membership is epoch %d, %q, %v; want %q", got, body, err, want)
		}
	}
	for _, epoch := range []uint64{0, 3, 5} {
		if err := log.PutMembership(t.Context(), epoch, []byte("out of turn")); shortener.KindOf(err) != shortener.Conflict {
			t.Errorf("epoch %d after 3: the error is %v, want a conflict", epoch, err)
		}
	}
}

// walks: every link is met once, deleted ones too, whatever the size of the pages.
func walks(t *testing.T, logs EventLogs) {
	log := logs.fresh(t)
	want := map[string]shortener.Link{}
	for i := range 23 {
		link := mustAppend(t, log, creation(ref(fmt.Sprintf("walk%d", i)), to("https://walk.example/")))
		if i%5 == 0 {
			link = mustAppend(t, log, commit(link, shortener.LinkDeleted, nil))
		}
		want[link.ID] = link
	}
	for _, limit := range []int{1, 7, 23, 100} {
		met, after := 0, int64(0)
		for {
			page, err := log.LinksAfter(t.Context(), after, limit)
			if err != nil || len(page) > limit {
				t.Fatalf("a page of %d after %d: %d links, %v", limit, after, len(page), err)
			}
			if len(page) == 0 {
				break
			}
			for _, link := range page {
				id, _ := strconv.ParseInt(link.ID, 10, 64)
				if id <= after || link.Version != want[link.ID].Version || link.Ref != want[link.ID].Ref || link.State != want[link.ID].State {
					t.Errorf("after %d comes %v; want %v", after, link, want[link.ID])
				}
				after = id
				met++
			}
		}
		if met != len(want) {
			t.Errorf("pages of %d met %d links, want %d", limit, met, len(want))
		}
	}
}
