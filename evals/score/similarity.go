package score

import (
	"context"
	"errors"
	"math"

	"fairlead/internal/fault"
)

// Embedder gives one vector for each text, all of one length.
type Embedder func(ctx context.Context, texts []string) ([][]float32, error)

// Similarity is the cosine of the vectors of the answer and of the expected text ("text"); what is below 0 counts 0. Of
// several expected texts the nearest counts. What a value means depends on the model: many put any two texts above 0.5.
type Similarity struct {
	Source `yaml:",inline"`
	Bar    `yaml:",inline"`
	Embed  Embedder `yaml:"-" json:"-"`
}

var _ Scorer = (*Similarity)(nil)

func (s *Similarity) check() error {
	if s.Embed == nil {
		return errors.New("there is no model that makes vectors")
	}
	return errors.Join(s.Source.check(), s.Bar.check())
}

// Score embeds the answer and what is expected in one call.
func (s *Similarity) Score(ctx context.Context, c *Case, o *Outcome) (Score, error) {
	want, ok := c.texts("text", s.Expected)
	if !ok {
		return skipped("the case expects no text"), nil
	}
	if l, ok := lost(o); ok {
		return l, nil
	}
	got, why := o.text(s.Of)
	if why != "" {
		return s.graded(0, "%s", why), nil
	}
	if len(runs(got)) == 0 {
		return s.graded(0, "the answer has no words"), nil // many models refuse an empty text
	}
	vectors, err := s.Embed(ctx, append([]string{got}, want...))
	if err != nil {
		return Score{}, failed(err, fault.Unavailable, c, "its texts could not be embedded")
	}
	if len(vectors) != len(want)+1 {
		return Score{}, failed(nil, fault.Internal, c, "there is not one vector for each text")
	}
	best := math.Inf(-1)
	for _, v := range vectors[1:] {
		cosine, err := Cosine(vectors[0], v)
		if err != nil {
			return Score{}, failed(err, fault.Internal, c, "its vectors cannot be compared")
		}
		best = max(best, cosine)
	}
	return s.graded(best, ""), nil
}

// Cosine is the cosine of the angle between two vectors. It is an error where they are not of one length, or one has no
// direction.
func Cosine(a, b []float32) (float64, error) {
	if len(a) != len(b) {
		return 0, errors.New("the vectors are not of one length")
	}
	var dot, x, y float64
	for i := range a {
		dot += float64(a[i]) * float64(b[i])
		x += float64(a[i]) * float64(a[i])
		y += float64(b[i]) * float64(b[i])
	}
	cosine := dot / (math.Sqrt(x) * math.Sqrt(y))
	if math.IsNaN(cosine) || math.IsInf(cosine, 0) {
		return 0, errors.New("a vector has no direction")
	}
	return min(max(cosine, -1), 1), nil
}
