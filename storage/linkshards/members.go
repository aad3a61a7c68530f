package linkshards

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"snowlink/infra/hashring"
)

// Member is a shard as an operator names it.
type Member struct {
	Name   string
	Weight int
	URL    string // without the weight

	single   *redis.Options
	failover *redis.FailoverOptions
}

// Spec returns the member as memberships keep it.
func (m Member) Spec() MemberSpec { return MemberSpec{Name: m.Name, URL: m.URL, Weight: m.Weight} }

// String names the member and its address without a password.
func (m Member) String() string { return m.Spec().String() }

// GoString is String.
func (m Member) GoString() string { return m.String() }

// Member reads the address. The error tells no password.
func (s MemberSpec) Member() (Member, error) {
	m, err := parseMember(s.Name, s.URL)
	m.Weight = max(s.Weight, 1)
	return m, err
}

// Dial returns the shard with a client that connects when it is first used. The caller closes it.
func (m Member) Dial() Shard { return Shard{Name: m.Name, Weight: m.Weight, Client: m.client()} }

func (m Member) client() *redis.Client {
	if m.failover != nil {
		return redis.NewFailoverClient(m.failover)
	}
	return redis.NewClient(m.single)
}

// memberStart is how the text of a member begins; commas elsewhere part the addresses of Sentinels.
var memberStart = regexp.MustCompile(`^\s*([A-Za-z0-9][A-Za-z0-9._-]*)=(.*)$`)

// ParseMembers reads "a=redis://host:port,b=…": names with addresses. An address is one of
//
//	redis://[user:password@]host[:port][/db]          rediss:// for TLS
//	unix://[user:password@]/path/of/socket[?db=n]
//	redis+sentinel://[user:password@]host[:port],host[:port],…/master[/db][?sentinel_username=…&sentinel_password=…]
//	rediss+sentinel://…                               for TLS to the Sentinels and the primary
//
// and may have a weight: "?weight=2". With TLS the server's certificate is checked against the authorities
// of the system, or those of the PEM file "?tls_ca=/path"; "&tls_cert=/path&tls_key=/path" is what the
// client shows of itself. The error tells everything that is wrong, and no password.
func ParseMembers(text string) ([]Member, error) {
	var (
		members []Member
		errs    []error
	)
	seen := make(map[string]bool)
	parts, err := splitMembers(text)
	if err != nil {
		return nil, err
	}
	for _, part := range parts {
		if seen[part.name] {
			errs = append(errs, fmt.Errorf("shard %q is given twice", part.name))
		}
		seen[part.name] = true
		m, err := parseMember(part.name, part.address)
		if err != nil {
			errs = append(errs, fmt.Errorf("shard %q: %w", part.name, err))
		}
		members = append(members, m)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return members, nil
}

// sentinels begins the addresses that may hold commas.
var sentinels = regexp.MustCompile(`^rediss?\+sentinel://`)

type namedAddress struct{ name, address string }

func splitMembers(text string) ([]namedAddress, error) {
	var parts []namedAddress
	for i, piece := range strings.Split(text, ",") {
		if start := memberStart.FindStringSubmatch(piece); start != nil && strings.Contains(start[2], "://") {
			parts = append(parts, namedAddress{start[1], strings.TrimSpace(start[2])})
			continue
		}
		if len(parts) == 0 || !sentinels.MatchString(parts[len(parts)-1].address) {
			return nil, fmt.Errorf("the shard at place %d is not of the form name=redis://host:port", i+1)
		}
		parts[len(parts)-1].address += "," + strings.TrimSpace(piece)
	}
	return parts, nil
}

func parseMember(name, address string) (Member, error) {
	m := Member{Name: name, Weight: 1}
	address, weight, err := takeWeight(address)
	if err != nil {
		return m, err
	}
	m.Weight, m.URL = weight, address
	scheme, rest, _ := strings.Cut(address, "://")
	secure := strings.HasPrefix(scheme, "rediss")
	rest, certificates, err := takeTLS(rest, secure)
	if err != nil {
		return m, err
	}
	switch scheme {
	case "redis", "rediss", "unix":
		m.single, err = redis.ParseURL(scheme + "://" + rest)
		if err != nil {
			// The cause may quote a password.
			return m, fmt.Errorf("the address is not of the form %s://[user:password@]host:port[/db]", scheme)
		}
		m.single.TLSConfig = certificates.of(m.single.TLSConfig)
		dialing(m.single)
	case "redis+sentinel", "rediss+sentinel":
		m.failover, err = parseSentinel(rest)
		if err == nil && secure {
			m.failover.TLSConfig = certificates.of(&tls.Config{MinVersion: tls.VersionTLS12})
		}
	default:
		err = fmt.Errorf("the scheme %q is none of redis, rediss, unix, redis+sentinel and rediss+sentinel", scheme)
	}
	return m, err
}

// takeWeight takes the weight out of an address's query.
func takeWeight(address string) (rest string, weight int, err error) {
	base, query, has := strings.Cut(address, "?")
	if !has {
		return address, 1, nil
	}
	var kept []string
	weight = 1
	for _, pair := range strings.Split(query, "&") {
		value, is := strings.CutPrefix(pair, "weight=")
		if !is {
			kept = append(kept, pair)
			continue
		}
		if weight, err = strconv.Atoi(value); err != nil || weight < 1 || weight > hashring.MaxWeight {
			return "", 0, fmt.Errorf("the weight %q is not a number from 1 to %d", value, hashring.MaxWeight)
		}
	}
	if len(kept) > 0 {
		base += "?" + strings.Join(kept, "&")
	}
	return base, weight, nil
}

var errSentinel = errors.New("the address is not of the form " + "redis+sentinel://[user:password@]host:port,host:port/master[/db]")

// parseSentinel reads what follows the scheme. net/url cannot: it knows one host.
func parseSentinel(text string) (*redis.FailoverOptions, error) {
	text, query, _ := strings.Cut(text, "?")
	user, text, has := cutLast(text, "@")
	if !has {
		user, text = "", user
	}
	hosts, path, _ := strings.Cut(text, "/")
	master, db, hasDB := strings.Cut(path, "/")
	o := &redis.FailoverOptions{MasterName: master}
	for _, host := range strings.Split(hosts, ",") {
		if host == "" {
			return nil, errSentinel
		}
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), "26379")
		}
		o.SentinelAddrs = append(o.SentinelAddrs, host)
	}
	number, err := strconv.Atoi(db)
	if master == "" || hasDB && (err != nil || number < 0) {
		return nil, errSentinel
	}
	o.DB = number
	name, password, _ := strings.Cut(user, ":")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, errSentinel
	}
	o.SentinelUsername, o.SentinelPassword = values.Get("sentinel_username"), values.Get("sentinel_password")
	var errName, errPassword error
	o.Username, errName = url.PathUnescape(name)
	o.Password, errPassword = url.PathUnescape(password)
	if errName != nil || errPassword != nil {
		return nil, errSentinel
	}
	return failingOver(o), nil
}

// cutLast is strings.Cut around the last separator.
func cutLast(text, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(text, separator); i >= 0 {
		return text[:i], text[i+len(separator):], true
	}
	return text, "", false
}
