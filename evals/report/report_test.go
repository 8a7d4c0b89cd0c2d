package report

import (
	"bytes"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"fairlead/evals"
	"fairlead/evals/stat"
)

var update = flag.Bool("update", false, "write the files of testdata anew")

// sample is a report with all that a report can have, and with texts that try to be markup.
func sample() *evals.Report {
	yes, no := true, false
	nasty := "<script>alert(1)</script> | `x` [a](b) @all \x00 **bold**"
	return &evals.Report{
		Format: 1, Suite: "answer", Digest: "abc", Under: "chain/answer", Played: true, Repeat: 1,
		Scorers: []evals.ScorerReport{
			{Name: "exact", Estimate: stat.Estimate{Mean: .5, Low: .1, High: .9}, Cases: 2, Failed: 1, Against: &stat.Comparison{Cases: 2, Difference: stat.Estimate{Mean: -.5, Low: -.9, High: -.1}},
				Verdict: &stat.Verdict{Findings: []stat.Finding{{Rule: "min", Green: false, Text: "the mean is 0.5 and must be 0.9 " + nasty}, {Rule: "max_drop", Green: true, Text: "fine"}},
					Lost: []stat.Change{{Case: "c2 " + nasty, Base: 1, New: 0}}}},
			{Name: "cites", Estimate: stat.Estimate{Mean: 1, Low: 1, High: 1}, Cases: 2, Verdict: &stat.Verdict{Green: true}},
		},
		Totals: evals.Totals{Runs: 3, Failed: 1, Missing: 1, CostNano: 1_500_000, Unpriced: 1, Input: 30, Output: 12, P50: 20, P95: 900},
		Cases: []evals.CaseReport{
			{ID: "c1", Tags: []string{"en", "short"}, Question: "Who?", Expected: "the quick fox", Runs: []evals.RunReport{{Output: "the slow fox " + nasty, Targets: []string{"small"}, CostNano: 500_000, Priced: true, Latency: 20,
				Scores: []evals.ScoreReport{{Value: 1, Pass: &yes, Detail: nasty}, {Value: 1, Pass: &yes}}}}},
			{ID: "c2 " + nasty, Tags: []string{"de"}, Question: "Wer?", Runs: []evals.RunReport{{Failed: "upstream_down", Targets: []string{"small", "large"}, CostNano: 1_000_000, Priced: true, Latency: 900,
				Scores: []evals.ScoreReport{{Value: 0, Pass: &no, Detail: "the run failed"}, {Skipped: "nothing is cited"}}}}},
			{ID: "c3", Runs: []evals.RunReport{{Error: "the cassette has no such call", Scores: []evals.ScoreReport{{Error: "there is no outcome"}, {Error: "there is no outcome"}}}}},
		},
		Notes: []string{"a note " + nasty},
	}
}

func TestForms(t *testing.T) {
	for name, form := range map[string]func(io.Writer) error{
		"report.txt":    func(w io.Writer) error { return Text(w, sample()) },
		"report.md":     func(w io.Writer) error { return Markdown(w, sample()) },
		"report.xml":    func(w io.Writer) error { return JUnit(w, sample(), sample()) },
		"report.html":   func(w io.Writer) error { return HTML(w, sample()) },
		"frontier.txt":  func(w io.Writer) error { return FrontierText(w, "exact", points()) },
		"frontier.html": func(w io.Writer) error { return FrontierHTML(w, "answer", "exact", points()) },
	} {
		var got bytes.Buffer
		if err := form(&got); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, got.Bytes()) {
			t.Errorf("%s has changed: look at what -update makes of it\n%s", name, got.String())
		}
	}
}

func points() []evals.Point {
	return []evals.Point{
		{Under: "target/large", Quality: stat.Estimate{Mean: .9, Low: .8, High: 1}, Cost: .01, Priced: true, P50: 900, P95: 2000, Measured: 40, Best: true, Targets: map[string]int{"large": 40}},
		{Under: "target/small", Quality: stat.Estimate{Mean: .6, Low: .5, High: .7}, Cost: .001, Priced: true, P50: 90, P95: 200, Measured: 40, Best: true, Targets: map[string]int{"small": 40}},
		{Under: "policy/default", Quality: stat.Estimate{Mean: .85, Low: .7, High: .9}, Cost: .004, Priced: true, P50: 300, Measured: 40, Best: true, Targets: map[string]int{"small": 25, "large": 15}},
		{Under: "target/unpriced", Quality: stat.Estimate{Mean: .4}, P50: 10, Measured: 40},
	}
}

// TestThePageNeedsNothingElse reads the page as a browser does: nothing of it is fetched or run, and texts stay texts.
func TestThePageNeedsNothingElse(t *testing.T) {
	for _, form := range []func(io.Writer) error{
		func(w io.Writer) error { return HTML(w, sample()) },
		func(w io.Writer) error { return FrontierHTML(w, "answer <b>", "exact", points()) },
	} {
		var b bytes.Buffer
		if err := form(&b); err != nil {
			t.Fatal(err)
		}
		root, err := html.Parse(&b)
		if err != nil {
			t.Fatal(err)
		}
		for n := range root.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			switch n.Data {
			case "script", "link", "img", "iframe", "a", "b", "object", "base", "form":
				t.Errorf("there is a <%s>", n.Data)
			}
			for _, a := range n.Attr {
				if a.Key == "src" || a.Key == "href" || strings.HasPrefix(a.Key, "on") {
					t.Errorf("<%s> has %s=%q", n.Data, a.Key, a.Val)
				}
			}
		}
	}
}

func TestJUnitIsWhole(t *testing.T) {
	var b bytes.Buffer
	if err := JUnit(&b, sample()); err != nil {
		t.Fatal(err)
	}
	var got junitSuites
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Tests != 5 || got.Failures != 1 || got.Errors != 1 || len(got.Suites) != 2 {
		t.Errorf("%d tests, %d failures, %d errors, %d suites", got.Tests, got.Failures, got.Errors, len(got.Suites))
	}
}

func TestMarkdownStaysOneTable(t *testing.T) {
	var b strings.Builder
	if err := Markdown(&b, sample()); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		for _, bad := range []string{"<script", " @all", " [a]"} {
			if strings.Contains(line, bad) {
				t.Errorf("a text is markup: %s", line)
			}
		}
	}
}

func TestDiff(t *testing.T) {
	got := diff("the quick brown fox", "the brown dog")
	want := []mark{{"same", "the"}, {"gone", "quick"}, {"same", "brown"}, {"gone", "fox"}, {"new", "dog"}}
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	if diff(3.0, "x") != nil || diff(strings.Repeat("a ", 1000), "x") != nil {
		t.Error("what is no text, or too long, is compared")
	}
}

func TestAnEmptyReport(t *testing.T) {
	r := &evals.Report{Suite: "s"}
	for _, form := range []func(io.Writer, *evals.Report) error{Text, func(w io.Writer, r *evals.Report) error { return Markdown(w, r) }, HTML, func(w io.Writer, r *evals.Report) error { return JUnit(w, r) }} {
		if err := form(io.Discard, r); err != nil {
			t.Error(err)
		}
	}
}
