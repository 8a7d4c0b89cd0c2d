package openaihttp

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// boolean reads true or false.
func (r *reader) boolean() bool {
	switch c := r.peek(); c {
	case 't':
		r.word("true")
		return r.err == nil
	case 'f':
		r.word("false")
	default:
		r.wrongType(c, "true or false")
	}
	return false
}

// text reads a string.
func (r *reader) text() string {
	if c := r.peek(); c != '"' {
		r.wrongType(c, "a string")
		return ""
	}
	return r.quoted()
}

// quoted reads a string that starts here. Escaped surrogates without a partner become U+FFFD, as in
// encoding/json.
func (r *reader) quoted() string {
	if r.err != nil {
		return ""
	}
	start := r.pos + 1
	for i := start; i < len(r.data); i++ {
		switch c := r.data[i]; {
		case c == '"':
			r.pos = i + 1
			return string(r.data[start:i])
		case c == '\\':
			return r.escaped(start, i)
		case c < 0x20:
			r.pos = i
			r.syntax()
			return ""
		}
	}
	r.pos = len(r.data)
	r.syntax()
	return ""
}

// escaped goes on with a string that has an escape at i.
func (r *reader) escaped(start, i int) string {
	out := append(make([]byte, 0, i-start+32), r.data[start:i]...)
	for i < len(r.data) {
		c := r.data[i]
		switch {
		case c == '"':
			r.pos = i + 1
			return string(out)
		case c < 0x20:
			r.pos = i
			r.syntax()
			return ""
		case c != '\\':
			out = append(out, c)
			i++
			continue
		}
		if i+1 >= len(r.data) {
			break
		}
		switch e := r.data[i+1]; e {
		case '"', '\\', '/':
			out = append(out, e)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			c, ok := hex4(r.data, i+2)
			if !ok {
				r.pos = i
				r.syntax()
				return ""
			}
			if utf16.IsSurrogate(c) {
				low := rune(-1)
				if i+7 < len(r.data) && r.data[i+6] == '\\' && r.data[i+7] == 'u' {
					if l, ok := hex4(r.data, i+8); ok {
						low = l
					}
				}
				if joined := utf16.DecodeRune(c, low); joined != utf8.RuneError {
					c = joined
					i += 6
				} else {
					c = utf8.RuneError
				}
			}
			out = utf8.AppendRune(out, c)
			i += 4
		default:
			r.pos = i
			r.syntax()
			return ""
		}
		i += 2
	}
	r.pos = len(r.data)
	r.syntax()
	return ""
}

func hex4(data []byte, at int) (rune, bool) {
	if at+4 > len(data) {
		return 0, false
	}
	var v rune
	for _, c := range data[at : at+4] {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			v = v<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return v, true
}

// digits reads a number and gives it as it stands.
func (r *reader) digits() string {
	start := r.pos
	at := func() byte {
		if r.pos < len(r.data) {
			return r.data[r.pos]
		}
		return 0
	}
	run := func() bool {
		from := r.pos
		for c := at(); c >= '0' && c <= '9'; c = at() {
			r.pos++
		}
		return r.pos > from
	}
	if at() == '-' {
		r.pos++
	}
	if at() == '0' {
		r.pos++
	} else if !run() {
		r.syntax()
		return ""
	}
	if at() == '.' {
		if r.pos++; !run() {
			r.syntax()
			return ""
		}
	}
	if c := at(); c == 'e' || c == 'E' {
		r.pos++
		if c := at(); c == '+' || c == '-' {
			r.pos++
		}
		if !run() {
			r.syntax()
			return ""
		}
	}
	return string(r.data[start:r.pos])
}

func isNumber(c byte) bool { return c == '-' || c >= '0' && c <= '9' }

// number reads a number within [low, high].
func (r *reader) number(low, high float64) float64 {
	if c := r.peek(); !isNumber(c) {
		r.wrongType(c, "a number")
		return 0
	}
	s := r.digits()
	if r.err != nil {
		return 0
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || v < low || v > high {
		r.fail("expected a number between %v and %v", low, high)
		return 0
	}
	return v
}

// integer reads a whole number within [low, high].
func (r *reader) integer(low, high int64) int64 {
	if c := r.peek(); !isNumber(c) {
		r.wrongType(c, "a whole number")
		return 0
	}
	s := r.digits()
	if r.err != nil {
		return 0
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < low || v > high {
		r.fail("expected a whole number between %d and %d", low, high)
		return 0
	}
	return v
}
