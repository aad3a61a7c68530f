//go:build !unix

package gateway

import "net"

// hasEnded reports nothing here: the next use of the connection will tell.
func hasEnded(net.Conn) bool { return false }
