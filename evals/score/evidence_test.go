package score

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/label"
	"fairlead/providers"
)

func TestSentences(t *testing.T) {
	for text, want := range map[string][]Sentence{
		"One. Two [1]. Three. [2][3] Four [1, 4]!":      {{"One.", nil}, {"Two .", []int{1}}, {"Three.", []int{2, 3}}, {"Four !", []int{1, 4}}},
		"It costs 3.50 euros, e.g. here.":               {{"It costs 3.50 euros, e.g. here.", nil}},
		"J. Smith came. He left.":                       {{"J. Smith came.", nil}, {"He left.", nil}},
		"# Title\n\n- first [1]\n- second\n\n1. third":  {{"Title", nil}, {"first", []int{1}}, {"second", nil}, {"third", nil}},
		"A line\nthat goes on. [7]":                     {{"A line that goes on.", []int{7}}},
		"See x[0] below:\n```\ny[1] = 2. Z\n```\nDone.": {{"See x below:", []int{0}}, {"Done.", nil}},
		"你好。再见！[1]":                                     {{"你好。", nil}, {"再见！", []int{1}}},
		"كيف؟ هكذا. [2]":                                {{"كيف؟", nil}, {"هكذا.", []int{2}}},
		" ... \n---\n":                                  nil,
		"[1]":                                           nil,
		"Twice [1][1].":                                 {{"Twice .", []int{1}}},
		"[not a mark] and [1234567] and [a1].":          {{"[not a mark] and [1234567] and [a1].", nil}},
	} {
		if diff := cmp.Diff(want, Sentences(text)); diff != "" {
			t.Errorf("%q:\n%s", text, diff)
		}
	}
	for text, want := range map[string]bool{"": true, "The documents do not say.": true, "Yes [1].": false, "One. Two.": false} {
		if Abstains(text) != want {
			t.Errorf("%q abstains: %v", text, !want)
		}
	}
}

var handbook = []Passage{
	{"p1", "leave.md", "Employees receive 30 days of paid annual leave. Leave must be requested two weeks in advance."},
	{"p2", "travel.md", "Travel expenses are refunded within 14 days after the receipts were handed in."},
	{"p3", "leave.md", "Unused leave expires on the 31st of March of the following year."},
}

func TestEvidence(t *testing.T) {
	en := Case{Locale: "en"}
	answer := func(text string) Outcome { return Outcome{Text: text, Passages: handbook} }
	check(t, []scored{
		{"all right", "citations: {}", en, answer("Employees get 30 days of annual leave [1]. Travel expenses are refunded within 14 days [2]."), 1, ""},
		{"one from the wrong place", "citations: {of: recall}", en, answer("Employees receive 30 days of annual leave [2]. Travel expenses are refunded within 14 days [2]."), 0.5, ""},
		{"a wrong number", "citations: {of: recall, min: 1}", en, answer("Employees receive 25 days of paid annual leave [1]."), 0, "-"},
		{"no citation at all", "citations: {of: recall}", en, answer("Employees receive 30 days of paid annual leave."), 0, ""},
		{"one that is not there", "citations: {of: precision}", en, answer("Employees receive 30 days of paid annual leave [9]."), 0, ""},
		// [1] supports alone; [2] does not, and [1] without it does.
		{"one that is not needed", "citations: {of: precision}", en, answer("Employees receive 30 days of paid annual leave [1][2]."), 0.5, ""},
		// Recall 1/2, precision 1.
		{"their mean", "citations: {min: 0.6}", en, answer("Employees receive 30 days of annual leave [1]. The office has a blue roof."), 2.0 / 3, "+"},
		{"a quote that is too short", "citations: {of: recall}", en,
			Outcome{Text: "Employees receive 30 days of annual leave [1].", Passages: handbook, Citations: []Citation{{1, "two weeks in advance"}}}, 0, ""},
		{"a quote that does", "citations: {of: recall}", en,
			Outcome{Text: "Employees receive 30 days of annual leave [1].", Passages: handbook, Citations: []Citation{{1, "Employees receive 30 days of paid annual leave."}}}, 1, ""},
		{"nothing to say", "citations: {}", Case{Expected: map[string]any{"unanswerable": true}}, answer("The documents do not say."), -1, ""},

		{"grounded", "grounded: {min: 1}", en, answer("Employees receive 30 days of leave. Unused leave expires on 31 March."), 0.5, "-"}, // 31 is not 31st
		{"grounded, other words", "grounded: {}", en, answer("Unused leave expires on the 31st of March."), 1, ""},
		{"half made up", "grounded: {}", en, answer("Travel expenses are refunded within 14 days. The canteen serves pizza on Fridays."), 0.5, ""},
		{"passages that were looked for in vain", "grounded: {}", en, Outcome{Text: "Leave is 30 days.", Passages: []Passage{}}, 0, ""},
		{"no passages were looked for", "grounded: {}", en, Outcome{Text: "Leave is 30 days."}, -1, ""},
		{"no answer", "grounded: {}", en, answer(""), 0, ""},
		{"unanswerable, and it says so", "grounded: {min: 1}", Case{Expected: map[string]any{"unanswerable": true}}, answer("The documents do not say."), 1, "+"},
		{"unanswerable, and it answers", "grounded: {min: 1}", Case{Expected: map[string]any{"unanswerable": true}}, answer("It is 30 days [1]."), 0, "-"},
		{"a stricter threshold", "grounded: {threshold: 1}", en, answer("Employees receive 30 days of splendid leave."), 0, ""},
		{"German stems", "grounded: {}", Case{Locale: "de-AT"}, Outcome{Text: "Reisekosten werden erstattet.", Passages: []Passage{{Text: "Die Erstattung der Reisekosten erfolgt; sie werden binnen 14 Tagen erstattet."}}}, 1, ""},
		{"Arabic", "grounded: {}", Case{Locale: "ar"}, Outcome{Text: "يحصل الموظفون على 30 يوما.", Passages: []Passage{{Text: "يحصل الموظف على 30 يوما من الإجازة السنوية."}}}, 1, ""},
	})
}

func TestRetrieval(t *testing.T) {
	relevant := func(v any) Case { return Case{Expected: map[string]any{"relevant": v}} }
	graded := relevant(map[string]any{"leave.md": 2, "travel.md": 1.0, "none.md": 0})
	found := Outcome{Passages: []Passage{{"a", "x.md", ""}, {"b", "leave.md", ""}, {"c", "leave.md", ""}, {"d", "travel.md", ""}}}
	check(t, []scored{
		// Documents x, leave, travel: DCG = 2/log2(3) + 1/2; ideal = 2 + 1/log2(3).
		{"nDCG", "retrieval: {}", graded, found, (2/1.5849625007211562 + 0.5) / (2 + 1/1.5849625007211562), ""},
		{"nDCG, exponential", "retrieval: {measure: ndcg@10, gain: exponential}", graded, found, (3/1.5849625007211562 + 0.5) / (3 + 1/1.5849625007211562), ""},
		{"recall", "retrieval: {measure: recall@2, min: 0.5}", graded, found, 0.5, "+"},
		{"precision", "retrieval: {measure: precision@2}", graded, found, 0.5, ""},
		{"MRR", "retrieval: {measure: mrr}", graded, found, 0.5, ""},
		{"MRR, cut", "retrieval: {measure: mrr@1}", graded, found, 0, ""},
		{"MAP", "retrieval: {measure: map}", graded, found, (0.5 + 2.0/3) / 2, ""},
		{"hit", "retrieval: {measure: hit@1}", graded, found, 0, ""},
		{"hit, deeper", "retrieval: {measure: hit@2}", graded, found, 1, ""},
		{"passages", "retrieval: {measure: recall@3, by: passage}", relevant([]any{"c", "d"}), found, 0.5, ""},
		{"one id", "retrieval: {measure: mrr}", relevant("travel.md"), found, 1.0 / 3, ""},
		{"nothing relevant", "retrieval: {}", relevant([]any{}), found, -1, ""},
		{"not said", "retrieval: {}", Case{Expected: map[string]any{"text": "x"}}, found, -1, ""},
		{"nothing found", "retrieval: {}", graded, Outcome{}, 0, ""},
		{"failed", "retrieval: {}", graded, Outcome{Err: errors.New("x")}, 0, "-"},
	})
}

func TestStructure(t *testing.T) {
	invoice := Case{Expected: map[string]any{"json": map[string]any{"total": 12.5, "name": "Müller", "lines": []any{map[string]any{"n": 1}, map[string]any{"n": 2}}, "paid": false}}}
	answer := func(text string) Outcome { return Outcome{Text: text} }
	right := `{"total": 12.50, "name": "Müller", "lines": [{"n": 1}, {"n": 2}], "paid": false}`
	check(t, []scored{
		{"all fields", "fields: {}", invoice, answer(right), 1, "+"},
		{"structured", "fields: {}", invoice, Outcome{JSON: []byte(right), Text: "x"}, 1, "+"},
		{"four of five", "fields: {}", invoice, answer(`{"total": 12.5, "name": "Muller", "lines": [{"n": 1}, {"n": 2}], "paid": false}`), 0.8, "-"},
		{"above the bar", "fields: {min: 0.8}", invoice, answer(`{"total": 12.5, "name": "Muller", "lines": [{"n": 1}, {"n": 2}], "paid": false}`), 0.8, "+"},
		{"a list too short", "fields: {}", invoice, answer(`{"total": 12.5, "name": "Müller", "lines": [{"n": 1}], "paid": false}`), 0.8, "-"},
		{"a list too long", "fields: {}", invoice, answer(`{"total": 12.5, "name": "Müller", "lines": [{"n": 1}, {"n": 2}, {}], "paid": false}`), 5.0 / 6, "-"},
		{"null is not false", "fields: {paths: [paid]}", invoice, answer(`{"paid": null}`), 0, "-"},
		{"some fields", "fields: {paths: [lines.1.n, total], tolerance: 0.1}", invoice, answer(`{"lines": [0, {"n": 2}], "total": 12.45}`), 1, "+"},
		{"text for a number", "fields: {paths: [total]}", invoice, answer(`{"total": "12.5"}`), 0, "-"},
		{"one more", "fields: {no_extra: true}", Case{Expected: map[string]any{"a": 1.0}}, answer(`{"a": 1, "b": 2}`), -1, ""},
		{"one more, refused", "fields: {no_extra: true, expected: x}", Case{Expected: map[string]any{"x": map[string]any{"a": 1.0}}}, answer(`{"a": 1, "b": 2}`), 0.5, "-"},
		{"no JSON", "fields: {}", invoice, answer("Here it is: " + right), 0, "-"},
		{"fenced", "fields: {}", invoice, answer("```json\n" + right + "\n```"), 0, "-"},
		{"two values", "fields: {}", invoice, answer(right + right), 0, "-"},
		{"a path of no case", "fields: {paths: [zzz]}", invoice, answer(right), -1, ""},

		{"valid", "schema: {schema: {type: object, required: [a], properties: {a: {type: integer, minimum: 1}}}}", Case{}, answer(`{"a": 1}`), 1, "+"},
		{"invalid", "schema: {schema: {type: object, required: [a]}}", Case{}, answer(`{"b": 1}`), 0, "-"},
		{"of a part", "schema: {of: a.0, schema: {type: string}}", Case{}, answer(`{"a": ["x"]}`), 1, "+"},
		{"of no part", "schema: {of: b, schema: {}}", Case{}, answer(`{"a": ["x"]}`), 0, "-"},
		{"text", "schema: {schema: {}}", Case{}, answer(`sure!`), 0, "-"},
	})
}

func TestLimits(t *testing.T) {
	targets := Case{Label: label.Confidential, Expected: map[string]any{"target": []any{"local", "near"}}}
	gone := Outcome{Target: "local", Policy: "best", Clearance: label.Restricted}
	check(t, []scored{
		{"fast", "latency: {max: 2s}", Case{}, Outcome{Latency: 2e9}, 1, "+"},
		{"half as fast", "latency: {max: 2s}", Case{}, Outcome{Latency: 4e9}, 0.5, "-"},
		{"first text", "latency: {max: 100ms, first: true}", Case{}, Outcome{Latency: 4e9, TTFT: 5e7}, 1, "+"},
		{"not measured", "latency: {max: 100ms, first: true}", Case{}, Outcome{Latency: 4e9}, -1, ""},
		{"fast failure", "latency: {max: 2s}", Case{}, Outcome{Latency: 1, Err: errors.New("x")}, 0, "-"},
		{"cheap", "cost: {max_usd: 0.01}", Case{}, Outcome{Cost: providers.USD(0.01), CostKnown: true}, 1, "+"},
		{"dear", "cost: {max_usd: 0.01}", Case{}, Outcome{Cost: providers.USD(0.04), CostKnown: true}, 0.25, "-"},
		{"not free", "cost: {max_usd: 0}", Case{}, Outcome{Cost: 1, CostKnown: true}, 0, "-"},
		{"unknown", "cost: {max_usd: 0.01}", Case{}, Outcome{}, -1, ""},
		{"target of the case", "route: {}", targets, gone, 1, "+"},
		{"target of the scorer", "route: {targets: [far]}", targets, gone, 0, "-"},
		{"policy", "route: {targets: [local], policies: [cheap]}", targets, gone, 0, "-"},
		{"cleared", "route: {targets: [local], cleared: true}", targets, gone, 1, "+"},
		{"not cleared", "route: {cleared: true}", targets, Outcome{Target: "local", Clearance: label.Internal}, 0, "-"},
		{"not cleared for what it used", "route: {cleared: true}", targets, Outcome{Target: "local", Label: label.Restricted, Clearance: label.Confidential}, 0, "-"},
		{"clearance unknown", "route: {cleared: true}", Case{}, Outcome{Target: "local"}, 0, "-"},
		{"nothing asked", "route: {}", Case{Expected: "a text"}, gone, -1, ""},

		{"a mean", "composite: {parts: [{weight: 3, score: {exact: {}}}, {score: {latency: {max: 1s}}}]}", Case{Expected: "a"}, Outcome{Text: "a", Latency: 2e9}, 0.875, "-"},
		{"with a bar", "composite: {min: 0.8, parts: [{weight: 3, score: {exact: {}}}, {score: {latency: {max: 1s}}}]}", Case{Expected: "a"}, Outcome{Text: "a", Latency: 2e9}, 0.875, "+"},
		{"an optional part", "composite: {parts: [{score: {exact: {}}}, {optional: true, score: {cost: {max_usd: 1}}}]}", Case{Expected: "a"}, Outcome{Text: "a"}, 1, "+"},
		{"no part", "composite: {parts: [{optional: true, score: {cost: {max_usd: 1}}}]}", Case{}, Outcome{}, -1, ""},
		{"no verdict", "composite: {parts: [{score: {f1: {}}}]}", Case{Expected: "a"}, Outcome{Text: "a"}, 1, ""},
	})
	spec, err := ParseSpec("x", []byte("composite: {parts: [{score: {exact: {}}}, {name: price, score: {cost: {max_usd: 1}}}]}"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(spec, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Score(t.Context(), &Case{ID: "c-9", Expected: "a"}, &Outcome{Text: "a"}); err == nil || !strings.Contains(err.Error(), "price") || !strings.Contains(err.Error(), "c-9") {
		t.Errorf("a part without a score: %v", err)
	}
}

func TestSimilarity(t *testing.T) {
	vectors := map[string][]float32{"east": {1, 0}, "north": {0, 2}, "northeast": {1, 1}, "west": {-1, 0}, "nowhere": {0, 0}, "deep": {1, 2, 3}}
	s := &Similarity{Embed: func(_ context.Context, texts []string) ([][]float32, error) {
		var out [][]float32
		for _, text := range texts {
			v, ok := vectors[text]
			if !ok {
				return nil, errors.New("no such text")
			}
			out = append(out, v)
		}
		return out, nil
	}}
	for _, test := range []struct {
		text string
		want any
		is   float64
	}{{"east", "east", 1}, {"east", "north", 0}, {"east", "west", 0}, {"east", "northeast", 0.7071067811865475}, {"east", []any{"north", "east"}, 1}, {"", "east", 0}} {
		got, err := s.Score(t.Context(), &Case{Expected: test.want}, &Outcome{Text: test.text})
		if err != nil {
			t.Fatal(err)
		}
		near(t, test.text, got.Value, test.is)
	}
	for _, text := range []string{"unknown", "nowhere", "deep"} {
		if got, err := s.Score(t.Context(), &Case{ID: "c", Expected: "east"}, &Outcome{Text: text}); err == nil {
			t.Errorf("%s: %+v", text, got)
		}
	}
	if slices.Contains(Kinds(), "") {
		t.Error("a kind without a name")
	}
}

func FuzzSentences(f *testing.F) {
	for _, s := range []string{"One. Two [1].", "[1, 2][3]", "# a\n- b\n1. c", "```\nx", "a。b！[1]", "e.g. X. Y", "...[1]...", "[" + strings.Repeat("1,", 50)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		letters := func(s string) int {
			n := 0
			for _, r := range s {
				if r >= 'a' && r <= 'z' {
					n++
				}
			}
			return n
		}
		total := 0
		for _, s := range Sentences(text) {
			total += letters(s.Text)
			for _, n := range s.Cites {
				if n < 0 || n > 9999 {
					t.Errorf("%q cites %d", text, n)
				}
			}
		}
		if total > letters(text) || !strings.Contains(text, "```") && !strings.Contains(text, "~~~") && total != letters(text) {
			t.Errorf("%q has %d letters, its sentences %d", text, letters(text), total)
		}
		_ = Abstains(text)
	})
}
