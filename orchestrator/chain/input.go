package chain

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"fairlead/internal/fault"
)

// CheckInput checks a run's input against what the chain declares and gives it as the run's Scope holds
// it: with defaults in place, integers as int64 and numbers as float64. A null is as a value that was
// left out. The error is a *fault.Error (fault.InvalidArgument, fault.ReasonBadRequest) that lists all
// that is wrong and what there is, and none of the values.
func (c *Chain) CheckInput(values map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(c.Inputs))
	var wrong []string
	for _, in := range c.Inputs {
		v := values[in.Name]
		if v == nil {
			switch {
			case in.Default != nil:
				out[in.Name] = in.Default
			case !in.Optional:
				wrong = append(wrong, fmt.Sprintf("%q is missing", in.Name))
			}
			continue
		}
		converted, ok := in.Type.convert(v)
		if !ok {
			wrong = append(wrong, fmt.Sprintf("%q must be %s", in.Name, in.Type.article()))
			continue
		}
		out[in.Name] = converted
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.ContainsFunc(c.Inputs, func(in Input) bool { return in.Name == name }) {
			wrong = append(wrong, fmt.Sprintf("there is no %q", clip(name)))
		}
	}
	if wrong != nil {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "reading the input of chain %s: %s; it takes %s",
			c.Name, strings.Join(wrong, ", "), c.signature())
	}
	return out, nil
}

// signature lists the inputs as a file declares them.
func (c *Chain) signature() string {
	if len(c.Inputs) == 0 {
		return "no input"
	}
	parts := make([]string, len(c.Inputs))
	for i, in := range c.Inputs {
		parts[i] = in.Name + ": " + string(in.Type)
		if in.Optional {
			parts[i] += "?"
		}
	}
	return strings.Join(parts, ", ")
}

// convert gives a value in the form that a scope holds: string, int64, float64, bool, []any or
// map[string]any.
func (t Type) convert(v any) (any, bool) {
	switch t {
	case String:
		s, ok := v.(string)
		return s, ok
	case Boolean:
		b, ok := v.(bool)
		return b, ok
	case List:
		l, ok := v.([]any)
		return l, ok
	case Object:
		m, ok := v.(map[string]any)
		return m, ok
	}
	var f float64
	switch v := v.(type) {
	case float64:
		f = v
	case float32:
		f = float64(v)
	case int:
		return t.whole(int64(v))
	case int32:
		return t.whole(int64(v))
	case int64:
		return t.whole(v)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return t.whole(n)
		}
		n, err := v.Float64()
		if err != nil {
			return nil, false
		}
		f = n
	default:
		return nil, false
	}
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return nil, false
	case t == Number:
		return f, true
	// Up to 2^53 a float64 is the number that was written.
	case f != math.Trunc(f) || math.Abs(f) > 1<<53:
		return nil, false
	}
	return int64(f), true
}

func (t Type) whole(n int64) (any, bool) {
	if t == Number {
		return float64(n), true
	}
	return n, true
}
