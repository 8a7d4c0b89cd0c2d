package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator/ledger"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
	"fairlead/retrieval"
)

// call is what a model step asks of dispatch.
type call struct {
	// path is the step's path in events, and tail its path in errors.
	path   string
	req    *providers.Request
	policy *routing.Policy
	label  label.Label
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
func (r *run) plan(c *call) *routing.Plan {
	q := &routing.Request{
		Step:         c.path,
		Tenant:       r.principal.Tenant,
		Label:        c.label,
		Needs:        c.req.Needs(),
		Documents:    len(c.req.Documents) > 0,
		PromptTokens: c.req.EstimatePromptTokens(),
		Left:         r.left(),
	}
	if c.req.MaxTokens != nil {
		q.MaxOutput = min(max(*c.req.MaxTokens, 0), mostTokens)
	}
	if q.DialectFields = providers.MeaningfulExtra(c.req.Extra); len(q.DialectFields) > 0 {
		q.Dialect = "openai"
	}
	return routing.Decide(q, r.st.candidates(), c.policy, time.Now())
}

// generate routes a call and makes it: it tries the targets of the plan in order, each once, until one
// answers whole.
func (r *run) generate(ctx context.Context, c *call, emit emitter) (*answer, error) {
	plan := r.plan(c)
	if err := emit(c.path, &RouteDecided{Plan: plan}); err != nil {
		return nil, err
	}
	if plan.Eligible == 0 {
		return nil, noTarget(plan)
	}
	var failures []error
	for i, rec := range plan.Order() {
		if i == plan.Attempts {
			break
		}
		a := &attempt{run: r, call: c, plan: plan, record: &rec, number: i + 1, emit: emit, target: r.st.byName[rec.Target.Name]}
		got, err := a.do(ctx)
		if err == nil {
			return got, nil
		}
		if ctx.Err() != nil || errors.Is(err, errStopped) {
			return nil, err
		}
		failures = append(failures, err)
		last := i+1 == min(plan.Eligible, plan.Attempts)
		switch {
		case !a.delivered && failsOver(err):
			continue
		case a.delivered && plan.Midstream == routing.MidstreamRestart && !r.limits.NoRetract && !last && providers.Retryable(err):
			if err := emit(c.path, &Retracted{Reason: string(fault.ReasonOf(err))}); err != nil {
				return nil, err
			}
			continue
		}
		break
	}
	return nil, exhausted(failures)
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
	var budget bool
	var wait time.Duration
	var b strings.Builder
	for i := range plan.Records {
		rec := &plan.Records[i]
		fmt.Fprintf(&b, "; %s: %s", rec.Target.Name, rec.Detail)
		budget = budget || rec.Reason == routing.OutBudget
		if rec.Reason == routing.OutPaused && (wait == 0 || rec.RetryAfter < wait) {
			wait = rec.RetryAfter
		}
	}
	code, reason := fault.FailedPrecondition, fault.ReasonNoTarget
	switch {
	case wait > 0:
		code, reason = fault.ResourceExhausted, fault.ReasonRateLimited
	case budget:
		code, reason = fault.ResourceExhausted, fault.ReasonBudgetExceeded
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

// attempt is one call to one target.
type attempt struct {
	*run
	*call
	plan   *routing.Plan
	record *routing.Record
	target *target
	number int
	emit   emitter

	started   time.Time
	ttft      time.Duration
	delivered bool
	// telling is true while the reader has the floor: a panic is then its own.
	telling   bool
	collected providers.Collector
	citer     *citer
}

func (a *attempt) do(ctx context.Context) (*answer, error) {
	t := a.record.Target
	if a.call.label > t.Clearance { // Decide never lets it come to this; nothing is sent if it does
		return nil, fault.New(fault.Internal, fault.ReasonInternal, "target %s is not cleared for %s data", t.Name, a.call.label)
	}
	reserved, err := a.ledger.Reserve(a.record.Cost)
	if err != nil {
		return nil, fault.At("target "+t.Name, err)
	}
	defer reserved.Release()
	if err := a.target.Limiter.acquire(ctx); err != nil {
		return nil, err
	}
	defer a.target.Limiter.release()
	if err := a.emit(a.path, &AttemptStarted{Attempt: a.number, Target: t, Label: a.call.label}); err != nil {
		return nil, err
	}

	req := *a.req
	req.Model = t.Model
	a.started = time.Now()
	a.citer = newCiter(a.passages, t.Does&(providers.Chat|providers.Extract) == providers.Extract)
	err = a.read(ctx, &req)
	a.settle(reserved, err)
	if err == nil {
		return &answer{Answer: a.collected.Answer(), target: t, citations: a.citer.found}, nil
	}
	if errors.Is(err, errStopped) {
		return nil, err
	}
	e := providers.AsError(ctx, t.Backend, t.Model, err)
	a.target.pause(e.RetryAfter)
	if err := a.emit(a.path, &AttemptFailed{Attempt: a.number, Target: t, Err: e, Elapsed: time.Since(a.started)}); err != nil {
		return nil, err
	}
	f := e.Fault()
	f.Text = "target " + t.Name + ": " + f.Text
	return nil, f
}

// read makes the call and tells what comes, as it comes. A panic of the adapter is a failed call.
func (a *attempt) read(ctx context.Context, req *providers.Request) (err error) {
	defer func() {
		if a.telling {
			return
		}
		if value := recover(); value != nil {
			err = broken(a.record.Target, value)
		}
	}()
	finished := false
	for chunk, err := range a.target.Generator.Generate(ctx, req) {
		if err != nil {
			return err
		}
		if a.ttft == 0 && (chunk.Text != "" || chunk.Reasoning != "" || len(chunk.ToolCalls) > 0) {
			a.ttft = max(time.Since(a.started), 1)
		}
		a.collected.Add(chunk)
		finished = finished || chunk.Finish != providers.FinishUnset
		a.telling = true
		err := a.tell(&chunk)
		a.telling = false
		if err != nil {
			return err
		}
	}
	if !finished {
		// An adapter that ends a stream without a finish breaks its contract; the answer may be cut.
		return &providers.Error{Kind: providers.KindTruncated, Backend: a.record.Target.Backend, Model: req.Model, MayBill: true}
	}
	return nil
}

// broken is the failure of a call whose adapter panicked. What it had sent may be billed.
func broken(t *routing.Target, value any) error {
	return &providers.Error{Kind: providers.KindUnknown, Backend: t.Backend, Model: t.Model, Detail: "its adapter broke down",
		MayBill: true, Err: panicked(value)}
}

// panicked gives a panic as a private cause, with its place. A value that is not the runtime's own may hold
// anything, so only its type is told.
func panicked(value any) error {
	if own, ok := value.(runtime.Error); ok {
		return fmt.Errorf("panic: %w\n%s", own, debug.Stack())
	}
	return fmt.Errorf("panic with a %T\n%s", value, debug.Stack())
}

func (a *attempt) tell(chunk *providers.Chunk) error {
	if a.silent {
		return nil
	}
	if chunk.Reasoning != "" {
		a.delivered = true
		if err := a.emit(a.path, &ReasoningDelta{Text: chunk.Reasoning}); err != nil {
			return err
		}
	}
	if chunk.Text != "" {
		a.delivered = true
		if err := a.emit(a.path, &TextDelta{Text: chunk.Text, Output: a.output}); err != nil {
			return err
		}
	}
	for _, d := range chunk.ToolCalls {
		a.delivered = true
		if err := a.emit(a.path, &ToolCallDelta{d}); err != nil {
			return err
		}
	}
	for _, c := range a.citer.next(chunk) {
		a.delivered = true
		if err := a.emit(a.path, c); err != nil {
			return err
		}
	}
	return nil
}

// mostTokens is more than any call reads or writes.
const mostTokens = 1 << 30

// plausible gives a backend's counts as counts of tokens can be: whatever it reports, it makes no money and
// breaks no sum.
func plausible(u providers.Usage) providers.Usage {
	u.Input, u.Output = min(max(u.Input, 0), mostTokens), min(max(u.Output, 0), mostTokens)
	u.CachedInput, u.Reasoning = min(max(u.CachedInput, 0), u.Input), min(max(u.Reasoning, 0), u.Output)
	return u
}

// settle books what the attempt took: what the backend reports, or our count of what came where it
// reports nothing. A call that failed before it answered took nothing.
func (a *attempt) settle(reserved *ledger.Reservation, err error) {
	got := a.collected.Answer()
	var usage providers.Usage
	switch {
	case got.Usage != nil:
		usage = plausible(*got.Usage)
	case err == nil || providers.Billed(err) || a.collected.Len() > 0:
		usage = providers.Usage{
			Input:     int64(a.plan.PromptTokens),
			Output:    int64(providers.EstimateTokens(a.collected.Len())),
			Estimated: true,
		}
	default:
		return
	}
	t := a.record.Target
	u := &AttemptUsage{Attempt: a.number, Target: t, Reported: got.Model, Usage: usage, TTFT: a.ttft, Duration: time.Since(a.started)}
	if t.Price != nil {
		u.Cost, u.CostKnown = t.Price.Cost(usage), true
	}
	reserved.Settle(usage, u.Cost, u.CostKnown)
	// The caller may have left: the books and the observer are told all the same.
	_ = a.emit(a.path, u)
}
