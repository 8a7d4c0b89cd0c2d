package orchestrator

import (
	"sync"
	"sync/atomic"
	"time"

	"fairlead/orchestrator/health"
	"fairlead/orchestrator/routing/observe"
	"fairlead/providers"
)

// cacheFull is the share of a backend's cache of keys and values from which on it counts as full: new calls
// wait in it until others end, or push others out, which then begin anew.
const cacheFull = 0.9

// busyness is how busy a backend says it is. Its targets share it. It is safe for concurrent use.
type busyness struct {
	// heard says that it ever said anything.
	heard atomic.Bool

	mu    sync.Mutex
	load  providers.Load
	every time.Duration
	at    time.Time // when it came; zero: never
	// others are the calls in the backend that were not ours then.
	others int
}

// hear takes what a backend says, while ours of our calls are in it.
func (q *busyness) hear(l providers.Load, ours int, every time.Duration, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l.Running, l.Waiting, l.Slots = max(l.Running, 0), max(l.Waiting, 0), max(l.Slots, 0)
	q.load, q.every, q.at = l, every, now
	q.others = max(0, l.Running+l.Waiting-ours)
	q.heard.Store(true)
}

// fresh gives what the backend last said; ok is false when that is too old.
func (q *busyness) fresh(now time.Time) (l providers.Load, others int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.at.IsZero() || now.Sub(q.at) > health.Lasting(q.every) {
		return providers.Load{}, 0, false
	}
	return q.load, q.others, true
}

// ahead gives the backend's queue for a prediction, while ours of our calls are in it.
func (q *busyness) ahead(ours int, now time.Time) observe.Queue {
	l, others, ok := q.fresh(now)
	if !ok {
		return observe.Queue{}
	}
	out := observe.Queue{Others: others, Ours: ours, Slots: l.Slots}
	if out.Full = l.CacheKnown && l.Cache > cacheFull && l.Running > 0; out.Full || out.Slots == 0 && l.Waiting > 0 {
		out.Slots = l.Running // more than that it does not work on
	}
	return out
}

// ahead gives the queue of the meter's backend, for a prediction.
func (m *meter) ahead(now time.Time) observe.Queue {
	if !m.queue.heard.Load() {
		return observe.Queue{}
	}
	return m.queue.ahead(m.inside(), now)
}

// Loaded takes how busy a backend says it is.
func (e *Engine) Loaded(backend string, l providers.Load, every time.Duration) {
	for _, t := range e.state.Load().every {
		if t.Backend == backend {
			t.meter.queue.hear(l, t.meter.inside(), every, time.Now())
			return // its targets share it
		}
	}
}

// inside gives how many calls are in the backend now.
func (m *meter) inside() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.active
}
