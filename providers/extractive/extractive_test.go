package extractive

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"fairlead/providers"
	"fairlead/providers/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func generator(t testing.TB) *Generator {
	t.Helper()
	g, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestConformance(t *testing.T) {
	providertest.Run(t, providertest.Harness{
		Does:      providers.Extract,
		Generator: func(t testing.TB) providers.Generator { return generator(t) },
		Request: func() *providers.Request {
			return &providers.Request{Model: Name, Query: "When does the ferry leave?", Documents: []providers.Document{
				{ID: "a", Text: "The harbour opens at eight. The ferry leaves the harbour at nine."},
				{ID: "b", Text: "The last ferry leaves at noon on Sundays."},
			}}
		},
	})
}

func TestQuotesAreCited(t *testing.T) {
	docs := []providers.Document{{Text: "Nothing here."}, {Text: "> The ferry\n> leaves at *nine*.  It is blue.\n"}}
	a, err := providers.Collect(generator(t).Generate(t.Context(), &providers.Request{
		Messages: []providers.Message{providers.Text(providers.User, "When does the ferry leave?")}, Documents: docs,
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := &providers.Answer{
		Text: "The ferry leaves at *nine*. [2]", Finish: providers.FinishStop, Model: Name,
		Citations: []providers.Citation{{Document: 1, Start: 2, End: 31}},
		Usage:     &providers.Usage{Input: 17, Output: 5},
	}
	if d := cmp.Diff(want, a); d != "" {
		t.Error(d)
	}
}

func TestLimits(t *testing.T) {
	docs := []providers.Document{{Text: "The ferry leaves at nine in the morning. The ferry is blue and white. The ferry has two decks."}}
	one, five, eight := 1, 5, 8
	for name, tc := range map[string]struct {
		config Config
		req    providers.Request
		text   string
		finish providers.FinishReason
		cites  int
	}{
		"nothing":          {Config{}, providers.Request{}, "The ferry leaves at nine in the morning. [1] The ferry is blue and white. [1] The ferry has two decks. [1]", providers.FinishStop, 3},
		"quotes":           {Config{MaxQuotes: 1}, providers.Request{}, "The ferry leaves at nine in the morning. [1]", providers.FinishStop, 1},
		"words":            {Config{MaxWords: 3}, providers.Request{}, "The ferry leaves at nine in the morning. [1]", providers.FinishStop, 1},
		"tokens":           {Config{}, providers.Request{MaxTokens: &eight}, "The ferry leaves at nine in the morning. [1]", providers.FinishStop, 1},
		"tokens in quote":  {Config{}, providers.Request{MaxTokens: &five}, "The ferry leaves at nine [1]", providers.FinishLength, 1},
		"one token":        {Config{}, providers.Request{MaxTokens: &one}, "The [1]", providers.FinishLength, 1},
		"no answer":        {Config{}, providers.Request{Query: "Who is the captain?"}, NoAnswer, providers.FinishStop, 0},
		"own words for it": {Config{NoAnswer: "Keine Antwort."}, providers.Request{Query: "Who is the captain?"}, "Keine Antwort.", providers.FinishStop, 0},
		"no answer, cut":   {Config{}, providers.Request{Query: "Who is the captain?", MaxTokens: &one}, "The", providers.FinishLength, 0},
		"stop":             {Config{}, providers.Request{Stop: []string{"white", " [1] The"}}, "The ferry leaves at nine in the morning.", providers.FinishStop, 0},
		"stop at once":     {Config{}, providers.Request{Stop: []string{"The"}}, "", providers.FinishStop, 0},
		"strict":           {Config{MinCoverage: 1}, providers.Request{Query: "When does the big ferry leave?"}, NoAnswer, providers.FinishStop, 0},
	} {
		g, err := New(tc.config)
		if err != nil {
			t.Fatal(err)
		}
		req := tc.req
		req.Documents = docs
		if req.Query == "" {
			req.Query = "ferry"
		}
		a, err := providers.Collect(g.Generate(t.Context(), &req))
		if err != nil || a.Text != tc.text || a.Finish != tc.finish || len(a.Citations) != tc.cites {
			t.Errorf("%s: %q, %s, %d citations, %v", name, a.Text, a.Finish, len(a.Citations), err)
		}
	}
}

func TestWhatItCannotDo(t *testing.T) {
	docs, zero := []providers.Document{{Text: "A ferry."}}, 0
	for name, tc := range map[string]struct {
		req  providers.Request
		kind providers.Kind
		text string
	}{
		"no documents":  {providers.Request{Query: "x"}, providers.KindUnsupported, `use the chain "answer"`},
		"no question":   {providers.Request{Documents: docs}, providers.KindInvalid, "no question"},
		"JSON":          {providers.Request{Query: "x", Documents: docs, Format: providers.Format{Kind: providers.FormatJSONSchema, Schema: json.RawMessage("{}")}}, providers.KindUnsupported, "JSON"},
		"a tool":        {providers.Request{Query: "x", Documents: docs, ToolChoice: providers.ToolChoice{Mode: providers.ToolsRequired}}, providers.KindUnsupported, "tools"},
		"a picture":     {providers.Request{Documents: docs, Messages: []providers.Message{{Role: providers.User, Parts: []providers.Part{{Image: &providers.Image{URL: "http://x"}}}}}}, providers.KindUnsupported, "pictures"},
		"a field":       {providers.Request{Query: "x", Documents: docs, Extra: map[string]json.RawMessage{"logprobs": json.RawMessage("true")}}, providers.KindUnsupported, "logprobs"},
		"another model": {providers.Request{Model: "gpt", Query: "x", Documents: docs}, providers.KindNotFound, "extractive"},
		"no tokens":     {providers.Request{Query: "x", Documents: docs, MaxTokens: &zero}, providers.KindInvalid, "max_tokens"},
	} {
		a, err := providers.Collect(generator(t).Generate(t.Context(), &tc.req))
		if providers.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.text) || a.Text != "" {
			t.Errorf("%s: %q, %v", name, a.Text, err)
		}
	}
	for _, c := range []Config{{MaxQuotes: -1}, {MaxWords: -1}, {MinCoverage: 1.1}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is no error", c)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := generator(t).Models(ctx); providers.KindOf(err) != providers.KindCanceled {
		t.Errorf("models: %v", err)
	}
}

func TestUnits(t *testing.T) {
	const text = "Intro one. Intro two e.g. this, Mr. X said.\n" +
		"# Head\n" +
		"Do it like this:\n\n```sh\n# a comment.\n\nrun it\n```\n" +
		"Is it so? It is.\n\n" +
		"The kinds are:\n- [ ] first one\n  goes on\n- second. Still.\n\n" +
		"| a | b |\n|---|:-:|\n| x. Y | `p` |\n\n" +
		"Setext\n------\n> Quoted\n> words. Done!\n\n" +
		"<!-- not\nthis -->\n[ref]: http://x\n***\n" +
		"Use `a. B` now. 日本語です。二つ目。\n\n" +
		"1. open\n2. shut\n\n" +
		"~~~\nnever shut"
	got := []string{}
	for _, u := range split(0, text) {
		got = append(got, [...]string{"prose", "item", "row", "code", "group"}[u.kind]+"|"+u.heading+"|"+u.lead+"|"+text[u.start:u.end])
	}
	want := []string{
		"prose|||Intro one.",
		"prose|||Intro two e.g. this, Mr. X said.",
		"prose|Head||Do it like this:",
		"code|Head||Do it like this:\n\n```sh\n# a comment.\n\nrun it\n```",
		"prose|Head|Is it so?|It is.",
		"prose|Head||The kinds are:",
		"item|Head|The kinds are:|first one\n  goes on",
		"item|Head|The kinds are:|second. Still.",
		"group|Head||The kinds are:\n- [ ] first one\n  goes on\n- second. Still.",
		"row|Head|second. Still.   a   b|x. Y | `p`",
		"prose|Setext||Quoted\n> words.",
		"prose|Setext||Done!",
		"prose|Setext||Use `a. B` now.",
		"prose|Setext||日本語です。",
		"prose|Setext||二つ目。",
		"item|Setext|二つ目。|open",
		"item|Setext|二つ目。|shut",
		"group|Setext||1. open\n2. shut",
		"code|Setext||shut\n\n~~~\nnever shut",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestCodeIsReadWithItsParagraph(t *testing.T) {
	const text = "To add documents, name files. Folders work, too.\n\n```sh\ningest docs\n```\n\nOther things. In a shell:\n\n```sh\nask \"How do I add my documents?\"\n```\n"
	var got []string
	for _, u := range split(0, text) {
		if u.kind == code {
			got = append(got, text[u.start:u.end])
		}
	}
	want := []string{"To add documents, name files. Folders work, too.\n\n```sh\ningest docs\n```", "In a shell:\n\n```sh\nask \"How do I add my documents?\"\n```"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	// What repeats the question does not answer it.
	a, err := providers.Collect(generator(t).Generate(t.Context(), &providers.Request{Query: "How do I add my documents?", Documents: []providers.Document{{Text: text}}}))
	if err != nil || a.Text != want[0]+"\n[1]" {
		t.Errorf("%q, %v", a.Text, err)
	}
}

func TestStems(t *testing.T) {
	for a, b := range map[string]string{
		"policies": "policy", "starting": "started", "running": "runs", "backends": "backend", "served": "serves",
		"won": "win", "The": "the", "Café": "CAFE", "boxes": "box", "الكتاب": "كتاب", "user's": "user",
	} {
		if x, y := tokens(a)[0], tokens(b)[0]; x != y {
			t.Errorf("%s → %s, %s → %s", a, x, b, y)
		}
	}
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"restrict", "restricted", true}, {"document", "documentation", true}, {"sicherung", "sicherungskopien", true},
		{"kopien", "sicherungskopien", true}, {"port", "portugal", false}, {"run", "runway", false}, {"server", "service", false},
	} {
		if got := alike(tc.a, tc.b) > 0; got != tc.want {
			t.Errorf("%s, %s: %v", tc.a, tc.b, got)
		}
	}
	if d := cmp.Diff([]string{"東", "東京", "京都", "x"}, tokens("東京都 x")); d != "" {
		t.Error(d)
	}
}

// FuzzGenerate holds that any document is read to its end, that quotes lie within it on the borders of
// characters and do not overlap, and that no quote cuts a code block.
func FuzzGenerate(f *testing.F) {
	f.Add("How do I start?", "# Start\nRun:\n```\na. B\n```\n- x\n- y\n\n| a |\n|---|\n| b |\n")
	f.Add("What is `x`?", "`x` is y. `unclosed. And more.\n~~~\ncode. Code.")
	f.Add("日本", "日本語です。日本。")
	f.Add("a b", "<!-- a b\n\n    a b\n\n    a. b\n1. a\n2) b\n\n* a?\nb")
	f.Fuzz(func(t *testing.T, question, text string) {
		if !utf8.ValidString(text) || strings.TrimSpace(question) == "" {
			return
		}
		a, err := providers.Collect(generator(t).Generate(t.Context(), &providers.Request{Query: question, Documents: []providers.Document{{Text: text}}}))
		if err != nil {
			t.Fatal(err)
		}
		last := 0
		for _, c := range a.Citations {
			if c.Start < last || c.End <= c.Start || c.End > len(text) || !utf8.ValidString(text[c.Start:c.End]) {
				t.Fatalf("citation %+v of %q", c, text)
			}
			last = c.End
		}
		for _, u := range split(0, text) {
			for _, b := range fences(text) {
				if u.start < b[1] && u.end > b[0] && (u.start > b[0] || u.end < b[1]) {
					t.Fatalf("unit %+v cuts the block %v of %q", u, b, text)
				}
			}
			if u.start < 0 || u.end > len(text) || u.start >= u.end || !utf8.ValidString(text[u.start:u.end]) {
				t.Fatalf("unit %+v of %q", u, text)
			}
		}
	})
}

// fences gives the fenced blocks of a text that has no comments: each from its first mark to the end of its last line's
// text.
func fences(text string) [][2]int {
	if strings.Contains(text, "<!--") {
		return nil
	}
	var out [][2]int
	open, start, at := "", 0, 0
	for l := range strings.Lines(text) {
		mark := strings.TrimSpace(l)
		end := at + len(strings.TrimRight(l, " \t\r\n"))
		switch {
		case open == "" && (strings.HasPrefix(mark, "```") || strings.HasPrefix(mark, "~~~")) && strings.ContainsAny(strings.TrimLeft(l, " \t")[:1], "`~"):
			open = mark[:len(mark)-len(strings.TrimLeft(mark, mark[:1]))]
			start = at + strings.IndexAny(l, "`~")
		case open != "" && strings.HasPrefix(mark, open) && strings.Trim(mark, open[:1]) == "":
			out, open = append(out, [2]int{start, end}), ""
		}
		at += len(l)
	}
	return out
}

func BenchmarkGenerate(b *testing.B) {
	g := generator(b)
	req := &providers.Request{Query: "How do I add my own documents?", Documents: sections(library(b))}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := providers.Collect(g.Generate(b.Context(), req)); err != nil {
			b.Fatal(err)
		}
	}
}
