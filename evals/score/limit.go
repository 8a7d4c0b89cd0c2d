package score

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"fairlead/providers"
)

// Latency asks that an answer is fast enough. It passes within Max; the score is 1 there, and Max / the time beyond, so
// that twice as slow is a half.
type Latency struct {
	// Max is the longest that passes.
	Max time.Duration `yaml:"max" json:"max"`
	// First measures the time to the first text, and not to the end.
	First bool `yaml:"first" json:"first,omitempty"`
}

var _ Scorer = (*Latency)(nil)

func (s *Latency) check() error {
	if s.Max <= 0 {
		return errors.New("max must be a time span such as 800ms or 2s")
	}
	return nil
}

// Score looks at the time.
func (s *Latency) Score(_ context.Context, _ *Case, o *Outcome) (Score, error) {
	if l, ok := lost(o); ok {
		return l, nil
	}
	took := o.Latency
	if s.First {
		took = o.TTFT
	}
	if took <= 0 {
		return skipped("the time was not measured"), nil
	}
	return within(float64(took), float64(s.Max), fmt.Sprintf("%s of %s", took.Round(time.Millisecond/10), s.Max)), nil
}

func within(is, most float64, detail string) Score {
	pass := is <= most
	value := 1.0
	if !pass {
		value = most / is
	}
	return Score{Value: value, Pass: &pass, Detail: detail}
}

// Cost asks that an answer is cheap enough. It passes within Max; the score is 1 there, and Max / the cost beyond.
type Cost struct {
	// Max is the most that passes. 0 passes what is free alone.
	Max providers.Money
}

var _ Scorer = (*Cost)(nil)

func (s *Cost) check() error {
	if s.Max < 0 {
		return errors.New("max_usd must not be negative")
	}
	return nil
}

// Score looks at the cost. One that is not known is skipped: it is not free.
func (s *Cost) Score(_ context.Context, _ *Case, o *Outcome) (Score, error) {
	if l, ok := lost(o); ok {
		return l, nil
	}
	if !o.CostKnown {
		return skipped("the cost is not known"), nil
	}
	return within(float64(o.Cost), float64(s.Max), fmt.Sprintf("%s of %s", o.Cost, s.Max)), nil
}

// Route asks where a request went: 0 or 1.
type Route struct {
	// Targets may answer. Empty: those of the expectation ("target"), a name or a list; where there is none, any.
	Targets []string `yaml:"targets" json:"targets,omitempty"`
	// Policies may have chosen. Empty: any.
	Policies []string `yaml:"policies" json:"policies,omitempty"`
	// Cleared asks that the target may see data of the case's label, and of all that the run used. A target whose
	// clearance is not known may not.
	Cleared bool `yaml:"cleared" json:"cleared,omitempty"`
}

var _ Scorer = (*Route)(nil)

func (s *Route) check() error {
	if slices.Contains(append(slices.Clone(s.Targets), s.Policies...), "") {
		return errors.New("targets and policies must not hold empty names")
	}
	return nil
}

// Score looks at the target. A label that is too high for it is wrong even where the run failed, since the data may have
// gone there.
func (s *Route) Score(_ context.Context, c *Case, o *Outcome) (Score, error) {
	highest := max(c.Label, o.Label)
	if s.Cleared && o.Target != "" && (!o.Clearance.Valid() || highest > o.Clearance) {
		return right(false, "data that is %s went to %s, which may see %s", highest, o.Target, o.Clearance), nil
	}
	targets := s.Targets
	if len(targets) == 0 {
		targets, _ = c.texts("target", "")
		if _, whole := c.Expected.(map[string]any); !whole {
			targets = nil // an expectation that is no mapping is of the answer
		}
	}
	if len(targets) == 0 && len(s.Policies) == 0 && !s.Cleared {
		return skipped("the case does not say where it should go"), nil
	}
	if l, ok := lost(o); ok {
		return l, nil
	}
	switch {
	case len(targets) > 0 && !slices.Contains(targets, o.Target):
		return right(false, "%s answered, and not %s", quote(o.Target), strings.Join(targets, " or ")), nil
	case len(s.Policies) > 0 && !slices.Contains(s.Policies, o.Policy):
		return right(false, "policy %s chose, and not %s", quote(o.Policy), strings.Join(s.Policies, " or ")), nil
	}
	return right(true, "%s", o.Target), nil
}
