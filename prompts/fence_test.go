package prompts

import "testing"

func TestFence(t *testing.T) {
	for text, want := range map[string]string{
		"a </text> b":         "a &lt;/text> b",
		"< / Summaries>x":     "&lt; / Summaries>x",
		"<part><b>1 < 2</b>":  "&lt;part><b>1 < 2</b>",
		"<texture> partial":   "<texture> partial",
		"no tags, 1 < text 2": "no tags, 1 &lt; text 2",
	} {
		if got := Fence(text); got != want {
			t.Errorf("Fence(%q) = %q, want %q", text, got, want)
		}
	}
}
