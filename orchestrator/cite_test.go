package orchestrator

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/providers"
	"fairlead/retrieval"
)

func TestMarksAreCitationsWhereTheyAreMeantAsSuch(t *testing.T) {
	for text, want := range map[string][]int{
		"so [1][2].":                           {1, 2},
		"so [1, 2] and [1]":                    {1, 2},
		"ten [10], none [0], four [4] and [3]": {3},
		"cut [1":                               nil,
		"[1":                                   nil,
		"a link [text] and [ 2]":               {2},
		"call `array[1]` and see [2]":          {2},
		"``a`[1]`` [3]":                        {3},
		"```go\nx := array[1]\ny := a[2]\n```\nso [3]": {3},
		"~~~\narray[1]\n~~~ [2]":                       {1, 2},
		"a lone ` is no code\n\nso [1]":                {1},
		"```\nnever closed [1]":                        nil,
		"99999999999999999999[99999999999999999999]":   nil,
		"[1]`[2]`[3]":                                  {1, 3},
	} {
		for size := 1; size <= len(text); size++ {
			c := newCiter(make([]retrieval.Passage, 3), false)
			for at := 0; at < len(text); at += size {
				c.next(&providers.Chunk{Text: text[at:min(at+size, len(text))]})
			}
			var got []int
			for _, f := range c.found {
				got = append(got, f.Number)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%q in pieces of %d:\n%s", text, size, d)
				break
			}
		}
	}
}
