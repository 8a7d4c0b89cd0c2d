package openaihttp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep objects and lists may nest in a request.
const maxDepth = 64

// reader reads one JSON text from front to back, once, and knows at each moment which field it is in, so
// that a wrong type is told with its place ("messages[0].content"). encoding/json is not used here because it
// tells no index, matches names in any case and takes nesting to 10,000 levels.
//
// The first error stays in err and turns every later call into nothing, so decoders need no error checks.
type reader struct {
	data  []byte
	pos   int
	depth int
	path  []segment
	err   *wireError
}

// segment is a step of the path: a field's name, or an index when the name is empty.
type segment struct {
	name  string
	index int
}

// newReader starts at the front of data. Data that is not valid UTF-8 is an error at once.
func newReader(data []byte) *reader {
	r := &reader{data: data, path: make([]segment, 0, 8)}
	if !utf8.Valid(data) {
		r.err = badRequest("", "the request body is not valid UTF-8")
	}
	return r
}

// where gives the path as OpenAI writes it in "param".
func (r *reader) where() string {
	var b strings.Builder
	for i, s := range r.path {
		switch {
		case s.name == "":
			b.WriteByte('[')
			b.WriteString(strconv.Itoa(s.index))
			b.WriteByte(']')
		case i > 0:
			b.WriteByte('.')
			fallthrough
		default:
			b.WriteString(s.name)
		}
	}
	return b.String()
}

// fail records what is wrong with the field that is being read.
func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		where := r.where()
		place := where
		if place == "" {
			place = "the request body"
		}
		r.err = badRequest(where, place+": "+fmt.Sprintf(format, args...))
	}
}

// failAt records what is wrong with a field of the object that is being read.
func (r *reader) failAt(field, format string, args ...any) {
	r.path = append(r.path, segment{name: field})
	r.fail(format, args...)
	r.path = r.path[:len(r.path)-1]
}

// refuse records that the dialect has the field's value and that we cannot serve it.
func (r *reader) refuse(format string, args ...any) {
	if r.err == nil {
		r.fail(format, args...)
		r.err.Code = codeUnsupported
	}
}

// syntax records that the text is not JSON. It names no field: names may be anything at this point.
func (r *reader) syntax() {
	if r.err == nil {
		r.err = badRequest("", fmt.Sprintf("the request body is not valid JSON (at byte %d)", r.pos))
	}
}

func (r *reader) space() {
	for r.pos < len(r.data) {
		switch r.data[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

// peek gives the first byte of the next value, or 0.
func (r *reader) peek() byte {
	r.space()
	if r.err != nil || r.pos >= len(r.data) {
		return 0
	}
	return r.data[r.pos]
}

// end demands that nothing follows.
func (r *reader) end() {
	if r.space(); r.err == nil && r.pos < len(r.data) {
		r.err = badRequest("", fmt.Sprintf("the request body goes on after its JSON (at byte %d)", r.pos))
	}
}

func (r *reader) enter() bool {
	if r.depth++; r.depth > maxDepth {
		r.err = badRequest("", fmt.Sprintf("the request body nests deeper than %d levels", maxDepth))
		return false
	}
	r.pos++
	return true
}

// object reads an object and calls field with each name; a field whose value is not taken is skipped.
func (r *reader) object(field func(name string)) {
	if c := r.peek(); c != '{' {
		r.wrongType(c, "an object")
		return
	}
	if !r.enter() {
		return
	}
	for first := true; ; first = false {
		c := r.peek()
		if c == '}' && first {
			break
		}
		if c != '"' {
			r.syntax()
			return
		}
		name := r.quoted()
		if r.peek() != ':' {
			r.syntax()
			return
		}
		r.pos++
		r.space()
		start := r.pos
		r.path = append(r.path, segment{name: name})
		if field(name); r.err == nil && r.pos == start {
			r.skip()
		}
		r.path = r.path[:len(r.path)-1]
		if c := r.peek(); c == '}' {
			break
		} else if c != ',' {
			r.syntax()
			return
		}
		r.pos++
	}
	r.pos++
	r.depth--
}

// list reads a list and calls item with each index; an item that is not taken is skipped.
func (r *reader) list(item func(i int)) {
	if c := r.peek(); c != '[' {
		r.wrongType(c, "a list")
		return
	}
	if !r.enter() {
		return
	}
	for i := 0; ; i++ {
		if c := r.peek(); c == ']' && i == 0 {
			break
		}
		start := r.pos
		r.path = append(r.path, segment{index: i})
		if item(i); r.err == nil && r.pos == start {
			r.skip()
		}
		r.path = r.path[:len(r.path)-1]
		if c := r.peek(); c == ']' {
			break
		} else if c != ',' {
			r.syntax()
			return
		}
		r.pos++
	}
	r.pos++
	r.depth--
}

// wrongType tells a value of another type from a text that is not JSON at all.
func (r *reader) wrongType(c byte, want string) {
	if r.err != nil {
		return
	}
	switch c {
	case '{', '[', '"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 't', 'f', 'n':
		r.fail("expected %s", want)
	default:
		r.syntax()
	}
}

// null takes a null, and says whether there was one.
func (r *reader) null() bool {
	if r.peek() != 'n' {
		return false
	}
	r.word("null")
	return r.err == nil
}

func (r *reader) word(w string) {
	if r.pos+len(w) > len(r.data) || string(r.data[r.pos:r.pos+len(w)]) != w {
		r.syntax()
		return
	}
	r.pos += len(w)
}

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

// skip reads a value of any type and leaves it.
func (r *reader) skip() {
	switch c := r.peek(); {
	case r.err != nil:
	case c == '{':
		r.object(func(string) {})
	case c == '[':
		r.list(func(int) {})
	case c == '"':
		r.skipText()
	case c == 't':
		r.word("true")
	case c == 'f':
		r.word("false")
	case c == 'n':
		r.word("null")
	case isNumber(c):
		r.digits()
	default:
		r.syntax()
	}
}

// skipText reads a string without making one.
func (r *reader) skipText() {
	for i := r.pos + 1; i < len(r.data); i++ {
		switch c := r.data[i]; {
		case c == '"':
			r.pos = i + 1
			return
		case c < 0x20:
			r.syntax()
			return
		case c == '\\':
			r.quoted() // strings with escapes are few
			return
		}
	}
	r.syntax()
}

// raw reads a value of any type and gives a copy of its text.
func (r *reader) raw() json.RawMessage {
	r.space()
	start := r.pos
	r.skip()
	if r.err != nil {
		return nil
	}
	return json.RawMessage(append([]byte(nil), r.data[start:r.pos]...))
}

// rawObject is raw, for objects only.
func (r *reader) rawObject() json.RawMessage {
	if c := r.peek(); c != '{' {
		r.wrongType(c, "an object")
		return nil
	}
	return r.raw()
}

// tooLarge is the error for a body over the limit.
func tooLarge(limit int64) *wireError {
	return &wireError{
		status: http.StatusRequestEntityTooLarge, Type: typeInvalid, Code: "request_too_large",
		Message: fmt.Sprintf("the request body is larger than the %d bytes that this server reads", limit),
	}
}
