package clickhouse_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"snowlink/shortener"
	"snowlink/storage/clickstore/clickhouse"
)

// tap is a network that shows each statement to a test. Its caller sends it, or not.
type tap func(statement string, send func() (*http.Response, error)) (*http.Response, error)

func (t tap) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	statement := req.URL.Query().Get("query")
	if statement == "" {
		statement = string(body)
	}
	detached := req.Clone(context.WithoutCancel(req.Context()))
	return t(statement, func() (*http.Response, error) {
		detached.Body = io.NopCloser(bytes.NewReader(body))
		return http.DefaultTransport.RoundTrip(detached)
	})
}

// withhold has the first statement that begins as given fail, and returns what sends it after all.
func withhold(s *clickhouse.Store, beginning string) (sendLate func() (*http.Response, error)) {
	var late func() (*http.Response, error)
	s.Through(tap(func(statement string, send func() (*http.Response, error)) (*http.Response, error) {
		if late == nil && strings.HasPrefix(statement, beginning) {
			late = send
			return nil, errors.New("cut")
		}
		return send()
	}))
	return func() (*http.Response, error) { return late() }
}

// before calls run before the first statement that has text in it is sent.
func before(s *clickhouse.Store, text string, run func()) {
	done := false
	s.Through(tap(func(statement string, send func() (*http.Response, error)) (*http.Response, error) {
		if !done && strings.Contains(statement, text) {
			done = true
			run()
		}
		return send()
	}))
}

func wantClicks(t *testing.T, s *clickhouse.Store, want int64) {
	t.Helper()
	if got, err := s.Summary(t.Context(), shortener.ClickQuery{}); err != nil || got.Clicks != want {
		t.Errorf("Summary() = %d clicks, %v; want %d", got.Clicks, err, want)
	}
}

// failing makes a call of Ingest of which nothing is heard.
func failing(t *testing.T, s *clickhouse.Store, b shortener.IngestBatch) {
	t.Helper()
	_, err := s.Ingest(t.Context(), []shortener.IngestBatch{b})
	if problem, ok := errors.AsType[*shortener.Problem](err); !ok || problem.Kind != shortener.Unavailable || problem.RetryAfter == 0 {
		t.Errorf("Ingest() = %v, want Unavailable with a time to come back", err)
	}
}

func succeeding(t *testing.T, s *clickhouse.Store, b shortener.IngestBatch) {
	t.Helper()
	if _, err := s.Ingest(t.Context(), []shortener.IngestBatch{b}); err != nil {
		t.Errorf("Ingest() = %v", err)
	}
}

func TestAnInsertThatArrivesWhileAQuestionIsOnItsWay(t *testing.T) {
	address, b := shared(t).NewDatabase(t), batch("a", 1, 3)
	first, second, reader := open(t, address), open(t, address), open(t, address)
	sendLate := withhold(first, "INSERT INTO clicks")
	failing(t, first, b)
	before(reader, "FROM clicks", func() {
		succeeding(t, second, b)
		if resp, err := sendLate(); err != nil || resp.Body.Close() != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("the late insert: %v, %v", resp, err)
		}
	})
	wantClicks(t, reader, 3)
}

func TestARivalThatIsInsertedWhileWeLookForIt(t *testing.T) {
	address, b := shared(t).NewDatabase(t), batch("a", 1, 3)
	first, second, third := open(t, address), open(t, address), open(t, address)
	withhold(first, "INSERT INTO clicks")
	failing(t, first, b)
	// The second inserts clicks that do not count yet, and is killed, between two looks of the third, which has to
	// find out that they do not count.
	before(second, "won) FORMAT", func() { withhold(second, "INSERT INTO contests (producer, batch, attempt, won) FORMAT") })
	looks := 0
	third.Through(tap(func(statement string, send func() (*http.Response, error)) (*http.Response, error) {
		if strings.HasPrefix(strings.TrimSpace(statement), "SELECT") && !strings.Contains(statement, "FROM claims") {
			if looks++; looks == 2 {
				failing(t, second, b)
			}
		}
		return send()
	}))
	succeeding(t, third, b)
	wantClicks(t, open(t, address), 3)
}
