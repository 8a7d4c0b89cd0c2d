package routing

import (
	"time"

	"fairlead/internal/label"
	"fairlead/providers"
)

// Reason is why a target is out: a stable word.
type Reason string

// The reasons.
const (
	In            Reason = ""
	OutLabel      Reason = "clearance"
	OutCapability Reason = "capability"
	OutContext    Reason = "context_window"
	OutCost       Reason = "cost"
	OutBudget     Reason = "budget"
	OutQuality    Reason = "quality"
	OutLatency    Reason = "latency"
	OutPaused     Reason = "paused"
	OutOpen       Reason = "breaker_open"
	OutDeadline   Reason = "deadline"
	OutWhen       Reason = "when"
	OutDialect    Reason = "dialect"
	OutNotNamed   Reason = "not_requested"
	OutNotAllowed Reason = "not_allowed"
	OutNotReady   Reason = "not_ready"
)

// Record is what was decided about one target.
type Record struct {
	Target *Target
	// Reason is In when the target may be tried.
	Reason Reason
	// Relaxed is the soft limit that a target misses which may be tried all the same, because no target met
	// them: OutQuality, OutCost or OutLatency. Empty: it meets them all.
	Relaxed Reason
	// InsteadOf is the canary that the target stands in for, because that one is left alone. Empty: none.
	InsteadOf string
	// Text takes the place of what Detail says, for a record that did not come from Decide.
	Text string
	// RetryAfter is how long a target that is paused or not ready, or whose breaker is open, stays so. 0: it is not.
	RetryAfter time.Duration
	// Rank is the place in the order, from 1; 0 when out.
	Rank int
	// Score is in [0,1], on scales that do not depend on the other targets. It counts when Scored.
	Score float64
	// Cost is the most that the call is expected to cost: the whole prompt uncached, and all of the output
	// reckoned with. It counts when CostKnown.
	Cost providers.Money
	// PromptTokens is what the prompt is expected to count on this target.
	PromptTokens int
	// Estimate is the quality that was expected for this prompt, in place of the target's own. Nil: that one held.
	Estimate *QualityEstimate
	// TTFT and Latency are predictions, the queue included. 0: unknown.
	TTFT, Latency time.Duration
	// Finish is the chance to end within what the run has left. It counts when FinishKnown.
	Finish float64

	from *basis
	// state is the target's, for what is said to people. Nil for a record that did not come from Decide.
	state *State

	Scored, CostKnown, FinishKnown bool
	// Assumed says that nothing but the backend's kind speaks for TTFT and Latency.
	Assumed bool
	// Probe says that the target is tried first to learn how it does now.
	Probe bool
	// broken says that the policy's condition could not be evaluated.
	broken bool
}

// Quality is what the target was chosen by: what was expected for the prompt, or else the target's own. Negative:
// unknown.
func (r *Record) Quality() float64 {
	if r.Estimate != nil {
		return r.Estimate.Value
	}
	return r.Target.Quality
}

// Plan is the decision for one step.
type Plan struct {
	Policy string
	// Records has every target: those that may be tried first, in order, then those that are out, by
	// name.
	Records      []Record
	Eligible     int
	Label        label.Label
	Needs        providers.Capability
	PromptTokens int
	OutputTokens int
	Attempts     int
	Midstream    Midstream
	// Relaxed says that no target met the policy's soft limits, and by which rule targets may be tried all
	// the same: OnNoneCheapest or OnNoneExtractive. Empty: the targets meet the policy.
	Relaxed string
	// Text takes the place of what Summary says, for a plan that did not come from Decide.
	Text string

	asked basis
}

// basis is what a plan was made from, which is all that its texts need besides its records: they are written
// when somebody reads them.
type basis struct {
	req    Request
	policy *Policy
	// by is what the order is by; it is not the policy's own preference where its limits were relaxed.
	by  Preference
	now time.Time
}

// Order gives the records of the targets that may be tried, the first first.
func (p *Plan) Order() []Record { return p.Records[:p.Eligible] }
