// Package activation takes over listeners from the process that started this one, by the protocol of
// systemd's socket activation (sd_listen_fds(3)): descriptors from 3 on, as many as LISTEN_FDS says, with names
// in LISTEN_FDNAMES, for the process that LISTEN_PID names.
package activation

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// first is the descriptor that the first listener has.
const first = 3

// Listeners returns the listeners that were handed over, by name; without any it returns none. A single one whose
// name says nothing has the name unnamed. All others must be among names. The variables
// are unset in every case, so that no child takes them for its own; after an error nothing is left open.
// It is to be called once, before anything else opens descriptors.
func Listeners(unnamed string, names ...string) (map[string]net.Listener, error) {
	pid, count, list := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES")
	for _, name := range [...]string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if err := os.Unsetenv(name); err != nil {
			return nil, fmt.Errorf("unset %s: %w", name, err)
		}
	}
	if pid != strconv.Itoa(os.Getpid()) || count == "" {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > 1<<10 {
		return nil, fmt.Errorf("LISTEN_FDS is %q, want the number of descriptors", count)
	}
	given := named(list, n, unnamed)
	all := make(map[string]net.Listener, n)
	var faults []error
	for i := range n { // to the end, so that none is left open
		ln, err := inherit(first+i, given[i])
		if err == nil {
			err = put(all, given[i], ln, names)
		}
		faults = append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		for _, ln := range all {
			_ = ln.Close()
		}
		return nil, err
	}
	return all, nil
}

// named returns a name for each of n descriptors. A name is "unknown" if the parent had none to give, and that of
// the .socket unit if that has none of its own.
func named(list string, n int, unnamed string) []string {
	names := make([]string, n)
	if list != "" {
		copy(names, strings.Split(list, ":"))
	}
	if n == 1 && (names[0] == "" || names[0] == "unknown" || strings.HasSuffix(names[0], ".socket")) {
		names[0] = unnamed
	}
	return names
}

func put(all map[string]net.Listener, name string, ln net.Listener, names []string) error {
	var err error
	if _, twice := all[name]; twice {
		err = fmt.Errorf("two descriptors handed over have the name %q", name)
	} else if !slices.Contains(names, name) {
		err = fmt.Errorf("a descriptor handed over has the name %q, want one of %s", name, strings.Join(names, ", "))
	}
	if err != nil {
		_ = ln.Close()
		return err
	}
	all[name] = ln
	return nil
}

// inherit makes a listener of a descriptor, which is closed.
func inherit(fd int, name string) (net.Listener, error) {
	syscall.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), name)
	if f == nil {
		return nil, fmt.Errorf("descriptor %d (%q) cannot be used", fd, name)
	}
	defer f.Close()
	listening, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	if err != nil || listening == 0 {
		return nil, fmt.Errorf("descriptor %d (%q) is not a listening socket", fd, name)
	}
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d (%q): %w", fd, name, err)
	}
	if _, ok := ln.(*net.TCPListener); !ok {
		_ = ln.Close()
		return nil, fmt.Errorf("descriptor %d (%q) listens on %s, want TCP", fd, name, ln.Addr().Network())
	}
	return ln, nil
}
