package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"snowlink/shortener"
)

// LockLister knows who holds what in the coordination store.
type LockLister interface {
	// Locks returns what is held. The error is Unavailable if nobody can be asked.
	Locks(ctx context.Context) ([]Lock, error)
}

// Lock is a name that one process holds.
type Lock struct {
	Name    string    `json:"name" doc:"node-N is the number under which a process makes codes; anything else is work that one process does at a time." example:"node-3"`
	Holder  string    `json:"holder" doc:"Identity of the process, as its metrics and its data folder have it."`
	Since   time.Time `json:"since" doc:"When it was taken."`
	Fence   int64     `json:"fence" doc:"Greater for each holder: what is written under an older one is refused."`
	Seconds float64   `json:"seconds_left" doc:"Until somebody else may have it, unless the holder lengthens it, which it does all the time."`
}

// LockList is all that is held, by name.
type LockList struct {
	Locks []Lock `json:"locks"`
}

func (a *API) routeLocks() {
	if a.config.Locks == nil {
		return
	}
	op := operation(http.MethodGet, "/locks", "list-locks", tagAdmin, shortener.RoleOwner, "Show which process holds what")
	huma.Register(a.huma, op, func(ctx context.Context, _ *struct{}) (*struct{ Body LockList }, error) {
		locks, err := a.config.Locks.Locks(ctx)
		if err != nil {
			return nil, err
		}
		return &struct{ Body LockList }{LockList{append([]Lock{}, locks...)}}, nil
	})
}
