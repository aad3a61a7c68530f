package hashring

import "math/bits"

// The hash decides where keys live across processes, machines and releases: hash/maphash is seeded
// per process and cannot serve. This is XXH64 with seed 0, the public definition of which
// (xxHash fast digest algorithm, 64-bit) any other program can follow to find a key's slot.
const (
	prime1 uint64 = 0x9E3779B185EBCA87
	prime2 uint64 = 0xC2B2AE3D27D4EB4F
	prime3 uint64 = 0x165667B19E3779F9
	prime4 uint64 = 0x85EBCA77C2B2AE63
	prime5 uint64 = 0x27D4EB2F165667C5
)

func hash(s string) uint64 {
	n := uint64(len(s))
	h := prime5
	if len(s) >= 32 {
		h, s = stripes(s)
	}
	h += n
	for ; len(s) >= 8; s = s[8:] {
		h ^= round(0, le64(s))
		h = bits.RotateLeft64(h, 27)*prime1 + prime4
	}
	if len(s) >= 4 {
		h ^= uint64(le32(s)) * prime1
		h = bits.RotateLeft64(h, 23)*prime2 + prime3
		s = s[4:]
	}
	for i := range len(s) {
		h ^= uint64(s[i]) * prime5
		h = bits.RotateLeft64(h, 11) * prime1
	}
	return avalanche(h)
}

// stripes digests s in blocks of 32 bytes and returns what is left of it.
func stripes(s string) (h uint64, rest string) {
	p1 := prime1 // a variable, so that the sums below wrap instead of overflowing as constants
	v1, v2, v3, v4 := p1+prime2, prime2, uint64(0), -p1
	for ; len(s) >= 32; s = s[32:] {
		v1 = round(v1, le64(s))
		v2 = round(v2, le64(s[8:]))
		v3 = round(v3, le64(s[16:]))
		v4 = round(v4, le64(s[24:]))
	}
	h = bits.RotateLeft64(v1, 1) + bits.RotateLeft64(v2, 7) + bits.RotateLeft64(v3, 12) + bits.RotateLeft64(v4, 18)
	for _, v := range [...]uint64{v1, v2, v3, v4} {
		h = (h^round(0, v))*prime1 + prime4
	}
	return h, s
}

func round(acc, lane uint64) uint64 {
	return bits.RotateLeft64(acc+lane*prime2, 31) * prime1
}

func avalanche(h uint64) uint64 {
	h = (h ^ h>>33) * prime2
	h = (h ^ h>>29) * prime3
	return h ^ h>>32
}

func le32(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

func le64(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
