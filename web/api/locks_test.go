package api_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"snowlink/shortener"
	"snowlink/web/api"
)

type lockLister struct{ down bool }

func (l *lockLister) Locks(context.Context) ([]api.Lock, error) {
	if l.down {
		return nil, shortener.Errorf(shortener.Unavailable, "The coordination store does not answer.")
	}
	return []api.Lock{{Name: "node-3", Holder: "p1", Since: noon, Fence: 7, Seconds: (3 * time.Second).Seconds()}}, nil
}

func TestLocksAreShownToOwners(t *testing.T) {
	lister := &lockLister{}
	w := newWorld(t, func(c *api.Config) { c.Locks = lister })
	if got := decode[api.LockList](w.call(http.MethodGet, "/api/v1/locks", owner, "").status(200)); len(got.Locks) != 1 || got.Locks[0].Holder != "p1" {
		t.Errorf("locks are %+v", got)
	}
	w.call(http.MethodGet, "/api/v1/locks", editor, "").status(403)
	lister.down = true
	w.call(http.MethodGet, "/api/v1/locks", owner, "").problem(503, "unavailable")
}
