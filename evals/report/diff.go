package report

import "strings"

// mark is what a word is in a comparison of two texts.
type mark struct {
	// Kind is "same", "gone" (expected and not there) or "new" (there and not expected).
	Kind string
	Text string
}

// mostWords is up to how many words two texts are compared: the table takes their product.
const mostWords = 600

// diff compares what was expected with what came, word by word, by their longest common subsequence. Nothing is given
// where one of them is no text or too long.
func diff(expected any, got string) []mark {
	text, ok := expected.(string)
	if !ok || text == "" {
		return nil
	}
	a, b := strings.Fields(text), strings.Fields(got)
	if len(a) > mostWords || len(b) > mostWords {
		return nil
	}
	longest := make([][]int16, len(a)+1)
	for i := range longest {
		longest[i] = make([]int16, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				longest[i][j] = longest[i+1][j+1] + 1
			} else {
				longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			}
		}
	}
	var out []mark
	add := func(kind, word string) {
		if n := len(out); n > 0 && out[n-1].Kind == kind {
			out[n-1].Text += " " + word
			return
		}
		out = append(out, mark{kind, word})
	}
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			add("same", a[i])
			i, j = i+1, j+1
		case longest[i+1][j] >= longest[i][j+1]:
			add("gone", a[i])
			i++
		default:
			add("new", b[j])
			j++
		}
	}
	for ; i < len(a); i++ {
		add("gone", a[i])
	}
	for ; j < len(b); j++ {
		add("new", b[j])
	}
	return out
}
