package postgres_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"snowlink/shortener"
	"snowlink/storage/eventstore/postgres"
	"snowlink/storage/storetest/postgrestest"
)

// secret is the password in the addresses of the tests, which no error may hold.
const secret = "s3cr3t"

func TestPlacesThatAreRefused(t *testing.T) {
	server := postgrestest.Shared(t)
	host := strings.TrimPrefix(strings.Split(server.URL(), "/postgres")[0], "postgres://snowlink@")
	in := func(statements string) string {
		at := server.Schema(t)
		if statements == "" {
			opened(t, at, postgres.Options{}).Close()
		} else {
			server.Exec(t, at, statements)
		}
		return strings.Replace(at, "snowlink@", "snowlink:"+secret+"@", 1)
	}
	newer := in("")
	server.Exec(t, newer, `UPDATE snowlink_schema SET version = 99`)
	server.Exec(t, server.URL(), `CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`)
	server.Exec(t, server.URL(), `CREATE ROLE nobody LOGIN; GRANT USAGE ON SCHEMA public TO nobody`)
	restricted := "postgres://nobody:" + secret + "@" + host + "/template1?sslmode=disable"
	for name, tc := range map[string]struct {
		url, want string
		wait      bool // whether trying again may help
	}{
		"another scheme":           {"mysql://snowlink:" + secret + "@" + host + "/postgres", "postgres://", false},
		"a password not encoded":   {"postgres://snowlink:" + secret + "/#?@" + host + "/postgres", "percent-encoded", false},
		"an unknown parameter":     {"postgres://snowlink:" + secret + "@" + host + "/postgres?sslmode=perhaps", "sslmode", false},
		"no such host":             {"postgres://snowlink:" + secret + "@nowhere.invalid/postgres", "see that it runs", true},
		"nobody listens":           {"postgres://snowlink:" + secret + "@127.0.0.1:1/postgres", "see that it runs", true},
		"no TLS there":             {"postgres://snowlink:" + secret + "@" + host + "/postgres?sslmode=require", "sslmode", true},
		"no such database":         {"postgres://snowlink:" + secret + "@" + host + "/nothing?sslmode=disable", "createdb -O snowlink nothing", false},
		"no such schema":           {"postgres://snowlink:" + secret + "@" + host + "/postgres?sslmode=disable&search_path=nothing", "search_path", false},
		"tables of something else": {in(`CREATE TABLE wordpress (n int)`), `"wordpress"`, false},
		"a newer version":          {newer, "version 99", false},
		"another encoding":         {"postgres://snowlink:" + secret + "@" + host + "/latin?sslmode=disable", "UTF8", false},
		"no right to make tables":  {restricted, "CREATE and USAGE", false},
		"an unknown setting":       {"postgres://snowlink:" + secret + "@" + host + "/postgres?sslmode=disable&searchpath=x", "refuses", false},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := postgres.Open(t.Context(), tc.url, postgres.Options{Logger: quiet})
			if err == nil {
				s.Close()
				t.Fatal("open: no error")
			}
			text := fmt.Sprintf("%v %+v %#v", err, err, err)
			for cause := err; cause != nil; cause = unwrap(cause) {
				text += cause.Error()
			}
			if strings.Contains(text, secret) {
				t.Errorf("the error holds the password: %s", text)
			}
			if !strings.Contains(text, tc.want) || (shortener.KindOf(err) == shortener.Unavailable) != tc.wait {
				t.Errorf("open: got %s error %q, want %q in it, and trying again of use: %v", shortener.KindOf(err), text, tc.want, tc.wait)
			}
		})
	}
}

func unwrap(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return nil
}

func TestAPasswordThatIsWrong(t *testing.T) {
	server := postgrestest.Start(t, "password_encryption = 'scram-sha-256'")
	at := strings.Replace(server.Schema(t), "snowlink@", "guest:"+secret+"@", 1)
	server.Exec(t, server.URL(), `CREATE ROLE guest LOGIN PASSWORD 'another'`)
	server.RequirePasswords(t, "guest")
	_, err := postgres.Open(t.Context(), at, postgres.Options{Logger: quiet})
	if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), `the password of "guest" is wrong`) {
		t.Errorf("open: got %v, want it said that the password is wrong", err)
	}
}

func TestNoConnectionLeft(t *testing.T) {
	server := postgrestest.Start(t, "max_connections = 6", "superuser_reserved_connections = 0", "max_wal_senders = 0")
	at := server.Schema(t)
	s := opened(t, at, postgres.Options{MaxConns: 3})
	mustAppend(t, s, creation(1))
	if _, err := s.Link(t.Context(), creation(1).Ref); err != nil { // the third
		t.Fatal(err)
	}
	for range 3 {
		conn, err := pgx.Connect(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
	}
	_, err := postgres.Open(t.Context(), at, postgres.Options{Logger: quiet})
	wantUnavailable(t, "open", err)
	if cause := unwrap(err); cause == nil || !strings.Contains(cause.Error(), "max_connections") {
		t.Errorf("open: got %v, want max_connections named", cause)
	}
	var wg sync.WaitGroup
	for i := range int64(32) { // more callers than connections
		wg.Go(func() {
			mustAppend(t, s, creation(2+i))
			if _, err := s.Link(t.Context(), creation(2+i).Ref); err != nil {
				t.Errorf("read: %v", err)
			}
		})
	}
	wg.Wait()
	_, err = s.Verify(t.Context(), nil)
	wantUnavailable(t, "verify, which takes a connection of its own", err)
}

func TestExtensionsAreNothingElse(t *testing.T) {
	server := postgrestest.Start(t)
	at := server.Schema(t)
	server.Exec(t, at, `CREATE EXTENSION pg_stat_statements`) // has views
	mustAppend(t, opened(t, at, postgres.Options{}), creation(1))
}

func TestDurabilityIsNotSwitchedOff(t *testing.T) {
	server := postgrestest.Shared(t)
	at := server.Schema(t) + "&synchronous_commit=off"
	var mu sync.Mutex
	var log bytes.Buffer
	s, err := postgres.Open(t.Context(), at, postgres.Options{Logger: slog.New(slog.NewTextHandler(&locked{&mu, &log}, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.Setting(t, "synchronous_commit"); got != "on" {
		t.Errorf("synchronous_commit of a session: got %q, want on", got)
	}
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(log.String(), "fsync off") { // the server of the tests has it so
		t.Errorf("log of a server that does not wait for its disk: %q, want a warning", log.String())
	}
}

// locked is a buffer that several goroutines write to.
type locked struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }

func TestALogThatLostItsEnd(t *testing.T) {
	server := postgrestest.Shared(t)
	at := server.Schema(t)
	var mu sync.Mutex
	var log bytes.Buffer
	s, err := postgres.Open(t.Context(), at, postgres.Options{Logger: slog.New(slog.NewTextHandler(&locked{&mu, &log}, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mustAppend(t, s, creation(1))
	mustAppend(t, s, creation(2))
	// What a failover to a replica does that had not got the second.
	server.Exec(t, at, `DELETE FROM events WHERE position = 2; UPDATE head SET position = 1`)
	name, _ := url.Parse(at)
	server.Exec(t, server.URL(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' OR query = 'SELECT position FROM head' AND `+
		`pid <> pg_backend_pid() AND '`+name.Query().Get("search_path")+`' <> ''`)
	eventually(t, func() error {
		mu.Lock()
		defer mu.Unlock()
		if !strings.Contains(log.String(), "lost what was acknowledged") {
			return fmt.Errorf("logged: %q", log.String())
		}
		return nil
	})
	waited := make(chan error, 1)
	go func() { waited <- s.Wait(t.Context(), 1) }()
	mustAppend(t, s, creation(3))
	if err := <-waited; err != nil {
		t.Errorf("wait: %v", err)
	}
}

func TestExpiredIdempotencyKeysAreThrownAway(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	s := opened(t, postgrestest.Shared(t).Schema(t), postgres.Options{Now: clock})
	c := creation(1)
	c.Once = &shortener.Once{Owner: "me", Key: "k", Expires: now.Add(24 * time.Hour)}
	mustAppend(t, s, c)
	held := func() int { return s.Count(t, "once") }
	if n := held(); n != 1 {
		t.Errorf("keys before the expiry: %d, want 1", n)
	}
	mu.Lock()
	now = now.Add(24 * time.Hour)
	mu.Unlock()
	mustAppend(t, s, creation(2))
	eventually(t, func() error {
		if n := held(); n != 0 {
			return fmt.Errorf("keys after the expiry: %d, want none", n)
		}
		return nil
	})
}
