package clickhouse

import (
	"encoding/binary"
	"errors"
)

// errRow is an answer that is not what was asked for.
var errRow = errors.New("the click store's answer cannot be read")

// rows reads an answer in the format RowBinary: values one behind the other, in the order of the
// columns. What is read behind the end, or behind damage, is zero.
type rows struct {
	b      []byte
	failed bool
}

// more reports whether another row follows.
func (r *rows) more() bool { return !r.failed && len(r.b) > 0 }

// err returns errRow if something that was read was not there.
func (r *rows) err() error {
	if r.failed {
		return errRow
	}
	return nil
}

func (r *rows) take(n uint64) []byte {
	if r.failed || n > uint64(len(r.b)) {
		r.failed = true
		return nil
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

func (r *rows) uint8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *rows) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *rows) int64() int64 { return int64(r.uint64()) }

func (r *rows) string() string {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.failed = true
		return ""
	}
	r.b = r.b[size:]
	return string(r.take(n))
}
