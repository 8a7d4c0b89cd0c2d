package ranking

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fairlead/evals/score"
	"fairlead/internal/fault"
)

// squad is a file in SQuAD's form, as far as it is of use here: what the answers are is not.
type squad struct {
	Data []struct {
		Paragraphs []struct {
			Context   string `json:"context"`
			Questions []struct {
				ID       string `json:"id"`
				Question string `json:"question"`
			} `json:"qas"`
		} `json:"paragraphs"`
	} `json:"data"`
}

// XQuAD reads the questions of one language, such as "ar", from a folder: xquad.LANGUAGE.json (Artetxe, Ruder and
// Yogatama, "On the Cross-lingual Transferability of Monolingual Representations", 2020). A document is a
// paragraph, and the one that a question was asked of is relevant to it. A question is often answered by other
// paragraphs of its article too, which count as wrong: the figures are lower than what a reader would say.
func XQuAD(folder, language string) (*Dataset, error) {
	name := "xquad." + language + ".json"
	content, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest, "reading XQuAD: %s cannot be read: name the folder that holds it", name)
	}
	var s squad
	if err := json.Unmarshal(content, &s); err != nil {
		return nil, fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest, "reading XQuAD: %s is not JSON in SQuAD's form", name)
	}
	d := &Dataset{Name: "xquad-" + language}
	byText := map[string]string{}
	asked := map[string]bool{}
	for _, article := range s.Data {
		for _, p := range article.Paragraphs {
			text := strings.TrimSpace(p.Context)
			if text == "" {
				return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "reading XQuAD: a paragraph of %s is empty", name)
			}
			id, there := byText[text]
			if !there {
				id = fmt.Sprintf("p%d", len(d.Documents)+1)
				byText[text] = id
				d.Documents = append(d.Documents, Document{ID: id, Text: text})
			}
			for _, q := range p.Questions {
				if asked[q.ID] {
					return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "reading XQuAD: two questions of %s have the id %q", name, q.ID)
				}
				asked[q.ID] = true
				d.Queries = append(d.Queries, Query{ID: q.ID, Text: q.Question, Grades: score.Grades{id: 1}})
			}
		}
	}
	if len(d.Documents) == 0 || len(d.Queries) == 0 {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "reading XQuAD: there are no paragraphs or no questions in %s", name)
	}
	return d, nil
}
