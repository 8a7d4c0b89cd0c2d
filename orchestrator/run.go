package orchestrator

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/ledger"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// run is one run in progress.
type run struct {
	engine  *Engine
	st      *state
	id      string
	started time.Time
	// chain is nil for a plain chat.
	chain     *chain.Chain
	principal auth.Principal
	limits    Limits
	label     label.Label
	deadline  time.Time
	ledger    *ledger.Ledger
	// attempts counts those of the whole run.
	attempts *atomic.Int64
	// whole is the run where this is what one of its steps sees: a copy with the step's ledger and deadline. So
	// what changes while a run lasts stands behind pointers. Nil: it is the run itself.
	whole *run
	// kept is what the step may not have of the run's money.
	kept kept
	// locale tells the caller's language, "" where it is not known. It is found out when it is first asked for.
	locale func() string
	// history holds the earlier turns of a chat that runs a chain.
	history []providers.Message
	// outputSteps are the ids of the steps whose text is the run's output, of which one at most runs.
	outputSteps []string
}

// errStopped says that the caller broke the loop. It never reaches a caller.
var errStopped = errors.New("the caller stopped reading")

// emitter takes what happens in a step. Its error is errStopped or a context's.
type emitter func(step string, body Body) error

// stream runs body as a run: it numbers its events, watches it, bounds its time, and turns its end into
// the stream's end.
func (r *run) stream(ctx context.Context, body func(context.Context, emitter) (*RunFinished, error)) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		r.started = time.Now()
		r.id = newID()
		ctx, cancel := r.bound(ctx)
		defer cancel()

		observe, ended := func(*Event) {}, func(error) {}
		name := ""
		if r.chain != nil {
			name = r.chain.Name
		}
		if o := r.engine.services.Observer; o != nil {
			ctx, observe, ended = o.RunStarts(ctx, r.id, name, r.principal)
		}
		over := false
		defer func() {
			if !over { // a panic passes through: the observer is told of the end all the same
				ended(fault.New(fault.Internal, fault.ReasonInternal, "the run broke down"))
			}
		}()
		var seq int64
		stopped := false
		emit := func(step string, b Body) error {
			seq++
			ev := Event{Seq: seq, Time: time.Now(), RunID: r.id, Step: step, Body: b}
			observe(&ev)
			if stopped {
				return errStopped
			}
			stopped = true // should the reader panic, it must not be called again
			if stopped = !yield(ev, nil); stopped {
				cancel()
				return errStopped
			}
			return nil
		}

		err := emit("", r.opening())
		var finished *RunFinished
		if err == nil {
			finished, err = body(ctx, emit)
		}
		if err == nil {
			finished.Usage, finished.Cost, finished.CostIncomplete = r.ledger.Totals()
			finished.Duration = time.Since(r.started)
			// A reader that leaves now has left nothing undone.
			_ = emit("", finished)
		}
		err = r.verdict(ctx, err, stopped)
		over = true
		ended(err)
		if err != nil && !stopped {
			yield(Event{}, err)
		}
	}
}

// bound puts the run's deadline on the context: the earliest of the caller's, the request's and the
// chain's.
func (r *run) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := r.limits.Timeout
	if r.chain != nil && r.chain.Deadline > 0 && (timeout == 0 || r.chain.Deadline < timeout) {
		timeout = r.chain.Deadline
	}
	var cancel context.CancelFunc
	if timeout > 0 {
		ctx, cancel = context.WithDeadline(ctx, r.started.Add(timeout))
	} else {
		ctx, cancel = context.WithCancel(ctx)
	}
	r.deadline, _ = ctx.Deadline()
	return ctx, cancel
}

func (r *run) opening() *RunStarted {
	b := &RunStarted{Deadline: r.deadline, Label: r.label}
	b.Budget, b.Limited = r.ledger.Left()
	if r.chain != nil {
		b.Chain, b.Version = r.chain.Name, r.chain.Version
	}
	return b
}

// verdict is how the run ended, in the words for callers.
func (r *run) verdict(ctx context.Context, err error, stopped bool) error {
	if err == nil {
		return nil
	}
	if stopped || errors.Is(err, errStopped) {
		return fault.Wrap(err, fault.Canceled, fault.ReasonCanceled, "the caller left before the run was over")
	}
	f := fault.From(err)
	// What fails because the run's own time is up, failed for that reason, whatever else it says.
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && f.Reason != fault.ReasonDeadline {
		late := fault.Wrap(err, fault.DeadlineExceeded, fault.ReasonDeadline,
			"the run's time was up after %s: allow more, or ask for less", time.Since(r.started).Round(time.Millisecond))
		late.Path, late.Detail = f.Path, f.Detail
		return late
	}
	return f
}

// left is what the run, or the step that sees it so, has left.
func (r *run) left() routing.Left {
	money, limited := r.ledger.Left()
	return routing.Left{Money: money, Limited: limited, Deadline: r.deadline}
}

// path gives a step's path for events.
func (r *run) pathOf(id string) string {
	if r.chain == nil {
		return id
	}
	return r.chain.Name + "/" + id
}

// newRun makes a run after its limits were checked against the caller's rights. All that the run needs of the
// configuration comes from st, which the caller has loaded once.
func (e *Engine) newRun(st *state, p auth.Principal, limits Limits, ch *chain.Chain) (*run, error) {
	if limits.Timeout < 0 || limits.Limited && limits.Budget < 0 {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "the run's time or budget is less than nothing")
	}
	if p.Tenant == "" {
		return nil, fault.New(fault.Internal, fault.ReasonInternal, "starting a run: the caller has no tenant")
	}
	r := &run{engine: e, st: st, principal: p, limits: limits, chain: ch, attempts: new(atomic.Int64), label: limits.Label.Or(st.label)}
	if r.label > p.Ceiling {
		return nil, fault.New(fault.PermissionDenied, fault.ReasonBadRequest,
			"the request's label is %s and the caller may go up to %s: state a lower label if the data has one", r.label, p.Ceiling)
	}
	budget, limited := limits.Budget, limits.Limited
	if ch != nil {
		r.label = label.Join(r.label, ch.Label)
		if ch.Limited && (!limited || ch.Budget < budget) {
			budget, limited = ch.Budget, true
		}
	}
	r.ledger = ledger.New(ledger.Config{Limit: budget, Limited: limited})
	return r, nil
}

func newID() string {
	id, err := uuid.NewV7()
	if err != nil { // no randomness on this machine: nothing else would work either
		panic("making a run's id: " + err.Error())
	}
	return id.String()
}

func failed(err error) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) { yield(Event{}, err) }
}
