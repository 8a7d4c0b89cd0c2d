package score

import (
	"errors"
	"math"
	"strings"
	"testing"
	"testing/quick"
	"unicode"

	"fairlead/internal/fault"
)

// scored is a row of a table: a spec, a case, an outcome, and the score. want -1 is skipped.
type scored struct {
	name, spec string
	c          Case
	o          Outcome
	want       float64
	// pass is "+", "-" or "": passes, fails, no verdict.
	pass string
}

func check(t *testing.T, tests []scored) {
	t.Helper()
	for _, test := range tests {
		spec, err := ParseSpec("x.yaml", []byte(test.spec))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		s, err := New(spec, Deps{})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		got, err := s.Score(t.Context(), &test.c, &test.o)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if test.want == -1 {
			if got.Skipped == "" || got.Pass != nil {
				t.Errorf("%s: %+v, want it skipped", test.name, got)
			}
			continue
		}
		pass := ""
		if got.Pass != nil {
			if pass = "-"; *got.Pass {
				pass = "+"
			}
		}
		if got.Skipped != "" || math.Abs(got.Value-test.want) > 1e-9 || pass != test.pass {
			t.Errorf("%s: %v %s (%s%s), want %v %s", test.name, got.Value, pass, got.Detail, got.Skipped, test.want, test.pass)
		}
	}
}

func TestTexts(t *testing.T) {
	mapped := func(v any) Case { return Case{Expected: map[string]any{"text": v}} }
	english := mapped("The answer: forty-two!")
	english.Locale = "en-GB"
	german := english
	german.Locale = "de"
	check(t, []scored{
		{"equal", "exact: {}", mapped("Bonn"), Outcome{Text: "Bonn"}, 1, "+"},
		{"space is ignored by default", "exact", mapped("Bonn am Rhein"), Outcome{Text: " Bonn  am\nRhein "}, 1, "+"},
		{"and so is how ü is written", "exact: {}", mapped("Z\u00fcrich"), Outcome{Text: "Zu\u0308rich"}, 1, "+"},
		{"but not case", "exact: {}", mapped("Bonn"), Outcome{Text: "bonn"}, 0, "-"},
		{"case, when asked", "exact: {ignore: [case]}", mapped("STRASSE"), Outcome{Text: "straße"}, 1, "+"},
		{"nothing ignored", "exact: {ignore: []}", mapped("a b"), Outcome{Text: "a  b"}, 0, "-"},
		{"an article in English", "exact: {ignore: [case, punctuation, articles, space]}", english, Outcome{Text: "answer fortytwo"}, 1, "+"},
		{"none elsewhere", "exact: {ignore: [case, punctuation, articles, space]}", german, Outcome{Text: "answer fortytwo"}, 0, "-"},
		{"one of several", "exact: {}", mapped([]any{"a", "b"}), Outcome{Text: "b"}, 1, "+"},
		{"a number as text", "exact: {}", mapped(42.0), Outcome{Text: "42"}, 1, "+"},
		{"the expectation as a whole", "exact: {}", Case{Expected: "b"}, Outcome{Text: "b"}, 1, "+"},
		{"nothing expected", "exact: {}", Case{Expected: map[string]any{"number": 1}}, Outcome{Text: "b"}, -1, ""},
		{"another place", "exact: {expected: answers.0, of: /city}", Case{Expected: map[string]any{"answers": []any{"Bonn"}}}, Outcome{Text: `{"city": "Bonn"}`}, 1, "+"},
		{"no such place in the answer", "exact: {of: town}", mapped("Bonn"), Outcome{Text: `{"city": "Bonn"}`}, 0, "-"},
		{"no JSON", "exact: {of: town}", mapped("Bonn"), Outcome{Text: "Bonn"}, 0, "-"},
		{"a run that failed", "exact: {}", mapped(""), Outcome{Err: errors.New("x")}, 0, "-"},

		{"all", "contains: {all: [a, b]}", Case{}, Outcome{Text: "b a"}, 1, "+"},
		{"not all", "contains: {all: [a, b]}", Case{}, Outcome{Text: "a"}, 0, "-"},
		{"any", "contains: {any: [a, b]}", Case{}, Outcome{Text: "xbx"}, 1, "+"},
		{"not any", "contains: {any: [a, b]}", Case{}, Outcome{Text: "x"}, 0, "-"},
		{"none", "contains: {none: [a]}", Case{}, Outcome{Text: "b"}, 1, "+"},
		{"not none", "contains: {none: [a], any: [b]}", Case{}, Outcome{Text: "ab"}, 0, "-"},
		{"case", "contains: {all: [BONN], ignore: [case]}", Case{}, Outcome{Text: "in Bonn"}, 1, "+"},
		{"of the case", "contains: {}", Case{Expected: map[string]any{"contains": []any{"a", "b"}}}, Outcome{Text: "ab"}, 1, "+"},
		{"of no case", "contains: {}", Case{}, Outcome{Text: "ab"}, -1, ""},

		{"a pattern", `regex: {pattern: '^\d+$'}`, Case{}, Outcome{Text: "42"}, 1, "+"},
		{"another", `regex: {pattern: '^\d+$'}`, Case{}, Outcome{Text: "42 of them"}, 0, "-"},
		{"absent", `regex: {pattern: '(?i)sorry', absent: true}`, Case{}, Outcome{Text: "Sorry, no."}, 0, "-"},
		{"truly absent", `regex: {pattern: '(?i)sorry', absent: true}`, Case{}, Outcome{Text: "no."}, 1, "+"},
		{"absent, of a run that failed", `regex: {pattern: x, absent: true}`, Case{}, Outcome{Err: fault.New(fault.Unavailable, "", "x")}, 0, "-"},
		{"absent, of what is not there", `regex: {pattern: x, absent: true, of: a}`, Case{}, Outcome{Text: "{}"}, 0, "-"},
	})
}

func TestOverlap(t *testing.T) {
	locale := func(l, text string) Case { return Case{Locale: l, Expected: map[string]any{"text": text}} }
	check(t, []scored{
		// SQuAD's: the article does not count, so 2 of 2 and 2 of 3.
		{"English", "f1: {}", locale("en", "the Denver Broncos"), Outcome{Text: "Denver Broncos!"}, 1, ""},
		{"no locale", "f1: {}", locale("", "the Denver Broncos"), Outcome{Text: "Denver Broncos"}, 0.8, ""},
		{"in part", "f1: {min: 0.5}", locale("en", "Saint Bernadette Soubirous"), Outcome{Text: "Bernadette"}, 0.5, "+"},
		{"below the bar", "f1: {min: 0.51}", locale("en", "Saint Bernadette Soubirous"), Outcome{Text: "Bernadette"}, 0.5, "-"},
		{"each word once", "f1: {}", locale("", "a b"), Outcome{Text: "b b b"}, 0.4, ""},
		{"Arabic", "f1: {}", locale("ar", "في عام ١٩٩٠؟"), Outcome{Text: "عام ١٩٩٠"}, 0.8, ""},
		{"Chinese, by letters", "f1: {}", locale("zh", "北京大学"), Outcome{Text: "北京"}, 2.0 / 3, ""},
		{"the best of several", "f1: {}", Case{Expected: []any{"x", "a b"}}, Outcome{Text: "a b"}, 1, ""},
		{"nothing and nothing", "f1: {}", locale("", "..."), Outcome{Text: "!"}, 1, ""},
		{"nothing and something", "f1: {}", locale("", "a"), Outcome{}, 0, ""},

		// Lin 2004, section 3.1: S1 "police killed the gunman", S2 and S3.
		{"Lin's S2", "rouge_l: {}", locale("en", "police killed the gunman"), Outcome{Text: "police kill the gunman"}, 0.75, ""},
		{"Lin's S3", "rouge_l: {}", locale("en", "police killed the gunman"), Outcome{Text: "the gunman kill police"}, 0.5, ""},
		{"Lin's S4", "rouge_l: {}", locale("en", "police killed the gunman"), Outcome{Text: "the gunman police killed"}, 0.5, ""},
		// Those of Google's rouge_score.
		{"neighbours", "rouge_l: {}", locale("en", "testing one two"), Outcome{Text: "testing one"}, 0.8, ""},
		{"with a gap", "rouge_l: {}", locale("en", "testing one two"), Outcome{Text: "testing two"}, 0.8, ""},
		// R = 2/3, P = 1, β = 2: 5 · 2/3 / (2/3 + 4).
		{"recall weighs more", "rouge_l: {beta: 2}", locale("en", "testing one two"), Outcome{Text: "testing one"}, 5.0 / 7, ""},
		{"nothing", "rouge_l: {min: 0.1}", locale("en", "testing one two"), Outcome{}, 0, "-"},
	})
}

func TestOverlapProperties(t *testing.T) {
	// Few letters, so that words meet.
	words := func(b []byte) []string {
		out := make([]string, min(len(b), 40))
		for i := range out {
			out[i] = string('a' + rune(b[i]%4))
		}
		return out
	}
	if err := quick.Check(func(a, b []byte) bool {
		x, y := words(a), words(b)
		r, f := RougeL(x, y, 1), TokenF1(x, y)
		return r >= 0 && r <= 1 && f >= 0 && f <= 1 &&
			math.Abs(r-RougeL(y, x, 1)) < 1e-12 && math.Abs(f-TokenF1(y, x)) < 1e-12 && // symmetric
			r <= f+1e-12 || len(x)+len(y) == 0 // an order can only take away
	}, &quick.Config{MaxCount: 3000}); err != nil {
		t.Error(err)
	}
	if err := quick.Check(func(a []byte) bool {
		x := words(a)
		return len(x) == 0 || RougeL(x, x, 1) == 1 && TokenF1(x, x) == 1
	}, nil); err != nil {
		t.Error(err)
	}
	if err := quick.Check(func(a, b []byte) bool { // against the textbook's recursion
		x, y := words(a), words(b)
		x, y = x[:min(len(x), 9)], y[:min(len(y), 9)]
		return subsequence(x, y) == slow(x, y)
	}, &quick.Config{MaxCount: 500}); err != nil {
		t.Error(err)
	}
	if err := quick.Check(func(s string) bool { // normal forms are fixed points
		if strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Cherokee, r) }) {
			return true // x/text folds those to and fro
		}
		n := Ignore(ignorable).normal(s, "en")
		return Ignore(ignorable).normal(n, "en") == n && strings.TrimSpace(n) == n
	}, nil); err != nil {
		t.Error(err)
	}
}

func slow(x, y []string) int {
	if len(x) == 0 || len(y) == 0 {
		return 0
	}
	if x[0] == y[0] {
		return 1 + slow(x[1:], y[1:])
	}
	return max(slow(x[1:], y), slow(x, y[1:]))
}

func BenchmarkRougeL(b *testing.B) {
	x := runs(strings.Repeat("the quick brown fox jumps over the lazy dog ", 100))
	y := runs(strings.Repeat("a lazy dog sleeps while the fox runs over it ", 100))
	for b.Loop() {
		RougeL(x, y, 1)
	}
}
