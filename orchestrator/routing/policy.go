package routing

import (
	"time"

	"fairlead/internal/label"
	"fairlead/providers"
)

// Preference says what to prefer among the targets that qualify.
type Preference string

// The preferences.
const (
	Cheapest Preference = "cheapest"
	Fastest  Preference = "fastest"
	Best     Preference = "best"
)

// Weights say how much each property of a target counts. None is negative; only their proportions matter.
type Weights struct {
	Cost, Latency, Quality float64
}

// Scales are the values that score one half: a target that costs Cost, or takes Latency, is halfway between
// the best there can be and the worst. They are fixed, and never taken from the targets at hand, so that
// scores can be compared between requests. 0 is the default.
type Scales struct {
	Cost    providers.Money
	Latency time.Duration
}

// The scales of policies that do not say.
const (
	DefaultCostScale    = providers.Money(10_000_000) // one cent
	DefaultLatencyScale = time.Second
)

// OnNone says what to do when no target qualifies.
type OnNone string

// What to do then. What is let in is only ever what the policy's soft limits kept out: its least quality and
// its most cost, time to the first token and latency. Clearances, capabilities, windows, conditions, lists of
// targets, budgets, deadlines, breakers and pauses hold as before.
const (
	// OnNoneFail ends the step with an error that says why each target is out.
	OnNoneFail OnNone = "fail"
	// OnNoneCheapest takes the cheapest target that qualifies without the soft limits.
	OnNoneCheapest OnNone = "cheapest"
	// OnNoneExtractive does the same among the targets that only quote documents.
	OnNoneExtractive OnNone = "extractive"
)

// Midstream says what to do when an attempt fails after its first text has been delivered.
type Midstream string

// What to do then.
const (
	// MidstreamFail ends the run with an error that says so.
	MidstreamFail Midstream = "fail"
	// MidstreamRestart withdraws what was said and tries the next target. Where the client's protocol
	// cannot withdraw, it is as MidstreamFail.
	MidstreamRestart Midstream = "restart"
)

// Policy is what a step demands of its target, and prefers.
type Policy struct {
	Name   string
	Prefer Preference
	// Weights, when not zero, take the place of Prefer: targets are ordered by the sum of what they score.
	Weights Weights
	// Scales are what scores of cost and latency are measured against.
	Scales Scales
	// MinQuality is the least prior quality. 0: none demanded. A target of unknown quality is out when
	// one is demanded.
	MinQuality float64
	// MaxCost is the most that a call may be expected to cost. 0: no limit. An unknown price is out when
	// there is a limit.
	MaxCost providers.Money
	// MaxTTFT and MaxLatency are limits on what is predicted at Quantile, the queue included. 0: no limit.
	// What is not known, or only assumed, is not a reason to be out.
	MaxTTFT, MaxLatency time.Duration
	// Quantile is where latencies are predicted, in (0,1). 0 is DefaultQuantile.
	Quantile float64
	// Targets, when not empty, names the only targets that may be chosen.
	Targets []string
	// When is a further condition; nil holds always. It must be pure.
	When Condition
	// WhenText is the condition as it was written, for the record.
	WhenText string
	// Attempts is the most calls for one step. 0 is 3.
	Attempts  int
	Midstream Midstream
	// Hedge asks a second target when the first is late. Nil: never.
	Hedge *Hedge
	// Escalate asks another target when the answer does not do. Nil: never.
	Escalate *Escalation
	// OnNone says what to do when no target qualifies. Empty is OnNoneFail.
	OnNone OnNone
}

// MindsLatency says whether it matters to the policy how fast a target is.
func (p *Policy) MindsLatency() bool {
	return p.preference() == Fastest || p.Weights.Latency > 0 || p.MaxTTFT > 0 || p.MaxLatency > 0
}

// Hedge says when a second target is asked for the same step: the first to speak answers, the other call is
// ended and paid for.
type Hedge struct {
	// After is the quantile of the first target's predicted time to the first token after which it counts as
	// late, in (0,1). 0 is DefaultQuantile. Where that time is not known from observation there is no hedge.
	After float64
	// Budget is the most hedges, as a share of the steps under the policy. 0 is DefaultHedgeBudget.
	Budget float64
}

// DefaultHedgeBudget is the share of steps that may be hedged when a policy does not say.
const DefaultHedgeBudget = 0.05

// DefaultQuantile is where latencies are predicted when a policy does not say.
const DefaultQuantile = 0.95

// minFinish is the least chance of ending within what is left that a target must have to be tried: below
// it the run would almost surely pay for an answer that comes too late.
const minFinish = 0.05

// Condition is a compiled condition over a request and a target.
type Condition interface {
	// Holds says whether the target may be chosen.
	Holds(req *Request, t *Target) (bool, error)
}

// Request is what Decide knows of a step.
type Request struct {
	// Step is the path of the step, for the record and for conditions.
	Step string
	// Tenant is the caller's tenant.
	Tenant string
	// Allowed names the only targets that the caller may use. Nil: all.
	Allowed []string
	// Label is the highest label of all that would be sent.
	Label label.Label
	Needs providers.Capability
	// Documents says that the request carries documents: where no more than Chat is needed, a target that
	// only does Extract will do.
	Documents bool
	// Dialect, when not empty, is the only backend kind that understands all of the request, because it
	// holds the fields that DialectFields names.
	Dialect       string
	DialectFields []string
	// PromptTokens is an estimate, for targets whose State has none of their own.
	PromptTokens int
	// Images is the number of pictures that would be sent.
	Images int
	// MaxOutput is the most tokens that may be written. 0: not said, and then DefaultOutput is reckoned
	// with, unless classes, vectors or tensors are all that is needed.
	MaxOutput int
	// Left is what is left for the step.
	Left Left
	// At is the time that conditions see. Zero: when the decision is made.
	At time.Time
	// Locale is the language of the caller, such as "de" or "de-AT". Empty: not known.
	Locale string
	// Classes has what classifiers found earlier in the run, by the name of the step.
	Classes map[string]Class
}

// Class is what a classifier found.
type Class struct {
	Label string
	// Probability is in [0,1].
	Probability float64
}

// DefaultOutput is the number of output tokens that is reckoned with when a request does not say.
const DefaultOutput = 1024

// writesNothing is what is answered in one piece, with no token.
const writesNothing = providers.Classify | providers.Embed | providers.Predict

// Left is what is left of a run's money and time for a step.
type Left struct {
	// Money is what may still be spent. It counts when Limited.
	Money   providers.Money
	Limited bool
	// Deadline is when the run must be over. Zero: no deadline.
	Deadline time.Time
}
