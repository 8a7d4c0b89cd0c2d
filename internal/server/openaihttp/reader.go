package openaihttp

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
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
