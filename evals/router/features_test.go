package router

import (
	"encoding/base64"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"fairlead/orchestrator/routing/learned"
)

// inLines writes cases as JSON Lines, with prompts or with their features.
func inLines(d *Data, features func(i int) bool) string {
	var b strings.Builder
	for i := range d.Cases {
		c := &d.Cases[i]
		prompt := fmt.Sprintf(`"prompt":%q`, c.Prompt)
		if features(i) {
			prompt = fmt.Sprintf(`"features":%q`, base64.StdEncoding.EncodeToString(learned.Compact(c.Prompt)))
		}
		for t, name := range d.Targets {
			fmt.Fprintf(&b, `{%s,"target":%q,"score":%v,"group":%q}`+"\n", prompt, name, c.Scores[t], c.Group)
		}
	}
	return b.String()
}

func readLines(t *testing.T, text string) *Data {
	t.Helper()
	d, err := Read(fstest.MapFS{"o.jsonl": {Data: []byte(text)}}, nil, "o.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A router that saw the features of prompts is the one that saw the prompts.
func TestFeaturesDoForPrompts(t *testing.T) {
	in := invented(300, .1, 5)
	texts, features := readLines(t, inLines(in, func(int) bool { return false })), readLines(t, inLines(in, func(int) bool { return true }))
	models := [2]*learned.Model{}
	for i, d := range []*Data{texts, features} {
		if len(d.Cases) != 300 || (d.Cases[0].Prompt == "") != (i == 1) {
			t.Fatalf("%d cases, the first %+v", len(d.Cases), d.Cases[0])
		}
		s := newSet(d)
		m, err := learned.Compile(cook(s, indices(300), byPrompt, 1).artefact())
		if err != nil {
			t.Fatal(err)
		}
		models[i] = m
	}
	// The folds are others, for they go by the order of the cases: the two are alike, and not the same.
	for _, prompt := range []string{"What is 17 times 4 plus 9?", "Tell me about the town of abc12 in the north."} {
		a, b := models[0].Predict(prompt, nil), models[1].Predict(prompt, nil)
		for k := range a {
			if math.Abs(a[k].Quality-b[k].Quality) > .05 {
				t.Errorf("%q, %s: %.3f by prompts, %.3f by features", prompt, texts.Targets[k], a[k].Quality, b[k].Quality)
			}
		}
	}
	_, report, err := Train(features, Config{Resamples: 200}, "2026-11-22")
	if err != nil || report.Rows[0].APGR.Low < .6 {
		t.Errorf("%+v, %v", report, err)
	}
}

// What is known by its prompt here and by its features there is one prompt to the folds.
func TestFeaturesFindTheirPrompt(t *testing.T) {
	in := invented(120, 0, 6)
	d := readLines(t, inLines(in, func(int) bool { return false })+strings.ReplaceAll(inLines(in, func(int) bool { return true }), `"group":"`, `"group":"live`))
	if len(d.Cases) != 240 {
		t.Fatalf("%d cases", len(d.Cases))
	}
	seen := map[string]int{}
	folds := assign(d, indices(240), byPrompt, 5, 1)
	for i := range d.Cases {
		if d.Cases[i].Prompt == "" {
			t.Fatalf("case %d has no prompt", i)
		}
		if at, ok := seen[d.Cases[i].Prompt]; ok && at != folds[i] {
			t.Errorf("%q is in two folds", d.Cases[i].Prompt)
		}
		seen[d.Cases[i].Prompt] = folds[i]
	}
}

func TestFeaturesThatAreNone(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(learned.Compact("Where is it?"))
	for line, want := range map[string]string{
		`{"features":"` + good + `","prompt":"x","target":"a","score":1}`: "both a prompt and features",
		`{"target":"a","score":1}`:                                        "the prompt or the target is empty",
		`{"features":"AAAA","target":"a","score":1}`:                      "version 0",
		`{"features":"AQ==","target":"a","score":1}`:                      "no features",
		`{"features":"?","target":"a","score":1}`:                         "no JSON object",
	} {
		if _, err := Read(fstest.MapFS{"o.jsonl": {Data: []byte(line)}}, nil, "o.jsonl"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", line, err)
		}
	}
}
