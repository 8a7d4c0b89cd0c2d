package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"fairlead/evals"
	"fairlead/evals/score"
)

// readsSuite reads a suite of a page, with the cases that the page shows.
func readsSuite(t *testing.T, b block) {
	t.Helper()
	cases := blocks(t, b.page, "json")
	if len(cases) != 1 {
		t.Fatalf("%s: %d blocks of cases", b.page, len(cases))
	}
	s, err := evals.Load(fstest.MapFS{"suite.yaml": {Data: []byte(b.text)}, "support.jsonl": {Data: []byte(cases[0].text)}}, "suite.yaml")
	if err != nil || len(s.Cases) != 3 {
		t.Errorf("%s:%d: %v", b.page, b.line, err)
	}
}

// The guide's table of scorers is whole.
func TestGuideNamesEveryScorer(t *testing.T) {
	page := content(t, repository+"/docs/guides/evals.md")
	_, table, _ := strings.Cut(page, "## Scorers")
	table, _, _ = strings.Cut(table, "## Gates")
	var named []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\|").FindAllStringSubmatch(table, -1) {
		named = append(named, m[1])
	}
	slices.Sort(named)
	if !slices.Equal(named, score.Kinds()) {
		t.Errorf("the guide has %q, and there are %q", named, score.Kinds())
	}
}
