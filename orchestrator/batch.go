package orchestrator

import (
	"context"
	"sync"
	"time"

	"fairlead/orchestrator/routing/observe"
	"fairlead/providers"
)

// Batch is how calls that come at the same time are made as one.
type Batch struct {
	// Max is the most items of one call. 0 and 1: calls are made as they come. What one caller sends is never taken apart,
	// so a call may have more when a caller has.
	Max int
	// Delay is the most time that the first item waits for others. With 0 it waits for none; what comes while a call is
	// under way then goes together when that one is over.
	Delay time.Duration
}

// maxBatchBytes is the most bytes that callers' questions have together in one call.
const maxBatchBytes = 16 << 20

// batcher makes one call of the questions of several callers. Those that are kin wait in one queue: until there are
// Max items, until the first has waited for Delay, or until a call of theirs that is under way is over; and then for a
// place at the backend, which one call takes and not one caller. No lock is held while a call is made.
type batcher struct {
	target *target
	max    int
	delay  time.Duration

	mu    sync.Mutex
	lines map[string]*line
}

// newBatcher makes the batcher of a target; nil where each call is made by itself.
func newBatcher(t *target) *batcher {
	if t.Batch.Max < 2 {
		return nil
	}
	return &batcher{target: t, max: t.Batch.Max, delay: max(t.Batch.Delay, 0), lines: map[string]*line{}}
}

// line is the questions that are kin. The batcher's lock guards it.
type line struct {
	kin     string
	waiting []*waiter
	items   int
	bytes   int
	// running counts the calls under way.
	running int
	// next is the call that will take from the queue as soon as there is a place for it. Nil: none is due.
	next  *due
	timer *time.Timer
}

// due is a call that waits for its place.
type due struct {
	ctx    context.Context
	cancel context.CancelFunc
}

// waiter is a caller with a question.
type waiter struct {
	ctx      context.Context
	question *question
	seen     *observe.Recorder
	// weight is the caller's part of what a call takes.
	weight       int64
	items, bytes int
	since        time.Time
	done         chan struct{}

	// The batcher's lock guards the rest, until done is closed.

	queued, left bool
	// call is the one that is under way for it.
	call *shared
	out  outcome
}

// do asks a question with those of others, and gives what came of it. It returns when the context ends, whatever the
// others do.
func (b *batcher) do(ctx context.Context, q *question, weight int64, seen *observe.Recorder) outcome {
	if err := ctx.Err(); err != nil {
		return outcome{err: err, shared: true}
	}
	w := &waiter{ctx: ctx, question: q, seen: seen, weight: max(weight, 1), items: q.items(), bytes: q.size(), since: time.Now(), done: make(chan struct{}), queued: true}
	b.enqueue(w, b.target.kin(ctx, q))
	select {
	case <-w.done:
		return w.out
	case <-ctx.Done():
		return b.leave(w)
	}
}

func (b *batcher) enqueue(w *waiter, kin string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.lines[kin]
	if q == nil || kin == "" {
		q = &line{kin: kin}
	}
	if kin != "" {
		b.lines[kin] = q
	}
	w.out.line = q
	q.waiting, q.items, q.bytes = append(q.waiting, w), q.items+w.items, q.bytes+w.bytes
	full := kin == "" || q.items >= b.max || q.bytes >= maxBatchBytes
	switch {
	case q.next != nil:
	case full, b.delay == 0 && q.running == 0:
		b.start(q)
	case b.delay > 0 && q.timer == nil:
		q.timer = time.AfterFunc(b.delay, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			if q.timer = nil; q.next == nil && len(q.waiting) > 0 {
				b.start(q)
			}
		})
	}
}

// start makes a call due. The lock is held.
func (b *batcher) start(q *line) {
	q.next = newDue()
	go b.serve(q, q.next)
}

func newDue() *due {
	ctx, cancel := context.WithCancel(context.Background())
	return &due{ctx, cancel}
}

// serve waits for a place at the backend, takes what is in the queue then, and makes the call; and again while more
// came meanwhile. What still waits for a place so gathers further items.
func (b *batcher) serve(q *line, d *due) {
	for {
		err := b.target.Limiter.acquire(d.ctx)
		d.cancel()
		b.mu.Lock()
		if q.next == d {
			q.next = nil
		}
		var waiters []*waiter
		if err == nil { // else all had left, and whoever has come since is another call's
			waiters = q.take(b.max)
		}
		if len(waiters) == 0 {
			b.tidy(q)
			b.mu.Unlock()
			if err == nil {
				b.target.Limiter.release()
			}
			return
		}
		q.running++
		if len(q.waiting) > 0 && q.next == nil { // more than one call holds
			b.start(q)
		}
		b.mu.Unlock()

		b.call(waiters)
		b.target.Limiter.release()

		b.mu.Lock()
		q.running--
		if len(q.waiting) == 0 || q.next != nil {
			b.tidy(q)
			b.mu.Unlock()
			return
		}
		d = newDue()
		q.next = d
		b.mu.Unlock()
	}
}

// take gives the first that go into one call. The lock is held.
func (q *line) take(limit int) []*waiter {
	n, items, bytes := 0, 0, 0
	for _, w := range q.waiting {
		if n > 0 && (items+w.items > limit || bytes+w.bytes > maxBatchBytes) {
			break
		}
		n, items, bytes = n+1, items+w.items, bytes+w.bytes
		w.queued = false
	}
	taken := q.waiting[:n:n]
	q.waiting, q.items, q.bytes = q.waiting[n:], q.items-items, q.bytes-bytes
	q.stop()
	return taken
}

func (q *line) stop() {
	if q.timer != nil {
		q.timer.Stop() // should it be firing now, it finds nothing, or somebody who need not wait any more
		q.timer = nil
	}
}

// tidy forgets a queue in which nothing happens. The lock is held.
func (b *batcher) tidy(q *line) {
	if len(q.waiting) == 0 && q.running == 0 && q.next == nil && b.lines[q.kin] == q {
		delete(b.lines, q.kin)
	}
}

// leave lets a caller go whose context has ended. A call that others wait for goes on.
func (b *batcher) leave(w *waiter) outcome {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.done: // it was answered at the same moment
		return w.out
	default:
	}
	w.left = true
	out := w.out
	out.shared, out.took = true, time.Since(w.since)
	e := *providers.AsError(w.ctx, b.target.Backend, b.target.Model, w.ctx.Err())
	if q := w.out.line; w.queued {
		for i, other := range q.waiting {
			if other == w {
				q.waiting = append(q.waiting[:i:i], q.waiting[i+1:]...)
				q.items, q.bytes = q.items-w.items, q.bytes-w.bytes
				break
			}
		}
		if len(q.waiting) == 0 {
			if q.stop(); q.next != nil {
				q.next.cancel()
				q.next = nil
			}
			b.tidy(q)
		}
	} else if c := w.call; c != nil {
		if c.live--; c.live == 0 {
			c.cancel()
		} else {
			// The call goes on with what this caller sent, so the backend does its work and may charge for it.
			e.MayBill = true
		}
		out.add(c.part(w, time.Since(c.began), e.MayBill))
	}
	out.err = &e
	return out
}
