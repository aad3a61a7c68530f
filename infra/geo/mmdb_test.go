package geo

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
)

// The types of values in a MaxMind DB file.
const (
	typeString = 2
	typeUint16 = 5
	typeUint32 = 6
	typeMap    = 7
	typeUint64 = 9
	typeArray  = 11
)

const separator = 16 // zero bytes between the tree and the data

// encodeMMDB writes a file of the places by network: a tree of 24-bit records, one bit a level, the
// data, and the metadata behind its marker.
func encodeMMDB(t testing.TB, places map[string]Place) []byte {
	t.Helper()
	const empty, leaf = -1, -2 // children: a node's index, nothing, or leaf minus the index of its data
	nodes := [][2]int{{empty, empty}}
	var data []byte
	var offsets []int
	for network, place := range places {
		prefix := netip.MustParsePrefix(network)
		bits, length := prefix.Addr().As16(), prefix.Bits()
		if prefix.Addr().Is4() { // IPv4 lies in ::/96
			four := prefix.Addr().As4()
			bits, length = [16]byte{}, length+96
			copy(bits[12:], four[:])
		}
		at := 0
		for i := range length {
			bit := bits[i/8] >> (7 - i%8) & 1
			if i == length-1 {
				nodes[at][bit] = leaf - len(offsets)
				break
			}
			if nodes[at][bit] == empty {
				nodes = append(nodes, [2]int{empty, empty})
				nodes[at][bit] = len(nodes) - 1
			}
			at = nodes[at][bit]
		}
		offsets = append(offsets, len(data))
		data = append(data, encodePlace(place)...)
	}
	var out []byte
	for _, node := range nodes {
		for _, child := range node {
			value := child
			switch {
			case child == empty:
				value = len(nodes)
			case child <= leaf:
				value = len(nodes) + separator + offsets[leaf-child]
			}
			out = append(out, byte(value>>16), byte(value>>8), byte(value))
		}
	}
	out = append(out, make([]byte, separator)...)
	out = append(out, data...)
	out = append(out, "\xab\xcd\xefMaxMind.com"...)
	return append(out, encodeMap(
		"node_count", encodeUint(typeUint32, uint64(len(nodes))), "record_size", encodeUint(typeUint16, 24),
		"ip_version", encodeUint(typeUint16, 6), "database_type", encodeString("Test-City"),
		"binary_format_major_version", encodeUint(typeUint16, 2), "binary_format_minor_version", encodeUint(typeUint16, 0),
		"build_epoch", encodeUint(typeUint64, 1_700_000_000), "languages", encodeArray(encodeString("en")),
		"description", encodeMap("en", encodeString("a test")),
	)...)
}

func encodePlace(p Place) []byte {
	var parts []any
	if p.Country != "" {
		parts = append(parts, "country", encodeMap("iso_code", encodeString(p.Country)))
	}
	if p.Region != "" {
		key := encodeMap("iso_code", encodeString(p.Region))
		if len(p.Region) > 3 {
			key = encodeMap("names", encodeMap("en", encodeString(p.Region)))
		}
		parts = append(parts, "subdivisions", encodeArray(key))
	}
	if p.City != "" {
		parts = append(parts, "city", encodeMap("names", encodeMap("de", encodeString("Stadt"), "en", encodeString(p.City))))
	}
	return encodeMap(parts...)
}

// control is the head of a value. Sizes here are below 29.
func control(kind, size int) []byte {
	if kind > 7 {
		return []byte{byte(size), byte(kind - 7)}
	}
	return []byte{byte(kind<<5 | size)}
}

func encodeString(s string) []byte { return append(control(typeString, len(s)), s...) }

func encodeUint(kind int, v uint64) []byte {
	raw := binary.BigEndian.AppendUint64(nil, v)
	raw = raw[slices.IndexFunc(append(raw, 1), func(b byte) bool { return b != 0 }):]
	return append(control(kind, len(raw)), raw...)
}

func encodeArray(values ...[]byte) []byte {
	return append(control(typeArray, len(values)), slices.Concat(values...)...)
}

func encodeMap(keysAndValues ...any) []byte {
	out := control(typeMap, len(keysAndValues)/2)
	for i := 0; i < len(keysAndValues); i += 2 {
		out = append(out, encodeString(keysAndValues[i].(string))...)
		out = append(out, keysAndValues[i+1].([]byte)...)
	}
	return out
}
