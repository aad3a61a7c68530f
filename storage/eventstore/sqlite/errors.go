package sqlite

import (
	"errors"

	"github.com/mattn/go-sqlite3"

	"snowlink/storage/eventstore"
)

// classify says what a caller can do about err, and adds what was being done.
func classify(doing string, err error) error { return eventstore.Classify(doing, err, storageFault) }

// storageFault reports whether err lies with the disk or the file, and not with the statement. Such an
// error leaves the state of the transaction unknown: all of it is given up.
func storageFault(err error) bool {
	e, ok := errors.AsType[sqlite3.Error](err)
	if !ok {
		return false
	}
	switch e.Code {
	case sqlite3.ErrFull, sqlite3.ErrIoErr, sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrCantOpen, sqlite3.ErrReadonly,
		sqlite3.ErrNomem, sqlite3.ErrProtocol, sqlite3.ErrCorrupt, sqlite3.ErrNotADB, sqlite3.ErrPerm:
		return true
	}
	return false
}

// fatal reports whether err ends writing for good: after a sync that failed, the kernel may have
// thrown the pages away and will call the next sync a success; on a damaged file every write spreads
// the damage.
func fatal(err error) bool {
	e, ok := errors.AsType[sqlite3.Error](err)
	if !ok {
		return false
	}
	return e.ExtendedCode == sqlite3.ErrIoErrFsync || e.ExtendedCode == sqlite3.ErrIoErrDirFsync ||
		e.Code == sqlite3.ErrCorrupt || e.Code == sqlite3.ErrNotADB
}

// notUnique reports whether err says that there is such a row already.
func notUnique(err error) bool {
	e, ok := errors.AsType[sqlite3.Error](err)
	return ok && e.Code == sqlite3.ErrConstraint
}
