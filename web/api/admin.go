package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"snowlink/shortener"
)

// Auditor checks and rebuilds the stores. An error says that a check could not be made; what it found
// is in the report.
type Auditor interface {
	VerifyEvents(ctx context.Context) (Report, error)
	ReplayEvents(ctx context.Context) (Report, error)
	VerifyClicks(ctx context.Context) (Report, error)
}

// Report is what an audit found.
type Report struct {
	OK      bool     `json:"ok" doc:"Whether nothing is wrong."`
	Checked int64    `json:"checked" doc:"How many events or clicks were looked at."`
	Faults  []string `json:"faults" doc:"What is wrong, one sentence each."`
}

func (a *API) routeAdmin() {
	if a.config.Audit == nil {
		return
	}
	for _, audit := range []struct {
		path, id, summary string
		run               func(context.Context) (Report, error)
	}{
		{"/admin/events/verify", "verify-events", "Check that the log of changes is gapless and that the links are what it says", a.config.Audit.VerifyEvents},
		{"/admin/events/replay", "replay-events", "Rebuild the links from the log of changes", a.config.Audit.ReplayEvents},
		{"/admin/clicks/verify", "verify-clicks", "Check that every click is stored once", a.config.Audit.VerifyClicks},
	} {
		op := operation(http.MethodPost, audit.path, audit.id, tagAdmin, shortener.RoleOwner, audit.summary)
		op.Metadata[unhurried] = true
		huma.Register(a.huma, op, func(ctx context.Context, _ *struct{}) (*struct{ Body Report }, error) {
			report, err := audit.run(ctx)
			if err != nil {
				return nil, err
			}
			if report.Faults == nil {
				report.Faults = []string{}
			}
			return &struct{ Body Report }{report}, nil
		})
	}
}
