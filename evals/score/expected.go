package score

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// expected gives what a case expects under a scorer's key. path, where it is set, names another place. A case whose
// expectation is no mapping expects it of every scorer.
func (c *Case) expected(key, path string) (any, bool) {
	if path != "" {
		return lookup(c.Expected, path)
	}
	if m, ok := c.Expected.(map[string]any); ok {
		v, ok := m[key]
		return v, ok && v != nil
	}
	return c.Expected, c.Expected != nil
}

// texts gives a text or a list of texts, any of which will do.
func (c *Case) texts(key, path string) ([]string, bool) {
	v, ok := c.expected(key, path)
	if !ok {
		return nil, false
	}
	list, isList := v.([]any)
	if !isList {
		text, ok := asText(v)
		return []string{text}, ok
	}
	var out []string
	for _, item := range list {
		text, ok := asText(item)
		if !ok {
			return nil, false
		}
		out = append(out, text)
	}
	return out, len(out) > 0
}

// asText gives a scalar as text.
func asText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	}
	if f := reflect.ValueOf(v); f.IsValid() && (f.CanInt() || f.CanUint()) {
		return fmt.Sprint(v), true
	}
	return "", false
}

// asNumber gives a number as float64.
func asNumber(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	}
	if f := reflect.ValueOf(v); f.IsValid() {
		switch {
		case f.CanInt():
			return float64(f.Int()), true
		case f.CanUint():
			return float64(f.Uint()), true
		case f.CanFloat():
			return f.Float(), true
		}
	}
	return 0, false
}

// maxJSON bounds the answers that are read as JSON, in bytes.
const maxJSON = 4 << 20

// decode reads one JSON value with its numbers as they are written.
func decode(data []byte) (any, error) {
	if len(data) > maxJSON {
		return nil, errors.New("it is too large")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errors.New("it is not JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after it")
	}
	return v, nil
}

// value gives the answer as JSON. A text must be JSON as a whole: whatever reads it downstream would stumble over a word
// before it, or a fence around it.
func (o *Outcome) value() (any, error) {
	if len(o.JSON) > 0 {
		return decode(o.JSON)
	}
	return decode([]byte(o.Text))
}

// text gives the answer's text, or, where of is a path, the scalar at it in the answer's JSON.
func (o *Outcome) text(of string) (string, string) {
	if of == "" {
		return o.Text, ""
	}
	v, err := o.value()
	if err != nil {
		return "", "the answer cannot be read as JSON: " + err.Error()
	}
	at, ok := lookup(v, of)
	if !ok {
		return "", fmt.Sprintf("the answer has no %s", of)
	}
	text, ok := asText(at)
	if !ok {
		return "", fmt.Sprintf("%s is not one value", of)
	}
	return text, ""
}

// Source says where a scorer finds the text that it judges, and what it should be.
type Source struct {
	// Of is a path into the answer's JSON. Empty: the answer's text as a whole.
	Of string `yaml:"of" json:"of,omitempty"`
	// Expected is a path into the case's expectation. Empty: the scorer's own key.
	Expected string `yaml:"expected" json:"expected,omitempty"`
}

func (s Source) check() error {
	for _, p := range []string{s.Of, s.Expected} {
		if _, err := steps(p); err != nil {
			return err
		}
	}
	return nil
}

// lookup gives the value at a path: names and places of lists (from 0), joined by dots, or a JSON Pointer (RFC 6901),
// which begins with "/".
func lookup(v any, path string) (any, bool) {
	list, err := steps(path)
	if err != nil {
		return nil, false
	}
	for _, step := range list {
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[step]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(at) || strconv.Itoa(i) != step {
				return nil, false
			}
			v = at[i]
		default:
			return nil, false
		}
	}
	return v, true
}

var unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")

func steps(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	if rest, ok := strings.CutPrefix(path, "/"); ok {
		list := strings.Split(rest, "/")
		for i, s := range list {
			list[i] = unescapePointer.Replace(s)
		}
		return list, nil
	}
	list := strings.Split(path, ".")
	for _, s := range list {
		if s == "" {
			return nil, fmt.Errorf("%q is not a path: write names joined by dots, or a JSON Pointer", path)
		}
	}
	return list, nil
}
