package orchestrator

import (
	"context"
	"math/bits"
	"slices"
	"time"

	"fairlead/internal/fault"
	"fairlead/providers"
)

// outcome is what came of a question, and what it took.
type outcome struct {
	reply *reply
	err   error
	// shared says that the call was made for other callers as well, or might have been: then service and fee are what
	// this one has to pay of it.
	shared bool
	// service is the part of the backend's time, and fee of what each call costs, over all tries.
	service time.Duration
	fee     providers.Money
	// wasted is what tries took that failed and may be charged.
	wasted int
	// took is how long it took, but for the wait for a place at the backend.
	took time.Duration
	// refused says that no call was made, because the backend takes none.
	refused bool

	line *line
}

// toll is a caller's part of one call.
type toll struct {
	service time.Duration
	fee     providers.Money
}

func (o *outcome) add(p toll) {
	o.service += p.service
	o.fee += p.fee
}

// shared is one call for several callers. Their parts of it are by weight, and come to the whole whoever leaves.
type shared struct {
	waiters []*waiter
	before  map[*waiter]int64 // the weights of those before
	whole   int64
	began   time.Time
	cancel  context.CancelFunc
	// live counts those who still wait for it.
	live int
	fee  providers.Money
}

// portion gives the part of a total that belongs to the weights from before to before+own of a whole. The portions of
// all come to the total.
func portion(total, before, own, whole int64) int64 {
	at := func(weight int64) int64 {
		hi, lo := bits.Mul64(uint64(max(total, 0)), uint64(weight))
		q, _ := bits.Div64(hi, lo, uint64(whole)) // weight is at most the whole, so it does not overflow
		return int64(q)
	}
	return at(before+own) - at(before)
}

// part gives a caller's part of a call that has taken so much of its backend's time.
func (c *shared) part(w *waiter, service time.Duration, charged bool) toll {
	p := toll{service: time.Duration(portion(int64(service), c.before[w], w.weight, c.whole))}
	if charged {
		p.fee = providers.Money(portion(int64(c.fee), c.before[w], w.weight, c.whole))
	}
	return p
}

// usage gives a caller's part of what the backend says it used.
func (c *shared) usage(w *waiter, u providers.Usage) providers.Usage {
	of := func(n int64) int64 { return portion(n, c.before[w], w.weight, c.whole) }
	out := u
	out.CachedInput, out.Reasoning = of(u.CachedInput), of(u.Reasoning)
	out.Input = out.CachedInput + of(u.Input-u.CachedInput) // so that no part is of more than the whole of a caller
	out.Output = out.Reasoning + of(u.Output-u.Reasoning)
	return out
}

// call asks the questions of several callers in one call. Where that fails for what may be the fault of one of them, it
// asks for each half of them, so that nobody suffers for what another sent: k such among n cost about 2k·log2(n) calls.
func (b *batcher) call(waiters []*waiter) {
	t := b.target
	b.mu.Lock()
	waiters = slices.DeleteFunc(slices.Clone(waiters), func(w *waiter) bool { return w.left })
	b.mu.Unlock()
	if len(waiters) == 0 {
		return
	}
	leave, ok := t.acquire()
	if !ok {
		refused := &providers.Error{Kind: providers.KindUnavailable, Backend: t.Backend, Model: t.Model, Err: shut(t), RetryAfter: fault.From(shut(t)).RetryAfter,
			Detail: "it is left alone for a moment, or takes no more calls at the moment"}
		b.deliver(waiters, func(w *waiter) { w.out.err, w.out.refused = refused, true })
		return
	}
	c, ctx := b.open(waiters)
	defer c.cancel()
	questions := make([]*question, len(waiters))
	for i, w := range waiters {
		questions[i] = w.question
	}
	seen := waiters[0].seen
	seen.Start(t.Name)
	service := t.meter.start()
	got, parts, err := t.askAll(ctx, questions)
	served, took := service.end(), time.Since(c.began)
	seen.End(t.Name)
	verdict := errNoVerdict
	if ctx.Err() == nil { // what ends with the callers says nothing about the target
		verdict = err
	}
	leave.done(verdict)
	charged := err == nil || providers.Billed(err)
	apart := len(waiters) > 1 && err != nil && ctx.Err() == nil && separable(err)
	b.mu.Lock()
	for i, w := range waiters {
		if w.call = nil; w.left {
			continue
		}
		w.out.add(c.part(w, served, charged))
		w.out.took += took
		if err == nil {
			w.out.reply = parts[i]
			if len(waiters) > 1 {
				w.out.reply.usage = c.usage(w, got.usage)
			}
		} else if apart && charged {
			w.out.wasted++
		}
	}
	b.mu.Unlock()
	if apart {
		half := len(waiters) / 2
		b.call(waiters[:half])
		b.call(waiters[half:])
		return
	}
	b.deliver(waiters, func(w *waiter) { w.out.err = err })
}

// open begins a call: it lasts as long as the caller who has most time, and ends when all have left.
func (b *batcher) open(waiters []*waiter) (*shared, context.Context) {
	c := &shared{waiters: waiters, before: make(map[*waiter]int64, len(waiters)), began: time.Now(), live: len(waiters)}
	if p := b.target.Price; p != nil {
		c.fee = providers.USD(p.PerCall)
	}
	ctx := context.WithoutCancel(waiters[0].ctx)
	var last time.Time
	bounded := true
	for _, w := range waiters {
		c.before[w] = c.whole
		c.whole += w.weight
		deadline, ok := w.ctx.Deadline()
		if bounded = bounded && ok; deadline.After(last) {
			last = deadline
		}
	}
	if bounded {
		ctx, c.cancel = context.WithDeadline(ctx, last)
	} else {
		ctx, c.cancel = context.WithCancel(ctx)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range waiters {
		if w.left {
			c.live--
			continue
		}
		w.call = c
		if w.out.took == 0 {
			w.out.took = min(c.began.Sub(w.since), b.delay)
		}
	}
	if c.live == 0 {
		c.cancel()
	}
	return c, ctx
}

// deliver tells the callers how it ended.
func (b *batcher) deliver(waiters []*waiter, set func(*waiter)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range waiters {
		if !w.left {
			set(w)
			w.out.shared = true
			close(w.done)
		}
	}
}

// askAll asks several questions in one call, and gives the whole reply and each question's part of it.
func (t *target) askAll(ctx context.Context, questions []*question) (*reply, []*reply, error) {
	joined, err := join(questions)
	if err != nil {
		return nil, nil, &providers.Error{Kind: providers.KindInvalid, Backend: t.Backend, Model: t.Model, Detail: "the callers' tensors cannot be joined", Err: err}
	}
	got, err := t.ask(ctx, joined)
	if err != nil {
		return nil, nil, err
	}
	parts, err := got.split(questions)
	if err != nil {
		return nil, nil, &providers.Error{Kind: providers.KindProtocol, Backend: t.Backend, Model: t.Model, MayBill: true,
			Detail: "its outputs do not have a row for each row of the inputs: leave batch out", Err: err}
	}
	return got, parts, nil
}

// separable says whether a failure may be the fault of one of several questions. A call whose answer makes no sense is
// among them: one picture or record is enough for a NaN, which spoils the answer to all.
func separable(err error) bool {
	switch providers.KindOf(err) {
	case providers.KindInvalid, providers.KindContextLength, providers.KindContentFilter, providers.KindUnsupported,
		providers.KindProtocol, providers.KindOverrun:
		return true
	default:
		return false
	}
}
