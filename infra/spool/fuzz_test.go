package spool

import (
	"bytes"
	"testing"
)

// FuzzSegment feeds the decoder a segment of any contents. It must come to an end within bounds, with
// numbers rising, and what is appended behind the last frame must be found.
func FuzzSegment(f *testing.F) {
	const salt = 0x5a17
	sound := make([]byte, 512)
	at := headerSize
	for i, p := range []string{"one", "", "three frames, of which this is the longest"} {
		putFrame(sound[at:], salt, uint64(i+1), 1, []byte(p))
		at += frameSize(len(p))
	}
	f.Add(sound)
	f.Add(sound[:at-5])
	f.Add(bytes.Repeat([]byte{0xff}, 300))
	f.Add(append(bytes.Clone(sound[:at]), bytes.Repeat([]byte{1}, 64)...))

	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < headerSize {
			return
		}
		data = append(bytes.Clone(data), make([]byte, 64)...)
		scan := scanner{data: data, salt: salt, off: headerSize}
		count, last := 0, uint64(0)
		for fr, at, ok := scan.next(); ok; fr, at, ok = scan.next() {
			if fr.seq <= last || at < headerSize || at+fr.size > len(data) {
				t.Fatalf("frame %d at %d of %d bytes after %d: out of order or bounds", fr.seq, at, fr.size, last)
			}
			count, last = count+1, fr.seq
		}
		seg := segment{data: data, end: scan.off, salt: salt}
		seg.zeroTail()
		if seg.garbage() != 0 {
			t.Fatalf("garbage behind the last frame after it was cleared: %d bytes", seg.garbage())
		}
		if seg.room() < frameSize(5) || last > 1<<63 {
			return
		}
		putFrame(data[seg.end:], salt, last+1, max(scan.batch, 1), []byte("after"))
		scan = scanner{data: data, salt: salt, off: headerSize}
		found := 0
		for fr, _, ok := scan.next(); ok; fr, _, ok = scan.next() {
			if found++; found > count && string(fr.payload) != "after" {
				t.Fatalf("behind the last frame: got %q, want what was appended", fr.payload)
			}
		}
		if found != count+1 {
			t.Fatalf("frames: got %d, want %d and one more", found, count)
		}
	})
}
