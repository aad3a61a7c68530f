//go:build unix

package gateway

import (
	"net"
	"syscall"
)

// hasEnded reports whether the other side of an idle connection has closed it, or has sent what nobody
// asked for, which makes it as useless.
func hasEnded(c net.Conn) bool {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return true
	}
	ended := false
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		n, err := syscall.Read(int(fd), b[:])
		ended = n > 0 || err == nil || err != syscall.EAGAIN && err != syscall.EWOULDBLOCK && err != syscall.EINTR
		return true
	})
	return ended || err != nil
}
