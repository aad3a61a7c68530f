package service

import (
	"errors"
	"fmt"
	"net"
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
// from this machine.
func baseURL(cfg config.Config, ln net.Listener) string {
	if cfg.BaseURL != "" {
		return cfg.BaseURL
	}
	return "http://" + net.JoinHostPort(reachable(cfg.Listen), strconv.Itoa(port(ln)))
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
	if addr, ok := ln.Addr().(*net.TCPAddr); ok {
		return addr.Port
	}
	return 0
}
