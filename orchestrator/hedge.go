package orchestrator

import (
	"context"
	"sync"
	"time"

	"fairlead/orchestrator/routing"
	"fairlead/orchestrator/routing/observe"
	"fairlead/providers"
)

// hedgesSaved is the most hedges that quiet times save up for a policy.
const hedgesSaved = 5

// errLost is how an attempt ends that another one was faster than.
var errLost = &providers.Error{Kind: providers.KindCanceled, Detail: "another target spoke first"}

// hedgeable says whether a call may be made twice: tools may have effects, so a call that offers some is not.
func (d *dispatch) hedgeable(records []*routing.Record) bool {
	return d.policy.Hedge != nil && len(records) > 1 && len(d.req.Tools) == 0
}

// late gives the time after which a target's first token is late. 0: not known.
func (d *dispatch) late(rec *routing.Record) time.Duration {
	now := time.Now()
	p, _ := d.st.every[rec.Target.Name].predict(d.engine.seen.Snapshot(now), observe.Query{
		Step: d.path, PromptTokens: d.plan.PromptTokens, Quantile: d.policy.Hedge.After, MaxOutput: -1, // the first token alone
	}, now)
	if !p.TTFTKnown || p.Source != observe.SourceObserved {
		return 0
	}
	return max(p.TTFT, time.Millisecond)
}

// hedgeBudget gives the budget of the call's policy, with the step counted in.
func (d *dispatch) hedgeBudget() *budget {
	b, _ := d.engine.hedges.LoadOrStore(d.policy.Name, newBudget(hedgesSaved))
	share := d.policy.Hedge.Budget
	if share == 0 {
		share = routing.DefaultHedgeBudget
	}
	b.(*budget).step(share)
	return b.(*budget)
}

// race makes a call and, when its first token is late, the same call to the next target. Who speaks first
// answers; the other call is ended, and its prompt is paid for. It gives the attempt that the outcome
// is of, and whether the second target was asked. The first attempt has its permit already.
func (d *dispatch) race(ctx context.Context, first *attempt, second *routing.Record) (got *answer, of *attempt, both bool, err error) {
	spend := d.hedgeBudget()
	late := d.late(first.record)
	if late == 0 {
		got, err = first.do(ctx)
		return got, first, false, err
	}
	// What the attempts leave behind is read after both have ended.
	err = apart(ctx, d.emit, func(ctx context.Context, emit emitter) error {
		r := &racing{ends: make(chan ending, 2), cancel: map[int]context.CancelFunc{}}
		r.start(ctx, first, emit)
		timer := time.NewTimer(late)
		defer timer.Stop()
		for running := 1; ; {
			select {
			case <-timer.C:
				if r.begun() || d.attempts >= d.plan.Attempts || !spend.take() {
					continue
				}
				if a := d.attempt(second, first.othersLeft); a != nil {
					both = true
					running++
					r.start(ctx, a, emit)
				}
			case e := <-r.ends:
				running--
				switch {
				case r.lost(e.attempt.number): // it is paid for; the winner's end is still to come, or came
				case of != nil && e.err != nil && !r.begun(): // both have failed
					d.failures = append(d.failures, err)
					got, of, err = nil, e.attempt, e.err
				default:
					got, of, err = e.answer, e.attempt, e.err
				}
				if running == 0 {
					return err
				}
			}
		}
	})
	if of == nil { // the reader stopped before anybody had ended
		of = first
	}
	return got, of, both, err
}

// racing is two attempts at one call. The nil race has one runner, who always wins.
type racing struct {
	ends chan ending

	mu     sync.Mutex
	winner int // the number of the attempt that spoke first; 0: none has
	cancel map[int]context.CancelFunc
}

// ending is how an attempt of a race ended.
type ending struct {
	attempt *attempt
	answer  *answer
	err     error
}

// start lets an attempt run.
func (r *racing) start(ctx context.Context, a *attempt, emit emitter) {
	ctx, cancel := context.WithCancel(ctx)
	r.mu.Lock()
	r.cancel[a.number] = cancel
	r.mu.Unlock()
	a.emit, a.race = emit, r
	go func() {
		defer cancel()
		got, err := a.do(ctx)
		r.ends <- ending{a, got, err}
	}()
}

// claim says whether an attempt may speak: it is the first, and then the other one's call is ended.
func (r *racing) claim(number int) bool {
	if r == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.winner == 0 {
		r.winner = number
		for other, cancel := range r.cancel {
			if other != number {
				cancel()
			}
		}
	}
	return r.winner == number
}

// lost says whether another attempt than this one has spoken.
func (r *racing) lost(number int) bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.winner != 0 && r.winner != number
}

// begun says whether an attempt has spoken.
func (r *racing) begun() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.winner != 0
}
