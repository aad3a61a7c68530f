package postgrestest

import "syscall"

// dieWithParent has a server end when the test binary does, however that ends.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT} }
