package clickhouse

import (
	"net"
	"net/url"
	"strings"

	"snowlink/shortener"
)

// address is where a database is and who asks.
type address struct {
	endpoint       string // "http://host:port/"
	user, password string
	database       string
}

// parseAddress reads clickhouse://user:password@host:port/database. The port is that of the HTTP
// interface: 8123 if none is given, and with ?secure=true, which stands for TLS, 8443. No error
// repeats the address: it has a password in it.
func parseAddress(raw string) (address, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "clickhouse" || u.Hostname() == "" || strings.Contains(strings.Trim(u.Path, "/"), "/") {
		return address{}, invalidAddress("it has to look like clickhouse://user:password@host:8123/database")
	}
	scheme, port := "http", "8123"
	for key, values := range u.Query() {
		switch {
		case key != "secure":
			return address{}, invalidAddress("it may end with ?secure=true and with nothing else behind the question mark")
		case values[0] == "true":
			scheme, port = "https", "8443"
		case values[0] != "false":
			return address{}, invalidAddress("secure is either true or false")
		}
	}
	if p := u.Port(); p != "" {
		port = p
	}
	a := address{endpoint: scheme + "://" + net.JoinHostPort(u.Hostname(), port) + "/", user: "default", database: "default"}
	if name := u.User.Username(); name != "" {
		a.user = name
	}
	a.password, _ = u.User.Password()
	if name := strings.Trim(u.Path, "/"); name != "" {
		a.database = name
	}
	return a, nil
}

func invalidAddress(why string) error {
	return shortener.Errorf(shortener.Invalid, "The address of the ClickHouse server cannot be read: %s.", why)
}
