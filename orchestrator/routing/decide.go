package routing

import (
	"slices"
	"time"

	"fairlead/providers"
)

// Decide makes the plan for one step: it looks at every target, says why it is in or out, and orders
// those that are in. It is pure; now is when the decision is made. A plan may have no eligible target.
// What it was given must not change while the plan is used.
//
// The order is that of the policy's preference; what is unknown comes last; ties go to the better, then
// the cheaper, then the first by name, so that the order of the candidates never matters.
//
// When no target qualifies, the policy's OnNone may let targets in that only miss its soft limits, the
// cheapest first. The plan is then marked as Relaxed.
func Decide(req *Request, candidates []Candidate, policy *Policy, now time.Time) *Plan {
	output := req.MaxOutput
	if output == 0 && (req.Needs == 0 || req.Needs&^writesNothing != 0) {
		output = DefaultOutput
	}
	plan := &Plan{
		Policy:       policy.Name,
		Records:      make([]Record, len(candidates)),
		Label:        req.Label,
		Needs:        req.Needs,
		PromptTokens: req.PromptTokens,
		OutputTokens: output,
		Attempts:     policy.Attempts,
		Midstream:    policy.Midstream,
		asked:        basis{req: *req, policy: policy, by: policy.preference(), now: now},
	}
	if plan.Attempts == 0 {
		plan.Attempts = 3
	}
	if plan.Midstream == "" {
		plan.Midstream = MidstreamFail
	}
	asked := &plan.asked
	if asked.req.At.IsZero() {
		asked.req.At = now
	}
	scorer := newScorer(policy, asked.by)
	// The records are made where the usual number of them needs no memory, and put in order once.
	var few [64]Record
	records := few[:min(len(candidates), len(few))]
	if len(candidates) > len(few) {
		records = make([]Record, len(candidates))
	}
	for i := range candidates {
		r, c := &records[i], &candidates[i]
		r.Target, r.InsteadOf, r.from, r.state = c.Target, c.State.InsteadOf, asked, &c.State
		r.Estimate = c.State.Quality
		predict(r, &c.State, req, output)
		r.Reason = reject(&asked.req, c, policy, r, now)
		r.wait(&c.State, now)
		if r.Reason == In {
			plan.Eligible++
			r.Probe = c.State.Probe
			scorer.score(r)
		}
	}
	if plan.Eligible == 0 {
		plan.relax(candidates, records)
		scorer.by = asked.by
	}
	scorer.order(plan.Records, records, plan.Eligible)
	probe(plan.Order())
	for i := range plan.Order() {
		plan.Records[i].Rank = i + 1
	}
	return plan
}

// relax lets in what misses the soft limits of the policy and nothing else, as its OnNone says. What is out
// for another reason is not looked at again: no rule lets a target see what it is not cleared for.
func (p *Plan) relax(candidates []Candidate, records []Record) {
	asked := &p.asked
	rule := asked.policy.OnNone
	if rule != OnNoneCheapest && rule != OnNoneExtractive {
		return
	}
	hard := *asked.policy
	hard.MinQuality, hard.MaxCost, hard.MaxTTFT, hard.MaxLatency = 0, 0, 0, 0
	scorer := newScorer(asked.policy, Cheapest)
	for i := range records {
		r, c := &records[i], &candidates[i]
		missed := r.Reason
		if missed != OutQuality && missed != OutCost && missed != OutLatency {
			continue
		}
		if rule == OnNoneExtractive && (!r.Target.Does.Has(providers.Extract) || r.Target.Does.Has(providers.Chat)) {
			continue
		}
		r.Reason = reject(&asked.req, c, &hard, r, asked.now)
		r.wait(&c.State, asked.now)
		if r.Reason == In {
			r.Relaxed = missed
			p.Eligible++
			scorer.score(r)
		}
	}
	if p.Eligible > 0 {
		p.Relaxed, asked.by = string(rule), Cheapest
	}
}

// wait notes how long a target stays out that will be in again by itself.
func (r *Record) wait(s *State, now time.Time) {
	switch r.Reason {
	case OutPaused:
		r.RetryAfter = s.PausedUntil.Sub(now)
	case OutOpen:
		r.RetryAfter = s.OpenFor
	case OutNotReady:
		r.RetryAfter = s.NotReadyFor
	}
}

// probe moves the first target that asks for it to the front.
func probe(order []Record) {
	for i := range order {
		if order[i].Probe {
			first := order[i]
			copy(order[1:i+1], order[:i])
			order[0] = first
			return
		}
	}
}

// predict fills in what the call is expected to cost and take: from what was observed, or else from the
// target's priors.
func predict(r *Record, s *State, req *Request, output int) {
	if r.PromptTokens = s.PromptTokens; r.PromptTokens == 0 {
		r.PromptTokens = req.PromptTokens
	}
	w := providers.Work{Usage: providers.Usage{Input: int64(r.PromptTokens), Output: int64(output)}, Images: req.Images}
	w.Service, w.Timed = expect(r, s, output)
	if r.Target.Price != nil {
		r.Cost, r.CostKnown = r.Target.Price.Bill(w)
	}
}

// expect fills in how long the call is expected to take, and gives the most time that its backend works for it:
// as if it worked for nothing else. What only the backend's kind speaks for is not known well enough to be paid.
func expect(r *Record, s *State, output int) (service time.Duration, known bool) {
	t := r.Target
	if p := s.Prediction; p != nil {
		if p.TTFTKnown {
			r.TTFT = max(p.Wait+p.TTFT, 1)
		}
		if p.Known {
			r.Latency = max(p.Latency, 1)
		}
		r.Assumed, r.Finish, r.FinishKnown = p.Assumed, p.Finish, p.FinishKnown
		return max(p.Latency-p.Wait, 1), p.Known && !p.Assumed
	}
	r.TTFT = t.TTFT
	if t.TTFT > 0 && (t.PerToken > 0 || output == 0) {
		r.Latency = t.TTFT + time.Duration(output)*t.PerToken
	}
	return r.Latency, r.Latency > 0
}

// reject gives the first reason for which a target is out. The label comes first, so that the record of
// a target that may not see the data never says anything else. What the reason means in figures, Detail
// says from the record and what was asked.
func reject(req *Request, c *Candidate, p *Policy, r *Record, now time.Time) Reason {
	t := c.Target
	switch {
	case req.Label > t.Clearance:
		return OutLabel
	case req.Allowed != nil && !slices.Contains(req.Allowed, t.Named()):
		return OutNotAllowed
	case len(p.Targets) > 0 && !slices.Contains(p.Targets, t.Named()):
		return OutNotNamed
	case !does(req, t):
		return OutCapability
	case req.Dialect != "" && t.Kind != req.Dialect:
		return OutDialect
	case t.Context > 0 && r.PromptTokens+req.MaxOutput > t.Context:
		return OutContext
	case p.MinQuality > 0 && r.Quality() < p.MinQuality: // an unknown one is negative
		return OutQuality
	case p.MaxCost > 0 && (!r.CostKnown || r.Cost > p.MaxCost):
		return OutCost
	case req.Left.Limited && (!r.CostKnown || r.Cost > req.Left.Money):
		return OutBudget
	case p.MaxTTFT > 0 && r.TTFT > p.MaxTTFT && !r.Assumed,
		p.MaxLatency > 0 && r.Latency > p.MaxLatency && !r.Assumed:
		return OutLatency
	case r.FinishKnown && r.Finish < minFinish && !r.Assumed:
		return OutDeadline
	case c.State.OpenFor > 0:
		return OutOpen
	case c.State.NotReady != "":
		return OutNotReady
	case c.State.PausedUntil.After(now):
		return OutPaused
	}
	if p.When != nil {
		holds, err := p.When.Holds(req, t)
		if err != nil || !holds {
			// Fail closed: a condition that cannot be evaluated lets nothing through.
			r.broken = err != nil
			return OutWhen
		}
	}
	return In
}

func does(req *Request, t *Target) bool {
	if t.Does.Has(req.Needs) {
		return true
	}
	return req.Documents && req.Needs == providers.Chat && t.Does.Has(providers.Extract)
}
