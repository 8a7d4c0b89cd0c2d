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
)

// Record is what was decided about one target.
type Record struct {
	Target *Target
	// Reason is In when the target may be tried.
	Reason Reason
	// Detail says the same for people, with the figures.
	Detail string
	// RetryAfter is how long a target that is paused, or whose breaker is open, stays so. 0: it is not.
	RetryAfter time.Duration
	// Rank is the place in the order, from 1; 0 when out.
	Rank int
	// Score is in [0,1], on scales that do not depend on the other targets. It counts when Scored.
	Score  float64
	Scored bool
	// Cost is the most that the call is expected to cost: the whole prompt uncached, and all of the output
	// reckoned with. It counts when CostKnown.
	Cost      providers.Money
	CostKnown bool
	// TTFT and Latency are predictions, the queue included. 0: unknown.
	TTFT, Latency time.Duration
	// Assumed says that nothing but the backend's kind speaks for TTFT and Latency.
	Assumed bool
	// Finish is the chance to end within what the run has left. It counts when FinishKnown.
	Finish      float64
	FinishKnown bool
	// Probe says that the target is tried first to learn how it does now.
	Probe bool
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
	// Summary is one sentence: which target first, and why.
	Summary string
}

// Order gives the records of the targets that may be tried, the first first.
func (p *Plan) Order() []Record { return p.Records[:p.Eligible] }
