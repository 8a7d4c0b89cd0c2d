package orchestrator

import (
	"sync"
	"time"
)

// meter divides the time that a backend works among the calls that it works for: while n are in flight, each
// is charged a n-th of the time. So what all calls are charged is the time in which there was any, and no
// more. It is the virtual time of processor sharing (Parekh and Gallager, 1993). It is safe for concurrent use.
type meter struct {
	mu     sync.Mutex
	active int
	at     time.Time
	// clock is the time that a call would have been charged that is always in flight.
	clock time.Duration
	// queue is what the backend says of its own.
	queue busyness
}

// pass lets the clock go on to now. The lock is held.
func (m *meter) pass(now time.Time) {
	if m.active > 0 {
		m.clock += now.Sub(m.at) / time.Duration(m.active)
	}
	m.at = now
}

// start begins a call. It must be ended.
func (m *meter) start() *service {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass(time.Now())
	m.active++
	return &service{meter: m, began: m.clock}
}

// service is one call's share of its backend's time.
type service struct {
	meter *meter
	began time.Duration
	share time.Duration
	ended bool
}

// end ends the call and gives its share. Ending it again changes nothing.
func (s *service) end() time.Duration {
	s.meter.mu.Lock()
	defer s.meter.mu.Unlock()
	if !s.ended {
		s.meter.pass(time.Now())
		s.meter.active--
		s.share, s.ended = s.meter.clock-s.began, true
	}
	return s.share
}
