package score

import (
	"encoding/json"
	"reflect"
	"strings"
)

// kind is the type of an argument's value. Those of Python are told apart: an integer is no float.
type kind string

const (
	anyKind     kind = ""
	textKind    kind = "string"
	integerKind kind = "integer"
	floatKind   kind = "float"
	boolKind    kind = "boolean"
	listKind    kind = "array"
	mapKind     kind = "object"
	nullKind    kind = "null"
)

// kindNamed reads a type's name, in the words of JSON Schema or of BFCL. Several types, and none, are any.
func kindNamed(raw json.RawMessage) kind {
	var name string
	if json.Unmarshal(raw, &name) != nil {
		return anyKind
	}
	switch name {
	case "string", "integer", "boolean", "array", "object", "null":
		return kind(name)
	case "number", "float":
		return floatKind
	case "tuple":
		return listKind
	case "dict":
		return mapKind
	}
	return anyKind
}

func kindOf(v any) kind {
	switch v := v.(type) {
	case nil:
		return nullKind
	case string:
		return textKind
	case bool:
		return boolKind
	case []any:
		return listKind
	case map[string]any:
		return mapKind
	case json.Number:
		if strings.ContainsAny(string(v), ".eE") {
			return floatKind
		}
		return integerKind
	case float32, float64:
		return floatKind
	}
	if f := reflect.ValueOf(v); f.CanInt() || f.CanUint() {
		return integerKind
	}
	return anyKind
}

// firstKind gives the kind of the first accepted value that is not "", and whether there is one.
func firstKind(accepted []any) (kind, bool) {
	for _, v := range accepted {
		if v != "" {
			return kindOf(v), true
		}
	}
	return anyKind, false
}

func (s *Calls) alike(a, b kind) bool {
	return a == b || s.Loose && (a == integerKind || a == floatKind) && (b == integerKind || b == floatKind)
}

// accepts says whether an argument's value is one of the accepted.
func (s *Calls) accepts(p parameter, value any, accepted []any) bool {
	first, some := firstKind(accepted)
	want, is := p.kind, kindOf(value)
	if want == anyKind {
		if want = first; !some {
			want = is
		}
	}
	if want == floatKind && is == integerKind {
		is = floatKind
	}
	// A value of another type stands for itself where the accepted ones are of that type too.
	itself := some && !s.alike(first, want)
	switch {
	case s.alike(is, want):
		if want == listKind && !s.items(p.items, value, accepted) {
			return false
		}
	case some && s.alike(kindOf(value), first):
		itself = true
	default:
		return false
	}
	if itself {
		return among(value, accepted)
	}
	switch v := value.(type) {
	case map[string]any:
		for _, a := range accepted {
			if m, ok := a.(map[string]any); ok && mapping(v, m) {
				return true
			}
		}
		return false
	case []any:
		for _, a := range accepted {
			if list, ok := a.([]any); ok && s.list(p.items, v, list) {
				return true
			}
		}
		return len(v) == 0 && among("", accepted)
	case string:
		for _, a := range accepted {
			if text, ok := a.(string); ok && standard(text) == standard(v) {
				return true
			}
		}
		return false
	}
	return among(value, accepted)
}

func among(value any, accepted []any) bool {
	for _, a := range accepted {
		if same(a, value) {
			return true
		}
	}
	return false
}

// items says whether the items of a list have the right type, by the schema or by one of the accepted lists.
func (s *Calls) items(want kind, value any, accepted []any) bool {
	list, _ := value.([]any)
	if want == anyKind || len(accepted) == 0 {
		return want == anyKind
	}
	for _, a := range accepted {
		like, ok := a.([]any)
		first, some := firstKind(like)
		fits := true
		for _, item := range list {
			is := kindOf(item)
			fits = fits && (!ok || s.alike(is, want) || some && s.alike(is, first))
		}
		if fits {
			return true
		}
	}
	return false
}

// list compares a list with an accepted one, in order.
func (s *Calls) list(items kind, value, accepted []any) bool {
	if len(value) != len(accepted) {
		return false
	}
	first, some := firstKind(accepted)
	mappings := items == mapKind || items == anyKind && some && first == mapKind
	for i, v := range value {
		m, isMap := v.(map[string]any)
		if a, ok := accepted[i].(map[string]any); mappings && isMap && ok {
			if !mapping(m, a) {
				return false
			}
			continue
		}
		if !equalStandard(accepted[i], v) {
			return false
		}
	}
	return true
}

// mapping compares a mapping with an accepted one, each of whose keys has a list of accepted values.
func mapping(value, accepted map[string]any) bool {
	for key, v := range value {
		list, ok := accepted[key].([]any)
		if !ok {
			return false
		}
		found := false
		for _, a := range list {
			found = found || equalStandard(a, v)
		}
		if !found {
			return false
		}
	}
	for key, a := range accepted {
		list, _ := a.([]any)
		if _, ok := value[key]; !ok && !optional(list) {
			return false
		}
	}
	return true
}

// equalStandard compares two values; texts in their standard form.
func equalStandard(a, b any) bool {
	x, ok := a.(string)
	y, also := b.(string)
	if ok && also {
		return standard(x) == standard(y)
	}
	return same(a, b)
}

var standards = strings.NewReplacer(" ", "", ",", "", ".", "", "/", "", "-", "", "_", "", "*", "", "^", "", "'", `"`)

// standard writes a text so that "April 1, 2024" and "april 1 2024" are equal, as BFCL does.
func standard(text string) string { return standards.Replace(strings.ToLower(text)) }
