package shortener

import (
	"encoding/binary"
	"math/bits"
)

// CodeSpace is the number of generated codes: all strings of eight base62 characters.
const CodeSpace = halfSpace * halfSpace

// halfSpace is the number of values of half a code: four base62 characters.
const halfSpace = 62 * 62 * 62 * 62

// rounds of the Feistel network. Four make a pseudo-random permutation of large halves (Luby and
// Rackoff, 1988); small ones need more, and from eight on the generic attacks (Patarin, 2001) need
// more codes than there are.
const rounds = 8

// Permutation is a bijection of [0, CodeSpace) onto itself that nobody can follow without its key:
// ids that count up become codes in no order, and never the same one twice.
//
// It is a Feistel network over two halves of four base62 digits each, added modulo 62⁴, with
// SipHash-2-4 of round and half as the round function. The key of a service never changes: under
// another one, new ids meet the codes of old ones. A Permutation is immutable.
type Permutation struct{ keys [2]sipKey }

// NewPermutation returns the permutation of a key of 16 or 32 bytes. The halves of a longer key serve
// in turns, one to a round.
func NewPermutation(key []byte) (Permutation, error) {
	if len(key) != 16 && len(key) != 32 {
		return Permutation{}, Errorf(Internal, "the key of the codes has %d bytes, want 16 or 32", len(key))
	}
	first, second := newSipKey(key[:16]), newSipKey(key[len(key)-16:])
	return Permutation{keys: [2]sipKey{first, second}}, nil
}

// Encode returns the image of id. It panics if id is not below CodeSpace.
func (p *Permutation) Encode(id uint64) uint64 {
	left, right := halves(id)
	for round := range uint64(rounds) {
		left, right = right, reduce(left+p.round(round, right))
	}
	return left*halfSpace + right
}

// Decode returns the id whose image is n. It panics if n is not below CodeSpace.
func (p *Permutation) Decode(n uint64) uint64 {
	left, right := halves(n)
	for round := uint64(rounds); round > 0; round-- {
		left, right = reduce(right+halfSpace-p.round(round-1, left)), left
	}
	return left*halfSpace + right
}

func halves(n uint64) (left, right uint64) {
	if n >= CodeSpace {
		panic("shortener: number outside of the code space")
	}
	return n / halfSpace, n % halfSpace
}

// reduce returns n modulo halfSpace for n below twice that.
func reduce(n uint64) uint64 {
	if n >= halfSpace {
		return n - halfSpace
	}
	return n
}

// round is the round function, below halfSpace. A half has 24 bits, so that half and round make a
// message of four bytes, which SipHash takes in one block. The hash is scaled down by a
// multiplication: cheaper than a remainder, and as even.
func (p *Permutation) round(round, half uint64) uint64 {
	scaled, _ := bits.Mul64(p.keys[round&1].sum(4, half|round<<24), halfSpace)
	return scaled
}

// sipKey is a key of SipHash-2-4 (Aumasson and Bernstein, 2012), mixed into its initial state.
type sipKey struct{ v0, v1, v2, v3 uint64 }

func newSipKey(key []byte) sipKey {
	k0, k1 := binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[8:])
	return sipKey{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573}
}

// sum returns the hash of a message of n bytes, at most seven, that lie in m with the first lowest.
func (k sipKey) sum(n, m uint64) uint64 {
	m |= n << 56
	v0, v1, v2, v3 := k.v0, k.v1, k.v2, k.v3^m
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0 ^= m
	v2 ^= 0xff
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	return v0 ^ v1 ^ v2 ^ v3
}

func sipRound(v0, v1, v2, v3 uint64) (w0, w1, w2, w3 uint64) {
	v0 += v1
	v1 = bits.RotateLeft64(v1, 13) ^ v0
	v0 = bits.RotateLeft64(v0, 32)
	v2 += v3
	v3 = bits.RotateLeft64(v3, 16) ^ v2
	v0 += v3
	v3 = bits.RotateLeft64(v3, 21) ^ v0
	v2 += v1
	v1 = bits.RotateLeft64(v1, 17) ^ v2
	v2 = bits.RotateLeft64(v2, 32)
	return v0, v1, v2, v3
}
