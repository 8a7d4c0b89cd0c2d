package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"

	"fairlead/docs"
	fairleadv1 "fairlead/gen/fairlead/v1"
)

// told is one run as `--json` tells it.
type told struct {
	citations []*fairleadv1.Citation
	finished  *fairleadv1.RunFinished
	streamed  string
}

// runsOf reads the events of runs, one after the other.
func runsOf(t *testing.T, out string) (runs []*told) {
	t.Helper()
	id := ""
	for line := range strings.Lines(out) {
		ev := &fairleadv1.Event{}
		if err := protojson.Unmarshal([]byte(line), ev); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if ev.GetRunId() != id {
			id = ev.GetRunId()
			runs = append(runs, &told{})
		}
		r := runs[len(runs)-1]
		switch k := ev.GetKind().(type) {
		case *fairleadv1.Event_Citation:
			r.citations = append(r.citations, k.Citation)
		case *fairleadv1.Event_RunFinished:
			r.finished = k.RunFinished
		case *fairleadv1.Event_TextDelta:
			if k.TextDelta.GetOutput() {
				r.streamed += k.TextDelta.GetText()
			}
		}
	}
	return runs
}

// quoted checks that a citation's words stand where it says, to the byte and to the line.
func quoted(t *testing.T, c *fairleadv1.Citation, source string) {
	t.Helper()
	s := c.GetSpan()
	start, end := int(s.GetByteStart()), int(s.GetByteEnd())
	if start < 0 || end > len(source) || start >= end {
		t.Errorf("%s: bytes %d to %d of %d", c.GetUri(), start, end, len(source))
		return
	}
	if c.GetQuote() == "" || source[start:end] != c.GetQuote() {
		t.Errorf("%s: bytes %d to %d hold %q, and the quote is %q", c.GetUri(), start, end, source[start:end], c.GetQuote())
	}
	first := 1 + strings.Count(source[:start], "\n")
	last := 1 + strings.Count(source[:end-1], "\n")
	if int(s.GetLineStart()) != first || int(s.GetLineEnd()) != last {
		t.Errorf("%s: lines %d to %d, and the quote stands in %d to %d", c.GetUri(), s.GetLineStart(), s.GetLineEnd(), first, last)
	}
}

// folded is a text without its line breaks: an answer does not keep those of a paragraph.
func folded(text string) string { return strings.Join(strings.Fields(text), " ") }

func TestDemoCitesWhatIsThere(t *testing.T) {
	runs := runsOf(t, succeed(t, "demo", "--json"))
	if len(runs) != len(demoQuestions) {
		t.Fatalf("%d answers to %d questions", len(runs), len(demoQuestions))
	}
	var places [][]string
	for i, r := range runs {
		if r.finished == nil || r.finished.GetOutput() == "" || r.finished.GetOutput() != r.streamed {
			t.Fatalf("%s: the answer is %v, and streamed was %q", demoQuestions[i], r.finished, r.streamed)
		}
		if len(r.citations) == 0 {
			t.Errorf("%s: no citation", demoQuestions[i])
		}
		var at []string
		for _, c := range r.citations {
			path, ok := strings.CutPrefix(c.GetUri(), "docs/")
			content, err := docs.Files.ReadFile(path)
			if !ok || err != nil {
				t.Errorf("%s is not a page of the documentation: %v", c.GetUri(), err)
				continue
			}
			quoted(t, c, string(content))
			if !strings.Contains(r.streamed, fmt.Sprintf("[%d]", c.GetNumber())) || !strings.Contains(folded(r.streamed), folded(c.GetQuote())) {
				t.Errorf("the answer does not hold [%d] and %q:\n%s", c.GetNumber(), c.GetQuote(), r.streamed)
			}
			at = append(at, fmt.Sprintf("[%d] %s", c.GetNumber(), place(c.GetUri(), c.GetSpan())))
		}
		slices.Sort(at)
		places = append(places, slices.Compact(at))
	}

	// The text says the same places, under each question.
	text := succeed(t, "demo")
	var printed [][]string
	for _, part := range strings.Split(text, "» ")[1:] {
		part, _, _ = strings.Cut(part, "What each step took")
		var at []string
		for _, m := range regexp.MustCompile(`(?m)^  (\[\d+\] docs/\S+:\d+(?:-\d+)?)`).FindAllStringSubmatch(part, -1) {
			at = append(at, m[1])
		}
		slices.Sort(at)
		printed = append(printed, slices.Compact(at))
	}
	if diff := cmp.Diff(places, printed); diff != "" {
		t.Errorf("the places in the text differ from those in the events (-events +text):\n%s", diff)
	}
	for i, q := range demoQuestions {
		if !strings.Contains(text, "» "+q+"\n") {
			t.Errorf("question %d is not shown", i+1)
		}
		row := regexp.MustCompile(fmt.Sprintf(`(?m)^%d\. answer/draft +extractive +\S.*\S +\$0 +\d\S*s +\d\S*s$`, i+1))
		if !row.MatchString(text) {
			t.Errorf("no row of target, reason, cost, first token and total for question %d:\n%s", i+1, text)
		}
	}
	_, end, _ := strings.Cut(text, "How to go on")
	for _, want := range []string{"fairlead serve", "fairlead ask", "fairlead demo --docs", "Ollama", "OPENAI_API_KEY"} {
		if !strings.Contains(end, want) {
			t.Errorf("the end does not name %s:\n%s", want, end)
		}
	}
}

func TestDemoSaysThatTheSourcesDoNotAnswer(t *testing.T) {
	out := succeed(t, "demo", "--question", "Which volcano on Iceland erupted in 1783?")
	part, _, _ := strings.Cut(out[strings.Index(out, "» "):], "What each step took")
	if strings.Contains(part, "  [") || !strings.Contains(part, "do not") && !strings.Contains(part, "not answer") {
		t.Errorf("an unrelated question got:\n%s", part)
	}
}

// brokenPDF begins as a PDF and goes on as nothing.
const brokenPDF = "%PDF-1.7\n1 0 obj\n<< /Type /Catalog\nthis is the end"

func handbook(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "handbook")
	if err := os.CopyFS(dir, os.DirFS("testdata/handbook")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDemoOverAFolder(t *testing.T) {
	dir := handbook(t)
	write(t, filepath.Join(dir, "scan.pdf"), brokenPDF)
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	o := command(t, "", "demo", "--docs", dir, "--question", "Who approves trips abroad?", "--question", "When does the reception desk open?")
	if o.status != 0 {
		t.Fatalf("status %d\n%s%s", o.status, o.out, o.err)
	}
	if !strings.Contains(o.err, "handbook/scan.pdf") {
		t.Errorf("the broken file is not named: %q", o.err)
	}
	for _, want := range []string{"4 documents", "head of the department", "handbook/travel.md:5", "opens at eight", "handbook/hours.html"} {
		if !strings.Contains(o.out, want) {
			t.Errorf("%q is not in:\n%s", want, o.out)
		}
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}

	// Without questions it makes some about the titles.
	if o := command(t, "", "demo", "--docs", dir); o.status != 0 || strings.Count(o.out, "» What is said about ") != 3 {
		t.Errorf("status %d\n%s%s", o.status, o.out, o.err)
	}
	empty := t.TempDir()
	if o := command(t, "", "demo", "--docs", empty); o.status != 1 {
		t.Errorf("an empty folder: status %d\n%s%s", o.status, o.out, o.err)
	}
	write(t, filepath.Join(empty, "scan.pdf"), brokenPDF)
	if o := command(t, "", "demo", "--docs", empty); o.status != 1 || !strings.Contains(o.err, "nothing in it could be read") {
		t.Errorf("a folder of broken files: status %d\n%s%s", o.status, o.out, o.err)
	}
}

func TestDemoKeepsServing(t *testing.T) {
	t.Run("text", func(t *testing.T) { keepsServing(t, "demo", "--keep") })
	t.Run("json", func(t *testing.T) { keepsServing(t, "demo", "--keep", "--json") })
}

func keepsServing(t *testing.T, args ...string) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, status := newTranscript(), make(chan int, 1)
	go func() { status <- run(ctx, args, strings.NewReader(""), out, out, environ()) }()
	address := out.await(t, `Still serving at (http://127\.0\.0\.1:\d+)`)[1]
	if got := succeed(t, "search", "--server", address, "clearance", "--top", "1"); !strings.Contains(got, "docs/") {
		t.Errorf("the server that was kept finds %q", got)
	}
	cancel()
	select {
	case got := <-status: // it did what it was asked for, and was asked to end
		if got != 0 {
			t.Errorf("status %d: %s", got, out)
		}
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
}
