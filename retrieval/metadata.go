package retrieval

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"unicode"
	"unicode/utf8"
)

// The limits of metadata.
const (
	metadataKeys  = 64
	metadataKey   = 128
	metadataText  = 4096
	metadataItems = 256
)

// normalMetadata gives metadata with its values in the forms that stores know: text, float64, bool and
// []string. The error says which key is wrong and why, without any value.
func normalMetadata(m map[string]any) (map[string]any, error) {
	if len(m) > metadataKeys {
		return nil, badRequest("its metadata has %d keys, the limit is %d", len(m), metadataKeys)
	}
	out := make(map[string]any, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if key == "" || len(key) > metadataKey || !plain(key) {
			return nil, badRequest("its metadata has a key that is not 1 to %d bytes of printable text", metadataKey)
		}
		value, why := normalValue(m[key])
		if why != "" {
			return nil, badRequest("its metadata's %q %s", key, why)
		}
		out[key] = value
	}
	return out, nil
}

func normalValue(value any) (normal any, why string) {
	switch v := value.(type) {
	case string:
		if len(v) > metadataText || !utf8.ValidString(v) {
			return nil, fmt.Sprintf("is not at most %d bytes of UTF-8", metadataText)
		}
		return v, ""
	case bool:
		return v, ""
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, "is not a finite number"
		}
		return v, ""
	case float32:
		return normalValue(float64(v))
	case int:
		return float64(v), ""
	case int32:
		return float64(v), ""
	case int64:
		return float64(v), ""
	case []string:
		if len(v) > metadataItems {
			return nil, fmt.Sprintf("has more than %d items", metadataItems)
		}
		for _, item := range v {
			if len(item) > metadataText || !utf8.ValidString(item) {
				return nil, fmt.Sprintf("has an item that is not at most %d bytes of UTF-8", metadataText)
			}
		}
		return slices.Clone(v), ""
	case []any:
		texts := make([]string, len(v))
		for i, item := range v {
			text, ok := item.(string)
			if !ok {
				return nil, "is a list of other than text"
			}
			texts[i] = text
		}
		return normalValue(texts)
	default:
		return nil, "is not text, a number, a boolean or a list of text"
	}
}

// withRead adds what a document says of itself to what the caller says of it, who wins.
func withRead(said, read map[string]any) map[string]any {
	out := maps.Clone(said)
	for _, key := range slices.Sorted(maps.Keys(read)) {
		if _, taken := out[key]; taken || len(out) >= metadataKeys || !plain(key) {
			continue
		}
		if value, why := normalValue(read[key]); why == "" {
			out[key] = value
		}
	}
	return out
}

// plain says whether s is valid and without control characters.
func plain(s string) bool {
	for _, c := range s {
		if c == utf8.RuneError || unicode.IsControl(c) {
			return false
		}
	}
	return true
}
