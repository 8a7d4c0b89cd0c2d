package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// evalConfig is a configuration for suites: a model behind the API of OpenAI, and what needs no network.
const evalConfig = `
backends:
  far: { kind: openai, url: "URL/v1", clearance: internal }
  play: { kind: scripted, clearance: restricted }
targets:
  model: { backend: far, model: m, does: [chat, json], context: 100000, quality: 0.9, price: { input: 1, output: 2 } }
  echo: { backend: play, model: echo, quality: 0.5, price: { input: 1, output: 2 } }
  yes: { backend: play, model: "classify?label=yes", does: [classify], price: { per_call: 0.001 } }
policies:
  default: { prefer: best, attempts: 1 }
  local: { prefer: best, attempts: 1, require: { targets: [echo] } }
discover: { ollama: false, openai: false }
`

// evalFolder gives a folder with a configuration, whose model is at a URL, and files.
func evalFolder(t testing.TB, url string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "fairlead.yaml"), strings.ReplaceAll(evalConfig, "URL", url))
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

// model gives a server with the API of OpenAI.
func model(t testing.TB, answer func(ctx context.Context, asked string) string) string {
	t.Helper()
	s := httptest.NewServer(speaks(answer))
	t.Cleanup(s.Close)
	return s.URL
}

// numbered makes n cases that ask for a number and expect it.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"id":"c%03d","input":"say %d","expected":"%d","tags":["%s"]}`+"\n", i, i, i, []string{"even", "odd"}[i%2])
	}
	return b.String()
}

const numbers = `suite: numbers
under: { target: model }
baseline: numbers.baseline.json
cases: cases.jsonl
config: fairlead.yaml
cassette: numbers.cassette.jsonl
scorers:
  - score: { exact: {} }
    gate: { min: 0.5 }
`

// said answers "say N" with N.
func saidBack(_ context.Context, asked string) string { return strings.TrimPrefix(asked, "say ") }

func content(t testing.TB, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestEvalFromRecordingToReport(t *testing.T) {
	var mu sync.Mutex
	calls := 0
	dir := evalFolder(t, model(t, func(ctx context.Context, asked string) string {
		mu.Lock()
		defer mu.Unlock()
		calls++
		return saidBack(ctx, asked)
	}), map[string]string{"numbers.yaml": numbers, "cases.jsonl": numbered(10)})
	suite, tape := filepath.Join(dir, "numbers.yaml"), filepath.Join(dir, "numbers.cassette.jsonl")

	// An empty cassette is no call: every case says so.
	if e := command(t, "", "eval", "run", suite); e.status != 1 || calls != 0 || !strings.Contains(e.out, "no outcome: c000: ") || !strings.Contains(e.out, "--update") {
		t.Fatalf("status %d after %d calls\n%s%s", e.status, calls, e.out, e.err)
	}
	if e := command(t, "", "eval", "run", suite, "--update-baseline"); e.status != 1 || !strings.Contains(e.err, "10 runs have no outcome") {
		t.Errorf("status %d\n%s", e.status, e.err)
	}
	succeed(t, "eval", "record", suite)
	if calls != 10 {
		t.Errorf("%d calls were recorded", calls)
	}
	whole := content(t, tape)

	// Played, nobody is called, and every form is written.
	out := func(name string) string { return filepath.Join(dir, "out", name) }
	if got := succeed(t, "eval", "run", suite, "--out", out("r.json"), "--junit", out("r.xml"), "--markdown", out("r.md"), "--html", out("r.html")); calls != 10 ||
		!strings.Contains(got, "from the cassette") || !strings.Contains(got, "1.000") {
		t.Errorf("%d calls\n%s", calls, got)
	}
	for name, want := range map[string]string{"r.json": `"suite": "numbers"`, "r.xml": "<testsuites", "r.md": "### Evals: numbers on target/model: green", "r.html": "<!doctype html>"} {
		if !strings.Contains(strings.ToLower(content(t, out(name))), strings.ToLower(want)) {
			t.Errorf("%s is without %q", name, want)
		}
	}
	if shown := succeed(t, "eval", "report", out("r.json"), "--markdown", out("again.md")); !strings.Contains(shown, "numbers on target/model") || content(t, out("again.md")) != content(t, out("r.md")) {
		t.Errorf("the report is another:\n%s", shown)
	}

	// Some cases alone: nothing else is recorded anew, and nothing is lost.
	if got := succeed(t, "eval", "run", suite, "--case", "c003", "--case", "c004"); !strings.Contains(got, "2 cases") {
		t.Error(got)
	}
	if got := succeed(t, "eval", "run", suite, "--tag", "odd"); !strings.Contains(got, "5 cases") {
		t.Error(got)
	}
	succeed(t, "eval", "record", suite, "--case", "c003")
	if calls != 11 || strings.Count(content(t, tape), "\n") != strings.Count(whole, "\n") {
		t.Errorf("%d calls, and the cassette is\n%s", calls, content(t, tape))
	}

	// A new case is an error, then is recorded alone.
	write(t, filepath.Join(dir, "cases.jsonl"), numbered(11))
	if e := command(t, "", "eval", "run", suite); e.status != 1 || !strings.Contains(e.out, "no outcome: c010") || strings.Contains(e.out, "no outcome: c009") {
		t.Errorf("status %d\n%s", e.status, e.out)
	}
	if succeed(t, "eval", "run", suite, "--update"); calls != 12 {
		t.Errorf("%d calls", calls)
	}
	// Cases that are gone are told, and a new recording leaves them out.
	write(t, filepath.Join(dir, "cases.jsonl"), numbered(9))
	if e := command(t, "", "eval", "run", suite); e.status != 0 || !strings.Contains(e.err, "2 calls on the cassette were not asked for") {
		t.Errorf("status %d\n%s", e.status, e.err)
	}
	succeed(t, "eval", "record", suite)
	succeed(t, "eval", "run", suite, "--update-baseline")
	if e := command(t, "", "eval", "run", suite); e.status != 0 || e.err != "" {
		t.Errorf("status %d\n%s", e.status, e.err)
	}
}

func TestEvalMistakesAreTold(t *testing.T) {
	dir := evalFolder(t, "http://127.0.0.1:1", map[string]string{
		"numbers.yaml": numbers, "cases.jsonl": numbered(2), "broken.yaml": "suite: s\n", "nocases.yaml": strings.Replace(numbers, "cases.jsonl", "none.jsonl", 1),
		"plain.yaml": strings.NewReplacer("cassette: numbers.cassette.jsonl\n", "", "baseline: numbers.baseline.json\n", "").Replace(numbers), "r.json": "{}",
	})
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, k := range []struct {
		want   string
		status int
		args   []string
	}{
		{"in " + dir + ": reading the suite none.yaml: the file cannot be opened", 1, []string{"run", in("none.yaml")}},
		{"under: want exactly one", 1, []string{"run", in("broken.yaml")}},
		{"none.jsonl", 1, []string{"run", in("nocases.yaml")}},
		{"no file ends with .yaml", 2, []string{"run", t.TempDir()}},
		{"the suite names no cassette", 2, []string{"record", in("plain.yaml")}},
		{"choose one", 2, []string{"run", in("numbers.yaml"), "--update", "--live"}},
		{"for a run of all cases", 2, []string{"run", in("numbers.yaml"), "--tag", "odd", "--update-baseline"}},
		{"the tag x", 1, []string{"run", in("numbers.yaml"), "--tag", "x"}},
		{"names no file for one", 2, []string{"run", in("plain.yaml"), "--update-baseline"}},
		{"want chain/NAME", 2, []string{"run", in("numbers.yaml"), "--under", "model"}},
		{"run them one by one", 2, []string{"run", in("numbers.yaml"), in("numbers.yaml"), "--out", in("x.json")}},
		{"leave out --server", 2, []string{"record", in("numbers.yaml"), "--server", "http://127.0.0.1:1"}},
		{"it is none", 1, []string{"report", in("r.json")}},
		{"cannot be read", 1, []string{"compare", in("x.json"), in("r.json")}},
		{"accepts 2 arg", 2, []string{"compare", in("r.json")}},
	} {
		if e := command(t, "", append([]string{"eval"}, k.args...)...); e.status != k.status || !strings.Contains(e.err, k.want) {
			t.Errorf("eval %v: status %d, want %d and %q:\n%s", k.args, e.status, k.status, k.want, e.err)
		}
	}
	// One broken suite does not hide what the others gave.
	e := command(t, "", "eval", "run", in("broken.yaml"), in("numbers.yaml"), "--junit", in("r.xml"))
	if e.status != 1 || !strings.Contains(e.err, "broken.yaml") || !strings.Contains(e.err, "suite numbers: a gate is red") || !strings.Contains(content(t, in("r.xml")), "numbers") {
		t.Errorf("status %d\n%s", e.status, e.err)
	}
}

// What was not measured is not green, even where no gate counts it.
func TestEvalWithoutAGateAndWithoutOutcomes(t *testing.T) {
	dir := evalFolder(t, "http://127.0.0.1:1", map[string]string{"s.yaml": strings.Replace(numbers, "    gate: { min: 0.5 }\n", "", 1), "cases.jsonl": numbered(2)})
	if e := command(t, "", "eval", "run", filepath.Join(dir, "s.yaml")); e.status != 1 || !strings.Contains(e.err, "no outcome") {
		t.Errorf("status %d\n%s", e.status, e.err)
	}
	// A model that is down is recorded as such, and whoever records is told.
	if e := command(t, "", "eval", "record", filepath.Join(dir, "s.yaml")); !strings.Contains(e.err, "2 of the calls failed") || !strings.Contains(e.out, "failed: c000: ") {
		t.Errorf("status %d\n%s%s", e.status, e.out, e.err)
	}
}

func TestEvalCompareAndNoise(t *testing.T) {
	lost := []string{"3", "11", "19", "20", "31", "38"}
	var mu sync.Mutex
	answer := saidBack
	dir := evalFolder(t, model(t, func(ctx context.Context, asked string) string {
		mu.Lock()
		defer mu.Unlock()
		return answer(ctx, asked)
	}), map[string]string{"numbers.yaml": numbers, "cases.jsonl": numbered(40)})
	run := func(name string, how func(context.Context, string) string) string {
		mu.Lock()
		answer = how
		mu.Unlock()
		file := filepath.Join(dir, name)
		succeed(t, "eval", "run", filepath.Join(dir, "numbers.yaml"), "--live", "--out", file)
		return file
	}
	noisy := func(seed string) func(context.Context, string) string {
		return func(ctx context.Context, asked string) string {
			h := fnv.New32a()
			h.Write([]byte(seed + asked))
			if h.Sum32()%5 == 0 {
				return "no idea"
			}
			return saidBack(ctx, asked)
		}
	}
	base := run("base.json", saidBack)
	worse := run("worse.json", func(ctx context.Context, asked string) string {
		if n := saidBack(ctx, asked); !slices.Contains(lost, n) {
			return n
		}
		return "no idea"
	})
	e := command(t, "", "eval", "compare", base, worse, "--markdown", filepath.Join(dir, "pr.md"))
	if e.status != 1 || !strings.Contains(e.out, "RED exact no_worse_than") || !strings.Contains(e.out, "c003: 1.000 before, 0.000 now") || strings.Contains(e.out, "c004") {
		t.Errorf("six of forty cases were lost: status %d\n%s", e.status, e.out)
	}
	if text := content(t, filepath.Join(dir, "pr.md")); !strings.Contains(text, "**RED**") || !strings.Contains(text, "c011") {
		t.Errorf("for the pull request:\n%s", text)
	}
	succeed(t, "eval", "compare", worse, base)
	succeed(t, "eval", "compare", base, base)
	one, other := run("one.json", noisy("a")), run("other.json", noisy("b"))
	if content(t, one) == content(t, other) {
		t.Error("the noise is the same")
	}
	succeed(t, "eval", "compare", one, other)
	succeed(t, "eval", "compare", other, one)
}

// A run of eval record that is interrupted leaves the cassette as it was.
func TestEvalInterrupted(t *testing.T) {
	var mu sync.Mutex
	held := false
	reached := make(chan struct{}, 1)
	dir := evalFolder(t, model(t, func(ctx context.Context, asked string) string {
		mu.Lock()
		hold := held && asked == "say 7"
		mu.Unlock()
		if hold {
			reached <- struct{}{}
			<-ctx.Done()
		}
		return saidBack(ctx, asked) + "!"
	}), map[string]string{"numbers.yaml": strings.Replace(numbers, "min: 0.5", "min: 0", 1), "cases.jsonl": numbered(10)})
	suite, tape := filepath.Join(dir, "numbers.yaml"), filepath.Join(dir, "numbers.cassette.jsonl")
	succeed(t, "eval", "record", suite)
	before := content(t, tape)
	mu.Lock()
	held = true
	mu.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-reached
		cancel()
	}()
	if e := commandIn(t, ctx, environ(), "", "eval", "record", suite); e.status != 130 {
		t.Errorf("status %d\n%s%s", e.status, e.out, e.err)
	}
	if content(t, tape) != before {
		t.Error("the cassette has changed")
	}
}

func TestEvalBudget(t *testing.T) {
	dir := evalFolder(t, model(t, saidBack), map[string]string{"numbers.yaml": numbers + "budget_usd: 0.00005\nconcurrency: 1\n", "cases.jsonl": strings.ReplaceAll(numbered(40), `"input":"say`, `"input":{"max_tokens":1,"question":"say`)})
	text := content(t, filepath.Join(dir, "cases.jsonl"))
	var lines []string
	for line := range strings.Lines(text) {
		head, rest, _ := strings.Cut(line, `","expected"`)
		lines = append(lines, head+`"},"expected"`+rest)
	}
	write(t, filepath.Join(dir, "cases.jsonl"), strings.Join(lines, ""))
	e := command(t, "", "eval", "run", filepath.Join(dir, "numbers.yaml"), "--live", "--json")
	var r struct {
		Totals struct {
			Missing, Failed int
			Cost            int64 `json:"cost_nano_usd"`
		}
		Notes []string
	}
	if err := json.Unmarshal([]byte(e.out), &r); err != nil {
		t.Fatalf("%v\n%s%s", err, e.out, e.err)
	}
	if e.status != 1 || r.Totals.Cost > 50_000 || r.Totals.Cost == 0 || r.Totals.Missing+r.Totals.Failed < 20 {
		t.Errorf("status %d, %+v", e.status, r)
	}
}

// fiveHundred is a suite of 500 cases whose answers and vectors are on a cassette.
func fiveHundred(t testing.TB) string {
	dir := evalFolder(t, model(t, saidBack), map[string]string{"numbers.yaml": strings.Replace(numbers, "scorers:", "repeat: 1\nscorers:\n  - score: { rouge_l: {} }\n  - score: { cost: { max_usd: 1 } }", 1), "cases.jsonl": numbered(500)})
	suite := filepath.Join(dir, "numbers.yaml")
	succeed(t, "eval", "record", suite)
	return suite
}

func TestEvalOfFiveHundredCases(t *testing.T) {
	suite := fiveHundred(t)
	began := time.Now()
	first := succeed(t, "eval", "run", suite, "--json")
	t.Logf("500 cases took %s", time.Since(began).Round(time.Millisecond))
	if second := succeed(t, "eval", "run", suite, "--json"); !bytes.Equal([]byte(first), []byte(second)) {
		t.Error("the same run has two reports")
	}
	if n := strings.Count(first, `"id": "c`); n != 500 {
		t.Error(strconv.Itoa(n) + " cases")
	}
}

func BenchmarkEvalOfFiveHundredCases(b *testing.B) {
	suite := fiveHundred(b)
	for b.Loop() {
		succeed(b, "eval", "run", suite, "--json")
	}
}
