package gateway

import (
	"bytes"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"snowlink/shortener"
)

// api returns an instance that knows no link, and says who it is by the headers given.
func api(status int, headers ...string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			rw.Header().Set(headers[i], headers[i+1])
		}
		rw.WriteHeader(status)
	}
}

func TestAnswersOfStrangersAreNotBelieved(t *testing.T) {
	spoken := func(version int) string { return strconv.Itoa(version) }
	const own = shortener.Protocol
	for _, tc := range []struct {
		name    string
		answers http.HandlerFunc
		said    string // in the error and the log; "": it is believed
	}{
		{"ours", api(404, protocolHeader, spoken(own), installationHeader, "mine"), ""},
		{"ours, one version later", api(404, protocolHeader, spoken(own+1), installationHeader, "mine"), ""},
		{"two versions later", api(404, protocolHeader, spoken(own+2), installationHeader, "mine"), "speaks protocol " + spoken(own+2)},
		{"before there were versions", api(404, protocolHeader, "0", installationHeader, "mine"), "speaks protocol 0"},
		{"some other program", api(404), "no api of snowlink"},
		{"some other program that forbids", api(403), "no api of snowlink"},
		{"another installation", api(404, protocolHeader, spoken(own), installationHeader, "theirs"), "installation theirs, and this process of mine"},
		{"another secret", api(403, protocolHeader, spoken(own)), "SNOWLINK_CLUSTER_SECRET"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var logs bytes.Buffer
			w := start(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&logs, nil)) }, map[string]http.HandlerFunc{"a": tc.answers})
			c := w.Client("api")
			c.Belong("mine")
			var err error
			for range 3 {
				var found bool
				if _, found, err = c.Resolve(t.Context(), shortener.Ref{Code: "x"}); found {
					t.Fatal("found a link that nobody has")
				}
			}
			if tc.said == "" {
				if err != nil {
					t.Errorf("Resolve of an unknown link: %v, want to be told that there is none", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.said) {
				t.Errorf("Resolve: %v, want an error that says %q", err, tc.said)
			}
			if n := strings.Count(logs.String(), "an api cannot be used"); n != 1 || !strings.Contains(logs.String(), tc.said) {
				t.Errorf("logged %d times, want once, with %q:\n%s", n, tc.said, &logs)
			}
		})
	}
}

func TestAnotherInstanceIsAskedInsteadOfAStranger(t *testing.T) {
	record := shortener.Record{Ref: shortener.Ref{Code: "abc"}, Version: 3, Target: "https://example.com/"}
	w := start(t, nil, map[string]http.HandlerFunc{
		"a": api(404),
		"b": func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set(protocolHeader, r.Header.Get(protocolHeader))
			_, _ = rw.Write(shortener.AppendRecord(nil, record))
		},
	})
	c := w.Client("api")
	for range 4 { // in turn
		if got, found, err := c.Resolve(t.Context(), record.Ref); got != record || !found || err != nil {
			t.Fatalf("Resolve = %+v, %v, %v, want the record from the instance that is ours", got, found, err)
		}
	}
}
