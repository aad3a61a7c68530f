package service

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"snowlink/cmd/snowlink/config"
)

// greet tells people that the service runs, and how to use it.
func (s *service) greet(ln listeners, made string) {
	in := installation{
		id: s.secrets.id, version: s.host.Version, baseURL: s.base, command: filepath.Base(os.Args[0]), stores: s.describeStores(),
		adminURL: "http://" + net.JoinHostPort(reachable(s.cfg.AdminListen), strconv.Itoa(port(ln.admin))),
	}
	local := "http://" + net.JoinHostPort(reachable(s.cfg.Listen), strconv.Itoa(port(ln.public)))
	if s.cfg.Split() {
		in.roles = strings.Join(s.cfg.Roles, ", ")
		local = "http://" + net.JoinHostPort(reachable(s.cfg.APIListen), strconv.Itoa(port(ln.api)))
	}
	if local != "http://localhost:8080" {
		in.server = " --server " + local
	}
	if filepath.Dir(os.Args[0]) != "." {
		in.command = os.Args[0]
	}
	if s.cfg.Plays(config.API) {
		if err := rememberKey(in, made, local); err != nil {
			s.host.Logger.Warn("the command line will have to be given the key", "error", err)
		}
	}
	if s.cfg.Split() && s.cfg.BaseURL == "" {
		s.host.Logger.Warn("--base-url is not given: the processes of an installation must all have the same, and this one guesses", "base_url", s.base)
	}
	welcome(s.host.Stdout, in, made)
	s.host.Logger.Info("serving", "roles", strings.Join(s.cfg.Roles, ","), "public", addressOf(ln.public), "api", addressOf(ln.api),
		"admin", addressOf(ln.admin), "base_url", s.base, "version", s.host.Version)
}

func addressOf(ln net.Listener) string {
	if ln == nil {
		return ""
	}
	return ln.Addr().String()
}

func (s *service) describeTruth() string {
	if s.cfg.Postgres() {
		return "links in PostgreSQL"
	}
	return "links in SQLite under " + s.cfg.DataDir
}

func (s *service) describeClicks() string {
	if s.cfg.ClickHouse() {
		return "clicks in ClickHouse"
	}
	return "clicks in DuckDB under " + s.cfg.DataDir
}

// describeStores says in one line what the process runs on, and what that promises.
func (s *service) describeStores() string {
	var says []string
	switch {
	case s.stores.events == nil:
		says = append(says, fmt.Sprintf("links by way of shards and apis, clicks on their way under %s until they are stored", s.cfg.DataDir))
	case !s.cfg.Postgres() && !s.cfg.ClickHouse():
		says = append(says, fmt.Sprintf("links in SQLite and clicks in DuckDB under %s", s.cfg.DataDir))
	default:
		says = append(says, s.describeTruth(), s.describeClicks())
	}
	if n, ok := s.cfg.Embedded(); ok {
		says = append(says, fmt.Sprintf("%d link shards in memory: nothing is lost with the process", n))
	} else {
		says = append(says, fmt.Sprintf("%d link shards on Redis: nothing is lost with a Redis, nor with a process", len(s.shards.carriers.shards())))
	}
	return strings.Join(says, ", ")
}
