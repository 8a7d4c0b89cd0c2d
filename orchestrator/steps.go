package orchestrator

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator/chain"
)

func timeUntil(t time.Time) time.Duration { return max(time.Until(t), 0) }

// steps runs steps one after the other.
func (b *branch) steps(ctx context.Context, steps []*chain.Step) error {
	began, _ := b.ledger.Left()
	for i, s := range steps {
		if err := b.step(ctx, s, b.leftFor(s, steps[i+1:], began)); err != nil {
			return err
		}
	}
	return nil
}

// step runs one step: its condition, its time and money, its work, and what its failure means.
func (b *branch) step(ctx context.Context, s *chain.Step, p purse) error {
	path := b.pathOf(s.ID)
	if err := b.emit(path, &StepStarted{Kind: string(s.Kind)}); err != nil {
		return err
	}
	started := time.Now()
	end := func(f *StepFinished) error {
		f.Duration = time.Since(started)
		return b.emit(path, f)
	}
	inner, cancel := ctx, context.CancelFunc(func() {})
	until, why := b.until(s, p)
	if why != "" {
		inner, cancel = context.WithDeadline(ctx, until)
	}
	defer cancel()
	told := &teller{emit: b.emit}
	var res result
	var finished *StepFinished
	var err error
	if s.When != nil {
		var holds bool
		if holds, err = s.When.Holds(inner, b.scope()); err == nil && !holds {
			return end(&StepFinished{Status: StepSkipped, Reason: "its condition does not hold: " + s.When.Source()})
		}
	}
	if err == nil {
		whole := b.run
		b.run = whole.narrowed(p, until)
		res, finished, err = b.work(inner, s, path, told.tell)
		if err != nil {
			err = b.refusal(s, err)
		}
		b.run = whole
	}
	if err == nil {
		b.results[s.ID] = res
		finished.Status, finished.Label, finished.Finish = StepDone, res.label, res.finish
		return end(finished)
	}
	if errors.Is(err, errStopped) || ctx.Err() != nil {
		return fault.At(s.ID, err)
	}
	if inner.Err() != nil {
		late := fault.Wrap(err, fault.DeadlineExceeded, fault.ReasonDeadline, "%s", why)
		late.Path = fault.From(err).Path
		err = late
	}
	if !s.Optional || len(told.steps) > 0 && b.limits.NoRetract {
		return fault.At(s.ID, err)
	}
	if !told.tried && p.spares(err) {
		return end(&StepFinished{Status: StepSkipped, Reason: "what is left is kept for the steps after it: " + fault.From(err).Text})
	}
	for _, told := range told.steps {
		if err := b.emit(told, &Retracted{Reason: string(fault.ReasonOf(err))}); err != nil {
			return err
		}
	}
	return end(&StepFinished{Status: StepFailed, Reason: fault.From(err).Error()})
}

// teller knows which steps have told output that would have to be withdrawn, and whether a call was tried.
type teller struct {
	emit  emitter
	steps []string
	tried bool
}

func (t *teller) tell(step string, body Body) error {
	switch body := body.(type) {
	case *AttemptStarted:
		t.tried = true
	case *TextDelta:
		if body.Output && !slices.Contains(t.steps, step) {
			t.steps = append(t.steps, step)
		}
	case *Retracted:
		t.steps = slices.DeleteFunc(t.steps, func(s string) bool { return s == step })
	}
	return t.emit(step, body)
}

func (b *branch) work(ctx context.Context, s *chain.Step, path string, emit emitter) (result, *StepFinished, error) {
	switch s.Kind {
	case chain.KindGenerate:
		return b.doGenerate(ctx, s, path, emit)
	case chain.KindRetrieve:
		return b.doRetrieve(ctx, s, path, emit)
	case chain.KindEmbed:
		return b.doEmbed(ctx, s, path, emit)
	case chain.KindClassify:
		return b.doClassify(ctx, s, path, emit)
	case chain.KindPredict:
		return b.doPredict(ctx, s, path, emit)
	case chain.KindSummarize:
		return b.doSummarize(ctx, s, path, emit)
	case chain.KindChoose:
		return b.doChoose(ctx, s, emit)
	case chain.KindParallel:
		return b.doParallel(ctx, s, emit)
	default:
		return result{}, nil, fault.New(fault.Unimplemented, fault.ReasonBadChain, "a step of kind %q is not known", s.Kind)
	}
}

func (b *branch) doChoose(ctx context.Context, s *chain.Step, emit emitter) (result, *StepFinished, error) {
	chosen, name, steps := false, "", s.Choose.Else
	l := b.label
	for i, c := range s.Choose.Cases {
		// Which case it was tells of what decided it.
		for _, id := range c.When.Steps() {
			l = label.Join(l, b.results[id].label)
		}
		holds, err := c.When.Holds(ctx, b.scope())
		if err != nil {
			return result{}, nil, err
		}
		if holds {
			if chosen, name, steps = true, c.Name, c.Steps; name == "" {
				name = strconv.Itoa(i + 1)
			}
			break
		}
	}
	if !chosen && len(steps) > 0 {
		name = "else"
	}
	// What the steps made counts when all went well: of a choose step that failed, nothing is left.
	inner := b.fork(emit)
	err := inner.steps(ctx, steps)
	b.learn(inner)
	if err != nil {
		return result{}, nil, err
	}
	maps.Copy(b.results, inner.results)
	values := map[string]any{"case": name}
	return result{label: l, values: values}, &StepFinished{Result: values}, nil
}

// doParallel runs steps side by side, each in a branch of its own. The first failure ends the others.
func (b *branch) doParallel(ctx context.Context, s *chain.Step, emit emitter) (result, *StepFinished, error) {
	branches := make([]*branch, len(s.Parallel))
	err := apart(ctx, emit, func(ctx context.Context, emit emitter) error {
		group, ctx := errgroup.WithContext(ctx)
		purses := b.leftForEach(s.Parallel)
		for i, inner := range s.Parallel {
			branches[i] = b.fork(emit)
			group.Go(func() error { return guarded(func() error { return branches[i].step(ctx, inner, purses[i]) }) })
		}
		return group.Wait()
	})
	for _, done := range branches {
		b.learn(done)
	}
	if err != nil {
		return result{}, nil, err
	}
	for _, done := range branches {
		maps.Copy(b.results, done.results)
	}
	values := map[string]any{"count": float64(len(branches))}
	return result{label: b.label, values: values}, &StepFinished{Result: values}, nil
}

// apart does work that tells events from several goroutines, and tells them on, one at a time, from the
// goroutine that called it: a stream's reader must never be called from another.
func apart(ctx context.Context, emit emitter, work func(context.Context, emitter) error) error {
	ctx, cancel := context.WithCancel(ctx)
	type told struct {
		step string
		body Body
	}
	events := make(chan told)
	// The work ends before apart does, also when the reader panics; until then what it tells is taken.
	defer func() {
		cancel()
		for range events {
		}
	}()
	var left atomic.Bool
	var worked error
	go func() {
		defer close(events)
		worked = guarded(func() error {
			return work(ctx, func(step string, body Body) error {
				events <- told{step, body}
				if left.Load() {
					return errStopped
				}
				return nil
			})
		})
	}()
	var stopped error
	for e := range events {
		// Also when the reader has left: the observer is told what the calls took.
		if err := emit(e.step, e.body); err != nil && stopped == nil {
			stopped = err
			left.Store(true)
			cancel()
		}
	}
	if stopped != nil {
		return stopped
	}
	return worked
}

// guarded turns a panic into an error: beside the reader's goroutine nobody would catch it, and it would end
// the process.
func guarded(work func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fault.Wrap(panicked(value), fault.Internal, fault.ReasonInternal, "internal error: see the server's log with the request's id")
		}
	}()
	return work()
}
