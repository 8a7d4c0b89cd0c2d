package orchestrator

import (
	"context"
	"slices"
	"time"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator/routing"
	"fairlead/orchestrator/routing/observe"
	"fairlead/providers"
)

// errand is a question that one target answers in one piece. It is not failed over, because what two models say so
// cannot be compared; all else that holds for a call holds for it.
type errand struct {
	path string
	// target is the one that was named, and from the decision on the variant of it that is the caller's.
	target *target
	// policy may be nil: then it demands nothing.
	policy   *routing.Policy
	label    label.Label
	question *question
	caching  caching
	// classes is what classifiers found before.
	classes classes
	// everybody says that it is not up to the caller which target is called: what a collection was embedded with
	// belongs to the collection.
	everybody bool
	// attempt is the call's number within the step. 0: 1.
	attempt int
	// canary, where it is set, is the one that the target stands in for: it took no call.
	canary *target
	emit   emitter
}

// answered is what came of an errand.
type answered struct {
	*reply
	target *target
	// cost counts when known.
	cost  providers.Money
	known bool
	// cached is how many of the items were answered from the cache.
	cached int
}

// errand routes an errand, makes its call and pays for it. What is in the cache is not asked for, and costs nothing. A
// canary that takes no call by the time that a shared one is made takes nothing from its callers.
func (r *run) errand(ctx context.Context, q *errand) (*answered, error) {
	got, refused, err := r.try(ctx, q)
	if canary := q.target; err != nil && refused && canary.stable != nil && ctx.Err() == nil {
		q.target, q.canary, q.attempt = canary.stable, canary, max(q.attempt, 1)+1
		got, _, err = r.try(ctx, q)
	}
	return got, err
}

// try is an errand with one variant of its target. refused says that no call was made, because the backend takes none.
func (r *run) try(ctx context.Context, q *errand) (_ *answered, refused bool, _ error) {
	if q.policy == nil {
		q.policy = &routing.Policy{Name: "target/" + q.target.Name}
	}
	tell := func(b Body) error { return q.emit(q.path, b) }
	number := max(q.attempt, 1)
	decided, tokens, l, leave, entered := r.decideErrand(q)
	t, plan := q.target, decided.Plan
	out := &answered{target: t}
	shown := false
	defer func() { // when the place at the backend is free again
		if shown {
			r.shade(ctx, t, q.label, q.path, plan.PromptTokens, func() aside { return l.rest.aside(out.reply) })
		}
	}()
	verdict := errNoVerdict
	defer func() { leave.done(verdict) }()
	if err := tell(decided); err != nil {
		return nil, false, err
	}
	if plan.Eligible == 0 {
		return nil, false, noTarget(plan)
	}
	if q.label > t.Clearance { // Decide never lets it come to this; nothing is sent if it does
		return nil, false, fault.New(fault.Internal, fault.ReasonInternal, "target %s is not cleared for %s data", t.Named(), q.label)
	}
	if err := r.mustAllow(&t.Target.Target); err != nil && !q.everybody {
		return nil, false, err
	}
	if out.cached = l.hits(); l.all() {
		out.reply, out.known = l.whole(nil), true
		return out, false, nil
	}
	if !entered {
		return nil, false, shut(t)
	}
	if out.cached > 0 {
		tokens = t.countTexts(l.rest.texts)
	}
	read := r.engine.corrections.apply(t.Name, tokens)
	estimated := providers.Usage{Input: int64(read), Estimated: true}
	worst := providers.Money(0)
	if t.Price != nil {
		latency := plan.Records[0].Latency
		worst, _ = t.Price.Bill(providers.Work{Usage: estimated, Images: len(l.rest.images), Service: latency, Timed: latency > 0}) // where it must be known, Decide has seen to it
	}
	reserved, err := r.ledger.ReserveFor(r.key(q.path), worst)
	if err != nil {
		return nil, false, err
	}
	defer reserved.Release()
	begun := func() error {
		return tell(&AttemptStarted{Attempt: number, Target: &t.Target.Target, Label: q.label})
	}
	var o outcome
	if t.batcher != nil {
		if err := begun(); err != nil {
			return nil, false, err
		}
		o = t.batcher.do(ctx, l.rest, int64(max(tokens, l.rest.items())), r.engine.seen)
	} else if o, err = r.askOne(ctx, t, l.rest, begun); err != nil {
		return nil, false, err
	}
	if err = o.err; ctx.Err() == nil { // what ends with the run says nothing about the target
		verdict = err
	}
	sample := observe.Sample{Target: t.Name, Step: q.path, PromptTokens: plan.PromptTokens, Duration: o.took, Outcome: observe.OutcomeOf(err), Now: time.Now()}
	var usage providers.Usage
	var e *providers.Error
	if err == nil {
		sample.TTFT = max(o.took, 1)
		if out.reply, usage = o.reply, o.reply.usage; !usage.Estimated {
			r.engine.corrections.learn(t.Name, int64(tokens), usage.Input)
		}
		l.keep(o.reply)
	} else {
		e = providers.AsError(ctx, t.Backend, t.Model, err)
		if providers.Billed(err) {
			usage = estimated
		}
	}
	if !o.refused {
		r.engine.seen.Observe(sample)
	}
	for range o.wasted {
		usage = usage.Add(estimated)
	}
	if err == nil || providers.Billed(err) || o.wasted > 0 {
		out.cost, out.known = t.bill(usage, len(l.rest.images), &o)
		reserved.Settle(usage, out.cost, out.known)
		t.spent.add(sample.Now, out.cost)
		u := &AttemptUsage{Attempt: number, Target: &t.Target.Target, Usage: usage, Cost: out.cost, CostKnown: out.known, TTFT: sample.TTFT, Duration: o.took}
		if e != nil {
			u.Failed = e.Reason()
		} else {
			u.Reported = o.reply.model
		}
		// The caller may have left: the books and the observer are told all the same.
		_ = tell(u)
	}
	if err == nil {
		shown = true
		whole := l.whole(out.reply)
		whole.usage = usage
		return &answered{reply: whole, target: t, cost: out.cost, known: out.known, cached: out.cached}, false, nil
	}
	t.pause(e.RetryAfter)
	if err := tell(&AttemptFailed{Attempt: number, Target: &t.Target.Target, Err: e, Elapsed: o.took}); err != nil {
		return nil, false, err
	}
	f := e.Fault()
	f.Text = "target " + t.Named() + ": " + f.Text
	return nil, o.refused, f
}

// askOne makes the call of a question by itself. Its error says that it was not made.
func (r *run) askOne(ctx context.Context, t *target, q *question, begun func() error) (o outcome, err error) {
	r.engine.seen.Start(t.Name)
	defer r.engine.seen.End(t.Name)
	if err := t.Limiter.acquire(ctx); err != nil {
		return o, err
	}
	defer t.Limiter.release()
	if err := begun(); err != nil {
		return o, err
	}
	started := time.Now()
	service := t.meter.start()
	o.reply, o.err = t.ask(ctx, q)
	o.took, o.service = time.Since(started), service.end()
	return o, nil
}

// bill gives what a call costs. Of one that was made for several callers, each pays its part of what every call costs.
func (t *target) bill(u providers.Usage, images int, o *outcome) (cost providers.Money, known bool) {
	if t.Price == nil {
		return 0, false
	}
	p := *t.Price
	if o.shared {
		p.PerCall = 0
	}
	cost, known = p.Bill(providers.Work{Usage: u, Images: images, Service: o.service, Timed: true})
	return cost + o.fee, known
}

// aside gives the question to a shadow, beside what the caller got.
func (q *question) aside(got *reply) aside {
	mine := &reply{outputs: got.outputs}
	for _, v := range got.vectors { // they are the caller's now
		mine.vectors = append(mine.vectors, slices.Clone(v))
	}
	for _, list := range got.classes {
		mine.classes = append(mine.classes, slices.Clone(list))
	}
	return func(ctx context.Context, shadow *target) (providers.Usage, likeness, error) {
		other, err := shadow.ask(ctx, q)
		if err != nil {
			return providers.Usage{}, likeness{}, err
		}
		switch q.needs {
		case providers.Classify:
			return other.usage, compareClasses(mine.classes, other.classes), nil
		case providers.Embed:
			return other.usage, compareVectors(mine.vectors, other.vectors), nil
		default:
			return other.usage, compareTensors(mine.outputs, other.outputs), nil
		}
	}
}

// admit gives leave for an errand. Where calls are made for several callers, each such call takes leave for itself.
func (t *target) admit() (permit, bool) {
	if t.batcher == nil {
		return t.acquire()
	}
	now := time.Now()
	_, _, out := t.said.out(now)
	_, open := t.breaker.open()
	return permit{}, !out && !open && t.Limiter.wait(now) == 0
}

// decideErrand decides about an errand, looks for its answer in the cache, and takes leave for what is not there of the
// variant of its target that is the caller's, which is the errand's target from then on. It gives the length of the texts
// by our count.
func (r *run) decideErrand(q *errand) (d *RouteDecided, tokens int, l *lookup, leave permit, entered bool) {
	try := func(candidate routing.Candidate) {
		d, tokens = r.decideErrandFor(q, candidate)
		l = &lookup{target: q.target, rest: q.question}
		if d.Plan.Eligible == 0 {
			return
		}
		if l = r.look(q); !l.all() {
			leave, entered = q.target.admit()
		}
	}
	if q.canary != nil {
		try(q.canary.instead())
		return d, tokens, l, leave, entered
	}
	try(r.candidate(q.target))
	if canary := q.target; canary.stable != nil && d.Plan.Eligible > 0 && !entered && !l.all() { // another call looks whether it is back
		try(canary.instead())
	}
	return d, tokens, l, leave, entered
}

// decideErrandFor decides about an errand with the one candidate that it has.
func (r *run) decideErrandFor(q *errand, candidate routing.Candidate) (d *RouteDecided, tokens int) {
	t := r.st.every[candidate.Target.Name]
	q.target = t
	texts := q.question.texts
	tokens = t.countTexts(texts)
	read := r.engine.corrections.apply(t.Name, tokens)
	req := &routing.Request{
		Step: q.path, Tenant: r.principal.Tenant, Label: q.label, Needs: q.question.needs, Left: r.left(),
		// What answers in one piece writes nothing, and reads one text at a time.
		PromptTokens: (read + max(len(texts)-1, 0)) / max(len(texts), 1),
	}
	if !q.everybody {
		req.Allowed = r.principal.Models
	}
	r.signal(req, q.policy, q.classes)
	now := time.Now()
	if t.Price != nil && t.Price.GPUHour != 0 {
		candidate.State.Prediction = r.errandTime(q, req.PromptTokens, now)
	}
	candidates := []routing.Candidate{candidate}
	return &RouteDecided{Plan: routing.Decide(req, candidates, q.policy, now), Request: req, Policy: q.policy, Candidates: candidates, Now: now,
		Pinned: t.Named()}, tokens
}

// errandTime gives what an errand is expected to take. It writes nothing, so its answer is its first token.
func (r *run) errandTime(q *errand, tokens int, now time.Time) *routing.Prediction {
	seenOf, loading := q.target.predict(r.engine.seen.Snapshot(now), observe.Query{Step: q.path, PromptTokens: tokens, MaxOutput: -1, Quantile: q.policy.Quantile}, now)
	p := predicted(&seenOf, loading)
	return &p
}
