package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"fairlead/internal/fault"
	"fairlead/orchestrator/ledger"
	"fairlead/orchestrator/routing"
	"fairlead/orchestrator/routing/observe"
	"fairlead/providers"
)

// attempt is one call to one target.
type attempt struct {
	*run
	*call
	plan   *routing.Plan
	record *routing.Record
	target *target
	number int
	emit   emitter
	permit permit
	// othersLeft says that another target can still be tried after this one.
	othersLeft bool
	// race is that of two attempts, of which the first to speak answers. Nil: there is none.
	race *racing

	started time.Time
	ttft    time.Duration
	// told is the time that the reader of the events took: it is not the target's.
	told      time.Duration
	delivered bool
	// telling is true while the reader has the floor: a panic is then its own.
	telling   bool
	collected providers.Collector
	citer     *citer
	// service is the call's share of its backend's time.
	service *service
}

func (a *attempt) do(ctx context.Context) (got *answer, _ error) {
	t := a.record.Target
	defer func() { // when the place at the backend is free again
		if got != nil {
			a.shade(ctx, a.target, a.call.label, a.path, a.plan.PromptTokens, a.askedAside)
		}
	}()
	if a.call.label > t.Clearance { // Decide never lets it come to this; nothing is sent if it does
		return nil, fault.New(fault.Internal, fault.ReasonInternal, "target %s is not cleared for %s data", t.Name, a.call.label)
	}
	if err := a.mustAllow(t); err != nil {
		return nil, err
	}
	verdict := errNoVerdict
	defer func() { a.permit.done(verdict) }()
	reserved, err := a.ledger.ReserveFor(a.key(a.path), a.record.Cost)
	if err != nil {
		return nil, fault.At("target "+t.Name, err)
	}
	defer reserved.Release()
	a.engine.seen.Start(t.Name) // those who wait for a place are the queue
	defer a.engine.seen.End(t.Name)
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
	a.service = a.target.meter.start()
	defer a.service.end()
	a.citer = newCiter(a.passages, t.Does&(providers.Chat|providers.Extract) == providers.Extract)
	err = a.timed(ctx, &req)
	if ctx.Err() == nil { // what ends with the run says nothing about the target
		verdict = err
	}
	var e *providers.Error
	switch {
	case err == nil:
	case a.race.lost(a.number):
		e = &providers.Error{Kind: providers.KindCanceled, Backend: t.Backend, Model: t.Model, Detail: errLost.Detail, Err: err}
	case errors.Is(err, errStopped):
		e = &providers.Error{Kind: providers.KindCanceled, Backend: t.Backend, Model: t.Model, Err: err}
	default:
		e = providers.AsError(ctx, t.Backend, t.Model, err)
	}
	a.settle(reserved, err, e)
	if err == nil {
		return &answer{Answer: a.collected.Answer(), target: t, citations: a.citer.found}, nil
	}
	if errors.Is(err, errStopped) {
		return nil, err
	}
	a.target.pause(e.RetryAfter)
	if err := a.emit(a.path, &AttemptFailed{Attempt: a.number, Target: t, Err: e, Elapsed: time.Since(a.started)}); err != nil {
		return nil, err
	}
	f := e.Fault()
	f.Text = "target " + t.Name + ": " + f.Text
	return nil, f
}

// errNoVerdict says that a call was not made, or that its end says nothing about its target.
var errNoVerdict = errors.New("no verdict")

// errNoToken says that a call was given up because its first token did not come.
var errNoToken = errors.New("no first token")

// timed makes the call and gives it up when its first token does not come in time.
func (a *attempt) timed(ctx context.Context, req *providers.Request) error {
	limit := a.patience()
	if limit <= 0 {
		return a.read(ctx, req, func() {})
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(limit, func() { cancel(errNoToken) })
	defer timer.Stop()
	err := a.read(inner, req, func() { timer.Stop() })
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(inner), errNoToken) {
		return &providers.Error{Kind: providers.KindTimeout, Backend: a.record.Target.Backend, Model: req.Model,
			Detail: "no first token within " + limit.Round(time.Millisecond).String(), Err: err}
	}
	return err
}

// patience is how long the first token is waited for: what the target is given, and no more than half of
// what the run has left while others could still answer. 0: as long as the run lasts.
func (a *attempt) patience() time.Duration {
	limit := a.target.FirstToken
	if a.othersLeft && !a.deadline.IsZero() {
		if half := time.Until(a.deadline) / 2; limit == 0 || half < limit {
			limit = max(half, time.Millisecond)
		}
	}
	return limit
}

// read makes the call and tells what comes, as it comes. A panic of the adapter is a failed call.
func (a *attempt) read(ctx context.Context, req *providers.Request, begun func()) (err error) {
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
			a.target.said.worked()
			begun()
			if !a.race.claim(a.number) {
				return errLost
			}
		}
		a.collected.Add(chunk)
		finished = finished || chunk.Finish != providers.FinishUnset
		a.telling = true
		before := time.Now()
		err := a.tell(&chunk)
		a.told += time.Since(before)
		a.telling = false
		if err != nil {
			return err
		}
	}
	if finished && a.ttft == 0 && !a.race.claim(a.number) {
		return errLost
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
// reports nothing. A call that failed before it answered took nothing. why is err as the target's failure.
func (a *attempt) settle(reserved *ledger.Reservation, err error, why *providers.Error) {
	got := a.collected.Answer()
	var usage providers.Usage
	switch {
	case got.Usage != nil:
		usage = plausible(*got.Usage)
		if err == nil && !usage.Estimated && a.req.Images() == 0 { // what a picture counts is not known well enough
			a.engine.corrections.learn(a.target.Name, int64(a.counted.of(a.target.Encoding)), usage.Input)
		}
	case err == nil || providers.Billed(err) || a.collected.Len() > 0 || a.race.lost(a.number):
		usage = providers.Usage{
			Input:     int64(a.record.PromptTokens),
			Output:    int64(a.written(got)),
			Estimated: true,
		}
	default:
		a.observe(err, 0)
		return
	}
	t := a.record.Target
	a.observe(err, int(usage.Output))
	u := &AttemptUsage{Attempt: a.number, Target: t, Reported: got.Model, Usage: usage, TTFT: a.ttft, Duration: time.Since(a.started)}
	if why != nil {
		u.Failed = why.Reason()
	}
	if t.Price != nil {
		u.Cost, u.CostKnown = t.Price.Bill(providers.Work{Usage: usage, Images: a.req.Images(), Service: a.served(u.Duration), Timed: true})
	}
	reserved.Settle(usage, u.Cost, u.CostKnown)
	a.target.spent.add(time.Now(), u.Cost)
	// The caller may have left: the books and the observer are told all the same.
	_ = a.emit(a.path, u)
}

// written gives our count of what came.
func (a *attempt) written(got *providers.Answer) int {
	if a.target.Encoding == "" {
		return providers.EstimateTokens(a.collected.Len())
	}
	return a.target.Encoding.Count(got.Text) + providers.EstimateTokens(a.collected.Len()-len(got.Text))
}

// served gives the call's share of its backend's time, without the part in which the reader kept it waiting.
func (a *attempt) served(took time.Duration) time.Duration {
	share := a.service.end()
	if took <= 0 || a.told <= 0 {
		return share
	}
	return time.Duration(float64(share) * max(float64(took-a.told), 0) / float64(took))
}

// observe lets the prediction of later calls learn from this one.
func (a *attempt) observe(err error, output int) {
	now := time.Now()
	outcome := observe.OutcomeOf(err)
	if errors.Is(err, errStopped) || a.race.lost(a.number) {
		outcome = observe.Canceled
	}
	a.engine.seen.Observe(observe.Sample{
		Target: a.record.Target.Name, Step: a.path, PromptTokens: a.plan.PromptTokens, OutputTokens: output,
		TTFT: a.ttft, Duration: now.Sub(a.started) - a.told, Outcome: outcome, Now: now,
	})
}
