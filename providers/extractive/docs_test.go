package extractive

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/providers"
)

// library gives the documents in testdata/docs, whole, by name.
func library(t testing.TB) []providers.Document {
	t.Helper()
	names, err := filepath.Glob("testdata/docs/*.md")
	if err != nil || len(names) == 0 {
		t.Fatalf("%v, %v", names, err)
	}
	var docs []providers.Document
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, providers.Document{ID: name, Text: string(text)})
	}
	return docs
}

// sections gives the same documents cut at their second headings, as retrieval would give passages.
func sections(docs []providers.Document) []providers.Document {
	var out []providers.Document
	for _, d := range docs {
		title, _, _ := strings.Cut(strings.TrimPrefix(d.Text, "# "), "\n")
		for i, text := range strings.SplitAfter(d.Text, "\n## ") {
			s := providers.Document{ID: d.ID, Title: title, Text: strings.TrimSuffix(text, "## ")}
			if i > 0 {
				heading, rest, _ := strings.Cut(s.Text, "\n")
				s.Heading, s.Text = []string{title, heading}, rest
			}
			out = append(out, s)
		}
	}
	return out
}

func TestAnswersOverProjectDocuments(t *testing.T) {
	t.Run("whole", func(t *testing.T) { answers(t, library(t)) })
	t.Run("passages", func(t *testing.T) { answers(t, sections(library(t))) })
}

func answers(t *testing.T, docs []providers.Document) {
	g, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		question string
		// want must all be within quotes; nil: the sources do not answer.
		want []string
		// first is how the first quote begins, where that matters.
		first string
		// not must not be quoted.
		not string
	}{
		{question: "How do I start the server?", want: []string{"Run the program with a configuration file:", "harbor serve --config harbor.yaml"}, not: "harbor ingest"},
		{question: "how to install harbor", want: []string{"tar xzf harbor.tar.gz"}},
		{question: "What is a policy?", want: []string{"A policy is what a step demands of its target"}, first: "A policy is"},
		{question: "Which backends can see restricted data?", want: []string{"Backends that run on our own machines"}},
		{question: "How do I add my own documents?", want: []string{"harbor ingest --collection handbook ./docs"}, not: "harbor serve"},
		{question: "What can a policy require?", want: []string{"`ttft`: the longest time to the first token"}},
		{question: "What does the preference fastest mean?", want: []string{"the shortest expected time first"}},
		{question: "What happens when the budget is used up?", want: []string{"the run ends with\nthe error `budget_exceeded`"}},
		{question: "What is the clearance of openai?", want: []string{"openai      | internal"}},
		{question: "When does a key expire?", want: []string{"90 days"}},
		{question: "How do I create an API key?", want: []string{"harbor key create --tenant acme --scope chat"}},
		{question: "Which port does the server listen on?", want: []string{"The server listens on `127.0.0.1:8080`."}},
		{question: "Does it run on Windows?", want: []string{"Windows is not supported yet."}},
		{question: "Who can delete documents?", want: []string{"Only administrators and the person who added a document can delete it."}},
		{question: "How do I ask a question?", want: []string{"Type the question and press Enter."}},
		{question: "How large can the journal get before rotating?", want: []string{"The journal rotates at 64 MB."}},
		{question: "Who owns the journal?", want: []string{"Dr. A. Meier owns this part."}},
		{question: "Wie lange werden Sicherungen aufbewahrt?", want: []string{"30 Tage aufbewahrt, z. B. auf dem\nBandlaufwerk im Keller."}},
		{question: "Wann wird die Datenbank gesichert?", want: []string{"jede Nacht um 2 Uhr"}},

		{question: "Who wrote the opera Carmen?"},
		{question: "What is the price of bananas in Peru?"},
		{question: "How do I train a neural network?"},
		{question: "Wer hat den Faust geschrieben?"},
	} {
		t.Run(tc.question, func(t *testing.T) {
			a, err := providers.Collect(g.Generate(t.Context(), &providers.Request{Query: tc.question, Documents: docs}))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s", a.Text)
			if tc.want == nil {
				if a.Text != NoAnswer || a.Citations != nil {
					t.Errorf("it found an answer")
				}
				return
			}
			var quotes []string
			for _, c := range a.Citations {
				quotes = append(quotes, docs[c.Document].Text[c.Start:c.End])
			}
			all := strings.Join(quotes, "\x00")
			for _, w := range tc.want {
				if !strings.Contains(all, w) {
					t.Errorf("not quoted: %q", w)
				}
			}
			if !strings.HasPrefix(all, tc.first) {
				t.Errorf("the answer does not begin with %q", tc.first)
			}
			if tc.not != "" && strings.Contains(all, tc.not) {
				t.Errorf("quoted: %q", tc.not)
			}
		})
	}
}
