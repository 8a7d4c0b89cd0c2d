package orchestrator

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator/routing/observe"
	"fairlead/providers"
)

const (
	// shadowsInFlight is the most calls to one shadow at a time: beyond it they are dropped.
	shadowsInFlight = 16
	// shadowTimeout is how long the answer is waited for where nothing is said.
	shadowTimeout = 30 * time.Second
)

// Compared sums what a shadow's answers gave beside those that callers got.
type Compared struct {
	// Compared counts the answers that were compared, Agreed those that were the same, Failed the calls that failed, and
	// Dropped those that were not made, or not to their end, because there was no room for them.
	Compared, Agreed, Failed, Dropped int64
	// Likeness is the mean of how alike the answers were, in [0,1]. It counts when Compared is not 0.
	Likeness float64
}

// compared is a Compared that grows. It is safe for concurrent use, and its zero value is ready.
type compared struct {
	inFlight atomic.Int64

	mu   sync.Mutex
	sums Compared // its Likeness is the sum
}

func (c *compared) sum() Compared {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.sums
	if out.Compared > 0 {
		out.Likeness /= float64(out.Compared)
	}
	return out
}

// ShadowOutcome says what came of a call to a shadow.
type ShadowOutcome string

// The outcomes.
const (
	ShadowAgreed   ShadowOutcome = "agreed"
	ShadowDiffered ShadowOutcome = "differed"
	ShadowFailed   ShadowOutcome = "failed"
	ShadowDropped  ShadowOutcome = "dropped"
)

// Shadowed is what an observer is told of a call to a shadow. It has no word of the answers.
type Shadowed struct {
	// Target is the shadow's name.
	Target  string
	Outcome ShadowOutcome
	// Likeness is how alike the answers were, in [0,1]. It counts when they were compared.
	Likeness float64
	Duration time.Duration
}

// ShadowObserver is an Observer that also hears of calls to shadows, which are no part of any run.
type ShadowObserver interface {
	Observer
	ShadowEnded(s Shadowed)
}

var _ ShadowObserver = Observers(nil)

// ShadowEnded tells all that hear of shadows.
func (o Observers) ShadowEnded(s Shadowed) {
	for _, one := range o {
		if one, ok := one.(ShadowObserver); ok {
			one.ShadowEnded(s)
		}
	}
}

// likeness is how an answer compares with another.
type likeness struct {
	// alike is in [0,1].
	alike float64
	same  bool
}

// aside makes a call to a shadow that the caller's answer is compared with. It holds all that it needs of both.
type aside func(ctx context.Context, shadow *target) (providers.Usage, likeness, error)

// shadows are calls to shadows in flight. The zero value is ready.
type shadows struct {
	mu     sync.Mutex
	closed bool
	all    sync.WaitGroup
	// cancel ends each of them.
	cancel map[*context.CancelCauseFunc]struct{}
}

// Close ends the calls to shadows and waits for their end, for a few seconds; later there are none. Runs go on. It may be
// called again.
func (e *Engine) Close() error {
	s := &e.shadows
	s.mu.Lock()
	s.closed = true
	for cancel := range s.cancel {
		(*cancel)(errClosing)
	}
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		s.all.Wait()
		close(ended)
	}()
	patience := time.NewTimer(closePatience)
	defer patience.Stop()
	select {
	case <-ended:
		return nil
	case <-patience.C:
		return fault.New(fault.DeadlineExceeded, fault.ReasonDeadline, "closing the engine: a call to a shadow does not end within %s", closePatience)
	}
}

// closePatience is how long the end of calls is waited for that were told to end.
const closePatience = 5 * time.Second

var (
	// errClosing ends a shadow call because the engine ends, and errRoom because a caller needs its place.
	errClosing = errors.New("the engine ends")
	errRoom    = errors.New("a caller needs the place")
)

// enter lets a call in, and says false when the engine is closed. The call must leave.
func (s *shadows) enter(cancel *context.CancelCauseFunc) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.cancel == nil {
		s.cancel = map[*context.CancelCauseFunc]struct{}{}
	}
	s.cancel[cancel] = struct{}{}
	s.all.Add(1)
	return true
}

func (s *shadows) leave(cancel *context.CancelCauseFunc) {
	s.mu.Lock()
	delete(s.cancel, cancel)
	s.mu.Unlock()
	s.all.Done()
}

// shade makes a call that a target answered to its shadow as well, where it has one and the call is of the sample. It
// does not wait for it. Nothing of it is the caller's: no money, no event and no time. prepare is called at once, and
// only when there will be a call.
func (r *run) shade(ctx context.Context, t *target, l label.Label, path string, tokens int, prepare func() aside) {
	shadow := t.shadow
	if shadow == nil || l > shadow.Clearance || !observe.ProbeShare(r.id+"\x00"+path+"\x00"+shadow.Name, t.Shadow.Percent/100) {
		return
	}
	c := &shadowCall{engine: r.engine, target: shadow, path: path, tokens: tokens}
	timeout := t.Shadow.Timeout
	if timeout <= 0 {
		timeout = shadowTimeout
	}
	// The caller may leave, and its deadline is not the shadow's; the trace goes on.
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	if !c.begin(cancel) {
		cancel(nil)
		c.tell(ShadowDropped, 0, 0)
		return
	}
	ask := prepare()
	go func() {
		defer cancel(nil)
		defer c.end()
		ctx, stop := context.WithTimeout(ctx, timeout)
		defer stop()
		c.do(ctx, ask)
	}()
}

// shadowCall is one call to a shadow.
type shadowCall struct {
	engine *Engine
	target *target
	path   string
	tokens int
	permit permit
	// ends give back what begin took, the last first.
	ends []func()
}

// begin takes what the call needs, as far as it is there at once and no caller waits for it.
func (c *shadowCall) begin(cancel context.CancelCauseFunc) bool {
	t := c.target
	took := func(giveBack func()) { c.ends = append(c.ends, giveBack) }
	sums := t.compared
	if sums.inFlight.Add(1) > shadowsInFlight {
		sums.inFlight.Add(-1)
		return false
	}
	took(func() { sums.inFlight.Add(-1) })
	if !c.engine.shadows.enter(&cancel) {
		c.end()
		return false
	}
	took(func() { c.engine.shadows.leave(&cancel) })
	leave, ok := t.Limiter.visit(time.Now(), func() { cancel(errRoom) })
	if !ok {
		c.end()
		return false
	}
	took(leave)
	if t.alone() {
		c.end()
		return false
	}
	if c.permit, ok = t.breaker.acquire(); !ok {
		c.end()
		return false
	}
	return true
}

func (c *shadowCall) end() {
	for _, giveBack := range slices.Backward(c.ends) {
		giveBack()
	}
}

// do makes the call, and books for the shadow alone what came of it.
func (c *shadowCall) do(ctx context.Context, ask aside) {
	t, started := c.target, time.Now()
	c.engine.seen.Start(t.Name)
	defer c.engine.seen.End(t.Name)
	verdict := errNoVerdict
	defer func() { c.permit.done(verdict) }()
	usage, like, err := c.guarded(ctx, ask)
	took := time.Since(started)
	if cause := context.Cause(ctx); errors.Is(cause, errRoom) || errors.Is(cause, errClosing) {
		c.tell(ShadowDropped, 0, took)
		return
	}
	verdict = err
	sample := observe.Sample{Target: t.Name, Step: c.path, PromptTokens: c.tokens, OutputTokens: int(plausible(usage).Output), Duration: took,
		Outcome: observe.OutcomeOf(err), Now: time.Now()}
	if err == nil {
		sample.TTFT = max(took, 1)
	}
	c.engine.seen.Observe(sample)
	if t.Price != nil && (err == nil || providers.Billed(err)) {
		cost, _ := t.Price.Bill(providers.Work{Usage: plausible(usage)}) // what is paid by the hour is the callers'
		t.spent.add(sample.Now, cost)
	}
	switch {
	case err != nil:
		t.pause(providers.AsError(ctx, t.Backend, t.Model, err).RetryAfter)
		c.tell(ShadowFailed, 0, took)
	case like.same:
		c.tell(ShadowAgreed, like.alike, took)
	default:
		c.tell(ShadowDiffered, like.alike, took)
	}
}

// guarded makes the call. A panic is a failed call: nobody else would catch it.
func (c *shadowCall) guarded(ctx context.Context, ask aside) (_ providers.Usage, _ likeness, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = broken(&c.target.Target.Target, value)
		}
	}()
	return ask(ctx, c.target)
}

// tell sums an outcome and tells the observer.
func (c *shadowCall) tell(outcome ShadowOutcome, alike float64, took time.Duration) {
	sums := c.target.compared
	sums.mu.Lock()
	switch outcome {
	case ShadowAgreed:
		sums.sums.Agreed++
		fallthrough
	case ShadowDiffered:
		sums.sums.Compared++
		sums.sums.Likeness += alike
	case ShadowFailed:
		sums.sums.Failed++
	case ShadowDropped:
		sums.sums.Dropped++
	}
	sums.mu.Unlock()
	if o, ok := c.engine.services.Observer.(ShadowObserver); ok {
		o.ShadowEnded(Shadowed{Target: c.target.Name, Outcome: outcome, Likeness: alike, Duration: took})
	}
}

// askedAside gives the call of an attempt that was answered. Tools that the request offers are only offered: nothing
// here runs one.
func (a *attempt) askedAside() aside {
	req, got := *a.req, a.collected.Answer()
	req.Messages = slices.Clone(req.Messages)
	return func(ctx context.Context, shadow *target) (providers.Usage, likeness, error) {
		req.Model = shadow.Model
		other, err := providers.Collect(shadow.Generator.Generate(ctx, &req))
		usage := providers.Usage{Estimated: true}
		if other != nil && other.Usage != nil {
			usage = *other.Usage
		}
		if err != nil {
			return usage, likeness{}, err
		}
		return usage, compareAnswers(got, other), nil
	}
}
