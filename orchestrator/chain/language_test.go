package chain

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/fault"
)

func scope() *Scope {
	return &Scope{
		Input: map[string]any{"question": "why?", "top": int64(3), "ratio": 0.5, "yes": true,
			"customer": map[string]any{"name": "Ann <a@b>"}, "tags": []any{"a", 1.0}, "evil": "{{run.tenant}} \\{{"},
		Steps: map[string]map[string]any{
			"context": {"count": 2, "passages": []map[string]any{{"uri": "a.md", "score": 0.9}, {"uri": "b.md", "score": 0.2}}},
			"draft":   {"text": "hello", "json": map[string]any{"ok": true}},
			"skipped": nil,
		},
		Run: map[string]any{"id": "r1", "tenant": "acme", "left_usd": 0.01},
	}
}

func TestTemplateRenders(t *testing.T) {
	for source, want := range map[string]string{
		"":                                   "",
		"plain } }} {":                       "plain } }} {",
		"{{question}}":                       "why?",
		"{{ input.question }}!":              "why?!",
		"{{top}} {{ratio}} {{yes}}":          "3 0.5 true",
		"{{customer.name}}":                  "Ann <a@b>",
		"{{customer}}":                       `{"name":"Ann <a@b>"}`,
		"{{tags}} {{tags.1}}":                `["a",1] 1`,
		"{{evil}}":                           `{{run.tenant}} \{{`,
		"{{missing}}|{{missing.deep}}":       "|",
		"{{steps.skipped.text}}":             "",
		"{{steps.never.text}}":               "",
		"{{steps.context.passages.1.uri}}":   "b.md",
		`\{{question}} {{question}}`:         "{{question}} why?",
		"{{steps.draft.text}}{{run.tenant}}": "helloacme",
		`a\\{{top}} \\\{{ \\`:                `a\3 \{{ \\`,
		"{{steps.draft.json}}":               `{"ok":true}`,
	} {
		tmpl, err := ParseTemplate(source)
		if err != nil {
			t.Errorf("%q: %v", source, err)
			continue
		}
		if got, err := tmpl.Render(scope()); err != nil || got != want {
			t.Errorf("%q renders as %q, %v; want %q", source, got, err, want)
		}
		if tmpl.Source() != source {
			t.Errorf("%q: source %q", source, tmpl.Source())
		}
	}
}

func TestTemplateSaysWhatIsMissing(t *testing.T) {
	for source, want := range map[string]string{
		"{{steps.draft.nope}}":             `filling {{steps.draft.nope}}: steps.draft has no "nope"`,
		"{{steps.draft.json.a}}":           `filling {{steps.draft.json.a}}: steps.draft.json has no "a"`,
		"{{steps.context.passages.2.uri}}": `filling {{steps.context.passages.2.uri}}: steps.context.passages has no "2"`,
		"{{question.deep}}":                `filling {{input.question.deep}}: input.question has no "deep"`,
		"{{run.nope}}":                     `filling {{run.nope}}: run has no "nope"`,
	} {
		tmpl, err := ParseTemplate(source)
		if err != nil {
			t.Fatalf("%q: %v", source, err)
		}
		if _, err := tmpl.Render(scope()); err == nil || err.Error() != want || fault.ReasonOf(err) != fault.ReasonBadChain {
			t.Errorf("%q: %v; want %q", source, err, want)
		}
	}
}

func TestTemplateMistakesHavePlaces(t *testing.T) {
	for source, want := range map[string]string{
		"a {{b":           `1:3: "{{" is not closed: write {{name}}, or \{{ for the two braces themselves`,
		"é\n{{}}":         "2:3: a placeholder is empty: write {{name}}, {{steps.ID.FIELD}} or {{run.FIELD}}",
		"{{ a b }}":       "1:4: {{a b}} is not a path: use names of letters, digits and _ joined by dots; nothing else is evaluated",
		"{{a.b()}}":       "1:5: {{a.b()}} is not a path: use names of letters, digits and _ joined by dots; nothing else is evaluated",
		"{{steps.draft}}": "1:3: {{steps.draft}} names no value: write {{steps.ID.FIELD}}",
		"{{input}}":       "1:3: {{input}} names no value: write {{input.NAME}}",
		"{{run.id.x}}":    "1:3: {{run.id.x}} goes too deep: fields of run have no parts",
		"{{.question}}":   "1:3: {{.question}} is not a path: use names of letters, digits and _ joined by dots; nothing else is evaluated",
		"{{tags.01}}":     "1:8: {{tags.01}} is not a path: use names of letters, digits and _ joined by dots; nothing else is evaluated",
	} {
		_, err := ParseTemplate(source)
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v\nwant %s", source, err, want)
		}
	}
}

func TestTemplateKnowsItself(t *testing.T) {
	tmpl, err := ParseTemplate("{{a}} {{input.a}} {{steps.x.text}}")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"input.a", "steps.x.text"}, tmpl.Paths()); diff != "" {
		t.Error(diff)
	}
	if tmpl.OutputStep() != "" {
		t.Error("more than a step's text")
	}
	for source, want := range map[string]string{"{{steps.x.text}}": "x", "{{ steps.x.text }}": "x", "{{steps.x.json}}": "", "{{steps.x.text}} ": "", "": ""} {
		tmpl, err := ParseTemplate(source)
		if err != nil || tmpl.OutputStep() != want {
			t.Errorf("%q: %q, %v", source, tmpl.OutputStep(), err)
		}
	}
	values := map[string]any{"{{top}}": int64(3), "{{tags}}": []any{"a", 1.0}, "{{missing}}": nil, "{{top}}x": "3x", "{{steps.skipped.json}}": nil}
	for source, want := range values {
		tmpl, err := ParseTemplate(source)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tmpl.Value(scope()); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%q: %v, %v", source, got, err)
		}
	}
}

func TestConditionHolds(t *testing.T) {
	for source, want := range map[string]bool{
		"steps.context.count > 0":                                    true,
		"steps.context.count == 2.0":                                 true,
		"input.ratio > 1":                                            false,
		"input.top >= 3 && input.question.startsWith('why')":         true,
		"has(steps.skipped.text)":                                    false,
		"has(steps.never.text)":                                      false,
		"!has(steps.never.text) || steps.never.text == 'x'":          true,
		"has(input.missing) && input.missing == 'x'":                 false,
		"steps.draft.json.ok":                                        true,
		"steps['draft'].text == 'hello'":                             true,
		"steps.context.passages.exists(p, p.score > 0.5)":            true,
		"steps.context.passages.all(p, p.score > 0.5)":               false,
		"steps.context.passages[0].uri.matches('^a')":                true,
		"run.tenant in ['acme', 'other'] && run.left_usd < 1.0":      true,
		"input.tags.size() == 2":                                     true,
		"has(steps.draft.json.ok) && !has(steps.draft.json.missing)": true,
	} {
		c, err := ParseCondition(source)
		if err != nil {
			t.Errorf("%q: %v", source, err)
			continue
		}
		if got, err := c.Holds(t.Context(), scope()); err != nil || got != want {
			t.Errorf("%q = %v, %v", source, got, err)
		}
	}
}

func TestConditionMistakesHavePlaces(t *testing.T) {
	for source, want := range map[string]string{
		"":                                 "1:1: the condition is empty",
		"steps.a.count >":                  "1:16: Syntax error: mismatched input '<EOF>' expecting",
		"true &&\n  nope > 1":              "2:3: undeclared reference to 'nope' (in container '')",
		"'é' + 1 == 'x'":                   "1:5: found no matching overload for '_+_' applied to '(string, int)'",
		"1 + 1":                            "1:1: a condition must be true or false, and this is int",
		"has(steps.a)":                     "1:5: steps.a must name a value: write has(steps.ID.FIELD)",
		"steps[input.x].count > 0":         "1:1: steps must name a value: write steps.ID.FIELD",
		"size(input) > 0":                  "1:6: input must name a value: write input.NAME",
		"input.q.matches('(')":             "1:",
		strings.Repeat("!", 3000) + "true": "1:1: the condition is longer than 2000 characters",
	} {
		_, err := ParseCondition(source)
		var s *SyntaxError
		if !errors.As(err, &s) || !strings.HasPrefix(err.Error(), want) || strings.Contains(s.Text, "\n") {
			t.Errorf("%q: %v\nwant %s…", source, err, want)
		}
	}
}

func TestConditionFailsWithoutTellingValues(t *testing.T) {
	s := scope()
	s.Input["secret"] = "sk-secret"
	s.Input["long"] = strings.Repeat("a", 20_000_000)
	for source, want := range map[string]string{
		"steps.skipped.text == 'x'":           `there is no "text": ask has(…) first where a value may be missing`,
		"int(input.secret) > 0":               "a value cannot be converted as the condition asks",
		"input.customer[input.secret] == 'x'": "a key is missing",
		"input.secret + input.top == 'x'":     "the types of the values do not go together",
		"1 / (input.top - 3) > 0":             "division by zero",
		"input.tags[7] == 'x'":                "a list has no element at that place",
		"input.long.contains('b')":            "it takes too long",
		"input.secret":                        "the result is string, and must be true or false",
	} {
		c, err := ParseCondition(source)
		if err != nil {
			t.Errorf("%q: %v", source, err)
			continue
		}
		_, err = c.Holds(t.Context(), s)
		if err == nil || !strings.HasSuffix(err.Error(), want) || strings.Contains(fault.Cause(err), "sk-") || fault.ReasonOf(err) != fault.ReasonBadChain {
			t.Errorf("%q: %v", source, err)
		}
	}
	c, err := ParseCondition("input.tags.all(a, input.tags.all(b, input.tags.all(c, a == a)))")
	if err != nil {
		t.Fatal(err)
	}
	for range 400 {
		s.Input["tags"] = append(s.Input["tags"].([]any), "x")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Holds(ctx, s); fault.CodeOf(err) != fault.Canceled {
		t.Errorf("canceled: %v", err)
	}
}

func TestConditionIsSafeForConcurrentUse(t *testing.T) {
	c, err := ParseCondition("steps.context.passages.exists(p, p.score > 0.5) && has(input.question)")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if ok, err := c.Holds(t.Context(), scope()); err != nil || !ok {
					t.Errorf("%v %v", ok, err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzParseTemplate(f *testing.F) {
	for _, s := range []string{"", "a {{b}} c", `\{{a}}`, "{{steps.x.text}}", "{{ input.a.0 }}", "{{", "}}{{a}}{{"} {
		f.Add(s, "value {{a}}")
	}
	f.Fuzz(func(t *testing.T, source, value string) {
		tmpl, err := ParseTemplate(source)
		if err != nil {
			var s *SyntaxError
			if !errors.As(err, &s) || s.Offset < 0 || s.Offset > len(source) || s.Line < 1 || s.Column < 1 {
				t.Fatalf("error %v", err)
			}
			return
		}
		// What is put in is never looked at again: the values do not change how much text there is.
		filled, want := &Scope{Input: map[string]any{}}, 0
		for _, p := range tmpl.pieces {
			switch {
			case p.path == nil:
				want += len(p.text)
			case p.path[0] != rootInput || len(p.path) > 2:
				return
			default:
				filled.Input[p.path[1]] = value
				want += len(value)
			}
		}
		if out, err := tmpl.Render(filled); err != nil || len(out) != want {
			t.Fatalf("%q renders as %q, %v", source, out, err)
		}
	})
}

func FuzzParseCondition(f *testing.F) {
	for _, s := range []string{"true", "steps.a.b > 1", "has(input.x)", "[1].exists(i, i > 0)", "input.x.matches('a+')", "1/0 == 1", "(("} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		c, err := ParseCondition(source)
		if err != nil {
			var s *SyntaxError
			if !errors.As(err, &s) || s.Offset < 0 || s.Offset > len(source) {
				t.Fatalf("error %v", err)
			}
			return
		}
		first, err1 := c.Holds(t.Context(), scope())
		second, err2 := c.Holds(t.Context(), scope())
		if first != second || (err1 == nil) != (err2 == nil) {
			t.Fatalf("%q is not the same twice: %v %v, %v %v", source, first, err1, second, err2)
		}
	})
}

func BenchmarkCondition(b *testing.B) {
	c, err := ParseCondition("steps.context.count > 0 && input.question != ''")
	if err != nil {
		b.Fatal(err)
	}
	s := scope()
	for b.Loop() {
		if ok, err := c.Holds(b.Context(), s); err != nil || !ok {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkTemplate(b *testing.B) {
	tmpl, err := ParseTemplate("Q: {{question}}\nA: {{steps.draft.text}} {{steps.context.passages.0.uri}}")
	if err != nil {
		b.Fatal(err)
	}
	s := scope()
	for b.Loop() {
		if _, err := tmpl.Render(s); err != nil {
			b.Fatal(err)
		}
	}
}
