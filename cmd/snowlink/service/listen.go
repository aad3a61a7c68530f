package service

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"snowlink/cmd/snowlink/config"
)

// succession is how long a start waits for what a process before it, which was killed, still holds:
// the kernel takes a moment to give it back.
const succession = time.Second

// patiently tries until it works or the time for a succession is over.
func patiently(try func() error) error {
	deadline := time.Now().Add(succession)
	for {
		err := try()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// listen opens a TCP listener; the error says what to do if the port is taken.
func listen(flag, address string) (net.Listener, error) {
	var ln net.Listener
	err := patiently(func() (err error) { ln, err = net.Listen("tcp", address); return err })
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("the address %s is in use by another program: stop it or choose another by --%s", address, flag)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("no right to listen on %s: ports below 1024 need CAP_NET_BIND_SERVICE; choose another by --%s", address, flag)
	case err != nil:
		return nil, fmt.Errorf("listen on %s (--%s): %w", address, flag, err)
	}
	return ln, nil
}

// baseURL returns what short URLs begin with: what is configured, or where the listener is reached
// from this machine. ln is nil where another process is the edge.
func baseURL(cfg config.Config, ln net.Listener) string {
	if cfg.BaseURL != "" {
		return cfg.BaseURL
	}
	_, number, _ := net.SplitHostPort(cfg.Listen)
	if ln != nil {
		number = strconv.Itoa(port(ln))
	}
	return "http://" + net.JoinHostPort(reachable(cfg.Listen), number)
}

// advertised returns where other processes reach the api role: what is configured, or its listener, by
// the name of this machine if that listens on every address.
func (s *service) advertised(ln net.Listener) string {
	if s.cfg.Advertise != "" {
		return s.cfg.Advertise
	}
	host, _, _ := net.SplitHostPort(ln.Addr().String())
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(port(ln)))
}

// reachable returns the host of a listener's address, localhost if it listens on every one.
func reachable(address string) string {
	host, _, _ := net.SplitHostPort(address)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return "localhost"
	}
	return host
}

func port(ln net.Listener) int {
	if ln == nil {
		return 0
	}
	if addr, ok := ln.Addr().(*net.TCPAddr); ok {
		return addr.Port
	}
	return 0
}
