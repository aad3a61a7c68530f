package api_test

import (
	"context"
	"strconv"
	"testing"

	"snowlink/shortener"
	"snowlink/web/api"
)

func TestRolesOfNeighbouringVersionsWorkTogether(t *testing.T) {
	w := newWorld(t, func(c *api.Config) { c.Installation = "abc" })
	w.make(`{"url":"https://example.com/","code":"x"}`)
	const own = shortener.Protocol
	for version, status := range map[string]int{
		strconv.Itoa(own): 200, strconv.Itoa(own + 1): 200, strconv.Itoa(own + 2): 422, "0": 422, "-1": 422, "": 422, "one": 422,
	} {
		a := w.call("GET", "/internal/resolve?code=x", "", "", api.ClusterHeader, "cluster secret", api.ProtocolHeader, version).status(status)
		a.header(api.ProtocolHeader, strconv.Itoa(own)).header(api.InstallationHeader, "abc")
		if status == 422 {
			a.problem(422, "unknown-protocol")
		}
	}
	refused := w.call("GET", "/internal/resolve?code=x", "", "", api.ClusterHeader, "wrong", api.ProtocolHeader, "1")
	refused.problem(403, "forbidden")
	refused.header(api.ProtocolHeader, strconv.Itoa(own)).header(api.InstallationHeader, "")
}

func TestEdgesAskForTheMembership(t *testing.T) {
	w := newWorld(t, func(c *api.Config) {
		c.Installation = "abc"
		c.Membership = func(context.Context) (uint64, []byte, error) { return 7, []byte(`{"epoch":7}`), nil }
	})
	ask := func(have string) *answer {
		return w.call("GET", "/internal/membership"+have, "", "", api.ClusterHeader, "cluster secret", api.ProtocolHeader, "1").header(api.InstallationHeader, "abc")
	}
	for _, have := range []string{"", "?have=0", "?have=6"} {
		equal(t, "membership", string(ask(have).status(200).body), `{"epoch":7}`)
	}
	for _, have := range []string{"?have=7", "?have=8"} {
		equal(t, "membership that is known", string(ask(have).status(204).body), "")
	}
	ask("?have=-1").problem(422, "invalid-value")
	w.call("GET", "/internal/membership", "", "", api.ProtocolHeader, "1").problem(403, "forbidden")
}

func TestEmbeddedShardsHaveNoMembershipToTell(t *testing.T) {
	w := newWorld(t)
	w.call("GET", "/internal/membership", "", "", api.ClusterHeader, "cluster secret", api.ProtocolHeader, "1").problem(404, "not-found")
}
