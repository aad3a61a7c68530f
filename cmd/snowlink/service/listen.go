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

// advertised returns where other processes reach the api role: what is configured, or its listener. If that
// listens on every address it is the one that this machine shows to the coordination store, where the
// others are too, or the machine's name.
func (s *service) advertised(ln net.Listener) string {
	if s.cfg.Advertise != "" {
		return s.cfg.Advertise
	}
	host, _, _ := net.SplitHostPort(ln.Addr().String())
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = facing(s.coordination.address)
	}
	return net.JoinHostPort(host, strconv.Itoa(port(ln)))
}

// facing returns the address of this machine that it has towards another, or its name if it is the other.
// It sends nothing.
func facing(other string) string {
	dialer := net.Dialer{Timeout: time.Second}
	if conn, err := dialer.Dial("udp", other); err == nil {
		defer conn.Close()
		if own, ok := conn.LocalAddr().(*net.UDPAddr); ok && !own.IP.IsLoopback() {
			return own.IP.String()
		}
	}
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "localhost"
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
