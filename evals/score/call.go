package score

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"fairlead/internal/fault"
	"fairlead/providers"
)

// Calls compares the answer's tool calls with the expected ones ("calls") in the manner of the Berkeley Function Calling
// Leaderboard's AST check (Patil et al., "The Berkeley Function Calling Leaderboard", 2025; its ast_checker.py). All must
// match and none may be left over: the score is 0 or 1. An empty list expects that nothing is called.
//
// Expected is a list of calls, each {name: {argument: [accepted values]}}. An accepted "" says that the argument may be
// left out. In a mapping, each key has its list of accepted values; in a list of mappings each mapping's keys do. So:
//
//		[{weather: {city: [Bonn, "Bonn, Germany"], unit: [celsius, ""]}}]
//
//	  - An argument must be expected. One that the tool's schema requires must be there, and so must every expected one
//	    without "".
//	  - Texts are compared in lower case, without spaces and any of , . / - _ * ^, and with ' for ". That goes for texts in
//	    lists, and for those in mappings, one level deep.
//	  - Types are those of the tool's schema (Case.Tools): a whole number will do for a float, "5.0" will not do for an
//	    integer, and within a list not for the other kind. A value of another type than the schema's is taken where the
//	    first accepted one is of that type too. Without a schema the type is that of the first accepted value.
//	  - A name with dots is also taken with "_" in their place, since some APIs know no dots.
//	  - Calls may come in any order. Where several accept the same call, a full matching is looked for, where BFCL takes
//	    the first that fits.
type Calls struct {
	Expected string `yaml:"expected" json:"expected,omitempty"`
	// Loose makes 5 and 5.0 the same, wherever they are: JSON knows one kind of number, and not every server keeps ".0".
	Loose bool `yaml:"loose_numbers" json:"loose_numbers,omitempty"`
}

var _ Scorer = (*Calls)(nil)

func (s *Calls) check() error { _, err := steps(s.Expected); return err }

// expectedCall is one call that is expected.
type expectedCall struct {
	name      string
	arguments map[string][]any
	parameter map[string]parameter
	required  []string
	// described: the tool's schema is known.
	described bool
}

// Score matches calls.
func (s *Calls) Score(_ context.Context, c *Case, o *Outcome) (Score, error) {
	v, ok := c.expected("calls", s.Expected)
	if !ok {
		return skipped("the case expects no calls"), nil
	}
	want, err := expectedCalls(v, c.Tools)
	if err != nil {
		return Score{}, failed(err, fault.InvalidArgument, c, "its expected calls cannot be read: write [{name: {argument: [value]}}]")
	}
	if l, ok := lost(o); ok {
		return l, nil
	}
	if len(o.ToolCalls) != len(want) {
		return right(false, "%d calls, and %d are expected", len(o.ToolCalls), len(want)), nil
	}
	// fits[i][j] says why the answer's call j is not the expected call i.
	fits := make([][]string, len(want))
	for i := range want {
		for _, call := range o.ToolCalls {
			fits[i] = append(fits[i], s.mismatch(&want[i], &call))
		}
	}
	if i := unmatched(fits); i >= 0 {
		return right(false, "%s: %s", want[i].name, closest(fits[i])), nil
	}
	return right(true, ""), nil
}

// unmatched finds a full matching by augmenting paths (Kuhn 1955), and gives the first expected call that has none, or -1.
func unmatched(fits [][]string) int {
	of := make([]int, len(fits)) // the expected call that has the answer's
	for j := range of {
		of[j] = -1
	}
	var try func(i int, seen []bool) bool
	try = func(i int, seen []bool) bool {
		for j, why := range fits[i] {
			if why != "" || seen[j] {
				continue
			}
			seen[j] = true
			if of[j] < 0 || try(of[j], seen) {
				of[j] = i
				return true
			}
		}
		return false
	}
	for i := range fits {
		if !try(i, make([]bool, len(of))) {
			return i
		}
	}
	return -1
}

// closest gives the most telling reason: another name says least.
func closest(reasons []string) string {
	best := "nothing fits"
	for _, why := range reasons {
		switch {
		case why == "":
			best = "it was called too seldom"
		case why != otherName:
			return why
		case best == "nothing fits":
			best = why
		}
	}
	return best
}

const otherName = "it was not called"

// mismatch says why a call is not the expected one, or "".
func (s *Calls) mismatch(want *expectedCall, call *providers.ToolCall) string {
	if call.Name != want.name && call.Name != strings.ReplaceAll(want.name, ".", "_") {
		return otherName
	}
	arguments := map[string]any{}
	if strings.TrimSpace(call.Arguments) != "" { // some servers send nothing where there are none
		v, err := decode([]byte(call.Arguments))
		if err != nil {
			return "its arguments are not JSON"
		}
		var ok bool
		if arguments, ok = v.(map[string]any); !ok {
			return "its arguments are no mapping"
		}
	}
	for _, name := range want.required {
		if _, ok := arguments[name]; !ok {
			return "the required argument " + name + " is missing"
		}
	}
	for name, value := range arguments {
		accepted, ok := want.arguments[name]
		p, known := want.parameter[name]
		if !ok || want.described && !known {
			return "the argument " + clip(name) + " is not expected"
		}
		if !s.accepts(p, value, accepted) {
			return "the argument " + name + " has another value or type"
		}
	}
	for name, accepted := range want.arguments {
		if _, ok := arguments[name]; !ok && !optional(accepted) {
			return "the argument " + name + " is missing"
		}
	}
	return ""
}

func optional(accepted []any) bool {
	for _, v := range accepted {
		if v == "" {
			return true
		}
	}
	return false
}

// parameter is an argument's type by its tool's schema. Its kinds are "" where they are not known.
type parameter struct{ kind, items kind }

func expectedCalls(v any, tools []providers.Tool) ([]expectedCall, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, errors.New("it is no list")
	}
	out := make([]expectedCall, 0, len(list))
	for _, item := range list {
		call, ok := item.(map[string]any)
		if !ok || len(call) != 1 {
			return nil, errors.New("a call is no mapping of one name")
		}
		for name, arguments := range call {
			e := expectedCall{name: name, arguments: map[string][]any{}}
			m, ok := arguments.(map[string]any)
			if !ok && arguments != nil {
				return nil, errors.New("arguments are no mapping")
			}
			for argument, accepted := range m {
				if e.arguments[argument], ok = accepted.([]any); !ok {
					return nil, errors.New("an argument has no list of accepted values")
				}
			}
			if err := e.describe(tools); err != nil {
				return nil, err
			}
			out = append(out, e)
		}
	}
	return out, nil
}

// describe reads the schema of the call's tool.
func (e *expectedCall) describe(tools []providers.Tool) error {
	for _, t := range tools {
		if t.Name != e.name {
			continue
		}
		var schema struct {
			Properties map[string]struct {
				Type  json.RawMessage `json:"type"`
				Items struct {
					Type json.RawMessage `json:"type"`
				} `json:"items"`
			} `json:"properties"`
			Required []string `json:"required"`
		}
		if len(t.Parameters) > 0 {
			if err := json.Unmarshal(t.Parameters, &schema); err != nil {
				return fmt.Errorf("the schema of its tool %s cannot be read", e.name)
			}
		}
		e.described, e.required, e.parameter = true, schema.Required, map[string]parameter{}
		for name, p := range schema.Properties {
			e.parameter[name] = parameter{kindNamed(p.Type), kindNamed(p.Items.Type)}
		}
		return nil
	}
	return nil
}
