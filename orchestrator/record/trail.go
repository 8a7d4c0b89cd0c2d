package record

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sync"

	"fairlead/internal/fault"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// trail is what a run leaves: its plans with what came of each. While the run goes on it only keeps what the
// events point to.
type trail struct {
	runID, chain, tenant string

	mu    sync.Mutex
	over  bool
	steps []*step
	err   error
}

// step is a plan with its attempts.
type step struct {
	path string
	seq  int64
	plan *orchestrator.RouteDecided
	// attempts are by their number, from 1.
	attempts []attempt
	// closed says that the step went on after the plan's attempts, and well that it went well.
	closed, well bool
	// escalated says that the plan is for a second answer.
	escalated bool
}

type attempt struct {
	target *routing.Target
	failed string
	usage  *orchestrator.AttemptUsage
}

// event keeps what is worth keeping of an event.
func (t *trail) event(e *orchestrator.Event) {
	switch e.Body.(type) {
	case *orchestrator.RouteDecided, *orchestrator.AttemptStarted, *orchestrator.AttemptFailed, *orchestrator.AttemptUsage, *orchestrator.StepFinished:
	default:
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	s := t.step(e.Step)
	switch b := e.Body.(type) {
	case *orchestrator.RouteDecided:
		if b.Request == nil || b.Policy == nil {
			return // a plan that does not say what it was made of cannot be made again
		}
		if s != nil {
			s.closed, s.well = true, true // a step that asks again has read the answer before
		}
		again := s != nil && s.plan.Policy.Escalate != nil && b.Policy.Escalate == nil
		t.steps = append(t.steps, &step{path: e.Step, seq: e.Seq, plan: b, escalated: again})
	case *orchestrator.AttemptStarted:
		if a := s.attempt(b.Attempt); a != nil {
			a.target = b.Target
		}
	case *orchestrator.AttemptFailed:
		if a := s.attempt(b.Attempt); a != nil {
			a.target, a.failed = b.Target, reason(b.Err)
		}
	case *orchestrator.AttemptUsage:
		if a := s.attempt(b.Attempt); a != nil {
			a.target, a.usage = b.Target, b
		}
	case *orchestrator.StepFinished:
		if s != nil {
			s.closed, s.well = true, b.Status == orchestrator.StepDone
		}
	}
}

// step gives the plan of a step that is not closed; nil when there is none.
func (t *trail) step(path string) *step {
	for i := len(t.steps) - 1; i >= 0; i-- {
		if s := t.steps[i]; s.path == path {
			if s.closed {
				return nil
			}
			return s
		}
	}
	return nil
}

// mostAttempts is more than any plan makes.
const mostAttempts = 100

func (s *step) attempt(number int) *attempt {
	if s == nil || number < 1 || number > mostAttempts {
		return nil
	}
	for len(s.attempts) < number {
		s.attempts = append(s.attempts, attempt{})
	}
	return &s.attempts[number-1]
}

// reason gives the stable word for a failure; its text may hold anything.
func reason(err error) string {
	if e, ok := err.(*providers.Error); ok { //nolint:errorlint // the event says that it is one, as it is
		return string(e.Reason())
	}
	if f := fault.From(err); f != nil && f.Reason != fault.ReasonNone {
		return string(f.Reason)
	}
	return string(fault.ReasonInternal)
}

// end ends the trail, and says whether there is anything to keep.
func (t *trail) end(err error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return false
	}
	t.over, t.err = true, err
	return len(t.steps) > 0
}

// decisions makes the decisions of a trail that has ended.
func (t *trail) decisions() []Decision {
	out := make([]Decision, len(t.steps))
	for i, s := range t.steps {
		d := &out[i]
		*d = decided(s.plan)
		d.RunID, d.Seq, d.Tenant, d.Chain, d.Step = t.runID, s.seq, t.tenant, t.chain, s.path
		d.Escalated = s.escalated
		s.outcome(d, t.err)
	}
	return out
}

// decided is the part of a decision that was there when it was made.
func decided(b *orchestrator.RouteDecided) Decision {
	q := b.Request
	d := Decision{
		Time: b.Now, Policy: b.Policy.Name, PolicyDigest: digest(b.Policy), Quantile: b.Policy.Quantile, Pinned: b.Pinned,
		Label: q.Label, Needs: q.Needs.Names(), Documents: q.Documents, Dialect: q.Dialect, PromptTokens: q.PromptTokens, Images: q.Images, MaxOutput: q.MaxOutput,
		Allowed: q.Allowed, Left: q.Left.Money, Limited: q.Left.Limited, Deadline: q.Left.Deadline, Locale: q.Locale, Classes: q.Classes,
		Features: b.Features,
	}
	if d.Quantile == 0 {
		d.Quantile = routing.DefaultQuantile
	}
	states := make(map[string]*routing.State, len(b.Candidates))
	for i := range b.Candidates {
		states[b.Candidates[i].Target.Name] = &b.Candidates[i].State
	}
	d.Candidates = make([]Candidate, len(b.Plan.Records))
	for i := range b.Plan.Records {
		rec := &b.Plan.Records[i]
		c := Candidate{
			Target: keptTarget(rec.Target), Reason: rec.Reason, Rank: rec.Rank, Score: rec.Score, Scored: rec.Scored,
			Cost: rec.Cost, CostKnown: rec.CostKnown, TTFT: rec.TTFT, Latency: rec.Latency,
		}
		if s := states[rec.Target.Name]; s != nil {
			c.OpenFor, c.PromptTokens, c.Prediction, c.Probe, c.InsteadOf = s.OpenFor, s.PromptTokens, s.Prediction, s.Probe, s.InsteadOf
			c.Quality = s.Quality
			c.Silent, c.NotReady, c.NotReadyFor = s.Silent, s.NotReady, s.NotReadyFor
			c.PausedFor = max(s.PausedUntil.Sub(b.Now), 0)
		}
		d.Candidates[i] = c
	}
	return d
}

// outcome fills in what came of a plan, in a run that ended with err.
func (s *step) outcome(d *Decision, err error) {
	var last, answered *attempt
	d.CostKnown = true
	for i := range s.attempts {
		a := &s.attempts[i]
		if a.target == nil {
			continue
		}
		last = a
		kept := Attempt{Target: a.target.Name, Failed: a.failed}
		if u := a.usage; u != nil {
			kept.Usage, kept.Cost, kept.CostKnown, kept.TTFT, kept.Duration = u.Usage, u.Cost, u.CostKnown, u.TTFT, u.Duration
			d.Usage = d.Usage.Add(u.Usage)
			d.Cost += u.Cost
			d.CostKnown = d.CostKnown && u.CostKnown
			if a.failed == "" {
				answered = a
			}
		}
		d.Attempts = append(d.Attempts, kept)
	}
	well := s.closed && s.well || !s.closed && err == nil
	switch {
	case s.plan.Plan.Eligible == 0:
		d.Outcome = NoTarget
	case answered != nil && well:
		d.Outcome = OK
		d.TTFT, d.Duration = answered.usage.TTFT, answered.usage.Duration
	case !s.closed && err != nil && fault.CodeOf(err) == fault.Canceled, last != nil && last.failed == string(fault.ReasonCanceled):
		d.Outcome = Canceled
	default:
		d.Outcome = Failed
	}
	switch {
	case answered != nil:
		d.Chosen = answered.target.Name
	case last != nil:
		d.Chosen = last.target.Name
	}
}

// digest is the same for policies that say the same.
func digest(p *routing.Policy) string {
	said := *p
	said.When = nil // WhenText says it
	text, err := json.Marshal(&said)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}
