package chain

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/prompts"
	"fairlead/providers"
	"fairlead/retrieval"
)

// file gives a chain file whose steps are the lines given; steps begin in line 7.
func file(steps ...string) string {
	return `chain: c
version: 1
input:
  q: string
  o: object?
steps:
` + strings.Join(steps, "\n") + `
output: "{{q}}"
`
}

const (
	retrieveStep = `  - { id: ctx, retrieve: { collection: docs, query: "{{q}}" } }`
	draftStep    = `  - { id: draft, generate: { user: "{{q}}" } }`
)

func TestParseMistakes(t *testing.T) {
	for _, c := range []struct{ name, source, want string }{
		{"empty", "", "1:1: the file is empty"},
		{"comments only", "# nothing\n", "1:1: the file is empty"},
		{"not a mapping", "- a\n", "1:1: the chain must be a mapping (key: value), not a list"},
		{"two documents", file(draftStep) + "---\na: 1\n", "10:1: a file holds one chain: put the second document into a file of its own"},
		{"broken YAML", "chain: [a\n", "1:8: sequence end token ']' not found"},
		{"braces without quotes", file("  - id: a\n    generate:\n      user: {{q}}"), `9:14: could not find flow map content; text with {{ in it needs quotes, as in "{{question}}"`},
		{"nothing at all", "description: x\n", "1:1: the chain has no name: write chain: NAME\n1:1: the chain has no version: write version: 1\n1:1: the chain has no steps: write steps: and a list\n1:1: the chain has no output: write output: \"{{steps.ID.text}}\""},
		{"unknown key", strings.Replace(file(draftStep), "version:", "verison:", 1), "1:1: the chain has no version: write version: 1\n2:1: the chain has no key \"verison\": did you mean \"version\"?"},
		{"key twice", file(draftStep) + "output: x\n", `9:1: the chain has the key "output" twice`},
		{"bad name", strings.Replace(file(draftStep), "chain: c", "chain: a b", 1), `1:8: chain must be a name of letters, digits, ".", "_" and "-"`},
		{"bad version", strings.Replace(file(draftStep), "version: 1", "version: 0", 1), "2:10: version must be from 1 to 1000000"},
		{"version as text", strings.Replace(file(draftStep), "version: 1", `version: "1"`, 1), "2:10: version must be a whole number, not text"},
		{"bad label", file(draftStep) + "label: secret\n", `9:8: there is no label "secret": use one of public, internal, confidential, restricted`},
		{"bad budget", file(draftStep) + "budget: { usd: -1, deadline: 8, eur: 1 }\n", "9:16: budget.usd must be from 0 to 1e+06\n9:30: budget.deadline must be a time span such as 800ms, 8s or 2m, not a whole number\n9:33: budget has no key \"eur\": use one of usd, deadline"},
		{"budget as text", file(draftStep) + "budget: { usd: $1, deadline: soon }\n", "9:16: budget.usd must be a number, not text\n9:30: budget.deadline must be a time span from 1ns to 24h, such as 800ms, 8s or 2m"},
		{"bad input type", strings.Replace(file(draftStep), "q: string", "q: sting", 1), `4:6: there is no type "sting": did you mean "string"?`},
		{"reserved input", strings.Replace(file(draftStep), "  o: object?", "  steps: string", 1), `5:3: an input cannot be named "steps": use letters, digits and _, and none of input, steps, run, true, false, null, in`},
		{"default of another type", strings.Replace(file(draftStep), "o: object?", "o: { type: integer, default: 1.5 }", 1), `5:32: input.o.default must be a whole number, not a number`},
		{"empty steps", file("  []"), "7:3: steps is empty: it needs a step"},
		{"step without id", file(`  - generate: { user: "{{q}}" }`), "7:5: the step has no id: write id: NAME"},
		{"bad id", file(`  - { id: my-step, generate: { user: x } }`), `7:11: a step cannot be named "my-step": use letters, digits and _, and no digit first`},
		{"id twice", file(draftStep, draftStep), `8:11: there is a step "draft" already, in line 7`},
		{"no kind", file(`  - { id: a, when: "true" }`), "7:5: step a does nothing: give it one of generate, retrieve, embed, classify, predict, summarize, choose, parallel"},
		{"two kinds", file(`  - { id: a, embed: { text: x }, retrieve: { collection: x, query: y } }`), "7:14: step a has both retrieve and embed: a step is of one kind"},
		{"unknown kind", file(`  - { id: a, genrate: { user: x } }`), "7:5: step a does nothing: give it one of generate, retrieve, embed, classify, predict, summarize, choose, parallel\n7:14: the step has no key \"genrate\": did you mean \"generate\"?"},
		{"policy where no model is called", file(`  - { id: a, policy: p, retrieve: { collection: x, query: y } }`), "7:14: step a calls no model: policy is for generate, summarize, embed, classify and predict"},
		{"text that is a number", file(`  - { id: a, retrieve: { collection: 2024, query: y } }`), "7:38: retrieve.collection must be text, not a whole number: put it in quotes"},
		{"missing keys", file(`  - { id: a, retrieve: { top: 3 } }`), "7:24: retrieve has no collection: it needs one\n7:24: retrieve has no query: it needs one"},
		{"empty text", file(`  - { id: a, embed: { text: "" } }`), "7:29: embed.text is empty"},
		{"top out of range", file(`  - { id: a, retrieve: { collection: x, query: y, top: 0 } }`), "7:56: top must be from 1 to 100"},
		{"top that is no placeholder", file(`  - { id: a, retrieve: { collection: x, query: y, top: "5" } }`), "7:56: top must be a whole number or one placeholder"},
		{"prompt and words", file(`  - { id: a, generate: { prompt: p@1, user: x } }`), "7:26: generate has both prompt and system or user: give a prompt's name, or the words themselves"},
		{"neither prompt nor words", file(`  - { id: a, generate: { max_tokens: 5 } }`), "7:24: generate has neither prompt nor user: say what to ask"},
		{"prompt not pinned", file(`  - { id: a, generate: { prompt: p } }`), "7:34: prompt does not pin a version: write p@1, so that the chain does not change when the prompt does"},
		{"bad prompt version", file(`  - { id: a, generate: { prompt: p@new } }`), `7:34: prompt: "new" is not a version: write a number from 1, as in p@1`},
		{"with without prompt", file(`  - { id: a, generate: { user: x, with: { a: b } } }`), "7:35: with fills a prompt's inputs, and there is no prompt: put {{name}} into user"},
		{"sampling", file(`  - { id: a, generate: { user: x, max_tokens: 0, temperature: 3, top_p: x, seed: 1.5, stop: x } }`), "7:47: max_tokens must be from 1 to 1000000\n7:63: temperature must be from 0 to 2\n7:73: top_p must be a number, not text\n7:82: seed must be a whole number, not a number\n7:93: stop must be a list, not text"},
		{"format", file(`  - { id: a, generate: { user: x, format: xml } }`), "7:43: format must be json, text or {schema: …}"},
		{"schema that is none", file(`  - { id: a, generate: { user: x, format: { schema: { type: strng } } } }`), "7:53: format.schema is not a JSON Schema: at /type: enum"},
		{"schema that reads files", file(`  - { id: a, generate: { user: x, format: { schema: { $ref: "file:///etc/passwd" } } } }`), "7:53: format.schema is not a JSON Schema: "},
		{"filter", file(`  - { id: a, retrieve: { collection: x, query: y, filter: [ { field: lang, op: like, value: en }, { field: year, op: in, value: 5 } ] } }`), "7:80: there is no comparison \"like\": use one of =, !=, <, <=, >, >=, in, exists\n7:129: filter.year: a list goes with in, and in with a list"},
		{"template in a list", file(`  - { id: a, retrieve: { collection: x, query: y, filter: { lang: ["{{q}}"] } } }`), "7:68: filter.lang: a list holds plain text, without {{placeholders}}"},
		{"summarize", file(`  - { id: a, summarize: { method: refin } }`), "7:25: summarize has neither documents nor text: give one\n7:35: there is no method \"refin\": did you mean \"refine\"?"},
		{"timeout", file(`  - { id: a, timeout: -1s, embed: { text: x } }`), "7:23: timeout must be a time span from 1ns to 24h, such as 800ms, 8s or 2m"},
		{"optional", file(`  - { id: a, optional: "yes", embed: { text: x } }`), "7:24: optional must be true or false, not text"},
		{"anchors", file(`  - &s { id: a, embed: { text: x } }`), "7:5: the step must be a mapping (key: value), not an anchor or alias, which chains do without"},

		{"template syntax", file(`  - { id: a, embed: { text: "x {{q" } }`), `7:32: embed.text: "{{" is not closed: write {{name}}, or \{{ for the two braces themselves`},
		{"template in a block", file("  - id: a\n    embed:\n      text: |\n        one {{q}}\n        two {{nope}}"), `11:13: there is no input "nope": use one of q, o`},
		{"template after escapes", file(`  - { id: a, embed: { text: "\t\u00e9\"{{nope}}" } }`), `7:40: there is no input "nope": use one of q, o`},
		{"template in single quotes", file(`  - { id: a, embed: { text: 'it''s {{nope}}' } }`), `7:36: there is no input "nope": use one of q, o`},
		{"condition syntax", file(`  - { id: a, when: "input.q ==", embed: { text: x } }`), "7:31: when: Syntax error: "},
		{"condition of another type", file(`  - { id: a, when: "1 + 1", embed: { text: x } }`), "7:21: when: a condition must be true or false, and this is int"},
		{"condition without quotes", file(`  - { id: a, when: true, embed: { text: x } }`), "7:20: when must be a condition in quotes, not true"},
		{"condition over lines", file("  - id: a\n    when: |\n      has(input.q) &&\n      input.nope > 1\n    embed: { text: x }"), `10:7: there is no input "nope": use one of q, o`},
		{"parts of text", file(`  - { id: a, embed: { text: "{{q.x}} {{o.x}}" } }`), "7:30: input q is text: it has no parts"},
		{"a classifier that is not named", file(`  - { id: a, classify: { text: "{{q}}" } }`), "7:24: classify has no target: name one that classifies"},
		{"a classifier that is named beside", file(`  - { id: a, target: t, classify: { target: t, text: "{{q}}" } }`), "7:14: step a names its target within classify"},
		{"a class of no label", file(`  - { id: a, classify: { target: t, text: "{{q}}", labels: { spam: sekret } } }`), `7:68: there is no label "sekret": use one of public, internal, confidential, restricted`},
		{"a probability over 1", file(`  - { id: a, classify: { target: t, text: "{{q}}", unknown_below: 60 } }`), "7:67: unknown_below must be from 0 to 1"},
		{"unknown field of a class", file(`  - { id: a, classify: { target: t, text: "{{q}}" } }
  - { id: b, embed: { text: "{{steps.a.classes.0.score}} {{steps.a.class}}" } }`), `8:30: a class has no "score": use one of name, probability
8:58: step a (classify) makes no "class": did you mean "classes"?`},
		{"unknown run field", file(`  - { id: a, embed: { text: "{{run.user}}" } }`), `7:30: run has no "user": use one of id, chain, version, label, tenant, locale, left_usd, left_ms`},
		{"unknown step", file(draftStep, `  - { id: a, embed: { text: "{{steps.drft.text}}" } }`), `8:30: there is no step "drft": did you mean "draft"?`},
		{"later step", file(`  - { id: a, embed: { text: "{{steps.draft.text}}" } }`, draftStep), "7:30: step draft comes later (line 8): a step sees what ran before it"},
		{"itself", file(`  - { id: a, when: "has(steps.a.vector)", embed: { text: "x" } }`), "7:25: step a refers to itself"},
		{"field that is not made", file(retrieveStep, `  - { id: a, embed: { text: "{{steps.ctx.text}}" } }`), `8:30: step ctx (retrieve) makes no "text": use one of count, exhausted, passages, query`},
		{"passage field", file(retrieveStep, `  - { id: a, when: "steps.ctx.passages[0].scroe > 0.5", embed: { text: "{{steps.ctx.passages.0.txt}}" } }`), "8:21: a passage has no \"scroe\": did you mean \"score\"?\n8:73: a passage has no \"txt\": did you mean \"text\"?"},
		{"json without a format", file(draftStep, `  - { id: a, embed: { text: "{{steps.draft.json.x}}" } }`), "8:30: step draft makes no json: give its generate format: json"},
		{"documents of nothing", file(`  - { id: a, generate: { user: x, documents: ctx } }`, retrieveStep), "7:46: step ctx comes later (line 8): a step sees what ran before it"},
		{"documents of no retrieve step", file(retrieveStep, draftStep, `  - { id: a, summarize: { documents: draft } }`), "9:38: documents must name a retrieve step, and draft is generate: use one of ctx"},
		{"parallel sibling", file(`  - id: both`, `    parallel:`, `    `+retrieveStep, `      - { id: a, embed: { text: "{{steps.ctx.count}}" } }`), "10:34: step ctx runs at the same time: put what needs it after the parallel step"},
		{"other branch", file(`  - id: pick`, `    choose:`, `      - { when: "true", steps: [ { id: x, embed: { text: y } } ] }`, `      - else: [ { id: z, embed: { text: "{{steps.x.target}}" } } ]`), "10:42: step x is in another branch, which does not run when this one does"},
		{"around", file(`  - id: pick`, `    choose:`, `      - { when: "true", steps: [ { id: x, embed: { text: "{{steps.pick.case}}" } } ] }`), "9:59: step pick is around this step, and has no result yet"},
		{"choose", file(`  - id: pick`, `    choose:`, `      - else: [ { id: z, embed: { text: y } } ]`, `      - { name: a, steps: [] }`), "9:9: else must be the last case, after one with when, and have nothing beside it\n10:9: the case has no when: only else does without\n10:27: steps is empty: it needs a step"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("c.yaml", []byte(c.source))
			if err == nil {
				t.Fatal("no error")
			}
			if fault.CodeOf(err) != fault.InvalidArgument || fault.ReasonOf(err) != fault.ReasonBadChain {
				t.Errorf("code %v, reason %v", fault.CodeOf(err), fault.ReasonOf(err))
			}
			_, got, _ := strings.Cut(err.Error(), "\n")
			got = strings.ReplaceAll(got, "c.yaml:", "")
			if !strings.HasPrefix(got, c.want) || !strings.HasSuffix(c.want, ": ") && got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s\nfile:\n%s", got, c.want, c.source)
			}
		})
	}
}

const whole = `chain: whole.chain-1
version: 7
description: All there is.
input:
  q: string
  n: { type: integer, default: 3, description: How many. }
  o: object?
budget: { usd: 0.01, deadline: 8s }
label: confidential
steps:
  - id: both
    parallel:
      - id: ctx
        timeout: 800ms
        optional: true
        retrieve:
          collection: docs
          query: "{{q}}"
          top: "{{n}}"
          filter: { lang: "{{o.lang}}", year: 2024, kind: [a, b], public: true }
      - id: vec
        target: hashing
        embed: { text: "{{q}}" }
  - id: pick
    choose:
      - name: grounded
        when: has(steps.ctx.count) && steps.ctx.count > 0
        steps:
          - id: draft
            label: restricted
            policy: careful
            generate:
              prompt: answer@2
              locale: de
              with: { question: "{{q}}" }
              documents: ctx
              session: true
              query: "{{q}}"
              max_tokens: 400
              temperature: 0
              top_p: 0.9
              seed: 1
              stop: [END]
              format: { name: verdict, strict: true, schema: { type: object, properties: { ok: { type: boolean } } } }
      - else:
          - id: plain
            when: "!has(steps.ctx.count)"
            generate: { system: Be brief., user: "{{q}}", format: json }
  - id: sum
    summarize: { method: refine, documents: ctx, instruction: "About {{q}}.", max_tokens: 100, temperature: 0.5 }
output: "{{steps.draft.text}}{{steps.plain.text}}"
`

func TestParseReadsEverything(t *testing.T) {
	c, err := Parse("whole.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "whole.chain-1" || c.Version != 7 || c.Description != "All there is." || c.Budget != providers.USD(0.01) ||
		!c.Limited || c.Deadline != 8*time.Second || c.Label != label.Confidential || len(c.Digest) != 64 || c.File != "whole.yaml" {
		t.Errorf("chain %+v", c)
	}
	wantInputs := []Input{{Name: "q", Type: String}, {Name: "n", Type: Integer, Optional: true, Default: int64(3), Description: "How many."},
		{Name: "o", Type: Object, Optional: true}}
	if diff := cmp.Diff(wantInputs, c.Inputs); diff != "" {
		t.Error(diff)
	}
	var paths []string
	steps := map[string]*Step{}
	for path, s := range c.All() {
		paths = append(paths, path+":"+string(s.Kind))
		steps[s.ID] = s
	}
	if diff := cmp.Diff([]string{"both:parallel", "both/ctx:retrieve", "both/vec:embed", "pick:choose", "pick/draft:generate", "pick/plain:generate", "sum:summarize"}, paths); diff != "" {
		t.Error(diff)
	}
	ctx := steps["ctx"]
	if !ctx.Optional || ctx.Timeout != 800*time.Millisecond || ctx.Line != 13 || ctx.Column != 9 {
		t.Errorf("ctx %+v", ctx)
	}
	s := &Scope{Input: map[string]any{"q": "why", "n": int64(9), "o": map[string]any{"lang": "en"}}}
	if n, err := ctx.Retrieve.Limit(s); n != 9 || err != nil {
		t.Errorf("limit %d, %v", n, err)
	}
	filter, err := ctx.Retrieve.Conditions(s)
	want := retrieval.Filter{{Field: "lang", Op: retrieval.Equal, Value: "en"}, {Field: "year", Op: retrieval.Equal, Value: 2024.0},
		{Field: "kind", Op: retrieval.In, Value: []any{"a", "b"}}, {Field: "public", Op: retrieval.Equal, Value: true}}
	if diff := cmp.Diff(want, filter); diff != "" || err != nil {
		t.Error(diff, err)
	}
	g := steps["draft"].Generate
	if steps["draft"].Policy != "careful" || steps["draft"].Label != label.Restricted || g.Prompt != "answer" || g.PromptVersion != 2 ||
		g.Locale.Source() != "de" || g.With["question"].Source() != "{{q}}" || g.Documents != "ctx" || !g.Session || g.Query == nil ||
		*g.MaxTokens != 400 || *g.Temperature != 0 || *g.TopP != 0.9 || *g.Seed != 1 || g.Stop[0] != "END" ||
		g.Format.Kind != providers.FormatJSONSchema || g.Format.Name != "verdict" || !*g.Format.Strict ||
		string(g.Format.Schema) != `{"properties":{"ok":{"type":"boolean"}},"type":"object"}` {
		t.Errorf("draft %+v", g)
	}
	if k := steps["pick"].Choose; len(k.Cases) != 1 || k.Cases[0].Name != "grounded" || len(k.Else) != 1 {
		t.Errorf("choose %+v", k)
	}
	if m := steps["sum"].Summarize; m.Method != Refine || m.Documents != "ctx" || *m.MaxTokens != 100 || m.Instruction == nil {
		t.Errorf("sum %+v", m)
	}
	if diff := cmp.Diff([]string{"draft", "plain"}, c.OutputSteps()); diff != "" {
		t.Error(diff)
	}
	if out := strings.Replace(whole, "{{steps.plain.text}}", " {{steps.plain.text}}", 1); true {
		c, err := Parse("whole.yaml", []byte(out))
		if err != nil || c.OutputSteps() != nil {
			t.Errorf("more than texts: %v, %v", c.OutputSteps(), err)
		}
	}
}

func TestTopMustBeANumberInRange(t *testing.T) {
	c, err := Parse("whole.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	r := c.Steps[0].Parallel[0].Retrieve
	for v, want := range map[any]int{int64(100): 100, 5.0: 5, int64(101): 0, int64(0): 0, "x": 0} {
		n, err := r.Limit(&Scope{Input: map[string]any{"n": v}})
		if n != want || (err != nil) != (want == 0) {
			t.Errorf("%v: %d, %v", v, n, err)
		}
	}
	if n, err := r.Limit(&Scope{}); n != DefaultTop || err != nil {
		t.Errorf("left out: %d, %v", n, err)
	}
}

func TestCheckInput(t *testing.T) {
	c := &Chain{Name: "c", Inputs: []Input{{Name: "s", Type: String}, {Name: "i", Type: Integer, Optional: true}, {Name: "n", Type: Number, Optional: true},
		{Name: "d", Type: String, Optional: true, Default: "x"}, {Name: "l", Type: List, Optional: true}}}
	got, err := c.CheckInput(map[string]any{"s": "a", "i": 3.0, "n": int64(2), "l": []any{1.0}})
	if diff := cmp.Diff(map[string]any{"s": "a", "i": int64(3), "n": 2.0, "d": "x", "l": []any{1.0}}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	_, err = c.CheckInput(map[string]any{"i": 3.5, "n": "secret", "q": 1, "d": nil})
	want := `reading the input of chain c: "s" is missing, "i" must be a whole number, "n" must be a number, there is no "q"; it takes s: string, i: integer?, n: number?, d: string?, l: list?`
	if err == nil || err.Error() != want || fault.CodeOf(err) != fault.InvalidArgument {
		t.Errorf("%v\nwant %s", err, want)
	}
}

func TestCheck(t *testing.T) {
	c, err := Parse("c.yaml", []byte(file(retrieveStep,
		`  - { id: a, policy: p, target: t, generate: { prompt: answer@2, with: { qestion: "{{q}}" }, documents: ctx } }`,
		`  - { id: b, generate: { prompt: nope@1 } }`,
		`  - { id: d, generate: { prompt: plain@1, with: { question: "{{q}}" }, documents: ctx } }`,
		`  - { id: e, generate: { prompt: answer@2, with: { question: "{{q}}", documents: x }, documents: ctx } }`)))
	if err != nil {
		t.Fatal(err)
	}
	none := func(string) bool { return false }
	warnings, err := c.Check(Refs{
		Prompt: func(name string, _ int) ([]PromptInput, error) {
			switch name {
			case "answer":
				return []PromptInput{{Name: "question"}, {Name: "documents"}, {Name: "tone", Optional: true}}, nil
			case "plain":
				return []PromptInput{{Name: "question"}}, nil
			}
			return nil, fault.New(fault.NotFound, fault.ReasonUnknownPrompt, "there is no prompt nope")
		},
		Policy: none, Target: none, Collection: none,
	})
	want := `checking chain c:
c.yaml:8:5: step a: there is no policy "p"
c.yaml:8:5: step a: there is no target "t"
c.yaml:8:5: step a: prompt answer@2 needs question; it has no "qestion": did you mean "question"?
c.yaml:9:5: step b: there is no prompt nope
c.yaml:11:5: step e: documents come from the retrieve step: with may not give them too`
	if err == nil || err.Error() != want || fault.ReasonOf(err) != fault.ReasonBadChain {
		t.Errorf("%v\nwant %s", err, want)
	}
	if diff := cmp.Diff([]string{`c.yaml:7:5: step ctx: there is no collection "docs" yet`,
		"c.yaml:10:5: step d: prompt plain@1 takes no documents: a model will not see them"}, warnings); diff != "" {
		t.Error(diff)
	}
	if w, err := c.Check(Refs{}); w != nil || err != nil {
		t.Errorf("nothing to check against: %v, %v", w, err)
	}
}

func TestLoad(t *testing.T) {
	good := file(draftStep)
	chains, err := Load(fstest.MapFS{
		"b.yaml": {Data: []byte(strings.Replace(good, "chain: c", "chain: b", 1))}, "sub/a.yml": {Data: []byte(good)},
		".hidden.yaml": {Data: []byte("x")}, ".git/x.yaml": {Data: []byte("x")}, "readme.md": {Data: []byte("x")},
	})
	if err != nil || len(chains) != 2 || chains[0].Name != "b" || chains[1].File != "sub/a.yml" {
		t.Fatalf("%v, %v", chains, err)
	}
	_, err = Load(fstest.MapFS{"a.yaml": {Data: []byte(good)}, "b.yaml": {Data: []byte(good)}, "c.yaml": {Data: []byte("x: 1")}})
	if err == nil || !strings.Contains(err.Error(), "reading chains:\nb.yaml:1:1: there is a chain \"c\" already, in a.yaml\nc.yaml:1:1: the chain has no key \"x\"") {
		t.Errorf("%v", err)
	}
}

func TestBuiltin(t *testing.T) {
	chains, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	if len(chains) != 2 || chains[0].Name != "answer" || chains[1].Name != "summarize" {
		t.Fatalf("chains %v", chains)
	}
	in, err := chains[0].CheckInput(map[string]any{"question": "why?"})
	if diff := cmp.Diff(map[string]any{"question": "why?", "collection": "docs", "top": int64(6)}, in); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if got := chains[0].OutputSteps(); !slices.Equal(got, []string{"draft"}) {
		t.Errorf("streams %v", got)
	}
	if got := chains[1].OutputSteps(); !slices.Equal(got, []string{"of_text", "of_documents"}) {
		t.Errorf("streams %v", got)
	}
}

func TestBuiltinFitsTheShippedPrompts(t *testing.T) {
	library, err := prompts.Load()
	if err != nil {
		t.Fatal(err)
	}
	chains, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range chains {
		warnings, err := c.Check(Refs{Prompt: func(name string, version int) ([]PromptInput, error) {
			p, err := library.Get(name, version, "")
			if err != nil {
				return nil, err
			}
			var inputs []PromptInput
			for _, in := range p.Inputs() {
				inputs = append(inputs, PromptInput{in.Name, in.Optional})
			}
			return inputs, nil
		}})
		if err != nil || warnings != nil {
			t.Errorf("%v %v", warnings, err)
		}
	}
}

func TestLimitsHold(t *testing.T) {
	for name, source := range map[string]string{
		"large":    "chain: " + strings.Repeat("a", maxFileSize),
		"brackets": "a: " + strings.Repeat("[", 100_000),
		"dashes":   strings.Repeat("- ", 100_000),
	} {
		if _, err := Parse("x.yaml", []byte(source)); fault.ReasonOf(err) != fault.ReasonBadChain {
			t.Errorf("%s: %v", name, err)
		}
	}
	var steps []string
	for i := range maxSteps + 1 {
		steps = append(steps, "  - { id: s"+strings.Repeat("x", i%60)+string(rune('a'+i/60))+", embed: { text: x } }")
	}
	if _, err := Parse("x.yaml", []byte(file(steps...))); err == nil || !strings.Contains(err.Error(), "more than 100 steps") {
		t.Errorf("steps: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(file(retrieveStep, draftStep)))
	f.Add([]byte(file(pictureStep, recordStep, predictStep)))
	f.Add([]byte("chain: [a\n"))
	f.Add([]byte("? a\n: b\n<<: *x\n"))
	f.Add([]byte("chain: !!str x\nsteps:\n- &a {}\n- *a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f.yaml", data)
		if err != nil {
			var e *fault.Error
			if !errors.As(err, &e) || e.Reason != fault.ReasonBadChain || c != nil {
				t.Fatalf("error %v", err)
			}
			return
		}
		if c.Name == "" || c.Version < 1 || len(c.Steps) == 0 || c.Output == nil {
			t.Fatalf("not a whole chain: %+v", c)
		}
		for _, s := range c.All() {
			if s.ID == "" || s.Kind == "" {
				t.Fatalf("not a whole step: %+v", s)
			}
		}
	})
}
