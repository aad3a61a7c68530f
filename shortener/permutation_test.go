package shortener

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func testPermutation(t testing.TB, fill byte) Permutation {
	t.Helper()
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(i) + fill
	}
	p, err := NewPermutation(key)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The vectors are those of the reference implementation: key 00 01 … 0f, message 00 01 … of n bytes.
func TestSipHashAgreesWithTheReference(t *testing.T) {
	key, _ := hex.DecodeString("000102030405060708090a0b0c0d0e0f")
	k := newSipKey(key)
	for n, want := range []uint64{
		0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
		0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
	} {
		var m uint64
		for i := range n {
			m |= uint64(i) << (8 * i)
		}
		if got := k.sum(uint64(n), m); got != want {
			t.Errorf("SipHash-2-4 of %d bytes = %016x, want %016x", n, got, want)
		}
	}
}

func TestPermutationIsABijection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "key")
		if rapid.Bool().Draw(t, "long key") {
			key = append(key, rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "more key")...)
		}
		p, err := NewPermutation(key)
		if err != nil {
			t.Fatal(err)
		}
		id := rapid.Uint64Range(0, CodeSpace-1).Draw(t, "id")
		code := p.Encode(id)
		if code >= CodeSpace {
			t.Fatalf("Encode(%d) = %d, want it below %d", id, code, uint64(CodeSpace))
		}
		if got := p.Decode(code); got != id {
			t.Fatalf("Decode(Encode(%d)) = %d", id, got)
		}
		if got := p.Encode(p.Decode(id)); got != id {
			t.Fatalf("Encode(Decode(%d)) = %d", id, got)
		}
	})
}

// A change of the permutation would let new ids meet the codes that old ones were given.
func TestPermutationNeverChanges(t *testing.T) {
	p := testPermutation(t, 0)
	for id, want := range map[uint64]string{
		0: "217VxmHY", 1: "43yeYfiG", 62: "EvASeFsP", 1 << 40: "jK9tN9H5", CodeSpace - 1: "6yUR4C6k",
	} {
		if got := codeOf(p.Encode(id)); got != want {
			t.Errorf("code of %d = %s, want %s", id, got, want)
		}
	}
}

func TestPermutationsOfOtherKeysAreOthers(t *testing.T) {
	key := make([]byte, 32)
	first, _ := NewPermutation(key)
	for bit := range 256 {
		other := make([]byte, 32)
		other[bit/8] = 1 << (bit % 8)
		p, err := NewPermutation(other)
		if err != nil {
			t.Fatal(err)
		}
		if p.Encode(1) == first.Encode(1) && p.Encode(2) == first.Encode(2) {
			t.Errorf("bit %d of the key makes no difference", bit)
		}
	}
}

func TestNeighboursAreFarApart(t *testing.T) {
	p, r := testPermutation(t, 3), rand.New(rand.NewPCG(1, 2))
	same := 0
	const n = 20_000
	for range n {
		id := r.Uint64N(CodeSpace - 1)
		a, b := codeOf(p.Encode(id)), codeOf(p.Encode(id+1))
		for i := range a {
			if a[i] == b[i] {
				same++
			}
		}
	}
	// By chance one digit in 62 is the same: 2,581 of 160,000, give or take 50.
	if same < 2300 || same > 2860 {
		t.Errorf("%d digits of %d are the same in neighbours, want about %d", same, 8*n, 8*n/62)
	}
}

func TestKeysOfOtherLengthsAreRefused(t *testing.T) {
	for _, n := range []int{0, 8, 15, 17, 24, 31, 33, 64} {
		if _, err := NewPermutation(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes was accepted", n)
		}
	}
}

func TestNumbersOutsideOfTheCodeSpacePanic(t *testing.T) {
	p := testPermutation(t, 0)
	for name, f := range map[string]func(uint64) uint64{"Encode": p.Encode, "Decode": p.Decode} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s(CodeSpace) returned, want a panic", name)
				}
			}()
			f(CodeSpace)
		}()
	}
}

func BenchmarkPermutationEncode(b *testing.B) {
	p := testPermutation(b, 0)
	id := uint64(1)
	for b.Loop() {
		id = p.Encode(id)
	}
}

// BenchmarkCode is what an id costs on its way to a code: permutation and base62.
func BenchmarkCode(b *testing.B) {
	p := testPermutation(b, 0)
	b.ReportAllocs()
	for id := uint64(1); b.Loop(); id++ {
		_ = codeOf(p.Encode(id))
	}
}
