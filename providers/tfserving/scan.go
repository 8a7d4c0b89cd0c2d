package tfserving

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
)

// maxDepth is how deep JSON may be nested.
const maxDepth = 32

// scanner reads JSON with NaN and Infinity, in place.
type scanner struct {
	b []byte
	i int
}

// peek gives the next byte that is no space; 0 at the end.
func (s *scanner) peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// take reads a byte that must come next.
func (s *scanner) take(c byte) error {
	if s.peek() != c {
		return errWire
	}
	s.i++
	return nil
}

// items calls f at each item of an array or member of an object, between the brackets.
func (s *scanner) items(from, to byte, f func(i int) error) error {
	if err := s.take(from); err != nil {
		return err
	}
	if s.peek() == to {
		s.i++
		return nil
	}
	for i := 0; ; i++ {
		if err := f(i); err != nil {
			return err
		}
		if s.peek() == to {
			s.i++
			return nil
		}
		if err := s.take(','); err != nil {
			return err
		}
	}
}

// members calls f at the value of each member of an object.
func (s *scanner) members(f func(key string) error) error {
	return s.items('{', '}', func(int) error {
		key, err := s.text()
		if err != nil {
			return err
		}
		if err := s.take(':'); err != nil {
			return err
		}
		return f(string(key))
	})
}

// skip reads a value of any kind.
func (s *scanner) skip(depth int) error {
	if depth > maxDepth {
		return errWire
	}
	switch s.peek() {
	case '{':
		return s.members(func(string) error { return s.skip(depth + 1) })
	case '[':
		return s.items('[', ']', func(int) error { return s.skip(depth + 1) })
	case '"':
		_, err := s.quoted()
		return err
	default:
		word := s.word()
		if !isWord(word) {
			return errWire
		}
		return nil
	}
}

// word reads what stands up to the next delimiter: a number, or a name such as true.
func (s *scanner) word() []byte {
	s.peek()
	from := s.i
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ',', ']', '}', ':', '"', '[', '{', ' ', '\t', '\n', '\r':
			return s.b[from:s.i]
		}
		s.i++
	}
	return s.b[from:]
}

func isWord(w []byte) bool {
	switch string(w) {
	case "true", "false", "null", "NaN", "Infinity", "-Infinity":
		return true
	default:
		return isJSONNumber(w)
	}
}

// isJSONNumber says whether a word has the form of a number in JSON.
func isJSONNumber(w []byte) bool {
	digits := func() bool {
		n := 0
		for n < len(w) && w[n] >= '0' && w[n] <= '9' {
			n++
		}
		w = w[n:]
		return n > 0
	}
	if len(w) > 0 && w[0] == '-' {
		w = w[1:]
	}
	if len(w) > 1 && w[0] == '0' && w[1] >= '0' && w[1] <= '9' {
		return false
	}
	if !digits() {
		return false
	}
	if len(w) > 0 && w[0] == '.' {
		if w = w[1:]; !digits() {
			return false
		}
	}
	if len(w) > 0 && (w[0] == 'e' || w[0] == 'E') {
		if w = w[1:]; len(w) > 0 && (w[0] == '+' || w[0] == '-') {
			w = w[1:]
		}
		if !digits() {
			return false
		}
	}
	return len(w) == 0
}

// quoted reads a string, with its quotes and as it stands.
func (s *scanner) quoted() ([]byte, error) {
	if s.peek() != '"' {
		return nil, errWire
	}
	from := s.i
	for s.i++; s.i < len(s.b); s.i++ {
		switch s.b[s.i] {
		case '\\':
			s.i++
		case '"':
			s.i++
			return s.b[from:s.i], nil
		}
	}
	return nil, errWire
}

// text reads a string. Without escapes it is a part of what is read.
func (s *scanner) text() ([]byte, error) {
	q, err := s.quoted()
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(q, '\\') < 0 {
		return q[1 : len(q)-1 : len(q)-1], nil
	}
	var text string
	if json.Unmarshal(q, &text) != nil {
		return nil, errWire
	}
	return []byte(text), nil
}

// bytes reads an element of type String: a string, or {"b64": "…"}.
func (s *scanner) bytes() ([]byte, error) {
	if s.peek() == '"' {
		return s.text()
	}
	var out []byte
	n := 0
	err := s.members(func(key string) error {
		text, err := s.text()
		if err != nil || key != "b64" {
			return errWire
		}
		n++
		if out, err = base64.StdEncoding.DecodeString(string(text)); err != nil {
			return errWire
		}
		return nil
	})
	if err != nil || n != 1 {
		return nil, errWire
	}
	return out, nil
}

// number reads a float of 32 or 64 bits.
func (s *scanner) number(bits int) (float64, error) {
	switch w := s.word(); string(w) {
	case "NaN":
		return math.NaN(), nil
	case "Infinity":
		return math.Inf(1), nil
	case "-Infinity":
		return math.Inf(-1), nil
	default:
		if !isJSONNumber(w) {
			return 0, errWire
		}
		x, err := strconv.ParseFloat(string(w), bits)
		if err != nil {
			return 0, errRange
		}
		return x, nil
	}
}
