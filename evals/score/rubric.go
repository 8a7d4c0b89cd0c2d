package score

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"fairlead/internal/fault"
)

// Choice is a grade that a judge may give.
type Choice struct {
	Name string `yaml:"name" json:"name"`
	// Value is the score, from 0 to 1.
	Value float64 `yaml:"value" json:"value"`
	// Means says when it is to be chosen.
	Means string `yaml:"means" json:"means"`
}

// Rubric has a judge grade the answer by criteria. The judge sees what was asked, the expected text ("text") where there
// is one, and the answer, each fenced. It does not see who answered.
type Rubric struct {
	Source `yaml:",inline"`
	Bar    `yaml:",inline"`
	// Criteria say what makes an answer good.
	Criteria string `yaml:"criteria" json:"criteria"`
	// Choices are the grades. Default: good (1) and bad (0).
	Choices []Choice `yaml:"choices" json:"choices,omitempty"`
	// Input names the input that was the question. Default: the only one, or all.
	Input string `yaml:"input" json:"input,omitempty"`
	// Passages shows the judge the passages that the model saw, too.
	Passages bool  `yaml:"passages" json:"passages,omitempty"`
	Judge    Judge `yaml:"-" json:"-"`
}

var _ Scorer = (*Rubric)(nil)

var defaultChoices = []Choice{{"good", 1, "the answer meets the criteria"}, {"bad", 0, "it does not"}}

func (s *Rubric) check() error {
	if strings.TrimSpace(s.Criteria) == "" {
		return errors.New("criteria say nothing")
	}
	if s.Judge == nil {
		return errors.New("there is no judge")
	}
	seen := map[string]bool{}
	for _, c := range s.Choices {
		switch {
		case strings.TrimSpace(c.Name) == "" || len(c.Name) > 64:
			return errors.New("a choice needs a name of up to 64 bytes")
		case seen[c.Name]:
			return fmt.Errorf("there are two choices named %q", c.Name)
		case !(c.Value >= 0 && c.Value <= 1):
			return fmt.Errorf("the value of choice %q must be from 0 to 1", c.Name)
		}
		seen[c.Name] = true
	}
	if len(s.Choices) == 1 {
		return errors.New("one choice is none: give two at least")
	}
	return errors.Join(s.Source.check(), s.Bar.check())
}

// Score asks the judge.
func (s *Rubric) Score(ctx context.Context, c *Case, o *Outcome) (Score, error) {
	if l, ok := lost(o); ok {
		return l, nil
	}
	got, why := o.text(s.Of)
	if why != "" {
		return s.graded(0, "%s", why), nil
	}
	question, ok := c.question(s.Input)
	if !ok {
		return skipped("the case has no input %s", s.Input), nil
	}
	texts := []material{{"question", question}}
	if want, ok := c.texts("text", s.Expected); ok {
		texts = append(texts, material{"reference answer, which is right", strings.Join(want, "\nor: ")})
	}
	if s.Passages {
		for i, p := range o.Passages {
			texts = append(texts, material{fmt.Sprintf("document %d", i+1), p.Text})
		}
	}
	texts = append(texts, material{"answer to grade", got})
	choices := s.Choices
	if len(choices) == 0 {
		choices = defaultChoices
	}
	criteria, names := s.Criteria, []string{}
	for _, choice := range choices {
		criteria += fmt.Sprintf("\n- %s: %s", choice.Name, choice.Means)
		names = append(names, choice.Name)
	}
	name, reason, err := s.Judge.ask(ctx, c, criteria, names, texts)
	if err != nil {
		return Score{}, err
	}
	for _, choice := range choices {
		if choice.Name == name {
			return s.graded(choice.Value, "%s: %s", name, reason), nil
		}
	}
	return Score{}, failed(nil, fault.Internal, c, "the judge chose what is no choice")
}

// Pairwise has a judge compare the answer with another: Outcome.Baseline, or else the expected text ("text"). It asks
// twice, with the two in either order, since judges favour a place (Zheng et al., "Judging LLM-as-a-Judge with MT-Bench
// and Chatbot Arena", 2023): 1 where the answer wins both times, 0 where it loses both, and 0.5 otherwise. Two equal
// texts tie without being asked about.
type Pairwise struct {
	Source   `yaml:",inline"`
	Bar      `yaml:",inline"`
	Criteria string `yaml:"criteria" json:"criteria"`
	Input    string `yaml:"input" json:"input,omitempty"`
	Judge    Judge  `yaml:"-" json:"-"`
}

var _ Scorer = (*Pairwise)(nil)

func (s *Pairwise) check() error {
	if strings.TrimSpace(s.Criteria) == "" {
		return errors.New("criteria say nothing")
	}
	if s.Judge == nil {
		return errors.New("there is no judge")
	}
	return errors.Join(s.Source.check(), s.Bar.check())
}

// Score asks the judge twice.
func (s *Pairwise) Score(ctx context.Context, c *Case, o *Outcome) (Score, error) {
	other := o.Baseline
	if other == "" {
		want, ok := c.texts("text", s.Expected)
		if !ok {
			return skipped("there is no other answer to compare with"), nil
		}
		other = want[0]
	}
	if l, ok := lost(o); ok {
		return l, nil
	}
	got, why := o.text(s.Of)
	if why != "" {
		return s.graded(0, "%s", why), nil
	}
	question, ok := c.question(s.Input)
	if !ok {
		return skipped("the case has no input %s", s.Input), nil
	}
	if got == other {
		return s.graded(0.5, "the two are equal"), nil
	}
	var points [2]int
	for i, pair := range [2][2]string{{got, other}, {other, got}} {
		choice, _, err := s.Judge.ask(ctx, c, s.Criteria+"\nChoose A if answer A is better, B if answer B is, and tie if neither is.", []string{"A", "B", "tie"},
			[]material{{"question", question}, {"answer A", pair[0]}, {"answer B", pair[1]}})
		if err != nil {
			return Score{}, err
		}
		mine := [2]string{"A", "B"}[i]
		switch choice {
		case mine:
			points[i] = 1
		case "tie":
		default:
			points[i] = -1
		}
	}
	switch {
	case points[0] == 1 && points[1] == 1:
		return s.graded(1, "better in both orders"), nil
	case points[0] == -1 && points[1] == -1:
		return s.graded(0, "worse in both orders"), nil
	case points[0] == 0 && points[1] == 0:
		return s.graded(0.5, "a tie in both orders"), nil
	}
	return s.graded(0.5, "the judge's choice depends on the order: a tie"), nil
}
