package clickhouse

import (
	"encoding/binary"
	"strings"
)

// column is a column of an insert: its name, its type, and how the value of a row is written, or what
// its word is.
type column[R any] struct {
	name, kind string
	put        func(dst []byte, row R) []byte
	word       func(row R) string
}

func texts[R any](name string, of func(R) string) column[R] {
	return column[R]{name: name, kind: "String", put: func(dst []byte, row R) []byte { return appendText(dst, of(row)) }}
}

func uint64s[R any](name string, of func(R) uint64) column[R] {
	return column[R]{name: name, kind: "UInt64", put: func(dst []byte, row R) []byte { return binary.LittleEndian.AppendUint64(dst, of(row)) }}
}

func int64s[R any](name string, of func(R) int64) column[R] {
	return column[R]{name: name, kind: "Int64", put: func(dst []byte, row R) []byte { return binary.LittleEndian.AppendUint64(dst, uint64(of(row))) }}
}

func uint32s[R any](name string, of func(R) uint32) column[R] {
	return column[R]{name: name, kind: "UInt32", put: func(dst []byte, row R) []byte { return binary.LittleEndian.AppendUint32(dst, of(row)) }}
}

func uint8s[R any](name string, of func(R) uint8) column[R] {
	return column[R]{name: name, kind: "UInt8", put: func(dst []byte, row R) []byte { return append(dst, of(row)) }}
}

func flags[R any](name string, of func(R) bool) column[R] {
	return uint8s(name, func(row R) uint8 {
		if of(row) {
			return 1
		}
		return 0
	})
}

// words are texts of which many are alike. They go as a dictionary and the index of each row in it.
func words[R any](name string, of func(R) string) column[R] {
	return column[R]{name: name, kind: "LowCardinality(String)", word: of}
}

// block returns rows as one block of the format Native. A server that receives only the beginning of
// a block inserts none of it, which cannot be said of formats that go row by row.
func block[R any](columns []column[R], rows []R) []byte {
	out := binary.AppendUvarint(nil, uint64(len(columns)))
	out = binary.AppendUvarint(out, uint64(len(rows)))
	for _, c := range columns {
		out = appendText(appendText(out, c.name), c.kind)
		if c.word != nil {
			out = appendWords(out, rows, c.word)
			continue
		}
		for _, row := range rows {
			out = c.put(out, row)
		}
	}
	return out
}

// The words of a column that the block brings itself, and that are all new to the server; with them
// goes the width of the indexes, as the logarithm of their bytes.
const (
	wordsVersion = 1
	wordsOfBlock = 1<<9 | 1<<10
	indexOf4     = 2
)

func appendWords[R any](dst []byte, rows []R, of func(R) string) []byte {
	indexes := make(map[string]uint32)
	var dictionary, column []byte
	for _, row := range rows {
		word := of(row)
		index, ok := indexes[word]
		if !ok {
			index = uint32(len(indexes))
			indexes[word] = index
			dictionary = appendText(dictionary, word)
		}
		column = binary.LittleEndian.AppendUint32(column, index)
	}
	dst = binary.LittleEndian.AppendUint64(dst, wordsVersion)
	dst = binary.LittleEndian.AppendUint64(dst, wordsOfBlock|indexOf4)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(indexes)))
	dst = append(dst, dictionary...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(rows)))
	return append(dst, column...)
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// insertion returns the statement that block goes with.
func insertion[R any](table string, columns []column[R]) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return "INSERT INTO " + table + " (" + strings.Join(names, ", ") + ") FORMAT Native"
}
