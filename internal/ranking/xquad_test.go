package ranking_test

import (
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/ranking"
	"fairlead/retrieval/retrievaltest"
)

func TestXQuADIsReadByParagraph(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "xquad.en.json", `{"data":[
		{"title":"A","paragraphs":[{"context":" one ","qas":[{"id":"1","question":"which?","answers":[]},{"id":"2","question":"why?"}]}]},
		{"title":"B","paragraphs":[{"context":"two","qas":[{"id":"3","question":"who?"}]},{"context":"one","qas":[{"id":"4","question":"when?"}]}]}]}`)
	d, err := ranking.XQuAD(folder, "en")
	if err != nil {
		t.Fatal(err)
	}
	if d.Name != "xquad-en" || len(d.Documents) != 2 || d.Documents[0] != (ranking.Document{ID: "p1", Text: "one"}) {
		t.Errorf("%s: %+v", d.Name, d.Documents)
	}
	for i, want := range []string{"p1", "p1", "p2", "p1"} {
		if q := d.Queries[i]; q.Grades[want] != 1 || len(q.Grades) != 1 {
			t.Errorf("query %d: %+v, want %s", i, q, want)
		}
	}
}

func TestWrongXQuADIsRefused(t *testing.T) {
	for _, content := range []string{"", "[]", `{"data":[]}`, `{"data":[{"paragraphs":[{"context":" ","qas":[]}]}]}`, `{"data":[{"paragraphs":[{"context":"x","qas":[]}]}]}`,
		`{"data":[{"paragraphs":[{"context":"x","qas":[{"id":"1","question":"a"},{"id":"1","question":"b"}]}]}]}`} {
		folder := t.TempDir()
		write(t, folder, "xquad.ar.json", content)
		if _, err := ranking.XQuAD(folder, "ar"); fault.CodeOf(err) != fault.InvalidArgument {
			t.Errorf("%q: %v", content, err)
		}
	}
	if _, err := ranking.XQuAD(t.TempDir(), "ar"); fault.CodeOf(err) != fault.InvalidArgument {
		t.Errorf("an empty folder: %v", err)
	}
}

func FuzzXQuAD(f *testing.F) {
	f.Add(`{"data":[{"paragraphs":[{"context":"x","qas":[{"id":"1","question":"a"}]}]}]}`)
	f.Add(`{"data":null}`)
	f.Fuzz(func(t *testing.T, content string) {
		folder := t.TempDir()
		write(t, folder, "xquad.en.json", content)
		d, err := ranking.XQuAD(folder, "en")
		if (d == nil) == (err == nil) {
			t.Fatalf("%v, %v", d, err)
		}
		if err != nil {
			return
		}
		there := map[string]bool{}
		for _, doc := range d.Documents {
			there[doc.ID] = true
		}
		for _, q := range d.Queries {
			for id := range q.Grades {
				if !there[id] {
					t.Errorf("a question about %s, which is not there", id)
				}
			}
		}
	})
}

func TestXQuADItself(t *testing.T) {
	folder := retrievaltest.Data(t, "xquad")
	for _, language := range []string{"en", "ar"} {
		d, err := ranking.XQuAD(folder, language)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Documents) != 240 || len(d.Queries) != 1190 {
			t.Errorf("%s: %d documents, %d queries", d.Name, len(d.Documents), len(d.Queries))
		}
	}
}
