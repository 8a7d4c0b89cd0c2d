package evals

import (
	"context"
	"errors"
	"time"

	"fairlead/evals/score"
	"fairlead/internal/label"
	"fairlead/providers"
)

// Under is what a suite tests: exactly one of its names is set.
type Under struct {
	Chain      string `yaml:"chain"`
	Policy     string `yaml:"policy"`
	Target     string `yaml:"target"`
	Collection string `yaml:"collection"`
	// Classifier is a target that tells classes: the text of its answer is the most probable one.
	Classifier string `yaml:"classifier"`
	// Top is how many passages a collection is asked for. 0: 10.
	Top int `yaml:"top"`
}

// String gives it as "chain/answer".
func (u Under) String() string {
	for _, n := range u.names() {
		if n.name != "" {
			return n.kind + "/" + n.name
		}
	}
	return ""
}

type named struct{ kind, name string }

func (u Under) names() []named {
	return []named{{"chain", u.Chain}, {"policy", u.Policy}, {"target", u.Target}, {"collection", u.Collection}, {"classifier", u.Classifier}}
}

func (u Under) check() error {
	n := 0
	for _, one := range u.names() {
		if one.name != "" {
			n++
		}
	}
	if n != 1 {
		return errors.New("under: want exactly one of chain, policy, target, collection and classifier")
	}
	if u.Top < 0 || u.Top > 1000 || u.Top != 0 && u.Collection == "" {
		return errors.New("under.top: is for a collection, from 1 to 1000")
	}
	return nil
}

// Question is one repetition of a case, as it is put to a System.
type Question struct {
	Under Under
	Case  *Case
	// Epoch counts the repetitions from 0.
	Epoch int
	// Seed is for what samples; it differs between repetitions.
	Seed int64
	// Timeout is the most time that it may take.
	Timeout time.Duration
	// Budget is the most that it may cost. It counts when Limited.
	Budget  providers.Money
	Limited bool
	Label   label.Label
}

// Text gives the question of a case that has one.
func (q *Question) Text() string {
	text, _ := q.Case.Input[question].(string)
	return text
}

// Answer is what a System gives. What went wrong with the run is in Err.
type Answer struct {
	score.Outcome
	// Targets are those that were called and answered, in their order.
	Targets []string
	Usage   providers.Usage
}

// Spender is a System that knows what its judges and embedders cost.
type Spender interface {
	// Spent gives what scorers have spent within the context of a repetition, and whether all of it is known.
	Spent(ctx context.Context) (cost providers.Money, known bool)
}

// System is what suites are run on.
type System interface {
	// Begin gives the context of one repetition of a case, for asking and for judges alike. end ends it.
	Begin(ctx context.Context, q *Question) (_ context.Context, end func())
	// Ask puts a question. The error is that there is no answer to judge, such as of a cassette that lacks a call: it is
	// no fault of what is under test.
	Ask(ctx context.Context, q *Question) (*Answer, error)
}
