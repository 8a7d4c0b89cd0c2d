package learned

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Explanation is why a prediction is what it is.
type Explanation struct {
	Prediction
	Target string
	// Mean is the target's mean score, and Prompts how many outcomes there were.
	Mean    float64
	Prompts int
	// Words, Shape and Neighbours are what each part adds to the logit of the quality beside that of the mean prompt of
	// no features; Intercept is the rest.
	Intercept, Words, Shape, Neighbours float64
	// Parts are the features that add the most, either way, the heaviest first.
	Parts []Part
}

// Part is what one feature adds.
type Part struct {
	// Name is the feature in words, such as `word "integral"` or `shape: numbers`.
	Name string
	// Logit is what it adds.
	Logit float64
}

// Neighbour is a prompt that the model was trained on.
type Neighbour struct {
	// At is its place among the prompts that are remembered. The model has no more of it than this and its features.
	At     int
	Cosine float64
	// Scores are one for each target. NaN: unknown.
	Scores []float64
}

// Explain says why a prompt is predicted as it is, with at most most parts for each target and most neighbours. It takes
// its time.
func (m *Model) Explain(prompt string, most int) ([]Explanation, []Neighbour) {
	s := NewScratch()
	names := map[uint32]string{}
	s.named = func(slot uint32, name string) {
		if old, ok := names[slot]; !ok {
			names[slot] = name
		} else if old != name && len(old) < 80 {
			names[slot] = old + " or " + name
		}
	}
	predictions := m.Predict(prompt, nil)
	m.score(s, prompt)
	norm := 0.0
	for _, f := range s.shown {
		norm += float64(f.value) * float64(f.value)
	}
	norm = math.Sqrt(max(norm, 1e-12))
	out := make([]Explanation, len(m.targets))
	for t := range out {
		target := &m.a.Targets[t]
		e := Explanation{Prediction: predictions[t], Target: target.Name, Mean: target.Mean, Prompts: target.Prompts, Intercept: target.Intercept}
		e.Neighbours = target.Near * s.logits[len(m.targets)+t]
		for _, f := range s.shown {
			part := Part{names[f.slot], float64(f.value) / norm * float64(m.rows[int(f.slot)*m.stride+1+t])}
			e.Words += part.Logit
			e.Parts = append(e.Parts, part)
		}
		for stat, v := range s.shape {
			part := Part{"shape: " + shapeNames[stat], float64(m.shape[t][stat][above(m.a.Thresholds[stat], v)])}
			e.Shape += part.Logit
			e.Parts = append(e.Parts, part)
		}
		slices.SortStableFunc(e.Parts, func(a, b Part) int {
			return cmp.Or(cmp.Compare(math.Abs(b.Logit), math.Abs(a.Logit)), cmp.Compare(a.Name, b.Name))
		})
		e.Parts = e.Parts[:min(most, len(e.Parts))]
		out[t] = e
	}
	return out, m.neighboursOf(s, most)
}

func (m *Model) neighboursOf(s *Scratch, most int) []Neighbour {
	var all []Neighbour
	for i, c := range s.cosines {
		if c > 0 {
			all = append(all, Neighbour{At: i, Cosine: float64(c) / unit})
		}
	}
	slices.SortStableFunc(all, func(a, b Neighbour) int { return cmp.Compare(b.Cosine, a.Cosine) })
	all = all[:min(most, len(all))]
	for i := range all {
		for _, y := range m.a.Outcomes[all[i].At*len(m.targets) : (all[i].At+1)*len(m.targets)] {
			score := float64(y) / 254
			if y == unknown {
				score = math.NaN()
			}
			all[i].Scores = append(all[i].Scores, score)
		}
	}
	return all
}

// String says a prediction in a few words.
func (p Prediction) String() string {
	text := fmt.Sprintf("%.2f (%.2f to %.2f)", p.Quality, p.Low, p.High)
	if p.Abstained != "" {
		text += ", abstains: " + string(p.Abstained)
	}
	return text
}
