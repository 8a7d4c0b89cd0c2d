package score

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"fairlead/internal/fault"
)

// Part is a scorer within a composite one.
type Part struct {
	// Name is for people.
	Name   string
	Scorer Scorer
	// Weight is above 0.
	Weight float64
	// Optional lets the part be skipped: the others then share its weight. It does not let it fail.
	Optional bool
}

// Composite is the weighted mean of its parts. It passes where it reaches its bar, or, without one, where every part that
// has a verdict passes. A part that has no score is an error, unless it is optional: a mean of what happened to be there
// would compare unlike things. Where no part has a score there is none.
type Composite struct {
	Bar
	Parts []Part
}

var _ Scorer = (*Composite)(nil)

func (s *Composite) check() error {
	if len(s.Parts) == 0 {
		return errors.New("there are no parts")
	}
	for _, p := range s.Parts {
		if !(p.Weight > 0 && p.Weight <= 1e6) {
			return errors.New("a weight must be above 0, and 1000000 at most")
		}
	}
	return s.Bar.check()
}

// Score scores every part.
func (s *Composite) Score(ctx context.Context, c *Case, o *Outcome) (Score, error) {
	var sum, weights float64
	var details []string
	judged, pass := false, true
	for _, p := range s.Parts {
		got, err := p.Scorer.Score(ctx, c, o)
		if err != nil {
			return Score{}, err
		}
		if got.Skipped != "" {
			if !p.Optional {
				return Score{}, failed(nil, fault.FailedPrecondition, c,
					fmt.Sprintf("%s has no score (%s): make it optional, or give the case what it needs", p.Name, got.Skipped))
			}
			continue
		}
		sum, weights = sum+p.Weight*got.Value, weights+p.Weight
		if got.Pass != nil {
			judged, pass = true, pass && *got.Pass
		}
		details = append(details, fmt.Sprintf("%s %.2f", p.Name, got.Value))
	}
	if weights == 0 {
		return skipped("no part has a score"), nil
	}
	out := s.graded(sum/weights, "%s", strings.Join(details, ", "))
	if s.Min == nil && judged {
		out.Pass = &pass
	}
	return out, nil
}

// Close closes every part.
func (s *Composite) Close() error {
	var errs []error
	for _, p := range s.Parts {
		errs = append(errs, Close(p.Scorer))
	}
	return errors.Join(errs...)
}
