package routing

import (
	"fmt"
	"time"

	"fairlead/internal/label"
	"fairlead/providers"
)

// Target is one model on one backend: the unit that Decide chooses between. It does not change while
// the configuration does not.
type Target struct {
	Name string
	// Of is the target that callers, policies and keys name, when this is a variant of it. Empty: it is none.
	Of      string
	Backend string
	// Kind is the backend's kind, such as "ollama".
	Kind string
	// Model is the model as the backend calls it.
	Model string
	// Version names a model's version, for backends that have them.
	Version string
	Does    providers.Capability
	// Context is the context window in tokens. 0: unknown, and then not a reason to be out.
	Context int
	// Clearance is the highest label that the backend may see.
	Clearance label.Label
	// Price is nil when it is unknown.
	Price *providers.Price
	// Quality is the prior quality in [0,1]. Negative: unknown.
	Quality float64
	// TTFT and PerToken are priors for latency. 0: unknown.
	TTFT, PerToken time.Duration
	// Origin says where the target comes from: "config", "built in" or "found".
	Origin string
}

// State is what is known of a target at the moment of a decision.
type State struct {
	// PausedUntil is set while the backend has asked us to wait.
	PausedUntil time.Time
	// OpenFor is how long the target's breaker stays open. 0: it is not.
	OpenFor time.Duration
	// NotReady says why the backend would not take a call for the target's model, and NotReadyFor when it is asked again.
	// Empty: it would, as far as is known.
	NotReady    string
	NotReadyFor time.Duration
	// PromptTokens is what the prompt is expected to count on this target. 0: as the Request says.
	PromptTokens int
	// Prediction is what is expected of the call, from what was observed. Nil: the target's priors alone.
	Prediction *Prediction
	// Quality is what is expected of the answer to this prompt, and takes the place of the target's own. Nil: the target's
	// own holds.
	Quality *QualityEstimate
	// Silent says that the breaker is open because the backend does not answer when it is asked whether it is there, and not
	// because calls have failed.
	Silent bool
	// Probe asks for the target to be tried first, so that what is known of it stays fresh.
	Probe bool
	// InsteadOf is the canary that the caller would have got in this target's place, were it not left alone. Empty: none.
	InsteadOf string
	// Live is only filled in for those who list targets.
	Live *Live
}

// QualityEstimate is how well a target is expected to answer one prompt.
type QualityEstimate struct {
	// Value is in [0,1], and Low to High the interval that it is given with.
	Value, Low, High float64
	// Source says who expects it, such as "learned".
	Source string
}

// String says it for people: "0.71 (learned, 0.62-0.80)".
func (q *QualityEstimate) String() string {
	return fmt.Sprintf("%.2f (%s, %.2f-%.2f)", q.Value, q.Source, q.Low, q.High)
}

// Live is what was seen of a target, for people. Counts of samples weigh older ones less.
type Live struct {
	InFlight int
	// Attempts is how many calls stand behind ErrorRate.
	Attempts, ErrorRate float64
	// TTFT50 and TTFT95 are quantiles of the time to the first token, and PerToken50 the median time for
	// each further one. 0: not seen.
	TTFT50, TTFT95, PerToken50 time.Duration
	// Last is when the last sample came. Zero: never.
	Last time.Time
	// CostMinute is what the last minute's calls have cost.
	CostMinute providers.Money
	// Load is how busy the backend last said it is. Nil: it does not say.
	Load *providers.Load
	// Answered says that the backend was asked about the target, and Ready that it would take a call. Detail says more,
	// in our words.
	Answered, Ready bool
	Detail          string
	// Version stands behind the one that the target names; while that is not known, it is the one that it names.
	Version string
	// LoadTime is what loading its model took the last time. 0: not seen.
	LoadTime time.Duration
}

// Prediction is what is expected of one call to a target, at the policy's quantile.
type Prediction struct {
	// Wait is the time in the queue before the call.
	Wait time.Duration
	// Queue is the part of Wait that is spent in the backend's own queue, in which Waiting calls wait; Loading is the part
	// of TTFT and Latency in which it loads the model.
	Queue   time.Duration `json:",omitempty"`
	Waiting int           `json:",omitempty"`
	Loading time.Duration `json:",omitempty"`
	// TTFT is the time to the first token after the wait. It counts when TTFTKnown.
	TTFT      time.Duration
	TTFTKnown bool
	// Latency is the time to the end, the wait included. It counts when Known.
	Latency time.Duration
	Known   bool
	// Assumed says that nothing but the backend's kind speaks for the figures: they order targets and rule
	// none out, or one that was never tried never would be.
	Assumed bool
	// Finish is the chance that the call ends within what the run has left. It counts when FinishKnown.
	Finish      float64
	FinishKnown bool
	// ErrorRate is the share of calls that fail.
	ErrorRate float64
	// Samples is how many observations stand behind it, the older ones counting less.
	Samples float64
	// Source is "observed", "prior", "kind" or "none".
	Source string
}

// Candidate is a target with its state.
type Candidate struct {
	Target *Target
	State  State
}

// Named gives the name that callers, policies and keys know the target by.
func (t *Target) Named() string {
	if t.Of != "" {
		return t.Of
	}
	return t.Name
}
