package openinference

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep JSON may be nested.
const maxDepth = 64

// scan goes through JSON where it lies and takes no memory. encoding/json would make values of everything before its size
// could be held against a shape, and lets through what is no UTF-8. Methods that say false leave the place anywhere.
type scan struct {
	b []byte
	i int
}

// peek gives the next byte that is no space; 0 is the end.
func (s *scan) peek() byte {
	for ; s.i < len(s.b); s.i++ {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
		default:
			return s.b[s.i]
		}
	}
	return 0
}

// is takes the next byte that is no space where it is c.
func (s *scan) is(c byte) bool {
	if s.peek() != c || c == 0 {
		return false
	}
	s.i++
	return true
}

// word takes true, false or null.
func (s *scan) word(w string) bool {
	if s.peek() == 0 || !bytes.HasPrefix(s.b[s.i:], []byte(w)) {
		return false
	}
	s.i += len(w)
	return true
}

// quoted gives what stands between quotes, as it stands.
func (s *scan) quoted() ([]byte, bool) {
	if !s.is('"') {
		return nil, false
	}
	start := s.i
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return s.b[start : s.i-1 : s.i-1], true
		case c < ' ':
			return nil, false
		case c == '\\':
			s.i++ // what follows is looked at by unquote, and by skip
		}
	}
	return nil, false
}

// digits takes digits; at least one.
func (s *scan) digits() bool {
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}

// number gives a number as it stands.
func (s *scan) number() ([]byte, bool) {
	s.peek()
	start := s.i
	at := func() byte {
		if s.i < len(s.b) {
			return s.b[s.i]
		}
		return 0
	}
	if at() == '-' {
		s.i++
	}
	if at() == '0' {
		s.i++
	} else if !s.digits() {
		return nil, false
	}
	if at() == '.' {
		if s.i++; !s.digits() {
			return nil, false
		}
	}
	if c := at(); c == 'e' || c == 'E' {
		s.i++
		if c := at(); c == '+' || c == '-' {
			s.i++
		}
		if !s.digits() {
			return nil, false
		}
	}
	return s.b[start:s.i], true
}

// skip takes a value of any kind and gives where it stands.
func (s *scan) skip() ([]byte, bool) {
	s.peek()
	start := s.i
	if !s.value(0) {
		return nil, false
	}
	return s.b[start:s.i:s.i], true
}

func (s *scan) value(depth int) bool {
	if depth > maxDepth {
		return false
	}
	switch s.peek() {
	case '"':
		raw, ok := s.quoted()
		return ok && valid(raw)
	case '{':
		return s.members(func([]byte) bool { return s.value(depth + 1) })
	case '[':
		return s.items(func() bool { return s.value(depth + 1) })
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		_, ok := s.number()
		return ok
	}
}

// members takes an object; visit takes each value.
func (s *scan) members(visit func(key []byte) bool) bool {
	if !s.is('{') {
		return false
	}
	if s.is('}') {
		return true
	}
	for {
		raw, ok := s.quoted()
		if !ok || !valid(raw) || !s.is(':') {
			return false
		}
		if bytes.IndexByte(raw, '\\') >= 0 {
			if raw, ok = unquote(raw); !ok {
				return false
			}
		}
		if !visit(raw) {
			return false
		}
		if !s.is(',') {
			return s.is('}')
		}
	}
}

// items takes an array; visit takes each item.
func (s *scan) items(visit func() bool) bool {
	if !s.is('[') {
		return false
	}
	if s.is(']') {
		return true
	}
	for {
		if !visit() {
			return false
		}
		if !s.is(',') {
			return s.is(']')
		}
	}
}

// end says whether nothing but space is left.
func (s *scan) end() bool { return s.peek() == 0 && s.i == len(s.b) }

// hex4 reads four digits.
func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	r := rune(0)
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// escape reads what follows a backslash and gives the rune and its length; 0 is none. A half of a pair alone is none: it
// stands for no text.
func escape(b []byte) (r rune, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	switch b[0] {
	case '"', '\\', '/':
		return rune(b[0]), 1
	case 'b':
		return '\b', 1
	case 'f':
		return '\f', 1
	case 'n':
		return '\n', 1
	case 'r':
		return '\r', 1
	case 't':
		return '\t', 1
	case 'u':
		r, ok := hex4(b[1:])
		switch {
		case !ok:
			return 0, 0
		case !utf16.IsSurrogate(r):
			return r, 5
		case len(b) < 11 || b[5] != '\\' || b[6] != 'u':
			return 0, 0
		}
		second, ok := hex4(b[7:])
		if r = utf16.DecodeRune(r, second); !ok || r == utf8.RuneError {
			return 0, 0
		}
		return r, 11
	default:
		return 0, 0
	}
}

// valid says whether what stands between quotes is text.
func valid(raw []byte) bool {
	for rest := raw; ; {
		at := bytes.IndexByte(rest, '\\')
		if at < 0 {
			break
		}
		_, n := escape(rest[at+1:])
		if n == 0 {
			return false
		}
		rest = rest[at+1+n:]
	}
	return utf8.Valid(raw) // an escape is ASCII, so that it can be looked at as a part of the whole
}

// unquote gives the text of what stands between quotes: where there are no escapes, the same memory.
func unquote(raw []byte) ([]byte, bool) {
	if !valid(raw) {
		return nil, false
	}
	at := bytes.IndexByte(raw, '\\')
	if at < 0 {
		return raw, true
	}
	out := make([]byte, 0, len(raw)) // no escape is shorter than its text
	for ; at >= 0; at = bytes.IndexByte(raw, '\\') {
		r, n := escape(raw[at+1:])
		out = utf8.AppendRune(append(out, raw[:at]...), r)
		raw = raw[at+1+n:]
	}
	return append(out, raw...), true
}
