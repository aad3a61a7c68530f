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

// describeStores says in one line what the process runs on, and what that promises.
func (s *service) describeStores() string {
	links := "link shards on Redis: a Redis may be emptied, nothing is lost with it"
	if n, ok := s.cfg.Embedded(); ok {
		links = fmt.Sprintf("%d link shards in memory: nothing is lost with the process", n)
	}
	if s.stores.events == nil {
		return fmt.Sprintf("clicks on their way under %s, %s", s.cfg.DataDir, links)
	}
	if s.cfg.Postgres() {
		return fmt.Sprintf("links in PostgreSQL, clicks in DuckDB under %s, %s", s.cfg.DataDir, links)
	}
	return fmt.Sprintf("links in SQLite and clicks in DuckDB under %s, %s", s.cfg.DataDir, links)
}
