package analysis_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"fairlead/evals/score"
	"fairlead/internal/ranking"
	"fairlead/retrieval/analysis"
	"fairlead/retrieval/retrievaltest"
)

// index ranks texts in memory by the formula that bm25.go writes down.
type index struct {
	postings map[string]map[int]float64 // weighted frequencies by passage
	lengths  []int
	total    int
}

func (x *index) add(language, title, text string) {
	n := len(x.lengths)
	x.lengths = append(x.lengths, 0)
	for _, f := range []struct {
		text   string
		weight float64
	}{{title, analysis.TitleWeight}, {text, analysis.TextWeight}} {
		for term := range analysis.Terms(f.text, language) {
			if x.postings[term] == nil {
				x.postings[term] = map[int]float64{}
			}
			x.postings[term][n] += f.weight
			x.lengths[n]++
			x.total++
		}
	}
}

func (x *index) search(text string, languages ...string) []int {
	scores := map[int]float64{}
	all := len(x.lengths)
	for _, term := range analysis.Query(text, languages) {
		for _, v := range term.Variants {
			idf := analysis.IDF(int64(all), int64(len(x.postings[v])))
			for n, f := range x.postings[v] {
				scores[n] += analysis.Score(idf, f, float64(x.lengths[n]), float64(x.total)/float64(all))
			}
		}
	}
	ids := make([]int, 0, len(scores))
	for n := range scores {
		ids = append(ids, n)
	}
	slices.SortFunc(ids, func(a, b int) int {
		switch {
		case scores[a] > scores[b]:
			return -1
		case scores[a] < scores[b]:
			return 1
		}
		return a - b
	})
	return ids
}

func ndcg(x *index, queries []ranking.Query, names []string, languages ...string) float64 {
	sum, n := 0.0, 0
	for _, q := range queries {
		if q.Grades.Relevant() == 0 {
			continue
		}
		var found []string
		for _, id := range x.search(q.Text, languages...) {
			if len(found) < 10 {
				found = append(found, names[id])
			}
		}
		sum += score.NDCG(found, q.Grades, 10, score.Linear)
		n++
	}
	return sum / float64(n)
}

func TestCranfieldByWordsAlone(t *testing.T) {
	d, err := ranking.Cranfield(retrievaltest.Data(t, "cranfield"))
	if err != nil {
		t.Fatal(err)
	}
	x := &index{postings: map[string]map[int]float64{}}
	var names []string
	for _, doc := range d.Documents {
		x.add("en", doc.Title, doc.Text)
		names = append(names, doc.ID)
	}
	got := ndcg(x, d.Queries, names, "en")
	t.Logf("nDCG@10 %.4f over %d documents, %d queries", got, len(names), len(d.Queries))
	if got < 0.385 {
		t.Errorf("nDCG@10 is %.4f, want 0.385 at least", got)
	}
}

func xquad(t *testing.T, language string) (paragraphs []string, questions []ranking.Query) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(retrievaltest.Data(t, "xquad"), "xquad."+language+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Data []struct {
			Paragraphs []struct {
				Context string
				QAs     []struct{ Question string }
			}
		}
	}
	if err := json.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	for _, article := range file.Data {
		for _, p := range article.Paragraphs {
			for _, qa := range p.QAs {
				questions = append(questions, ranking.Query{Text: qa.Question, Grades: score.Grades{strconv.Itoa(len(paragraphs)): 1}})
			}
			paragraphs = append(paragraphs, p.Context)
		}
	}
	return paragraphs, questions
}

// TestXQuADByWordsAlone asks for the paragraph that a question was made of: in a collection of its language, and in
// one that holds both languages.
func TestXQuADByWordsAlone(t *testing.T) {
	both := &index{postings: map[string]map[int]float64{}}
	var all []ranking.Query
	var bothNames []string
	for language, floor := range map[string]float64{"en": 0.965, "ar": 0.887} {
		paragraphs, questions := xquad(t, language)
		x := &index{postings: map[string]map[int]float64{}}
		var names []string
		for i, p := range paragraphs {
			x.add(language, "", p)
			both.add(language, "", p)
			names = append(names, strconv.Itoa(i))
			bothNames = append(bothNames, language+strconv.Itoa(i))
		}
		for _, q := range questions {
			for id := range q.Grades {
				all = append(all, ranking.Query{Text: q.Text, Grades: score.Grades{language + id: 1}})
			}
		}
		got := ndcg(x, questions, names, language)
		t.Logf("%s: nDCG@10 %.4f over %d paragraphs, %d questions", language, got, len(paragraphs), len(questions))
		if got < floor {
			t.Errorf("%s: nDCG@10 is %.4f, want %.3f at least", language, got, floor)
		}
	}
	t.Logf("both: nDCG@10 %.4f", ndcg(both, all, bothNames, "ar", "en"))
}
