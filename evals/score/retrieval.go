package score

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// Retrieval measures what was found against what is relevant ("relevant"): a list of ids, or a mapping of ids to grades.
// See NDCG, Recall, Precision, ReciprocalRank and AveragePrecision for the measures.
type Retrieval struct {
	Bar      `yaml:",inline"`
	Expected string `yaml:"expected" json:"expected,omitempty"`
	// Measure is recall, precision, ndcg, mrr, map or hit, with how many passages or documents count: "ndcg@10". Hit is 1
	// where anything relevant is there. Without "@", mrr and map count all. Default "ndcg@10".
	Measure string `yaml:"measure" json:"measure,omitempty"`
	// Gain is linear (default) or exponential; of ndcg alone.
	Gain string `yaml:"gain" json:"gain,omitempty"`
	// By is document (default) or passage: what the ids are of. A document's place is that of its best passage.
	By string `yaml:"by" json:"by,omitempty"`
}

var _ Scorer = (*Retrieval)(nil)

var measureName = regexp.MustCompile(`^(recall|precision|ndcg|mrr|map|hit)(?:@([1-9][0-9]{0,4}))?$`)

// measure gives the measure's name, and how deep it looks; 0 is all.
func (s *Retrieval) measure() (name string, depth int, err error) {
	if s.Measure == "" {
		return "ndcg", 10, nil
	}
	m := measureName.FindStringSubmatch(s.Measure)
	switch {
	case m == nil:
		return "", 0, fmt.Errorf("there is no measure %s: use recall@10, precision@10, ndcg@10, hit@10, mrr or map", quote(s.Measure))
	case m[2] == "" && m[1] != "mrr" && m[1] != "map":
		return "", 0, fmt.Errorf("%s must say how many count, as in %s@10", m[1], m[1])
	}
	depth, _ = strconv.Atoi(m[2])
	return m[1], depth, nil
}

func (s *Retrieval) check() error {
	name, _, err := s.measure()
	switch {
	case err != nil:
		return err
	case !slices.Contains([]string{"", "linear", "exponential"}, s.Gain):
		return errors.New("gain must be linear or exponential")
	case s.Gain != "" && name != "ndcg":
		return errors.New("gain is of ndcg alone")
	case !slices.Contains([]string{"", "document", "passage"}, s.By):
		return errors.New("by must be document or passage")
	}
	return errors.Join(Source{Expected: s.Expected}.check(), s.Bar.check())
}

// Score measures.
func (s *Retrieval) Score(_ context.Context, c *Case, o *Outcome) (Score, error) {
	v, ok := c.expected("relevant", s.Expected)
	if !ok {
		return skipped("the case does not say what is relevant"), nil
	}
	grades := gradesOf(v)
	if grades.Relevant() == 0 {
		return skipped("nothing is relevant to the case"), nil
	}
	if l, ok := lost(o); ok {
		return l, nil
	}
	ranked := o.ranked(s.By == "passage")
	name, depth, err := s.measure()
	if err != nil {
		return Score{}, err
	}
	first := ranked
	if depth > 0 {
		first = ranked[:min(depth, len(ranked))]
	}
	value, gain := 0.0, Linear
	if s.Gain == "exponential" {
		gain = Exponential
	}
	switch name {
	case "ndcg":
		value = NDCG(ranked, grades, depth, gain)
	case "recall":
		value = Recall(ranked, grades, depth)
	case "precision":
		value = Precision(ranked, grades, depth)
	case "mrr":
		value = ReciprocalRank(first, grades)
	case "map":
		value = AveragePrecision(first, grades)
	case "hit":
		value = min(1, float64(found(first, grades, len(first))))
	}
	return s.graded(value, "%d of %d relevant found among %d", found(first, grades, len(first)), grades.Relevant(), len(first)), nil
}

// ranked gives the ids of what was found, best first, each once.
func (o *Outcome) ranked(passages bool) []string {
	out, seen := make([]string, 0, len(o.Passages)), map[string]bool{}
	for _, p := range o.Passages {
		id := p.Document
		if passages {
			id = p.ID
		}
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

func gradesOf(v any) Grades {
	g := Grades{}
	switch v := v.(type) {
	case string:
		g[v] = 1
	case []any:
		for _, item := range v {
			if id, ok := asText(item); ok {
				g[id] = 1
			}
		}
	case map[string]any:
		for id, grade := range v {
			g[id], _ = asNumber(grade)
		}
	}
	return g
}
