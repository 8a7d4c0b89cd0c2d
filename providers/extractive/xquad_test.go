package extractive

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/providers"
)

// asked is a question with its paragraph, three paragraphs of other articles, and its answers.
type asked struct {
	question  string
	documents []providers.Document
	answers   []string
}

// set of documents that a question comes with.
type mix int

const (
	// others: its paragraph and three of other articles.
	others mix = iota
	// same: its paragraph and up to three of the same article, as retrieval would find them.
	same
	// withoutOthers and withoutSame are these without the paragraph that answers.
	withoutOthers
	withoutSame
)

// readXQuAD gives the questions of every second article, from the given one on. The place of the
// paragraph that answers turns with each question, so that no place is the right one.
func readXQuAD(t testing.TB, language string, from int, documents mix) []asked {
	t.Helper()
	folder := os.Getenv("FAIRLEAD_DATA")
	if folder == "" {
		t.Skip("FAIRLEAD_DATA is not set: it names the folder with the public data, which is not part of the project")
	}
	data, err := os.ReadFile(filepath.Join(folder, "xquad", "xquad."+language+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Data []struct {
			Title      string
			Paragraphs []struct {
				Context string
				Qas     []struct {
					Question string
					Answers  []struct{ Text string }
				}
			}
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	var all []asked
	for i := from; i < len(file.Data); i += 2 {
		for j, p := range file.Data[i].Paragraphs {
			for k, qa := range p.Qas {
				a := asked{question: qa.Question}
				for _, x := range qa.Answers {
					a.answers = append(a.answers, x.Text)
				}
				for n := range 4 {
					article := file.Data[(i+7*(n+1))%len(file.Data)].Paragraphs
					other := (j + k + n) % len(article)
					if documents == same || documents == withoutSame {
						article, other = file.Data[i].Paragraphs, (j+n+1)%len(file.Data[i].Paragraphs)
					}
					text := article[other].Context
					switch right := n == (j+k)%4; {
					case right && (documents == others || documents == same):
						text = p.Context
					case right, text == p.Context:
						continue
					}
					a.documents = append(a.documents, providers.Document{Text: text})
				}
				all = append(all, a)
			}
		}
	}
	return all
}

// measure gives the share of questions with a quote that holds an answer, the share without any quote,
// and the mean number of quotes and of words of the others.
func measure(t testing.TB, g *Generator, questions []asked) (hit, refused, quotes, words float64) {
	t.Helper()
	for _, q := range questions {
		a, err := providers.Collect(g.Generate(t.Context(), &providers.Request{Query: q.question, Documents: q.documents}))
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Citations) == 0 {
			refused++
			continue
		}
		found := false
		for _, c := range a.Citations {
			quote := q.documents[c.Document].Text[c.Start:c.End]
			for _, x := range q.answers {
				found = found || strings.Contains(quote, x)
			}
		}
		if found {
			hit++
		}
		quotes += float64(len(a.Citations))
		words += float64(a.Usage.Output)
	}
	n := float64(len(questions))
	return hit / n, refused / n, quotes / max(n-refused, 1), words / max(n-refused, 1)
}

// TestXQuAD measures on the half of the articles that nothing was tuned on, and reports the other half,
// too. It fails when a change makes answers clearly worse than they were measured:
//
//	                 answer quoted:           refused without the paragraph:
//	                 other articles  the same  other articles  the same
//	en, tuning half  .868            .851      .989            .822
//	en, other half   .926            .917      .988            .834
//	ar, tuning half  .714            .667      .997            .887
//	ar, other half   .787            .758      .990            .896
func TestXQuAD(t *testing.T) {
	g := generator(t)
	for language, least := range map[string][2]float64{"en": {0.84, 0.9}, "ar": {0.69, 0.765}} {
		for half, name := range []string{"tuning half", "other half"} {
			hit, refused, quotes, words := measure(t, g, readXQuAD(t, language, half, others))
			hitSame, refusedSame, _, _ := measure(t, g, readXQuAD(t, language, half, same))
			_, right, _, _ := measure(t, g, readXQuAD(t, language, half, withoutOthers))
			_, rightSame, _, _ := measure(t, g, readXQuAD(t, language, half, withoutSame))
			t.Logf("%s, %s: answer quoted %.3f among other articles (refused %.3f; %.2f quotes, %.0f words), %.3f within the same (refused %.3f); refused without the paragraph %.3f and %.3f",
				language, name, hit, refused, quotes, words, hitSame, refusedSame, right, rightSame)
			if hit < least[half] {
				t.Errorf("%s, %s: answer quoted %.3f, want %.3f at least", language, name, hit, least[half])
			}
			if right < 0.97 {
				t.Errorf("%s, %s: refused without the paragraph %.3f", language, name, right)
			}
		}
	}
}
