package chain

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"fairlead/internal/fault"
)

// reader reads YAML nodes strictly and collects all that is wrong, each with its place in the file.
type reader struct {
	file     string
	lines    []string
	problems []problem
}

type problem struct {
	line, column int
	text         string
}

func (r *reader) fail(at place, format string, args ...any) {
	r.problems = append(r.problems, problem{at.line, at.column, fmt.Sprintf(format, args...)})
}

// err gives everything that is wrong as one error, in the order of the file.
func (r *reader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	var b strings.Builder
	for _, p := range slices.Compact(r.problems) {
		fmt.Fprintf(&b, "\n%s:%d:%d: %s", r.file, p.line, p.column, p.text)
	}
	return fault.New(fault.InvalidArgument, fault.ReasonBadChain, "reading the chain:%s", b.String())
}

// parse gives the file's one document, or nil after a failure.
func (r *reader) parse(data []byte) (body ast.Node) {
	defer func() {
		// The parser is not ours and its input is: a mistake of its own must not end the process.
		if p := recover(); p != nil {
			body = nil
			r.fail(place{1, 1}, "the YAML cannot be read")
		}
	}()
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var syntax yaml.Error
		at, text := place{1, 1}, "the YAML cannot be read"
		if errors.As(err, &syntax) {
			text = syntax.GetMessage()
			if tk := syntax.GetToken(); tk != nil && tk.Position != nil {
				at = place{max(tk.Position.Line, 1), max(tk.Position.Column, 1)}
			}
		}
		if at.line <= len(r.lines) && strings.Contains(r.lines[at.line-1], ": {{") {
			text += `; text with {{ in it needs quotes, as in "{{question}}"`
		}
		r.fail(at, "%s", text)
		return nil
	}
	switch {
	case len(file.Docs) == 0 || file.Docs[0].Body == nil:
		r.fail(place{1, 1}, "the file is empty")
		return nil
	case len(file.Docs) > 1:
		at := place{1, 1}
		if b := file.Docs[1].Body; b != nil {
			at = placeOf(b)
		}
		r.fail(at, "a file holds one chain: put the second document into a file of its own")
		return nil
	}
	return file.Docs[0].Body
}

// field is a key of a mapping with its value.
type field struct {
	key   string
	at    place
	value ast.Node
}

// object is a mapping that was read.
type object struct {
	at     place
	fields []field
}

func (o *object) get(key string) (field, bool) {
	i := slices.IndexFunc(o.fields, func(f field) bool { return f.key == key })
	if i < 0 {
		return field{}, false
	}
	return o.fields[i], true
}

func (o *object) has(key string) bool { _, ok := o.get(key); return ok }

// object reads a mapping whose keys are known; nil known lets every key through. what names it in
// messages.
func (r *reader) object(n ast.Node, what string, known []string) *object {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		r.fail(placeOf(n), "%s must be a mapping (key: value), not %s", what, kindOf(n))
		return nil
	}
	o := &object{at: placeOf(n)}
	for _, v := range values {
		key, ok := v.Key.(*ast.StringNode)
		if !ok {
			r.fail(placeOf(v.Key), "%s: a key must be plain text", what)
			continue
		}
		at := placeOf(key)
		switch {
		case o.has(key.Value):
			r.fail(at, "%s has the key %q twice", what, key.Value)
		case known != nil && !slices.Contains(known, key.Value):
			r.fail(at, "%s has no key %q%s", what, key.Value, suggest(key.Value, known))
		default:
			o.fields = append(o.fields, field{key.Value, at, v.Value})
		}
	}
	return o
}

// list reads a sequence.
func (r *reader) list(n ast.Node, what string) []ast.Node {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		r.fail(placeOf(n), "%s must be a list, not %s", what, kindOf(n))
		return nil
	}
	return s.Values
}

// scalar is text with what is needed to find its characters in the file.
type scalar struct {
	text string
	node ast.Node
}

// text reads text. A number or a boolean is not text: quotes make it so.
func (r *reader) text(n ast.Node, what string) (scalar, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return scalar{n.Value, n}, true
	case *ast.LiteralNode:
		if n.Value == nil {
			return scalar{"", n}, true
		}
		return scalar{n.Value.Value, n}, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		r.fail(placeOf(n), "%s must be text, not %s: put it in quotes", what, kindOf(n))
	case *ast.MappingNode:
		if at := placeOf(n); at.line <= len(r.lines) && strings.Contains(r.lines[at.line-1], "{{") {
			r.fail(at, `%s must be text: put it in quotes, as in "{{question}}"`, what)
			break
		}
		r.fail(placeOf(n), "%s must be text, not %s", what, kindOf(n))
	default:
		r.fail(placeOf(n), "%s must be text, not %s", what, kindOf(n))
	}
	return scalar{}, false
}

// integer reads a whole number within bounds, both included.
func (r *reader) integer(n ast.Node, what string, low, high int64) (int64, bool) {
	i, ok := n.(*ast.IntegerNode)
	if !ok {
		r.fail(placeOf(n), "%s must be a whole number, not %s", what, kindOf(n))
		return 0, false
	}
	var v int64
	switch raw := i.Value.(type) {
	case int64:
		v = raw
	case uint64:
		v = int64(min(raw, 1<<63-1))
	}
	if v < low || v > high {
		r.fail(placeOf(n), "%s must be from %d to %d", what, low, high)
		return 0, false
	}
	return v, true
}

// number reads a number within bounds, both included.
func (r *reader) number(n ast.Node, what string, low, high float64) (float64, bool) {
	v, ok := asNumber(n)
	if !ok {
		r.fail(placeOf(n), "%s must be a number, not %s", what, kindOf(n))
		return 0, false
	}
	if v < low || v > high {
		r.fail(placeOf(n), "%s must be from %v to %v", what, low, high)
		return 0, false
	}
	return v, true
}

func asNumber(n ast.Node) (float64, bool) {
	switch n := n.(type) {
	case *ast.FloatNode:
		return n.Value, true
	case *ast.IntegerNode:
		switch raw := n.Value.(type) {
		case int64:
			return float64(raw), true
		case uint64:
			return float64(raw), true
		}
	}
	return 0, false
}

func (r *reader) boolean(n ast.Node, what string) bool {
	b, ok := n.(*ast.BoolNode)
	if !ok {
		r.fail(placeOf(n), "%s must be true or false, not %s", what, kindOf(n))
		return false
	}
	return b.Value
}

// duration reads a positive time span such as "800ms" or "8s".
func (r *reader) duration(n ast.Node, what string) time.Duration {
	s, ok := n.(*ast.StringNode)
	if !ok {
		r.fail(placeOf(n), "%s must be a time span such as 800ms, 8s or 2m, not %s", what, kindOf(n))
		return 0
	}
	d, err := time.ParseDuration(s.Value)
	if err != nil || d <= 0 || d > 24*time.Hour {
		r.fail(placeOf(n), "%s must be a time span from 1ns to 24h, such as 800ms, 8s or 2m", what)
		return 0
	}
	return d
}

// json gives a node as what JSON knows; numbers are int64 or float64.
func (r *reader) json(n ast.Node, what string) (any, bool) {
	switch n := n.(type) {
	case *ast.NullNode:
		return nil, true
	case *ast.BoolNode:
		return n.Value, true
	case *ast.StringNode, *ast.LiteralNode:
		s, ok := r.text(n, what)
		return s.text, ok
	case *ast.IntegerNode:
		if v, ok := n.Value.(int64); ok {
			return v, true
		}
		if v, ok := n.Value.(uint64); ok && v < 1<<63 {
			return int64(v), true
		}
		v, ok := asNumber(n)
		return v, ok
	case *ast.FloatNode:
		return n.Value, true
	case *ast.SequenceNode:
		list := make([]any, 0, len(n.Values))
		for _, v := range n.Values {
			item, ok := r.json(v, what)
			if !ok {
				return nil, false
			}
			list = append(list, item)
		}
		return list, true
	case *ast.MappingNode, *ast.MappingValueNode:
		o := r.object(n, what, nil)
		m := make(map[string]any, len(o.fields))
		for _, f := range o.fields {
			item, ok := r.json(f.value, what)
			if !ok {
				return nil, false
			}
			m[f.key] = item
		}
		return m, true
	}
	r.fail(placeOf(n), "%s may not hold %s", what, kindOf(n))
	return nil, false
}

// compactJSON writes what json gave.
func compactJSON(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}
