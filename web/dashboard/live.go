package dashboard

import (
	"net/http"
	"net/url"
	"time"

	"snowlink/web/api"
)

// liveScreen is the screen of what happens now: the last half hour, and each click as it comes.
type liveScreen struct {
	Minutes panel[api.Series]
}

const liveSpan = 30 * time.Minute

func (d *Dashboard) live(w http.ResponseWriter, r *http.Request, v *visit) error {
	now := d.now()
	var body liveScreen
	body.Minutes.load(r.Context(), v.client, "/analytics/timeseries", url.Values{
		"from": {now.Add(-liveSpan).UTC().Format(time.RFC3339)}, "to": {now.Add(time.Minute).UTC().Format(time.RFC3339)},
		"interval": {"minute"}, "tz": {v.Zone.String()},
	})
	d.write(w, r, http.StatusOK, "live", v.T("Live"), "live", v, body)
	return nil
}
