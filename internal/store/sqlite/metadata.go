package sqlite

import (
	"encoding/json"
	"math"

	"fairlead/internal/fault"
)

// The kinds of values in document_fields.
const (
	kindEmpty  = 0 // an empty list: the field is there and holds nothing
	kindText   = 1
	kindNumber = 2
	kindBool   = 3
)

// scalarItem is the item of a value that is not in a list.
const scalarItem = -1

// field is a row of document_fields.
type field struct {
	key   string
	item  int
	kind  int
	value any
}

// scalar gives a value's kind and how the table holds it, or false when it is not text, a finite number or
// a boolean.
func scalar(v any) (kind int, value any, ok bool) {
	switch v := v.(type) {
	case string:
		return kindText, v, true
	case bool:
		if v {
			return kindBool, int64(1), true
		}
		return kindBool, int64(0), true
	case float64:
		return kindNumber, v, !math.IsNaN(v) && !math.IsInf(v, 0)
	case float32:
		return scalar(float64(v))
	case int:
		return kindNumber, float64(v), true
	case int64:
		return kindNumber, float64(v), true
	default:
		return 0, nil, false
	}
}

// items gives the values of a list, or false when v is no list.
func items(v any) ([]any, bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case []string:
		return anys(v), true
	case []float64:
		return anys(v), true
	case []bool:
		return anys(v), true
	default:
		return nil, false
	}
}

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

// encodeMetadata gives the JSON of a document's metadata and its rows for filters. A nil value is no value.
func encodeMetadata(m map[string]any, doing string) (string, []field, error) {
	var fields []field
	kept := make(map[string]any, len(m))
	for key, v := range m {
		if v == nil {
			continue
		}
		kept[key] = v
		if kind, value, ok := scalar(v); ok {
			fields = append(fields, field{key: key, item: scalarItem, kind: kind, value: value})
			continue
		}
		list, ok := items(v)
		if !ok {
			return "", nil, badRequest(doing, "a metadata field is not text, a number, a boolean or a list of text")
		}
		if len(list) == 0 {
			fields = append(fields, field{key: key, kind: kindEmpty})
		}
		for i, item := range list {
			text, ok := item.(string)
			if !ok {
				return "", nil, badRequest(doing, "a list in the metadata holds something that is not text")
			}
			fields = append(fields, field{key: key, item: i, kind: kindText, value: text})
		}
	}
	body, err := json.Marshal(kept)
	if err != nil {
		return "", nil, fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest, "%s: its metadata cannot be written as JSON", doing)
	}
	return string(body), fields, nil
}

// decodeMetadata reads a document's metadata: text, float64, bool and []string. Nil when there is none.
func decodeMetadata(body string) (map[string]any, error) {
	if body == "{}" {
		return nil, nil
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		return nil, fault.Wrap(err, fault.DataLoss, fault.ReasonNone, "reading a document: its stored metadata is not readable")
	}
	for key, v := range m {
		list, ok := v.([]any)
		if !ok {
			continue
		}
		texts := make([]string, len(list))
		for i, item := range list {
			texts[i], _ = item.(string) // encodeMetadata lets nothing else in
		}
		m[key] = texts
	}
	return m, nil
}
