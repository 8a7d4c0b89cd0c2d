package main

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shipped gives the file of a suite of this project.
func shipped(suite string) string {
	return filepath.Join(repository, "evals", "suites", suite+".yaml")
}

// suitesCopy gives a folder with a copy of the project's suites.
func suitesCopy(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "suites")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(repository, "evals", "suites"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// change replaces a text of a file, which must be there.
func change(t *testing.T, file, from, to string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), from) {
		t.Fatalf("%s does not hold %q", file, from)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(data), from, to)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The project's own suites: what make evals runs, without any variable of the environment.
func TestShippedSuitesAreGreen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "evals.xml")
	e := command(t, "", "eval", "run", filepath.Join(repository, "evals", "suites"), "--junit", file)
	if e.status != 0 || strings.Contains(e.out, "RED") || e.err != "" {
		t.Errorf("status %d\n%s%s", e.status, e.out, e.err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var junit struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
	}
	if err := xml.Unmarshal(data, &junit); err != nil || junit.Tests < 200 || junit.Failures+junit.Errors > 0 {
		t.Errorf("%v: %+v", err, junit)
	}
}

func TestShippedSuitesOnCassettesAreTheSameTwice(t *testing.T) {
	for _, suite := range []string{"answer", "summarize", "triage"} {
		if first, second := succeed(t, "eval", "run", shipped(suite), "--json"), succeed(t, "eval", "run", shipped(suite), "--json"); first != second {
			t.Errorf("%s has two reports", suite)
		}
	}
}

// A suite that cannot be red tells nothing: each of these is a mistake that somebody may make.
func TestShippedSuitesCanBeRed(t *testing.T) {
	read := func(file string) string {
		data, err := os.ReadFile(filepath.Join(repository, file))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for name, k := range map[string]struct {
		suite string
		// breaks changes the suites, and gives the flags of the run.
		breaks func(t *testing.T, dir string) []string
		want   []string
	}{
		"the prompt": {"answer", func(t *testing.T, dir string) []string {
			text := read("prompts/library/answer@2.md")
			text = strings.NewReplacer("version: 2", "version: 3", "Be brief.", "Be verbose.").Replace(text)
			write(t, filepath.Join(dir, "prompts", "answer@3.md"), text) // the words of a version never change
			chain := read("orchestrator/chain/library/answer.yaml")
			write(t, filepath.Join(dir, "changed", "answer.yaml"), strings.Replace(chain, "answer@2", "answer@3", 1))
			return []string{"--set", "prompts.dir=" + filepath.Join(dir, "prompts"), "--set", "chains.dir=" + filepath.Join(dir, "changed")}
		}, []string{"no outcome: leave-days: ", "no such call of case \"leave-days\" to extractive", "RED facts max_failed"}},
		"the chain": {"answer", func(t *testing.T, dir string) []string {
			text := read("orchestrator/chain/library/answer.yaml")
			write(t, filepath.Join(dir, "changed", "answer.yaml"), strings.Replace(text, "default: 6", "default: 1", 1))
			return []string{"--set", "chains.dir=" + filepath.Join(dir, "changed"), "--live"}
		}, []string{"RED recall min", "before, 0.000 now"}},
		"the fusion": {"search", func(*testing.T, string) []string { return []string{"--set", "retrieval.lexical_weight=0"} },
			[]string{"RED ndcg no_worse_than", "exact-extension-4420: 1.000 before, 0.500 now"}},
		"a fact of a document": {"answer", func(t *testing.T, dir string) []string {
			change(t, filepath.Join(dir, "handbook", "leave.md"), "27 days", "some days")
			return []string{"--live"}
		}, []string{"RED facts max_drop", "leave-days: 1.000 before, 0.000 now"}},
		"a fact of a document, on the cassette": {"answer", func(t *testing.T, dir string) []string {
			change(t, filepath.Join(dir, "handbook", "leave.md"), "27 days", "some days")
			return nil
		}, []string{"storing the documents of suite answer", "has changed", "--update"}},
		"a line of the cassette": {"triage", func(t *testing.T, dir string) []string {
			file := filepath.Join(dir, "triage.cassette.jsonl")
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var kept []string
			for line := range strings.Lines(string(data)) {
				if !strings.Contains(line, `"case":"travel-03"`) || !strings.Contains(line, `"target":"topics"`) {
					kept = append(kept, line)
				}
			}
			if len(kept) != strings.Count(string(data), "\n")-1 {
				t.Fatal("it is not one line")
			}
			write(t, file, strings.Join(kept, ""))
			return nil
		}, []string{"no outcome: travel-03: ", "no such call of case \"travel-03\" to topics", "RED label max_failed"}},
		"a label of a case that went elsewhere": {"triage", func(t *testing.T, dir string) []string {
			change(t, filepath.Join(dir, "config", "triage.yaml"), "clearance: internal", "clearance: restricted")
			return nil
		}, []string{"no outcome: billing-01"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := suitesCopy(t)
			flags := k.breaks(t, dir)
			e := command(t, "", append([]string{"eval", "run", filepath.Join(dir, k.suite+".yaml")}, flags...)...)
			if e.status != 1 {
				t.Errorf("status %d", e.status)
			}
			for _, want := range k.want {
				if !strings.Contains(e.out+e.err, want) {
					t.Errorf("without %q:\n%s%s", want, e.out, e.err)
				}
			}
		})
	}
}
