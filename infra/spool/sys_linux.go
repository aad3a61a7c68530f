package spool

import (
	"errors"
	"hash/crc64"
	"os"

	"golang.org/x/sys/unix"
)

// reserve gives the file size bytes of disk, so that storing to its mapping never meets a full disk,
// which would be a SIGBUS.
func reserve(f *os.File, size int64) error {
	err := unix.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return fill(f, size)
	}
	return err
}

// populate takes the page faults of a mapping ahead of the hot path. Kernels before 5.14 refuse, and
// the faults are then taken one by one.
func populate(data []byte) { _ = unix.Madvise(data, unix.MADV_POPULATE_WRITE) }

// bootID tells one start of the machine from another; 0 if that is not known.
func bootID() uint64 {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return 0
	}
	return crc64.Checksum(id, crc64.MakeTable(crc64.ECMA))
}
