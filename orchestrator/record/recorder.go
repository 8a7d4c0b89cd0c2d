package record

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/orchestrator"
)

// Config says how decisions are kept.
type Config struct {
	// Keep is how long. 0: 7 days.
	Keep time.Duration
	// Most is how many are kept of one tenant. 0: 100,000.
	Most int
	// Queue is how many runs may wait to be written. 0: 1024.
	Queue int
	// Dropped is told how many runs' decisions were lost, because the queue was full or the store refused
	// them. It may be nil.
	Dropped func(runs int)
	// Logger is told when the store fails. Nil: nobody.
	Logger *slog.Logger
}

const (
	// gather is how long runs are gathered for one write, and batch how many at most.
	gather = 250 * time.Millisecond
	batch  = 64
	// forgetEvery is how often old decisions are deleted.
	forgetEvery = time.Hour
	// writeTime bounds one write.
	writeTime = 10 * time.Second
)

func (c Config) withDefaults() Config {
	if c.Keep == 0 {
		c.Keep = 7 * 24 * time.Hour
	}
	if c.Most == 0 {
		c.Most = 100_000
	}
	if c.Queue == 0 {
		c.Queue = 1024
	}
	if c.Dropped == nil {
		c.Dropped = func(int) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Recorder is an observer that keeps the decisions of runs. Make it with New and end it with Close.
type Recorder struct {
	store  Decisions
	config Config
	queue  chan *trail
	// closing is closed once, by Close; after it nothing more is taken.
	closing chan struct{}
	once    sync.Once
	done    chan struct{}
}

var _ orchestrator.Observer = (*Recorder)(nil)

// New makes a recorder, and starts the goroutine that writes.
func New(store Decisions, c Config) *Recorder {
	c = c.withDefaults()
	r := &Recorder{store: store, config: c, queue: make(chan *trail, c.Queue), closing: make(chan struct{}), done: make(chan struct{})}
	go r.write()
	return r
}

// RunStarts begins the trail of a run.
func (r *Recorder) RunStarts(ctx context.Context, runID, chain string, p auth.Principal) (context.Context, func(*orchestrator.Event), func(error)) {
	t := &trail{runID: runID, chain: chain, tenant: p.Tenant}
	return ctx, t.event, func(err error) {
		if t.end(err) {
			r.take(t)
		}
	}
}

// take queues a trail, or drops it when there is no room or the recorder ends.
func (r *Recorder) take(t *trail) {
	select {
	case <-r.closing:
		r.config.Dropped(1)
		return
	default:
	}
	select {
	case r.queue <- t:
	default:
		r.config.Dropped(1)
	}
}

// Close writes what is queued and ends the recorder. Runs that end later leave nothing. It may be called again.
func (r *Recorder) Close() error {
	r.once.Do(func() { close(r.closing) })
	<-r.done
	return nil
}

// write is the goroutine.
func (r *Recorder) write() {
	defer close(r.done)
	r.forget()
	forget := time.NewTicker(forgetEvery)
	defer forget.Stop()
	for {
		select {
		case <-r.closing:
			r.rest()
			return
		case <-forget.C:
			r.forget()
		case t := <-r.queue:
			r.flush(r.gather(t))
		}
	}
}

// gather waits a moment for more.
func (r *Recorder) gather(first *trail) []*trail {
	all := []*trail{first}
	timer := time.NewTimer(gather)
	defer timer.Stop()
	for len(all) < batch {
		select {
		case t := <-r.queue:
			all = append(all, t)
		case <-timer.C:
			return all
		case <-r.closing:
			return all
		}
	}
	return all
}

// rest writes what is still queued.
func (r *Recorder) rest() {
	for {
		var all []*trail
		for len(all) < batch && len(r.queue) > 0 {
			all = append(all, <-r.queue)
		}
		if len(all) == 0 {
			return
		}
		r.flush(all)
	}
}

// flush writes trails, a transaction for each tenant.
func (r *Recorder) flush(all []*trail) {
	decisions, runs := map[string][]Decision{}, map[string]int{}
	for _, t := range all {
		decisions[t.tenant] = append(decisions[t.tenant], t.decisions()...)
		runs[t.tenant]++
	}
	for tenant, list := range decisions {
		ctx, cancel := context.WithTimeout(context.Background(), writeTime)
		err := r.store.DecisionsAppend(ctx, tenant, list)
		cancel()
		if err != nil {
			r.config.Dropped(runs[tenant])
			r.config.Logger.Warn("decisions were not recorded", "runs", runs[tenant], "error", fault.Cause(err))
		}
	}
}

func (r *Recorder) forget() {
	ctx, cancel := context.WithTimeout(context.Background(), writeTime)
	defer cancel()
	if err := r.store.DecisionsForget(ctx, time.Now().Add(-r.config.Keep), r.config.Most); err != nil {
		r.config.Logger.Warn("old decisions were not deleted", "error", fault.Cause(err))
	}
}
