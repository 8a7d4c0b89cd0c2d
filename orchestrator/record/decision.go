package record

import (
	"context"
	"time"

	"fairlead/internal/label"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// Decision is one plan, what it was made of, and what came of it. It is kept as JSON.
type Decision struct {
	RunID string `json:"run_id"`
	// Seq is the place of the plan in the run's events; run and Seq name a decision.
	Seq    int64     `json:"seq"`
	Time   time.Time `json:"time"`
	Tenant string    `json:"tenant"`
	// Chain is empty for a plain chat.
	Chain string `json:"chain,omitempty"`
	// Step is the step's path.
	Step   string `json:"step"`
	Policy string `json:"policy"`
	// PolicyDigest tells policies of one name apart that say different things.
	PolicyDigest string `json:"policy_digest"`
	// Quantile is where latencies were predicted.
	Quantile float64 `json:"quantile"`
	// Pinned is the target that the step or the caller named, which alone could be chosen.
	Pinned string `json:"pinned,omitempty"`

	// Escalated says that it is about the second answer of a step whose first did not do.
	Escalated bool `json:"escalated,omitempty"`

	// Allowed names the only targets that the caller may use. Nil: all.
	Allowed      []string    `json:"allowed,omitzero"`
	Label        label.Label `json:"label"`
	Needs        []string    `json:"needs"`
	Documents    bool        `json:"documents,omitempty"`
	Dialect      string      `json:"dialect,omitempty"`
	PromptTokens int         `json:"prompt_tokens"`
	Images       int         `json:"images,omitempty"`
	// MaxOutput is 0 when it was not said.
	MaxOutput int `json:"max_output,omitempty"`
	// Left is the money left in the run. It counts when Limited.
	Left    providers.Money `json:"left,omitempty"`
	Limited bool            `json:"limited,omitempty"`
	// Deadline is zero when there was none.
	Deadline time.Time `json:"deadline,omitzero"`
	Locale   string    `json:"locale,omitempty"`
	// Classes has what classifiers of the chain found: their own labels, never text.
	Classes map[string]routing.Class `json:"classes,omitempty"`

	// Features are those of the prompt in their compact form (learned.Compact), which has no text. Empty: they were not kept.
	Features []byte `json:"features,omitempty"`

	// Candidates has every target that was looked at, in the plan's order.
	Candidates []Candidate `json:"candidates"`

	Outcome Outcome `json:"outcome"`
	// Chosen is the target that answered, or was tried last. Empty: none was.
	Chosen string `json:"chosen,omitempty"`
	// Usage and Cost are those of all attempts. Cost counts when CostKnown, which is false when the price of
	// any is unknown.
	Usage     providers.Usage `json:"usage"`
	Cost      providers.Money `json:"cost"`
	CostKnown bool            `json:"cost_known"`
	// TTFT and Duration are those of the attempt that answered. 0: none did.
	TTFT     time.Duration `json:"ttft_ns,omitempty"`
	Duration time.Duration `json:"duration_ns,omitempty"`
	Attempts []Attempt     `json:"attempts,omitempty"`
}

// Candidate is a target as it was when it was looked at, and what was decided about it.
type Candidate struct {
	Target Target `json:"target"`
	// PausedFor and OpenFor are how long it was to be left alone.
	PausedFor time.Duration `json:"paused_ns,omitempty"`
	OpenFor   time.Duration `json:"open_ns,omitempty"`
	Silent    bool          `json:"silent,omitempty"`
	// NotReady is why its model was not, and NotReadyFor how long it was to be so.
	NotReady    string        `json:"not_ready,omitempty"`
	NotReadyFor time.Duration `json:"not_ready_ns,omitempty"`
	Probe       bool          `json:"probe,omitempty"`
	// InsteadOf is the canary that it stood in for.
	InsteadOf string `json:"instead_of,omitempty"`
	// PromptTokens is what the prompt counts there. 0: as the decision says.
	PromptTokens int `json:"prompt_tokens,omitempty"`
	// Prediction is nil when there was none.
	Prediction *routing.Prediction `json:"prediction,omitempty"`
	// Quality is what was expected of its answer to the prompt. Nil: its own quality held.
	Quality *routing.QualityEstimate `json:"quality,omitempty"`

	// Reason is empty when it could be tried.
	Reason routing.Reason `json:"reason,omitempty"`
	// Rank is the place in the order, from 1; 0 when out.
	Rank   int     `json:"rank,omitempty"`
	Score  float64 `json:"score,omitempty"`
	Scored bool    `json:"scored,omitempty"`
	// Cost is what it was expected to cost. It counts when CostKnown.
	Cost      providers.Money `json:"cost,omitempty"`
	CostKnown bool            `json:"cost_known,omitempty"`
	// TTFT and Latency are what was predicted. 0: unknown.
	TTFT    time.Duration `json:"ttft_ns,omitempty"`
	Latency time.Duration `json:"latency_ns,omitempty"`
}

// Target is a routing.Target as it is kept: capabilities by name, so that their numbers may change.
type Target struct {
	routing.Target
	// Does hides the set below.
	Does []string `json:"Does"`
}

// Attempt is one call.
type Attempt struct {
	Target string `json:"target"`
	// Failed is the reason of its failure. Empty: it did not fail.
	Failed    string          `json:"failed,omitempty"`
	Usage     providers.Usage `json:"usage"`
	Cost      providers.Money `json:"cost,omitempty"`
	CostKnown bool            `json:"cost_known,omitempty"`
	TTFT      time.Duration   `json:"ttft_ns,omitempty"`
	Duration  time.Duration   `json:"duration_ns,omitempty"`
}

// Outcome is what came of a plan.
type Outcome string

// The outcomes.
const (
	OK       Outcome = "ok"
	Failed   Outcome = "failed"
	NoTarget Outcome = "no_target"
	// Canceled is a step whose caller left, or whose run ended without it.
	Canceled Outcome = "canceled"
)

// Decisions keeps decisions. Errors are *fault.Error.
type Decisions interface {
	// DecisionsAppend keeps decisions of one tenant, all or none. One that is there already stays as it is.
	DecisionsAppend(ctx context.Context, tenant string, decisions []Decision) error
	// DecisionsSince calls yield with the tenant's decisions from a time on, the oldest first, at most limit of
	// them; 0 is all. It ends with yield's first error.
	DecisionsSince(ctx context.Context, tenant string, since time.Time, limit int, yield func(*Decision) error) error
	// DecisionsForget deletes those of all tenants that are older than before, and of each tenant the oldest
	// beyond most.
	DecisionsForget(ctx context.Context, before time.Time, most int) error
}

// keptTarget gives a target as it is kept.
func keptTarget(t *routing.Target) Target { return Target{Target: *t, Does: t.Does.Names()} }

// routing gives a kept target as routing knows it. Capabilities that this program does not know are none.
func (t *Target) routing() *routing.Target {
	out := t.Target
	out.Does = capabilities(t.Does)
	return &out
}

func capabilities(names []string) (set providers.Capability) {
	for _, name := range names {
		if c, err := providers.ParseCapability(name); err == nil {
			set |= c
		}
	}
	return set
}

// request gives what Decide was asked.
func (d *Decision) request() *routing.Request {
	return &routing.Request{
		Step: d.Step, Tenant: d.Tenant, Allowed: d.Allowed, Label: d.Label, Needs: capabilities(d.Needs), Documents: d.Documents, Dialect: d.Dialect,
		PromptTokens: d.PromptTokens, Images: d.Images, MaxOutput: d.MaxOutput, Locale: d.Locale, Classes: d.Classes,
		Left: routing.Left{Money: d.Left, Limited: d.Limited, Deadline: d.Deadline},
	}
}

// candidate gives a candidate as Decide was given it.
func (c *Candidate) candidate(now time.Time) routing.Candidate {
	out := routing.Candidate{Target: c.Target.routing(), State: routing.State{
		OpenFor: c.OpenFor, Silent: c.Silent, NotReady: c.NotReady, NotReadyFor: c.NotReadyFor, PromptTokens: c.PromptTokens, Prediction: c.Prediction, Quality: c.Quality, Probe: c.Probe, InsteadOf: c.InsteadOf,
	}}
	if c.PausedFor > 0 {
		out.State.PausedUntil = now.Add(c.PausedFor)
	}
	return out
}

// first gives the candidate that the plan had first; nil when it had none.
func (d *Decision) first() *Candidate {
	for i := range d.Candidates {
		if d.Candidates[i].Rank == 1 {
			return &d.Candidates[i]
		}
	}
	return nil
}
