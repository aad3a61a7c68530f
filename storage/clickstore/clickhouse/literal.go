package clickhouse

import (
	"fmt"
	"strconv"
	"strings"
)

// bind puts literals in the places of the question marks of text. The oldest servers we speak to bind
// nothing themselves.
func bind(text string, args ...any) string {
	var out strings.Builder
	for _, arg := range args {
		before, after, ok := strings.Cut(text, "?")
		if !ok {
			panic("more values than question marks in " + text)
		}
		out.WriteString(before)
		out.WriteString(literal(arg))
		text = after
	}
	if strings.Contains(text, "?") {
		panic("fewer values than question marks before " + text)
	}
	out.WriteString(text)
	return out.String()
}

func literal(value any) string {
	switch v := value.(type) {
	case string:
		return quote(v)
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case []uint64:
		return "(" + list(v) + ")"
	case []int64: // an array: a constant of one piece, however long
		return "[" + list(v) + "]"
	}
	panic(fmt.Sprintf("no literal of a %T", value))
}

func list[V any](values []V) string {
	var out strings.Builder
	for i, v := range values {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(literal(v))
	}
	return out.String()
}

// quote returns s as a string literal. Whatever could end it, or confuse who reads a log, is escaped.
func quote(s string) string {
	var out strings.Builder
	out.Grow(len(s) + 2)
	out.WriteByte('\'')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\'' || c == '\\':
			out.WriteByte('\\')
			out.WriteByte(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&out, `\x%02X`, c)
		default:
			out.WriteByte(c)
		}
	}
	out.WriteByte('\'')
	return out.String()
}
