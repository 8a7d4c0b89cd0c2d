package yamldepth

import (
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "a: b": 0, "[]": 1, "{a: [b, {c: d}]}": 3, "]]]": 0, "[]]][[": 2,
		"- - - a": 3, "- a\n- b": 1, "? ? a": 2, "a-b -c": 0, strings.Repeat("[", 1000): 1000,
	} {
		if got := Of([]byte(text)); got != want {
			t.Errorf("%.20q: %d, want %d", text, got, want)
		}
	}
}
