package tensor

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// ParseJSON reads the elements of a tensor, which are lists in lists as the shape says, or one flat list. A nil shape
// is taken from the lists. Type Invalid is taken from the elements: String, Bool, Int64 where all numbers are whole and
// fit it, and else Float64.
//
// A number of a type of whole numbers has no point and no exponent, and is read exactly. One that its type does not
// hold is an error. Texts share the memory of data where nothing in them is escaped. Before it allocates, the size is
// held against the limits, and against what so many bytes of JSON can hold.
func ParseJSON(name string, t Type, shape []int64, data []byte, o JSON) (Tensor, error) {
	o.Limits = o.Limits.WithDefaults()
	if shape != nil {
		checked := t
		if t == Invalid {
			checked = Int8 // the smallest
		}
		elements, _, err := o.Limits.Check(checked, shape)
		if err != nil {
			return Tensor{}, fmt.Errorf("tensor %q: %w", name, err)
		}
		if elements > int64(len(data))/2+1 {
			return Tensor{}, fmt.Errorf("tensor %q: %v has more elements than %d bytes of JSON", name, shape, len(data))
		}
	}
	if t != Invalid {
		return parseJSON(name, t, shape, data, o)
	}
	switch c := firstOf(data); c {
	case '"', '{':
		return parseJSON(name, String, shape, data, o)
	case 't', 'f':
		return parseJSON(name, Bool, shape, data, o)
	}
	out, err := parseJSON(name, Int64, shape, data, o)
	if errors.Is(err, errNotWhole) {
		return parseJSON(name, Float64, shape, data, o)
	}
	return out, err
}

// firstOf gives the first byte of the first element.
func firstOf(data []byte) byte {
	for _, c := range data {
		switch c {
		case '[', ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

func parseJSON(name string, t Type, shape []int64, data []byte, o JSON) (Tensor, error) {
	r := jsonReader{t: t, o: o, rest: data}
	if t == String {
		r.texts = make([][]byte, 0, r.guess(shape, o.Limits.Texts))
	} else if t.Valid() {
		size := int64(t.Size())
		r.data = make([]byte, 0, r.guess(shape, o.Limits.Bytes/size)*size)
	} else {
		return Tensor{}, fmt.Errorf("tensor %q: it has no valid type", name)
	}
	err := r.value(0)
	if r.space(); err == nil && len(r.rest) > 0 {
		err = fmt.Errorf("something follows it")
	}
	if err != nil {
		return Tensor{}, fmt.Errorf("tensor %q: reading its JSON at byte %d: %w", name, len(data)-len(r.rest), err)
	}
	found := r.shape[:r.rank]
	if shape != nil && !slices.Equal(found, shape) {
		// An empty tensor has one form in JSON for many shapes: what is below an empty list is not written.
		if elements, err := Elements(shape); err != nil || elements != r.count || len(found) != 1 && elements != 0 {
			return Tensor{}, fmt.Errorf("tensor %q: its JSON is %v, want %v", name, found, shape)
		}
		found = shape
	}
	out := Tensor{Name: name, Type: t, Shape: append(make([]int64, 0, len(found)), found...), Data: r.data, Strings: r.texts}
	return out, out.Check(o.Limits)
}

var (
	errNotWhole = errors.New("a number is not whole, or beyond its type")
	errTooMany  = errors.New("it has more elements than the limit")
)

type jsonReader struct {
	t    Type
	o    JSON
	rest []byte
	// shape holds the lengths of the first list at each depth; rank is how many there are, known with the first element
	// or empty list.
	shape []int64
	rank  int
	known bool
	data  []byte
	texts [][]byte
	// most is how many elements may come.
	most, count int64
}

// guess gives how many elements to make room for, and sets the limit.
func (r *jsonReader) guess(shape []int64, limit int64) int64 {
	r.most = limit
	if shape != nil {
		n, _ := Elements(shape) // checked before
		r.most = min(limit, n)
		return r.most
	}
	return min(limit, int64(bytes.Count(r.rest, []byte{','}))+1)
}

func (r *jsonReader) space() {
	for len(r.rest) > 0 && (r.rest[0] == ' ' || r.rest[0] == '\n' || r.rest[0] == '\t' || r.rest[0] == '\r') {
		r.rest = r.rest[1:]
	}
}

// take takes a byte, behind space, if it is the next.
func (r *jsonReader) take(c byte) bool {
	r.space()
	if len(r.rest) > 0 && r.rest[0] == c {
		r.rest = r.rest[1:]
		return true
	}
	return false
}

func (r *jsonReader) value(depth int) error {
	if !r.take('[') {
		if !r.known {
			r.rank, r.known = depth, true
		}
		if depth != r.rank {
			return errors.New("lists are of different depths")
		}
		if r.count++; r.count > r.most {
			return errTooMany
		}
		return r.element()
	}
	if depth >= r.o.Limits.Rank {
		return fmt.Errorf("lists are deeper than %d, the limit", r.o.Limits.Rank)
	}
	first := len(r.shape) == depth
	if first {
		r.shape = append(r.shape, 0)
	}
	n := int64(0)
	if !r.take(']') {
		for more := true; more; n++ {
			if err := r.value(depth + 1); err != nil {
				return err
			}
			if more = r.take(','); !more && !r.take(']') {
				return errors.New("want a comma or the end of a list")
			}
		}
	} else if !r.known {
		r.rank, r.known = depth+1, true
	}
	switch {
	case depth >= r.rank:
		return errors.New("lists are of different depths")
	case first:
		r.shape[depth] = n
	case r.shape[depth] != n:
		return errors.New("lists are of different lengths")
	}
	return nil
}

func (r *jsonReader) element() error {
	switch {
	case r.t == String:
		s, err := r.text()
		if err != nil {
			return err
		}
		if int64(len(s)) > r.o.Limits.Text {
			return fmt.Errorf("a text has %d bytes, the limit is %d", len(s), r.o.Limits.Text)
		}
		r.texts = append(r.texts, s)
		return nil
	case r.t == Bool:
		switch {
		case r.word("true"):
			r.data = append(r.data, 1)
		case r.word("false"):
			r.data = append(r.data, 0)
		default:
			return errors.New("want true or false")
		}
		return nil
	case r.t.Whole():
		return r.whole()
	default:
		return r.float()
	}
}

func (r *jsonReader) word(w string) bool {
	if len(r.rest) >= len(w) && string(r.rest[:len(w)]) == w {
		r.rest = r.rest[len(w):]
		return true
	}
	return false
}

// number takes a number as JSON writes it, and says whether it has neither point nor exponent.
func (r *jsonReader) number() (token []byte, whole bool, err error) {
	s, i := r.rest, 0
	digits := func() bool {
		start := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i > start
	}
	if i < len(s) && s[i] == '-' {
		i++
	}
	start := i
	ok := digits() && (s[start] != '0' || i == start+1)
	whole = true
	if ok && i < len(s) && s[i] == '.' {
		i++
		ok, whole = digits(), false
	}
	if ok && i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		ok, whole = digits(), false
	}
	if !ok {
		return nil, false, errors.New("want a number")
	}
	r.rest = s[i:]
	return s[:i], whole, nil
}

func (r *jsonReader) whole() error {
	if c := r.rest; len(c) > 0 && (c[0] == 'N' || c[0] == 'I') || len(c) > 1 && c[0] == '-' && c[1] == 'I' {
		return errNotWhole
	}
	token, whole, err := r.number()
	switch {
	case err != nil:
		return err
	case !whole:
		return errNotWhole
	}
	var ok bool
	if token[0] == '-' {
		n, err := strconv.ParseInt(string(token), 10, 64)
		if n == 0 {
			r.data, ok = appendUnsigned(r.data, r.t, 0, err == nil)
		} else {
			r.data, ok = appendSigned(r.data, r.t, n, err == nil)
		}
	} else {
		n, err := strconv.ParseUint(string(token), 10, 64)
		r.data, ok = appendUnsigned(r.data, r.t, n, err == nil)
	}
	if !ok {
		return errNotWhole
	}
	return nil
}

func (r *jsonReader) float() error {
	n := math.NaN()
	switch {
	case r.word("NaN"):
	case r.word("Infinity"):
		n = math.Inf(1)
	case r.word("-Infinity"):
		n = math.Inf(-1)
	default:
		token, _, err := r.number()
		if err != nil {
			return err
		}
		bits := 64
		if r.t != Float64 {
			bits = 32 // rounded once, and not twice
		}
		if n, err = strconv.ParseFloat(string(token), bits); err != nil {
			return errors.New("a number is beyond its type")
		}
		var ok bool
		if r.data, ok = appendFloat(r.data, r.t, n); !ok {
			return errors.New("a number is beyond its type")
		}
		return nil
	}
	if r.o.Finite {
		return errors.New("a number is not finite")
	}
	r.data, _ = appendFloat(r.data, r.t, n)
	return nil
}

// text takes a text, or one in base 64.
func (r *jsonReader) text() ([]byte, error) {
	if len(r.rest) > 0 && r.rest[0] == '{' && r.o.Base64 {
		return r.base64()
	}
	if len(r.rest) == 0 || r.rest[0] != '"' {
		return nil, errors.New("want a text")
	}
	plain := true
	for i := 1; i < len(r.rest); i++ {
		switch c := r.rest[i]; {
		case c == '"':
			token := r.rest[:i+1]
			r.rest = r.rest[i+1:]
			if !utf8.Valid(token) {
				return nil, errors.New("a text is not UTF-8")
			}
			if plain {
				return token[1:i:i], nil
			}
			if int64(len(token)) > 6*r.o.Limits.Text+2 {
				return nil, fmt.Errorf("a text has more bytes than %d, the limit", r.o.Limits.Text)
			}
			var s string
			if err := json.Unmarshal(token, &s); err != nil {
				return nil, errors.New("a text is not as JSON writes it")
			}
			return []byte(s), nil
		case c == '\\':
			plain = false
			i++
		case c < 0x20:
			return nil, errors.New("a text is not as JSON writes it")
		}
	}
	return nil, errors.New("a text does not end")
}

func (r *jsonReader) base64() ([]byte, error) {
	fail := errors.New(`want a text, or {"b64": "..."}`)
	r.take('{')
	r.space()
	if !r.word(`"b64"`) || !r.take(':') {
		return nil, fail
	}
	r.space()
	r.o.Base64 = false
	coded, err := r.text()
	r.o.Base64 = true
	if err != nil || !r.take('}') {
		return nil, fail
	}
	if int64(base64.StdEncoding.DecodedLen(len(coded))) > r.o.Limits.Text+2 {
		return nil, fmt.Errorf("a text has more bytes than %d, the limit", r.o.Limits.Text)
	}
	out, err := base64.StdEncoding.AppendDecode(nil, coded)
	if err != nil {
		return nil, fail
	}
	return out, nil
}
