package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator/routing"
	"fairlead/orchestrator/routing/observe"
	"fairlead/providers"
	"fairlead/retrieval"
)

// call is what a model step asks of dispatch.
type call struct {
	// path is the step's path in events.
	path   string
	req    *providers.Request
	policy *routing.Policy
	label  label.Label
	// counted is set when the call is decided about.
	counted *counted
	// qualities are what is expected of the answers of the targets, in their order. Nil: nobody was asked yet.
	qualities []routing.QualityEstimate
	// features are what is kept of the prompt, once featured is set.
	features []byte
	featured bool
	// classes is what classifiers found before.
	classes classes
	// passages are the documents of the request, in its order, for citations.
	passages []retrieval.Passage
	// output says that the text is the run's output, and silent that no text is told at all.
	output, silent bool
}

// answer is what dispatch gives back.
type answer struct {
	*providers.Answer
	target    *routing.Target
	citations []*Citation
}

// plan decides about a call.
func (r *run) plan(c *call) *routing.Plan { return r.decide(c).Plan }

// decide decides about a call, and gives the plan with what it was made of.
func (r *run) decide(c *call) *RouteDecided { return r.decideAmong(c, r.candidates()) }

func (r *run) decideAmong(c *call, candidates []routing.Candidate) *RouteDecided {
	c.counted = r.st.count(c.req)
	q := &routing.Request{
		Step:         c.path,
		Tenant:       r.principal.Tenant,
		Allowed:      r.principal.Models,
		Label:        c.label,
		Needs:        c.req.Needs(),
		Documents:    c.req.Documents != nil,
		PromptTokens: c.counted.general(r.st),
		Images:       c.req.Images(),
		Left:         r.left(),
	}
	if c.req.MaxTokens != nil {
		q.MaxOutput = min(max(*c.req.MaxTokens, 0), mostTokens)
	}
	if q.DialectFields = providers.MeaningfulExtra(c.req.Extra); len(q.DialectFields) > 0 {
		q.Dialect = "openai"
	}
	r.signal(q, c.policy, c.classes)
	now := time.Now()
	r.expect(candidates, q, c.policy, now)
	r.expectTokens(candidates, c.counted)
	r.expectQuality(candidates, c)
	d := &RouteDecided{Request: q, Policy: c.policy, Candidates: candidates, Now: now, Plan: routing.Decide(q, candidates, c.policy, now), Features: r.features(c)}
	if len(c.policy.Targets) == 1 && r.st.policies[c.policy.Name] != c.policy {
		d.Pinned = c.policy.Targets[0]
	}
	return d
}

// probeShare is the share of the steps that a target of which nothing was seen for long is tried with first.
const probeShare = 0.02

// expect tells the candidates what is expected of a call.
func (r *run) expect(candidates []routing.Candidate, q *routing.Request, p *routing.Policy, now time.Time) {
	seen := r.engine.seen
	snapshot := seen.Snapshot(now)
	predictions := make([]routing.Prediction, len(candidates))
	query := observe.Query{Step: q.Step, PromptTokens: q.PromptTokens, MaxOutput: q.MaxOutput, Quantile: p.Quantile}
	minds := p.MindsLatency()
	for i := range candidates {
		t := r.st.every[candidates[i].Target.Name]
		seenOf, loading := t.predict(snapshot, query, now)
		out := &predictions[i]
		*out = predicted(&seenOf, loading)
		if !q.Left.Deadline.IsZero() && seenOf.Source == observe.SourceObserved {
			out.Finish, out.FinishKnown = seenOf.PFinish(q.Left.Deadline.Sub(now))
		}
		candidates[i].State.Prediction = out
		// Where nobody minds how fast a target is, there is nothing to learn by trying it first.
		candidates[i].State.Probe = minds && seen.NeedsProbe(t.Name, now) && observe.ProbeShare(r.id+"/"+t.Name, probeShare)
	}
}

// generate routes a call and makes it. It tries the targets of the plan in order; when all have failed, it
// asks those again whose failure may pass, after a wait and as far as the retry budget goes.
func (r *run) generate(ctx context.Context, c *call, emit emitter) (*answer, error) {
	decided := r.decide(c)
	plan := decided.Plan
	if err := emit(c.path, decided); err != nil {
		return nil, err
	}
	if plan.Eligible == 0 {
		return nil, noTarget(plan)
	}
	r.engine.retries.step(retryShare)
	d := &dispatch{run: r, call: c, plan: plan, emit: emit}
	records := make([]*routing.Record, plan.Eligible)
	for i := range records {
		records[i] = &plan.Records[i]
	}
	for round := 0; ; round++ {
		got, again, err := d.round(ctx, round, records)
		if got != nil {
			return d.escalate(ctx, got)
		}
		if err != nil {
			return nil, err
		}
		if records = again; len(records) == 0 || d.attempts >= plan.Attempts {
			return nil, exhausted(d.failures)
		}
	}
}

// dispatch is the attempts of one call.
type dispatch struct {
	*run
	*call
	plan     *routing.Plan
	emit     emitter
	attempts int
	failures []error
}

// attempt makes an attempt at a target, with leave of its breaker; nil when there is none. Callers of a canary that is
// left alone, or was rolled back since the plan was made, get the stable version.
func (d *dispatch) attempt(rec *routing.Record, othersLeft bool) *attempt {
	t := d.st.every[rec.Target.Name]
	var leave permit
	ok := t.stable == nil || d.variant(t.stable) == t
	if ok {
		leave, ok = t.acquire()
	}
	if !ok && t.stable != nil {
		if rec = d.decideStable(t); rec != nil {
			t = t.stable
			leave, ok = t.acquire()
		}
	}
	if !ok {
		return nil
	}
	d.attempts++
	return &attempt{run: d.run, call: d.call, plan: d.plan, record: rec, number: d.attempts, emit: d.emit, target: t, permit: leave, othersLeft: othersLeft}
}

// round tries each of the records once. It gives the answer, or the error that ends the call, or the records
// that are worth another round.
func (d *dispatch) round(ctx context.Context, round int, records []*routing.Record) (got *answer, again []*routing.Record, err error) {
	raced := false
	for i, rec := range records {
		if i == 1 && raced {
			continue // it was asked beside the first
		}
		t := d.st.every[rec.Target.Name]
		if d.attempts >= d.plan.Attempts || round > 0 && !d.pause(ctx, t, round) {
			return nil, nil, d.end(ctx)
		}
		a := d.attempt(rec, i+1 < len(records))
		if a == nil {
			d.failures = append(d.failures, shut(t))
			continue
		}
		if round == 0 && i == 0 && d.hedgeable(records) {
			got, a, raced, err = d.race(ctx, a, records[1])
			rec = a.record
		} else {
			got, err = a.do(ctx)
		}
		if err == nil {
			return got, nil, nil
		}
		if ctx.Err() != nil || errors.Is(err, errStopped) {
			return nil, nil, err
		}
		d.failures = append(d.failures, err)
		switch {
		case !a.delivered && failsOver(err):
			if providers.Retryable(err) {
				again = append(again, rec)
			}
		case a.delivered && d.startsOver() && a.othersLeft && d.attempts < d.plan.Attempts &&
			providers.Retryable(err):
			if err := d.emit(d.path, &Retracted{Reason: string(fault.ReasonOf(err))}); err != nil {
				return nil, nil, err
			}
		default:
			return nil, nil, exhausted(d.failures)
		}
	}
	return nil, again, nil
}

// startsOver says whether what was told of an attempt may be withdrawn for the sake of another.
func (d *dispatch) startsOver() bool {
	return d.limits.Whole || d.plan.Midstream == routing.MidstreamRestart && !d.limits.NoRetract
}

// pause waits before a target is asked again, and says whether it may be: there is budget for a retry, and
// the wait leaves time for one.
func (d *dispatch) pause(ctx context.Context, t *target, round int) bool {
	asked := time.Until(t.live().PausedUntil)
	wait := backoff(round, asked)
	if wait > retryPatience || !d.deadline.IsZero() && wait >= time.Until(d.deadline) || !d.engine.retries.take() {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// end is the failure of a call that is not tried any more.
func (d *dispatch) end(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return exhausted(d.failures)
}

// acquire gives leave for a call: its backend is well, as far as it says, and may take one more this minute, and its
// breaker lets it through.
func (t *target) acquire() (permit, bool) {
	now := time.Now()
	if _, _, out := t.said.out(now); out || !t.Limiter.begin(now) {
		return permit{}, false
	}
	leave, ok := t.breaker.acquire()
	leave.said = t.said
	return leave, ok
}

// shut is the failure of a target that is left alone since the plan was made.
func shut(t *target) error {
	if answer, again, out := t.said.out(time.Now()); out {
		why := "its backend does not answer"
		if answer.Err == nil {
			why = notReady(&answer)
		}
		f := fault.New(fault.Unavailable, fault.ReasonUpstreamDown, "target %s: %s", t.Name, why)
		f.RetryAfter = again
		return f
	}
	if wait, open := t.breaker.open(); open {
		f := fault.New(fault.Unavailable, fault.ReasonUpstreamDown, "target %s: too many of its calls have failed, so it is left alone for a moment", t.Name)
		f.RetryAfter = wait
		return f
	}
	if t.breaker.IsHalfOpen() {
		return fault.New(fault.Unavailable, fault.ReasonUpstreamDown, "target %s: too many of its calls have failed, and one call looks whether it works again", t.Name)
	}
	f := fault.New(fault.ResourceExhausted, fault.ReasonRateLimited, "target %s: its backend takes no more calls at the moment", t.Name)
	f.RetryAfter = max(time.Until(t.live().PausedUntil), 0)
	return f
}

// failsOver says whether another target may do better after this failure. A request that a backend
// refused as wrong, or whose content it withheld, is not offered to others.
func failsOver(err error) bool {
	switch providers.KindOf(err) {
	case providers.KindInvalid, providers.KindContentFilter, providers.KindCanceled:
		return false
	default:
		return true
	}
}

// noTarget says why every target was out. Where one is only paused, waiting helps; where all that could do
// it cost more than is left, money does.
func noTarget(plan *routing.Plan) error {
	var budget, paused bool
	window := true // nothing but the prompt's length is in the way
	withheld := 0
	var wait time.Duration
	var b strings.Builder
	for i := range plan.Records {
		rec := &plan.Records[i]
		if rec.Reason == routing.OutNotNamed {
			continue // it was not asked for
		}
		if rec.Reason == routing.OutNotAllowed {
			withheld++
			continue // for this caller it is not there
		}
		window = window && rec.Reason == routing.OutContext
		fmt.Fprintf(&b, "; %s: %s", rec.Target.Name, rec.Detail())
		budget = budget || rec.Reason == routing.OutBudget
		paused = paused || rec.Reason == routing.OutPaused
		if rec.RetryAfter > 0 && (wait == 0 || rec.RetryAfter < wait) {
			wait = rec.RetryAfter
		}
	}
	code, reason := fault.FailedPrecondition, fault.ReasonNoTarget
	switch {
	case b.Len() == 0: // no target bears a name that was asked for
	case window:
		code, reason = fault.InvalidArgument, fault.ReasonContextTooLong
	case paused:
		code, reason = fault.ResourceExhausted, fault.ReasonRateLimited
	case wait > 0:
		code, reason = fault.Unavailable, fault.ReasonUpstreamDown
	case budget:
		code, reason = fault.ResourceExhausted, fault.ReasonBudgetExceeded
	}
	if withheld > 0 {
		fmt.Fprintf(&b, "; this caller may not use %d of the targets", withheld)
	}
	f := fault.New(code, reason, "no target qualifies under policy %s%s", plan.Policy, b.String())
	f.Detail, f.RetryAfter = plan, wait
	return f
}

// exhausted is the failure of a call after its attempts: the last one, and how many came before it.
func exhausted(failures []error) error {
	f := *fault.From(failures[len(failures)-1])
	if n := len(failures) - 1; n > 0 {
		var before []string
		for _, err := range failures[:n] {
			before = append(before, fault.From(err).Text)
		}
		f.Text += fmt.Sprintf(" (after %d other attempts: %s)", n, strings.Join(before, "; "))
	}
	return &f
}
