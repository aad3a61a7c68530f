package spool

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	producerFile = "producer"
	lockFile     = "lock"
	marksFile    = "acked"

	// formatVersion is that of all files in the directory.
	formatVersion = 1
)

var errProducer = errors.New("spool: the producer file is damaged")

func formatProducer(id uint64) string { return fmt.Sprintf("%016x", id) }

// loadProducer reads the producer file: version, id, checksum of both.
func loadProducer(dir string) (uint64, error) {
	b, err := os.ReadFile(filepath.Join(dir, producerFile))
	if err != nil {
		return 0, err
	}
	var version int
	var id uint64
	var sum uint32
	if _, err := fmt.Sscanf(string(b), "v%d %016x %08x\n", &version, &id, &sum); err != nil {
		return 0, errProducer
	}
	if sum != producerSum(version, id) {
		return 0, errProducer
	}
	if version != formatVersion {
		return 0, fmt.Errorf("spool: %s has format v%d, which this program does not know", dir, version)
	}
	return id, nil
}

func producerSum(version int, id uint64) uint32 {
	return crc32.Checksum(fmt.Appendf(nil, "v%d %s", version, formatProducer(id)), castagnoli)
}

func saveProducer(dir string, id uint64) error {
	line := fmt.Sprintf("v%d %s %08x\n", formatVersion, formatProducer(id), producerSum(formatVersion, id))
	path := filepath.Join(dir, producerFile)
	f, err := os.OpenFile(path+tempSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(path+tempSuffix, path), syncDir(dir))
}

// producerOf returns the id of the producer whose segments these are. Without any it makes a new one:
// were the old one kept, its numbers would start anew.
func producerOf(dir string, segs []*segment) (uint64, error) {
	if len(segs) == 0 {
		return newProducer(dir)
	}
	id, err := loadProducer(dir)
	if !errors.Is(err, errProducer) && !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	for _, seg := range segs {
		if h, ok := seg.header(); ok && h.producer != 0 {
			return h.producer, saveProducer(dir, h.producer)
		}
	}
	return 0, fmt.Errorf("%w, and no segment in %s names the producer", err, dir)
}

func newProducer(dir string) (uint64, error) {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	id := binary.LittleEndian.Uint64(b[:])
	return id, saveProducer(dir, id)
}
