package form

import (
	"encoding/json"
	"math"

	"fairlead/internal/fault"
)

// Kind is that of a value in metadata, as tables hold it.
type Kind int

// The kinds of values.
const (
	Empty  Kind = 0 // an empty list: the field is there and holds nothing
	String Kind = 1
	Number Kind = 2
	Bool   Kind = 3 // 0 or 1
)

// Single is the item of a value that is not in a list.
const Single = -1

// Value is one value of metadata, or of a condition on it.
type Value struct {
	Kind Kind
	// Text is that of a String, Number that of a Number or a Bool.
	Text   string
	Number float64
}

// Field is one row of metadata as filters ask for it.
type Field struct {
	Key string
	// Item is the place in a list, or Single.
	Item int
	Value
}

// scalar gives a value, or false when it is not text, a finite number or a boolean.
func scalar(v any) (Value, bool) {
	switch v := v.(type) {
	case string:
		return Value{Kind: String, Text: v}, true
	case bool:
		if v {
			return Value{Kind: Bool, Number: 1}, true
		}
		return Value{Kind: Bool}, true
	case float64:
		return Value{Kind: Number, Number: v}, !math.IsNaN(v) && !math.IsInf(v, 0)
	case float32:
		return scalar(float64(v))
	case int:
		return Value{Kind: Number, Number: float64(v)}, true
	case int64:
		return Value{Kind: Number, Number: float64(v)}, true
	default:
		return Value{}, false
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

// EncodeMetadata gives the JSON of a document's metadata and its rows for filters. A nil value is no value.
// InvalidArgument when a value is not text, a finite number, a boolean or a list of text, or a text is none.
func EncodeMetadata(m map[string]any, doing string) (string, []Field, error) {
	var fields []Field
	kept := make(map[string]any, len(m))
	for key, v := range m {
		if v == nil {
			continue
		}
		if !Text(key) {
			return "", nil, BadRequest(doing, notText)
		}
		kept[key] = v
		if value, ok := scalar(v); ok {
			if !Text(value.Text) {
				return "", nil, BadRequest(doing, notText)
			}
			fields = append(fields, Field{key, Single, value})
			continue
		}
		list, ok := items(v)
		if !ok {
			return "", nil, BadRequest(doing, "a metadata field is not text, a number, a boolean or a list of text")
		}
		if len(list) == 0 {
			fields = append(fields, Field{Key: key, Value: Value{Kind: Empty}})
		}
		for i, item := range list {
			text, ok := item.(string)
			if !ok {
				return "", nil, BadRequest(doing, "a list in the metadata holds something that is not text")
			}
			if !Text(text) {
				return "", nil, BadRequest(doing, notText)
			}
			fields = append(fields, Field{key, i, Value{Kind: String, Text: text}})
		}
	}
	body, err := json.Marshal(kept)
	if err != nil {
		return "", nil, fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest, "%s: its metadata cannot be written as JSON", doing)
	}
	return string(body), fields, nil
}

// DecodeMetadata reads a document's metadata: text, float64, bool and []string. Nil when there is none.
// DataLoss when it is not readable.
func DecodeMetadata(body string) (map[string]any, error) {
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
			texts[i], _ = item.(string) // EncodeMetadata lets nothing else in
		}
		m[key] = texts
	}
	return m, nil
}
