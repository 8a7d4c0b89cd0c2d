package usage

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/orchestrator"
)

// Config says how usage is kept.
type Config struct {
	// Keep is how long records are kept; their sums are kept for ever. 0: 30 days.
	Keep time.Duration
	// Queue is how many records may wait to be written. 0: 65,536.
	Queue int
	// Wait is how long a run may wait at its end for room in the queue. 0: 1 s.
	Wait time.Duration
	// Drain is how long Close may take to write what is queued. 0: 10 s.
	Drain time.Duration
	// Spill is the folder of the files of what Close could not write. Empty: there are none.
	Spill string
	// Lost is told how many records were lost. It may be nil.
	Lost func(records int)
	// Logger is told when the store fails and what is lost, by numbers alone. Nil: nobody.
	Logger *slog.Logger
}

const (
	// gather is how long records are gathered for one write, and batch how many at most.
	gather = 250 * time.Millisecond
	batch  = 1000
	// forgetEvery is how often old records are deleted.
	forgetEvery = time.Hour
	// writeTime bounds one write.
	writeTime = 10 * time.Second
	// retryFirst and retryMost are the first and the longest wait before a store is asked again.
	retryFirst, retryMost = 250 * time.Millisecond, 30 * time.Second
)

func (c Config) withDefaults() Config {
	if c.Keep == 0 {
		c.Keep = 30 * 24 * time.Hour
	}
	if c.Queue == 0 {
		c.Queue = 1 << 16
	}
	if c.Wait == 0 {
		c.Wait = time.Second
	}
	if c.Drain == 0 {
		c.Drain = 10 * time.Second
	}
	if c.Lost == nil {
		c.Lost = func(int) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Recorder is an observer that keeps what attempts took and cost. Make it with New and end it with Close.
type Recorder struct {
	store  Store
	config Config
	// running ends with Close, and draining a while after it.
	running, draining context.Context
	close, giveUp     context.CancelFunc
	done              chan struct{}
	// wake has a place for one word to the writer that something is queued.
	wake chan struct{}

	mu     sync.Mutex
	closed bool
	queue  []item
	// room is closed when there is some again. Nil: nobody waits.
	room chan struct{}
}

var _ orchestrator.CallObserver = (*Recorder)(nil)

// item is an attempt that waits to be written. It points to what the run has told anyway.
type item struct {
	who  *trail
	step string
	at   time.Time
	used *orchestrator.AttemptUsage
}

// New makes a recorder, and starts the goroutine that writes. It begins with what an earlier one has left in files.
func New(store Store, c Config) *Recorder {
	r := &Recorder{store: store, config: c.withDefaults(), done: make(chan struct{}), wake: make(chan struct{}, 1)}
	r.draining, r.giveUp = context.WithCancel(context.Background())
	r.running, r.close = context.WithCancel(r.draining)
	go r.write()
	return r
}

// RunStarts begins the trail of a run.
func (r *Recorder) RunStarts(ctx context.Context, runID, chain string, p auth.Principal) (context.Context, func(*orchestrator.Event), func(error)) {
	t := &trail{recorder: r, run: runID, chain: chain, tenant: p.Tenant, key: p.Name}
	return ctx, t.event, t.end
}

// CallStarts begins the trail of a call outside runs.
func (r *Recorder) CallStarts(ctx context.Context, id, _ string, p auth.Principal) (context.Context, func(*orchestrator.Event), func(error)) {
	return r.RunStarts(ctx, id, "", p)
}

// trail is what a run leaves.
type trail struct {
	recorder                *Recorder
	run, chain, tenant, key string

	mu sync.Mutex
	// held are those for which the queue had no room.
	held []item
}

// event takes what is settled.
func (t *trail) event(e *orchestrator.Event) {
	used, ok := e.Body.(*orchestrator.AttemptUsage)
	if !ok || used.Target == nil {
		return
	}
	one := item{t, e.Step, e.Time, used}
	if room, _ := t.recorder.take(one); room {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held = append(t.held, one)
}

// end waits until there is room for what there was none for, but not for long.
func (t *trail) end(error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.held) == 0 {
		return
	}
	timer := time.NewTimer(t.recorder.config.Wait)
	defer timer.Stop()
	for len(t.held) > 0 {
		ok, more := t.recorder.take(t.held...)
		if ok {
			break
		}
		select {
		case <-more:
			continue
		case <-timer.C:
		case <-t.recorder.running.Done():
		}
		t.recorder.lost(len(t.held), "the queue is full: the store is too slow, or does not answer")
		break
	}
	t.held = nil
}

// take queues items, all or none. Where there is no room it gives what is closed when there is some; after Close
// there never is.
func (r *Recorder) take(items ...item) (ok bool, room <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// More than the queue holds may still come into an empty one.
	if r.closed || len(r.queue) > 0 && len(r.queue)+len(items) > r.config.Queue {
		if r.room == nil {
			r.room = make(chan struct{})
		}
		return false, r.room
	}
	before := len(r.queue)
	r.queue = append(r.queue, items...)
	if before == 0 || before < batch && len(r.queue) >= batch { // the writer sleeps, or gathers
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
	return true, nil
}

// waiting gives how many items are queued.
func (r *Recorder) waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queue)
}

// next takes what is to be written next out of the queue.
func (r *Recorder) next() []Record {
	r.mu.Lock()
	n := min(len(r.queue), batch)
	items := r.queue[:n:n]
	if r.queue = r.queue[n:]; len(r.queue) == 0 {
		r.queue = nil // what was written is not held on to
	}
	if r.room != nil && !r.closed {
		close(r.room)
		r.room = nil
	}
	r.mu.Unlock()
	records := make([]Record, n)
	for i := range items {
		records[i] = items[i].record()
	}
	return records
}

// record makes the record of an item.
func (i *item) record() Record {
	used := i.used
	r := Record{
		Tenant: i.who.tenant, Key: i.who.key, RunID: i.who.run, Step: i.step, Attempt: used.Attempt, Time: i.at, Chain: i.who.chain,
		Target: used.Target.Name, Backend: used.Target.Backend, Model: used.Reported, Usage: used.Usage, TTFT: used.TTFT, Duration: used.Duration,
		Failed: string(used.Failed),
	}
	if r.Model == "" {
		r.Model = used.Target.Model
	}
	if used.CostKnown {
		r.Cost, r.CostKnown = used.Cost, true
	}
	r.clean()
	return r
}

// lost counts what is lost.
func (r *Recorder) lost(records int, why string) {
	if records == 0 {
		return
	}
	r.config.Lost(records)
	r.config.Logger.Error("usage was lost", "records", records, "why", why)
}

// Close writes what is queued and ends the recorder. It takes no longer than Config.Drain and a moment for the file
// of what was left. Attempts that are settled later are lost, and counted. It may be called again.
func (r *Recorder) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.close()
	timer := time.AfterFunc(r.config.Drain, r.giveUp)
	defer timer.Stop()
	<-r.done
	return nil
}

func (r *Recorder) forget() {
	ctx, cancel := context.WithTimeout(r.running, writeTime)
	defer cancel()
	if err := r.store.UsageForget(ctx, time.Now().Add(-r.config.Keep)); err != nil && r.running.Err() == nil {
		r.config.Logger.Warn("old usage was not deleted", "error", fault.Cause(err))
	}
}
