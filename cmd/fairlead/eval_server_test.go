package main

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// suiteOf makes a suite of one scorer that must reach a mean.
func suiteOf(under, scorer, more string) string {
	return "suite: s\nunder: { " + under + " }\ncases: s.jsonl\nconfig: fairlead.yaml\nscorers:\n  - score: { " + scorer + " }\n    gate: { min: 0.9 }\n" + more
}

// Whatever is under test, over the API of a server that runs elsewhere, and over that of the command's own.
func TestEvalUnderEachKind(t *testing.T) {
	handbook := filepath.Join(repository, "evals", "suites", "handbook")
	url := model(t, func(context.Context, string) string { return "They have 27 days of paid leave [1]." })
	const stored = "documents: [{ collection: handbook, path: handbook }]\n"
	for name, k := range map[string]struct{ under, scorer, more, line string }{
		"chain":      {"chain: answer", "contains: {}", stored, `{"id":"1","input":{"question":"How many days of paid leave do employees have?","collection":"handbook"},"expected":"27 days"}`},
		"policy":     {"policy: local", "exact: {}", "", `{"id":"1","input":"the quick fox","expected":"the quick fox"}`},
		"target":     {"target: echo", "exact: {}", "", `{"id":"1","input":{"system":"Be brief.","messages":[{"role":"user","content":"the quick fox"}],"temperature":0.5,"max_tokens":50},"expected":"the quick fox"}`},
		"collection": {"collection: handbook, top: 3", "retrieval: { measure: recall@3 }", stored, `{"id":"1","input":"parental leave","expected":{"relevant":["handbook/leave.md"]}}`},
		"classifier": {"classifier: yes", "exact: {}", "", `{"id":"1","input":"is it so","expected":"yes"}`},
		"route":      {"policy: local", "route: { targets: [echo], policies: [local], cleared: true }", "", `{"id":"1","input":"x","label":"restricted"}`},
		"cost":       {"target: echo", "cost: { max_usd: 0.001 }", "", `{"id":"1","input":"x"}`},
		"latency":    {"target: echo", "latency: { max: 30s }", "", `{"id":"1","input":"x"}`},
		"similarity": {"target: echo", "similarity: { model: hashing, min: 0.5 }", "", `{"id":"1","input":"paid leave of employees","expected":"Paid leave of employees."}`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := evalFolder(t, url, map[string]string{"s.yaml": suiteOf(k.under, k.scorer, k.more), "s.jsonl": k.line})
			for _, doc := range []string{"leave.md", "pay.md", "travel.md", "training.md", "parking.md"} {
				write(t, filepath.Join(dir, "handbook", doc), content(t, filepath.Join(handbook, doc)))
			}
			suite := filepath.Join(dir, "s.yaml")
			succeed(t, "eval", "run", suite)
			s := serve(t, "--config", filepath.Join(dir, "fairlead.yaml"))
			succeed(t, "ingest", filepath.Join(dir, "handbook"), "--collection", "handbook", "--server", s.address)
			succeed(t, "eval", "run", suite, "--server", s.address)
		})
	}
}

// A judge is called as any model: a case that it may not see does not reach it, and is not measured. What it reads is on
// the cassette too.
func TestEvalJudgesSeeWhatTheyMay(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	url := model(t, func(_ context.Context, text string) string {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, text)
		return `{"reason": "It is so.", "choice": "right"}`
	})
	const judged = `suite: judged
under: { target: echo }
cases: s.jsonl
config: fairlead.yaml
cassette: judged.cassette.jsonl
record: all
scorers:
  - name: judged
    score:
      rubric:
        judge: model
        criteria: Is the answer right?
        choices: [{ name: right, value: 1, means: It is right. }, { name: wrong, value: 0, means: It is wrong. }]
    gate: { min: 0.9 }
`
	dir := evalFolder(t, url, map[string]string{"s.yaml": judged,
		"s.jsonl": `{"id":"open","input":"the quick fox","expected":"a fox"}` + "\n" + `{"id":"closed","input":"the salary of Ada","expected":"much","label":"restricted"}`})
	suite := filepath.Join(dir, "s.yaml")
	for _, args := range [][]string{{"record", suite}, {"run", suite}} {
		e := command(t, "", append([]string{"eval"}, args...)...)
		if e.status != 1 || !strings.Contains(e.out, "not measured: closed: judged: ") || !strings.Contains(e.out, "RED judged max_failed") || strings.Contains(e.out, ": open: ") || !strings.Contains(e.out, "is cleared up to internal") {
			t.Errorf("eval %v: status %d\n%s%s", args, e.status, e.out, e.err)
		}
	}
	if len(asked) != 1 || !strings.Contains(asked[0], "the quick fox") || strings.Contains(strings.Join(asked, ""), "Ada") {
		t.Errorf("the judge was asked %q", asked)
	}
	// Alone, the case that it may see is green, from the cassette and on a server.
	succeed(t, "eval", "run", suite, "--case", "open")
	s := serve(t, "--config", filepath.Join(dir, "fairlead.yaml"))
	succeed(t, "eval", "run", suite, "--case", "open", "--server", s.address)
	if e := command(t, "", "eval", "run", suite, "--server", s.address); e.status != 1 || strings.Contains(strings.Join(asked, ""), "Ada") {
		t.Errorf("status %d, asked %q", e.status, asked)
	}
}

func TestEvalFrontierIsPlayed(t *testing.T) {
	dir := evalFolder(t, model(t, saidBack), map[string]string{"numbers.yaml": strings.Replace(numbers, "cassette:", "record: all\ncassette:", 1), "cases.jsonl": numbered(6)})
	suite, page := filepath.Join(dir, "numbers.yaml"), filepath.Join(dir, "frontier.html")
	args := []string{"eval", "frontier", suite, "--under", "target/model", "--under", "target/echo", "--under", "policy/local", "--html", page}
	recorded := succeed(t, append(args, "--update")...)
	played := succeed(t, args...)
	for _, want := range []string{"target/model", "target/echo", "policy/local"} {
		if !strings.Contains(played, want) || !strings.Contains(recorded, want) {
			t.Errorf("without %s:\n%s", want, played)
		}
	}
	if !strings.Contains(content(t, page), "<svg") {
		t.Error("nothing is drawn")
	}
	// What plays needs no variable of the environment. What a policy chooses is on the cassette as of its target.
	change(t, filepath.Join(dir, "fairlead.yaml"), "clearance: internal }", `clearance: internal, api_key: "${NOBODY_SETS_THIS}" }`)
	if e := command(t, "", "eval", "frontier", suite); e.status != 0 || !strings.Contains(e.out, "policy/default") {
		t.Errorf("status %d\n%s%s", e.status, e.out, e.err)
	}
	change(t, filepath.Join(dir, "fairlead.yaml"), `, api_key: "${NOBODY_SETS_THIS}"`, "")
	// What is not on the cassette is no point.
	write(t, filepath.Join(dir, "cases.jsonl"), numbered(7))
	if e := command(t, "", "eval", "frontier", suite, "--under", "target/echo"); e.status != 1 || !strings.Contains(e.err, `target/echo: 1 of 7 runs have no outcome: the cassette has no such call of case "c006"`) {
		t.Errorf("status %d\n%s%s", e.status, e.out, e.err)
	}
	// Without --under it is every target that chats and every policy.
	if e := command(t, "", "eval", "frontier", suite, "--live"); e.status != 0 || !strings.Contains(e.out, "policy/default") || !strings.Contains(e.out, "target/echo") {
		t.Errorf("status %d\n%s%s", e.status, e.out, e.err)
	}
}

// A judge that likes what mentions a fox agrees with people in three of four answers; one answer it leaves open.
func TestEvalCalibrate(t *testing.T) {
	url := model(t, func(_ context.Context, text string) string {
		switch {
		case strings.Contains(text, "broken") || strings.Contains(text, "could not be used"):
			return "no idea"
		case strings.Contains(text, "fox"):
			return `{"reason": "A fox.", "choice": "good"}`
		}
		return `{"reason": "No fox.", "choice": "bad"}`
	})
	dir := evalFolder(t, url, map[string]string{
		"s.yaml":  suiteOf("target: echo", "rubric: { judge: model, criteria: Is it good? }", "  - score: { exact: {} }\n"),
		"s.jsonl": `{"id":"1","input":"x"}`,
		"graded.json": `[{"input":{"input":"q","output":"a fox","expected":""},"expected":1},{"input":{"input":"q","output":"a cow","expected":""},"expected":0},
			{"input":{"input":"q","output":"a hen","expected":""},"expected":1},{"input":{"input":"q","output":"foxes","expected":""},"expected":1},
			{"input":{"input":"q","output":"broken","expected":""},"expected":0}]`,
		"none.json": "{}",
	})
	suite, graded := filepath.Join(dir, "s.yaml"), filepath.Join(dir, "graded.json")
	got := succeed(t, "eval", "calibrate", suite, graded, "--scorer", "rubric")
	// Chance is 0.5 * 0.25 + 0.5 * 0.75 = 0.5, so kappa is (0.75 - 0.5) / 0.5.
	for _, want := range []string{"4 answers graded by both, 1 that it failed to grade", "agreement 0.750, kappa 0.500, balanced accuracy 0.833", "JUDGE 0", "1       1"} {
		if !strings.Contains(got, want) {
			t.Errorf("without %q:\n%s", want, got)
		}
	}
	if got := succeed(t, "eval", "calibrate", suite, graded, "--scorer", "rubric", "--json"); !strings.Contains(got, `"kappa":0.5`) {
		t.Error(got)
	}
	for want, args := range map[string][]string{"rubric, exact": {suite, graded}, "no list of graded answers": {suite, filepath.Join(dir, "none.json"), "--scorer", "rubric"}} {
		if e := command(t, "", append([]string{"eval", "calibrate"}, args...)...); e.status == 0 || !strings.Contains(e.err, want) {
			t.Errorf("status %d, without %q: %s", e.status, want, e.err)
		}
	}
}

// Answers of a run before are what a judge compares with, in both orders; cases that run several times show which are
// not steady.
func TestEvalAgainstAnotherRunAndRepeated(t *testing.T) {
	var mu sync.Mutex
	said := map[string]int{}
	url := model(t, func(_ context.Context, text string) string {
		mu.Lock()
		defer mu.Unlock()
		if _, a, ok := strings.Cut(text, "answer A:\n<text>\n"); ok { // the longer answer is better, wherever it stands
			a, b, _ := strings.Cut(a, "</text>")
			choice := "A"
			if _, b, _ = strings.Cut(b, "<text>\n"); len(strings.Split(b, "</text>")[0]) > len(a) {
				choice = "B"
			}
			return `{"reason": "It is longer.", "choice": "` + choice + `"}`
		}
		said[text]++
		if text == "say 3" && said[text]%2 == 0 {
			return "no idea"
		}
		return strings.TrimPrefix(text, "say ")
	})
	const compared = `suite: compared
under: { target: model }
cases: cases.jsonl
config: fairlead.yaml
cassette: compared.cassette.jsonl
concurrency: 1
scorers:
  - score: { exact: {} }
  - score: { pairwise: { judge: model, criteria: Which is better? } }
`
	dir := evalFolder(t, url, map[string]string{"s.yaml": compared, "cases.jsonl": numbered(5)})
	suite, before := filepath.Join(dir, "s.yaml"), filepath.Join(dir, "before.json")
	got := succeed(t, "eval", "run", suite, "--live", "--repeat", "4")
	if !strings.Contains(got, "each 4 times") || !strings.Contains(got, "exact: 1 of 5 cases pass at times and fail at times: c003") {
		t.Error(got)
	}
	succeed(t, "eval", "run", suite, "--live", "--under", "target/echo", "--out", before) // its answers are "say N"
	got = succeed(t, "eval", "run", suite, "--live", "--against", before)
	if !strings.Contains(got, "pairwise  0.000") {
		t.Errorf("the shorter answers are as good:\n%s", got)
	}
	if e := command(t, "", "eval", "run", suite, "--live", "--against", suite); e.status != 1 || !strings.Contains(e.err, "reading the report") {
		t.Errorf("status %d: %s", e.status, e.err)
	}
}
