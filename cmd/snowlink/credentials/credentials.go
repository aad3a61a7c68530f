// Package credentials remembers, for the person who started a service, the owner key of its first
// start, so that the command line finds it. The service itself keeps only a hash.
//
// The file stands in the user's configuration folder, readable by that user alone. Losing it loses
// nothing but the convenience: keys can be given by --key at any time.
package credentials

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// installation is a service this user has started: its key, and where it was reached last.
type installation struct {
	Key     string   `json:"key"`
	Servers []string `json:"servers"`
}

// Save remembers key for the installation, reachable at server. With an empty key only the address
// is renewed, if the installation is known.
func Save(id, key, server string) error {
	path, err := file()
	if err != nil {
		return err
	}
	all, err := read(path)
	if err != nil {
		return err
	}
	known, ok := all[id]
	if !ok && key == "" {
		return nil
	}
	if key != "" {
		known.Key = key
	}
	server = normalize(server)
	for other, in := range all { // an address leads to one service: the one started last
		in.Servers = slices.DeleteFunc(in.Servers, func(s string) bool { return s == server })
		all[other] = in
	}
	known.Servers = []string{server}
	all[id] = known
	return write(path, all)
}

// Find returns the key of the service at server, "" if none is known.
func Find(server string) (string, error) {
	path, err := file()
	if err != nil {
		return "", err
	}
	all, err := read(path)
	if err != nil {
		return "", err
	}
	server = normalize(server)
	for _, in := range all {
		if slices.Contains(in.Servers, server) {
			return in.Key, nil
		}
	}
	return "", nil
}

// normalize makes the names of this machine one: a service that listens on every address is reached
// by each of them.
func normalize(server string) string {
	u, err := url.Parse(strings.TrimRight(server, "/"))
	if err != nil || u.Host == "" {
		return server
	}
	host, port := u.Hostname(), u.Port()
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified()) {
		host = "localhost"
	}
	if port == "" {
		port = map[string]string{"https": "443"}[u.Scheme]
	}
	if port == "" {
		port = "80"
	}
	return u.Scheme + "://" + net.JoinHostPort(host, port)
}

func file() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the folder for credentials: %w", err)
	}
	return filepath.Join(dir, "snowlink", "credentials.json"), nil
}

func read(path string) (map[string]installation, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]installation{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	all := map[string]installation{}
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("read credentials %s: %w; mend or remove the file", path, err)
	}
	return all, nil
}

// write replaces the file at once, so that a crash leaves the old one or the new one.
func write(path string, all map[string]installation) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("save credentials: %w", err)
	}
	raw, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("save credentials: %w", err)
	}
	temporary := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.WriteFile(temporary, raw, 0o600); err != nil {
		return fmt.Errorf("save credentials: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("save credentials: %w", err)
	}
	return nil
}
