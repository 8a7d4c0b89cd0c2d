package read

import (
	"math"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// frontMatter reads the YAML between two lines of "---" at the start of a text. It gives where the rest
// begins, 0 when there is no front matter: then what looks like it is content.
func frontMatter(text string) (title string, metadata map[string]any, rest int) {
	const most = 64 << 10
	body := strings.TrimPrefix(text, mark)
	skipped := len(text) - len(body)
	first, _, found := strings.Cut(body, "\n")
	if !found || strings.TrimRight(first, " \t\r") != "---" {
		return "", nil, 0
	}
	at := len(first) + 1
	for start := at; at < len(body) && at <= most; {
		line, _, _ := strings.Cut(body[at:], "\n")
		next := min(at+len(line)+1, len(body))
		switch strings.TrimRight(line, " \t\r") {
		case "---", "...":
			var values map[string]any
			if yaml.Unmarshal([]byte(body[start:at]), &values) != nil || values == nil {
				return "", nil, 0
			}
			title, _ = values["title"].(string)
			delete(values, "title")
			return title, tidy(values), skipped + next
		}
		at = next
	}
	return "", nil, 0
}

// tidy keeps of the values what metadata can hold, in the form in which it holds it.
func tidy(values map[string]any) map[string]any {
	kept := map[string]any{}
	for key, value := range values {
		if key == "" || len(key) > 128 || len(kept) == 64 {
			continue
		}
		if scalar, ok := tidyScalar(value); ok {
			kept[key] = scalar
			continue
		}
		if list, ok := value.([]any); ok {
			texts := make([]string, 0, len(list))
			for _, item := range list {
				if text, ok := item.(string); ok && len(texts) < 256 {
					texts = append(texts, text)
				}
			}
			if len(texts) > 0 {
				kept[key] = texts
			}
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}

func tidyScalar(value any) (any, bool) {
	switch v := value.(type) {
	case string:
		return v, len(v) <= 4096
	case bool:
		return v, true
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	case float64:
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	case time.Time:
		if v.Equal(v.Truncate(24 * time.Hour)) {
			return v.Format(time.DateOnly), true
		}
		return v.Format(time.RFC3339), true
	}
	return nil, false
}
