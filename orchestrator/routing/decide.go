package routing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"fairlead/providers"
)

// Decide makes the plan for one step: it looks at every target, says why it is in or out, and orders
// those that are in. It is pure; now is when the decision is made. A plan may have no eligible target.
//
// The order is that of the policy's preference; what is unknown comes last; ties go to the better, then
// the cheaper, then the first by name, so that the order of the candidates never matters.
func Decide(req *Request, candidates []Candidate, policy *Policy, now time.Time) *Plan {
	output := req.MaxOutput
	if output == 0 {
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
	}
	if plan.Attempts == 0 {
		plan.Attempts = 3
	}
	if plan.Midstream == "" {
		plan.Midstream = MidstreamFail
	}
	for i := range candidates {
		r := &plan.Records[i]
		r.Target = candidates[i].Target
		predict(r, &candidates[i].State, req.PromptTokens, output)
		r.Reason, r.Detail = reject(req, &candidates[i], policy, r, now)
		switch r.Reason {
		case OutPaused:
			r.RetryAfter = candidates[i].State.PausedUntil.Sub(now)
		case OutOpen:
			r.RetryAfter = candidates[i].State.OpenFor
		}
		if r.Reason == In {
			plan.Eligible++
			r.Probe = candidates[i].State.Probe
			r.Score, r.Scored = score(r, policy.Prefer)
		}
	}
	slices.SortFunc(plan.Records, func(a, b Record) int {
		if c := cmp.Compare(rank(a.Reason), rank(b.Reason)); c != 0 {
			return c
		}
		if a.Reason == In {
			if c := compare(&a, &b, policy.Prefer); c != 0 {
				return c
			}
		}
		return strings.Compare(a.Target.Name, b.Target.Name)
	})
	probe(plan.Order())
	for i := range plan.Order() {
		plan.Records[i].Rank = i + 1
	}
	plan.Summary = summarize(plan, policy)
	return plan
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

func rank(r Reason) int {
	if r == In {
		return 0
	}
	return 1
}

// predict fills in what the call is expected to cost and take: from what was observed, or else from the
// target's priors.
func predict(r *Record, s *State, prompt, output int) {
	t := r.Target
	if t.Price != nil {
		r.Cost = t.Price.Cost(providers.Usage{Input: int64(prompt), Output: int64(output)})
		r.CostKnown = true
	}
	if p := s.Prediction; p != nil {
		if p.TTFTKnown {
			r.TTFT = max(p.Wait+p.TTFT, 1)
		}
		if p.Known {
			r.Latency = max(p.Latency, 1)
		}
		r.Assumed, r.Finish, r.FinishKnown = p.Assumed, p.Finish, p.FinishKnown
		return
	}
	r.TTFT = t.TTFT
	if t.TTFT > 0 && t.PerToken > 0 {
		r.Latency = t.TTFT + time.Duration(output)*t.PerToken
	}
}

// reject gives the first reason for which a target is out. The label comes first, so that the record of
// a target that may not see the data never says anything else.
func reject(req *Request, c *Candidate, p *Policy, r *Record, now time.Time) (Reason, string) {
	t := c.Target
	switch {
	case req.Label > t.Clearance:
		return OutLabel, fmt.Sprintf("the data is %s; backend %s is cleared up to %s", req.Label, t.Backend, t.Clearance)
	case len(p.Targets) > 0 && !slices.Contains(p.Targets, t.Name):
		return OutNotNamed, "the request or the policy names " + strings.Join(p.Targets, ", ")
	case !does(req, t):
		return OutCapability, lacking(req, t)
	case req.Dialect != "" && t.Kind != req.Dialect:
		return OutDialect, fmt.Sprintf("the request has %s, which only %s backends understand", strings.Join(req.DialectFields, ", "), req.Dialect)
	case t.Context > 0 && req.PromptTokens+req.MaxOutput > t.Context:
		return OutContext, fmt.Sprintf("about %d prompt + %d output tokens do not fit a window of %d", req.PromptTokens, req.MaxOutput, t.Context)
	case p.MinQuality > 0 && t.Quality < 0:
		return OutQuality, fmt.Sprintf("its quality is not known; the policy wants %.2f", p.MinQuality)
	case p.MinQuality > 0 && t.Quality < p.MinQuality:
		return OutQuality, fmt.Sprintf("quality %.2f is under the policy's %.2f", t.Quality, p.MinQuality)
	case p.MaxCost > 0 && !r.CostKnown:
		return OutCost, "its price is not known, and the policy limits cost"
	case p.MaxCost > 0 && r.Cost > p.MaxCost:
		return OutCost, fmt.Sprintf("up to %s is over the policy's %s", r.Cost, p.MaxCost)
	case req.Left.Limited && !r.CostKnown:
		return OutBudget, "its price is not known, and the run has a budget"
	case req.Left.Limited && r.Cost > req.Left.Money:
		return OutBudget, fmt.Sprintf("up to %s is over the %s that the run has left", r.Cost, req.Left.Money)
	case p.MaxTTFT > 0 && r.TTFT > p.MaxTTFT && !r.Assumed:
		return OutLatency, fmt.Sprintf("first token in about %s is over the policy's %s", round(r.TTFT), p.MaxTTFT)
	case p.MaxLatency > 0 && r.Latency > p.MaxLatency && !r.Assumed:
		return OutLatency, fmt.Sprintf("about %s is over the policy's %s", round(r.Latency), p.MaxLatency)
	case r.FinishKnown && r.Finish < minFinish && !r.Assumed:
		return OutDeadline, fmt.Sprintf("it ends within the %s that are left in %.0f of 100 cases", round(req.Left.Deadline.Sub(now)), r.Finish*100)
	case c.State.OpenFor > 0:
		return OutOpen, fmt.Sprintf("too many of its calls have failed; it is looked at again in %s", round(c.State.OpenFor))
	case c.State.PausedUntil.After(now):
		return OutPaused, fmt.Sprintf("its backend asked to wait %s more", c.State.PausedUntil.Sub(now).Round(time.Millisecond))
	}
	if p.When != nil {
		holds, err := p.When.Holds(req, t)
		switch {
		case err != nil:
			// Fail closed: a condition that cannot be evaluated lets nothing through.
			return OutWhen, "the policy's condition could not be evaluated: " + p.WhenText
		case !holds:
			return OutWhen, "the policy's condition does not hold: " + p.WhenText
		}
	}
	return In, ""
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

func does(req *Request, t *Target) bool {
	if t.Does.Has(req.Needs) {
		return true
	}
	return req.Documents && req.Needs == providers.Chat && t.Does.Has(providers.Extract)
}

func lacking(req *Request, t *Target) string {
	if req.Needs == providers.Chat && t.Does.Has(providers.Extract) {
		return "it answers only from documents, and the request carries none"
	}
	return fmt.Sprintf("it does %s; the step needs %s", t.Does, req.Needs)
}

// score puts what the policy prefers on a scale that does not depend on the other targets: quality as it
// is, cost and latency as x/(x+value), where a cent or a second is in the middle.
func score(r *Record, prefer Preference) (float64, bool) {
	switch prefer {
	case Best:
		return r.Target.Quality, r.Target.Quality >= 0
	case Fastest:
		return 1 / (1 + r.Latency.Seconds()), r.Latency > 0
	default:
		return 1 / (1 + r.Cost.USD()/0.01), r.CostKnown
	}
}

func compare(a, b *Record, prefer Preference) int {
	cost := func() int { return compareKnown(a.CostKnown, b.CostKnown, cmp.Compare(a.Cost, b.Cost)) }
	quality := func() int {
		return compareKnown(a.Target.Quality >= 0, b.Target.Quality >= 0, cmp.Compare(b.Target.Quality, a.Target.Quality))
	}
	latency := func() int {
		return compareKnown(a.Latency > 0, b.Latency > 0, cmp.Compare(a.Latency, b.Latency))
	}
	switch prefer {
	case Best:
		return cmp.Or(quality(), cost())
	case Fastest:
		return cmp.Or(latency(), quality(), cost())
	default:
		return cmp.Or(cost(), quality())
	}
}

// compareKnown puts what is known before what is not.
func compareKnown(a, b bool, both int) int {
	switch {
	case a && b:
		return both
	case a:
		return -1
	case b:
		return 1
	default:
		return 0
	}
}

func summarize(plan *Plan, policy *Policy) string {
	if plan.Eligible == 0 {
		return "no target qualifies"
	}
	first := &plan.Records[0]
	var why string
	switch policy.Prefer {
	case Best:
		why = "quality unknown"
		if first.Target.Quality >= 0 {
			why = fmt.Sprintf("best quality, %.2f,", first.Target.Quality)
		}
	case Fastest:
		why = "latency unknown,"
		if first.Latency > 0 {
			why = fmt.Sprintf("fastest, about %s,", first.Latency.Round(time.Millisecond))
		}
	default:
		why = "price unknown,"
		if first.CostKnown {
			why = fmt.Sprintf("cheapest, at most %s,", first.Cost)
		}
	}
	if first.Probe && plan.Eligible > 1 {
		return fmt.Sprintf("%s: tried first to learn how fast it is now, out of %d that qualify", first.Target.Name, plan.Eligible)
	}
	if plan.Eligible == 1 {
		return fmt.Sprintf("%s: the only one of %d that qualifies", first.Target.Name, len(plan.Records))
	}
	return fmt.Sprintf("%s: %s of %d that qualify out of %d", first.Target.Name, why, plan.Eligible, len(plan.Records))
}
