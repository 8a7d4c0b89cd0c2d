package chain

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"fairlead/internal/fault"
	"fairlead/retrieval"
)

// DefaultTop is how many passages a retrieve step finds when it does not say. MaxTop is the most it may.
const (
	DefaultTop = 6
	MaxTop     = 100
)

// Limit gives how many passages to find. Errors are *fault.Error.
func (r *Retrieve) Limit(s *Scope) (int, error) {
	if r.TopFrom == nil {
		if r.Top == 0 {
			return DefaultTop, nil
		}
		return r.Top, nil
	}
	v, err := r.TopFrom.Value(s)
	if err != nil {
		return 0, err
	}
	if v == nil {
		return DefaultTop, nil
	}
	n, ok := Integer.convert(v)
	if !ok || n.(int64) < 1 || n.(int64) > MaxTop {
		return 0, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "retrieving: top must be a whole number from 1 to %d", MaxTop)
	}
	return int(n.(int64)), nil
}

// Conditions gives the filter with its templates filled in. Errors are *fault.Error.
func (r *Retrieve) Conditions(s *Scope) (retrieval.Filter, error) {
	filter := make(retrieval.Filter, 0, len(r.Filter))
	for _, c := range r.Filter {
		v := c.Value
		if c.Template != nil {
			text, err := c.Template.Render(s)
			if err != nil {
				return nil, err
			}
			v = text
		}
		filter = append(filter, retrieval.Condition{Field: c.Field, Op: c.Op, Value: v})
	}
	return filter, nil
}

func (p *parsing) retrieve(o *object) *Retrieve {
	r := &Retrieve{Collection: p.required(o, "collection", "retrieve"), Query: p.required(o, "query", "retrieve")}
	if f, ok := o.get("top"); ok {
		if _, isText := f.value.(*ast.StringNode); isText {
			r.TopFrom = p.template(f.value, "top")
			if r.TopFrom != nil && (len(r.TopFrom.pieces) != 1 || r.TopFrom.pieces[0].path == nil) {
				p.fail(placeOf(f.value), "top must be a whole number or one placeholder")
			}
		} else if v, ok := p.integer(f.value, "top", 1, MaxTop); ok {
			r.Top = int(v)
		}
	}
	f, ok := o.get("filter")
	if !ok {
		return r
	}
	if list, isList := f.value.(*ast.SequenceNode); isList {
		for _, node := range list.Values {
			if c := p.object(node, "the condition", filterKeys); c != nil {
				p.filter(r, c)
			}
		}
		return r
	}
	if m := p.object(f.value, "filter", nil); m != nil {
		for _, entry := range m.fields {
			op := retrieval.Equal
			if _, isList := entry.value.(*ast.SequenceNode); isList {
				op = retrieval.In
			}
			p.filterValue(r, FilterCondition{Field: entry.key, Op: op}, entry.at, entry.value)
		}
	}
	return r
}

func (p *parsing) filter(r *Retrieve, o *object) {
	c := FilterCondition{Op: retrieval.Equal}
	f, ok := o.get("field")
	if !ok {
		p.fail(o.at, "the condition has no field")
		return
	}
	name, ok := p.text(f.value, "field")
	if !ok {
		return
	}
	c.Field = name.text
	if op, ok := o.get("op"); ok {
		text, ok := p.text(op.value, "op")
		if !ok {
			return
		}
		if !slices.Contains(ops, text.text) {
			p.fail(placeOf(op.value), "there is no comparison %q: use one of %s", clip(text.text), strings.Join(ops, ", "))
			return
		}
		c.Op = retrieval.Op(text.text)
	}
	v, ok := o.get("value")
	if !ok {
		if c.Op != retrieval.Exists {
			p.fail(o.at, "the condition has no value")
			return
		}
		c.Value = true
		r.Filter = append(r.Filter, c)
		return
	}
	p.filterValue(r, c, placeOf(f.value), v.value)
}

// filterValue reads the value of a condition and adds it.
func (p *parsing) filterValue(r *Retrieve, c FilterCondition, at place, n ast.Node) {
	if !fieldName.MatchString(c.Field) {
		p.fail(at, `%q is not the name of a metadata field: use letters, digits, ".", "_" and "-"`, clip(c.Field))
		return
	}
	switch n.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		c.Template = p.template(n, "filter."+c.Field)
	case *ast.IntegerNode, *ast.FloatNode:
		c.Value, _ = asNumber(n)
	case *ast.BoolNode:
		c.Value = p.boolean(n, "filter."+c.Field)
	case *ast.SequenceNode:
		var list []any
		for _, node := range p.list(n, "filter."+c.Field) {
			switch node.(type) {
			case *ast.IntegerNode, *ast.FloatNode:
				v, _ := asNumber(node)
				list = append(list, v)
			default:
				text, ok := p.text(node, "filter."+c.Field)
				if ok && strings.Contains(text.text, "{{") {
					p.fail(placeOf(node), "filter.%s: a list holds plain text, without {{placeholders}}", c.Field)
				}
				list = append(list, text.text)
			}
		}
		c.Value = list
	default:
		p.fail(placeOf(n), "filter.%s must be text, a number, true or false, or a list, not %s", c.Field, kindOf(n))
		return
	}
	_, isList := c.Value.([]any)
	_, isBool := c.Value.(bool)
	switch {
	case isList != (c.Op == retrieval.In):
		p.fail(placeOf(n), "filter.%s: a list goes with in, and in with a list", c.Field)
	case c.Op == retrieval.Exists && !isBool:
		p.fail(placeOf(n), "filter.%s: exists goes with true or false", c.Field)
	default:
		r.Filter = append(r.Filter, c)
	}
}
