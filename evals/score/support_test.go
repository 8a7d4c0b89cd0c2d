package score

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// TestSupportOnXQuAD: every sentence of a paragraph is supported by its paragraph, and hardly any by another one, in
// English as in Arabic.
func TestSupportOnXQuAD(t *testing.T) {
	folder := data(t, "xquad")
	for _, language := range []string{"en", "ar"} {
		content, err := os.ReadFile(filepath.Join(folder, "xquad."+language+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Data []struct {
				Paragraphs []struct {
					Context string `json:"context"`
				} `json:"paragraphs"`
			} `json:"data"`
		}
		if err := json.Unmarshal(content, &file); err != nil {
			t.Fatal(err)
		}
		type paragraph struct {
			article int
			text    string
		}
		var all []paragraph
		for i, a := range file.Data {
			for _, p := range a.Paragraphs {
				all = append(all, paragraph{i, p.Context})
			}
		}
		rng := rand.New(rand.NewPCG(5, 5))
		own, near, far, sentences, nears := 0, 0, 0, 0, 0
		supported := func(claim, evidence string) int {
			ok, err := Lexical{}.Supports(t.Context(), claim, []string{evidence}, language)
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				return 1
			}
			return 0
		}
		for i, p := range all {
			for _, s := range Sentences(p.text) {
				sentences++
				own += supported(s.Text, p.text)
				if j := (i + 1) % len(all); all[j].article == p.article {
					nears++
					near += supported(s.Text, all[j].text)
				}
				other := all[rng.IntN(len(all))]
				for other.article == p.article {
					other = all[rng.IntN(len(all))]
				}
				far += supported(s.Text, other.text)
			}
		}
		t.Logf("%s: of %d sentences %d by their own paragraph, %d by one of another article; of %d, %d by the next of the same article",
			language, sentences, own, far, nears, near)
		if own < sentences*98/100 || far > sentences/100 || near > nears*5/100 {
			t.Errorf("%s: %d of %d by their own, %d by another's, %d of %d by the next", language, own, sentences, far, near, nears)
		}
	}
}
