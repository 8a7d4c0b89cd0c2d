package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// varying are the parts of what commands write that differ from run to run or from machine to machine, and
// those that belong to others' tests: scores.
var varying = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "ID"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`), "TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d`), "TIME"},
	{regexp.MustCompile(`"(document_id|passage_id|id|content_hash|run_id|request_id|page_token|lexical_query|embedder)":"(?:[^"\\]|\\.)*"`), `"$1":"…"`},
	{regexp.MustCompile(`"(\w+_ms|score|\w+_score|lexical_weight)":[-+0-9.eE]+`), `"$1":0`},
	{regexp.MustCompile(`,?"(ttft_ms|predicted_ttft_ms|predicted_latency_ms)":0`), ""},
	{regexp.MustCompile(`\b\d+(\.\d+)?(ns|µs|ms|s)\b`), "SPAN"},
	{regexp.MustCompile(`(score|BM25|cosine|words count) -?\d+\.\d+`), "$1 N"},
	{regexp.MustCompile(`(?m)(words:   \d+ found in SPAN, as ).*$`), "${1}QUERY"},
	{regexp.MustCompile(`(found in SPAN by |embedded by )\S+`), "${1}EMBEDDER"},
	{regexp.MustCompile(`hashing-\S+`), "EMBEDDER"},
	{regexp.MustCompile(`(EMBEDDER|LABEL) in \d+ dimensions`), "$1 in N dimensions"},
	{regexp.MustCompile(`"dimensions":\d+`), `"dimensions":0`},
	{regexp.MustCompile(`about \d+ prompt tokens`), "about N prompt tokens"},
	{regexp.MustCompile(`"prompt_tokens":"\d+"`), `"prompt_tokens":"0"`},
	{regexp.MustCompile(`(\S) {2,}`), "$1  "}, // columns are as wide as what stands in them
}

func steady(text string) string {
	for _, v := range varying {
		text = v.pattern.ReplaceAllString(text, v.with)
	}
	return text
}

// golden compares a command's end with the file testdata/NAME.golden.
func golden(t *testing.T, name string, args []string, e ending, folder string) {
	t.Helper()
	text := fmt.Sprintf("$ fairlead %s\n%s", strings.Join(args, " "), e.out)
	if e.err != "" {
		text += "--- error output\n" + e.err
	}
	text = strings.ReplaceAll(steady(text+fmt.Sprintf("--- status %d\n", e.status)), folder, "DIR")
	file := filepath.Join(testdata, name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: -update writes it", err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("differs from %s (-want +got); -update writes it anew:\n%s", file, diff)
	}
}

// testdata is where the golden files are, also from another working folder.
var testdata = func() string {
	dir, err := filepath.Abs("testdata")
	if err != nil {
		panic(err)
	}
	return dir
}()

// TestCommands runs a day's work in one folder, in this order: each command finds what those before left.
func TestCommands(t *testing.T) {
	source := handbook(t)
	configured := playground(t)
	dir := filepath.Dir(source)
	t.Chdir(dir)
	write(t, "bad.yaml", "server:\n  listen: 127.0.0.1:0\n  speed: fast\nbackends:\n  b: { kind: opnai }\n")
	write(t, "secret.yaml", "backends:\n  b: { kind: openai, api_key: \"${MY_KEY}\", headers: { X-Team: s3cret-header } }\n")
	change := func(name, text string) func() {
		return func() { write(t, filepath.Join("handbook", name), text) }
	}
	for _, c := range []struct {
		name   string
		before func()
		in     string
		args   []string
		status int
	}{
		{name: "collections-none", args: []string{"collections"}},
		{name: "ingest-added", args: []string{"ingest", "handbook"}},
		{name: "ingest-unchanged", args: []string{"ingest", "handbook"}},
		{name: "ingest-replaced", before: change("expenses.txt", "Receipts are handed in within sixty days.\n"), args: []string{"ingest", "handbook"}},
		{name: "ingest-failed", before: change("scan.pdf", brokenPDF), args: []string{"ingest", "handbook"}, status: 1},
		{name: "ingest-json", args: []string{"ingest", "handbook/travel.md", "handbook/*.csv", "--json"}},
		{name: "ingest-nothing", args: []string{"ingest", "nothing.md"}, status: 1},
		{name: "ingest-no-match", args: []string{"ingest", "*.docx"}, status: 1},
		{name: "collections", args: []string{"collections"}},
		{name: "collections-json", args: []string{"collections", "list", "--json"}},
		{name: "collections-create", args: []string{"collections", "create", "secrets", "--label", "confidential", "--description", "What few may see."}},
		{name: "collections-create-again", args: []string{"collections", "create", "secrets"}},
		{name: "collections-create-bad-name", args: []string{"collections", "create", "Bad Name"}, status: 1},
		{name: "collections-delete-no-yes", args: []string{"collections", "delete", "secrets"}, status: 2},
		{name: "collections-delete", args: []string{"collections", "delete", "secrets", "--yes"}},
		{name: "collections-delete-none", args: []string{"collections", "delete", "secrets", "--yes"}, status: 1},
		{name: "documents", args: []string{"documents"}},
		{name: "documents-json", args: []string{"documents", "list", "--json"}},
		{name: "documents-show", args: []string{"documents", "show", "handbook/hours.html"}},
		{name: "documents-show-json", args: []string{"documents", "show", "handbook/hours.html", "--json"}},
		{name: "documents-show-none", args: []string{"documents", "show", "handbook/none.md"}, status: 1},
		{name: "documents-delete", args: []string{"documents", "delete", "handbook/offices.csv"}},
		{name: "documents-delete-none", args: []string{"documents", "delete", "handbook/offices.csv"}, status: 1},
		{name: "search", args: []string{"search", "reception desk", "--top", "1"}},
		{name: "search-explain", args: []string{"search", "reception", "desk", "--top", "1", "--explain"}},
		{name: "search-json", args: []string{"search", "reception desk", "--top", "1", "--explain", "--json"}},
		{name: "search-filter", args: []string{"search", "Bergen", "--filter", "year>=2025"}},
		{name: "ingest-front-matter", before: change("plan.md", "---\nyear: 2026\n---\n# Plan\n\nThe Bergen office grows.\n"), args: []string{"ingest", "handbook/plan.md"}},
		{name: "search-filter-found", args: []string{"search", "Bergen", "--filter", "year>=2025", "--filter", "year!=2027"}},
		{name: "search-max-label", args: []string{"search", "reception", "--max-label", "public"}},
		{name: "ask", args: []string{"ask", "Who approves trips abroad?"}},
		{name: "ask-json", args: []string{"ask", "Who approves trips abroad?", "--json", "--explain"}},
		{name: "ask-explain", args: []string{"ask", "Who approves trips abroad?", "--explain", "--label", "restricted", "--budget", "0"}},
		{name: "ask-unknown-chain", args: []string{"ask", "hello", "--chain", "none"}, status: 1},
		{name: "ask-unknown-collection", args: []string{"ask", "hello", "--collection", "none"}, status: 1},
		{name: "ask-unknown-input", args: []string{"ask", "hello", "--input", "colour=red"}, status: 1},
		{name: "targets", args: []string{"targets"}},
		{name: "targets-json", args: []string{"targets", "--json"}},
		{name: "targets-configured", args: []string{"targets", "--config", configured}},
		{name: "chains", args: []string{"chains", "--config", configured}},
		{name: "chains-json", args: []string{"chains", "--json"}},
		{name: "route-explain", args: []string{"route", "explain", "hello", "there", "--config", configured, "--label", "confidential"}},
		{name: "route-explain-none", args: []string{"route", "explain", "hello", "--config", configured, "--budget", "0"}},
		{name: "route-explain-json", args: []string{"route", "explain", "hello", "--config", configured, "--json"}},
		{name: "route-explain-unknown", args: []string{"route", "explain", "hello", "--model", "none"}, status: 1},
		{name: "chat", in: "good day\n", args: []string{"chat", "--config", configured}},
		{name: "chat-cut", in: "one two three four five six seven\n", args: []string{"chat", "--config", configured, "--model", "cut"}, status: 1},
		{name: "chat-json", in: "good day\n", args: []string{"chat", "--config", configured, "--json", "--explain"}},
		{name: "config-init", args: []string{"config", "init", "new.yaml"}},
		{name: "config-init-again", args: []string{"config", "init", "new.yaml"}, status: 1},
		{name: "config-check", args: []string{"config", "check", "new.yaml"}},
		{name: "config-check-default", args: []string{"config", "check"}},
		{name: "config-check-bad", args: []string{"config", "check", "bad.yaml"}, status: 1},
		{name: "config-check-none", args: []string{"config", "check", "none.yaml"}, status: 1},
		{name: "config-check-secret", args: []string{"config", "check", "secret.yaml", "--show"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.before != nil {
				c.before()
			}
			e := commandIn(t, t.Context(), environ("MY_KEY=s3cret-key"), c.in, c.args...)
			if e.status != c.status {
				t.Errorf("status %d, not %d\n%s%s", e.status, c.status, e.out, e.err)
			}
			if strings.Contains(strings.Join(c.args, " "), "--json") {
				for line := range strings.Lines(e.out) {
					if !json.Valid([]byte(line)) {
						t.Errorf("not JSON: %q", line)
					}
				}
			}
			if strings.Contains(e.out+e.err, "s3cret") {
				t.Errorf("a secret is shown:\n%s%s", e.out, e.err)
			}
			golden(t, c.name, c.args, e, filepath.Dir(configured))
		})
	}
}
