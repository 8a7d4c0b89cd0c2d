package orchestrator

import (
	"context"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
)

// embedStep is the path of the only step of a call for vectors outside runs.
const embedStep = "embed"

// CallObserver is an Observer that also hears of calls outside runs: vectors for callers, of documents that are
// stored, and of searches. They are no runs: they have an id of their own, no chain, and of all events only those
// of their attempts.
type CallObserver interface {
	Observer
	// CallStarts is as RunStarts, for a call that bears the name of a step.
	CallStarts(ctx context.Context, id, step string, p auth.Principal) (context.Context, func(*Event), func(error))
}

var _ CallObserver = Observers(nil)

// CallStarts tells all that hear of calls.
func (o Observers) CallStarts(ctx context.Context, id, step string, p auth.Principal) (context.Context, func(*Event), func(error)) {
	return o.start(ctx, func(ctx context.Context, one Observer) (context.Context, func(*Event), func(error)) {
		if calls, ok := one.(CallObserver); ok {
			return calls.CallStarts(ctx, id, step, p)
		}
		return ctx, func(*Event) {}, func(error) {}
	})
}

// alone makes a call outside runs, of which the observer alone is told.
func (r *run) alone(ctx context.Context, step string, work func(context.Context, emitter) error) error {
	r.id = newID()
	observe, ended := func(*Event) {}, func(error) {}
	if o, ok := r.engine.services.Observer.(CallObserver); ok {
		ctx, observe, ended = o.CallStarts(ctx, r.id, step, r.principal)
	}
	over := false
	defer func() {
		if !over {
			ended(fault.New(fault.Internal, fault.ReasonInternal, "the call broke down"))
		}
	}()
	var seq int64
	err := work(ctx, undecided(func(step string, b Body) error {
		seq++
		observe(&Event{Seq: seq, Time: time.Now(), RunID: r.id, Step: step, Body: b})
		return nil
	}))
	over = true
	ended(err)
	return err
}

// undecided leaves plans out, where there was nothing to decide.
func undecided(emit emitter) emitter {
	return func(step string, b Body) error {
		if _, ok := b.(*RouteDecided); ok {
			return nil
		}
		return emit(step, b)
	}
}
