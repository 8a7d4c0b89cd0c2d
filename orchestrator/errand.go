package orchestrator

import (
	"context"
	"time"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator/routing"
	"fairlead/orchestrator/routing/observe"
	"fairlead/providers"
)

// errand is a call that one target answers in one piece: vectors, or classes. It is not failed over, because
// what two models say so cannot be compared; all else that holds for a call holds for it.
type errand struct {
	path   string
	target *target
	// policy may be nil: then it demands nothing.
	policy *routing.Policy
	label  label.Label
	needs  providers.Capability
	texts  []string
	// classes is what classifiers found before.
	classes classes
	// everybody says that it is not up to the caller which target is called: what a collection was embedded with
	// belongs to the collection.
	everybody bool
	// attempt is the call's number within the step. 0: 1.
	attempt int
	emit    emitter
	// call makes the call, and gives what it took and the model that the backend says answered.
	call func(ctx context.Context) (usage providers.Usage, reported string, err error)
}

// errand routes an errand, makes its call and pays for it. The cost counts when known.
func (r *run) errand(ctx context.Context, q *errand) (cost providers.Money, known bool, err error) {
	if q.policy == nil {
		q.policy = &routing.Policy{Name: "target/" + q.target.Name}
	}
	tell := func(b Body) error { return q.emit(q.path, b) }
	number := max(q.attempt, 1)
	t := q.target
	tokens := t.countTexts(q.texts)
	read := r.engine.corrections.apply(t.Name, tokens)
	req := &routing.Request{
		Step: q.path, Tenant: r.principal.Tenant, Label: q.label, Needs: q.needs, Left: r.left(),
		// What answers in one piece writes nothing, and reads one text at a time.
		PromptTokens: (read + len(q.texts) - 1) / max(len(q.texts), 1),
	}
	if !q.everybody {
		req.Allowed = r.principal.Models
	}
	r.signal(req, q.policy, q.classes)
	now := time.Now()
	candidates := []routing.Candidate{{Target: &t.Target.Target, State: t.live()}}
	if t.Price != nil && t.Price.GPUHour != 0 {
		candidates[0].State.Prediction = r.errandTime(q, req.PromptTokens, now)
	}
	plan := routing.Decide(req, candidates, q.policy, now)
	decided := &RouteDecided{Plan: plan, Request: req, Policy: q.policy, Candidates: candidates, Now: now, Pinned: t.Name}
	if err := tell(decided); err != nil {
		return 0, false, err
	}
	if plan.Eligible == 0 {
		return 0, false, noTarget(plan)
	}
	if q.label > t.Clearance { // Decide never lets it come to this; nothing is sent if it does
		return 0, false, fault.New(fault.Internal, fault.ReasonInternal, "target %s is not cleared for %s data", t.Name, q.label)
	}
	if err := r.mustAllow(&t.Target.Target); err != nil && !q.everybody {
		return 0, false, err
	}
	leave, ok := t.acquire()
	if !ok {
		return 0, false, shut(t)
	}
	verdict := errNoVerdict
	defer func() { leave.done(verdict) }()
	estimated := providers.Usage{Input: int64(read), Estimated: true}
	worst := providers.Money(0)
	if t.Price != nil {
		latency := plan.Records[0].Latency
		worst, _ = t.Price.Bill(providers.Work{Usage: estimated, Service: latency, Timed: latency > 0}) // where it must be known, Decide has seen to it
	}
	reserved, err := r.ledger.ReserveFor(r.key(q.path), worst)
	if err != nil {
		return 0, false, err
	}
	defer reserved.Release()
	r.engine.seen.Start(t.Name)
	defer r.engine.seen.End(t.Name)
	if err := t.Limiter.acquire(ctx); err != nil {
		return 0, false, err
	}
	defer t.Limiter.release()
	if err := tell(&AttemptStarted{Attempt: number, Target: &t.Target.Target, Label: q.label}); err != nil {
		return 0, false, err
	}

	started := time.Now()
	service := t.meter.start()
	usage, reported, err := q.guarded(ctx)
	took, served := time.Since(started), service.end()
	if ctx.Err() == nil { // what ends with the run says nothing about the target
		verdict = err
	}
	sample := observe.Sample{Target: t.Name, Step: q.path, PromptTokens: plan.PromptTokens, Duration: took, Outcome: observe.OutcomeOf(err), Now: time.Now()}
	if err == nil {
		sample.TTFT = max(took, 1)
	}
	r.engine.seen.Observe(sample)
	usage = plausible(usage)
	if err != nil {
		usage = estimated
	} else if !usage.Estimated {
		r.engine.corrections.learn(t.Name, int64(tokens), usage.Input)
	}
	var e *providers.Error
	if err != nil {
		e = providers.AsError(ctx, t.Backend, t.Model, err)
	}
	if err == nil || providers.Billed(err) {
		if t.Price != nil {
			cost, known = t.Price.Bill(providers.Work{Usage: usage, Service: served, Timed: true})
		}
		reserved.Settle(usage, cost, known)
		t.spent.add(sample.Now, cost)
		u := &AttemptUsage{Attempt: number, Target: &t.Target.Target, Reported: reported, Usage: usage, Cost: cost, CostKnown: known,
			TTFT: sample.TTFT, Duration: took}
		if e != nil {
			u.Failed = e.Reason()
		}
		// The caller may have left: the books and the observer are told all the same.
		_ = tell(u)
	}
	if err == nil {
		return cost, known, nil
	}
	t.pause(e.RetryAfter)
	if err := tell(&AttemptFailed{Attempt: number, Target: &t.Target.Target, Err: e, Elapsed: took}); err != nil {
		return 0, false, err
	}
	f := e.Fault()
	f.Text = "target " + t.Name + ": " + f.Text
	return 0, false, f
}

// errandTime gives what an errand is expected to take. It writes nothing, so its answer is its first token.
func (r *run) errandTime(q *errand, tokens int, now time.Time) *routing.Prediction {
	quantile := q.policy.Quantile
	if quantile == 0 {
		quantile = routing.DefaultQuantile
	}
	p := r.engine.seen.Snapshot(now).Predict(observe.Query{Target: &q.target.Target.Target, Step: q.path, PromptTokens: tokens, MaxOutput: -1,
		Quantile: quantile, Concurrency: q.target.Limiter.size()})
	return &routing.Prediction{
		Wait: p.Wait, TTFT: p.TTFT, TTFTKnown: p.TTFTKnown, Latency: p.Latency, Known: p.Known,
		Assumed: p.Source <= observe.SourceKind, ErrorRate: p.ErrorRate, Samples: p.Samples, Source: p.Source.String(),
	}
}

// guarded makes the call. A panic of the adapter is a failed call.
func (q *errand) guarded(ctx context.Context) (_ providers.Usage, _ string, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = broken(&q.target.Target.Target, value)
		}
	}()
	return q.call(ctx)
}
