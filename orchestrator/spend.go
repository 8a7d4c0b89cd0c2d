package orchestrator

import (
	"sync"
	"time"

	"fairlead/providers"
)

// spend knows what a target has cost in the last minute, second by second. Its zero value is ready.
type spend struct {
	mu      sync.Mutex
	seconds [60]struct {
		at   int64 // the second since 1970 that it is of
		cost providers.Money
	}
}

// add books a cost.
func (s *spend) add(now time.Time, cost providers.Money) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := now.Unix()
	second := &s.seconds[at%int64(len(s.seconds))]
	if second.at != at {
		second.at, second.cost = at, 0
	}
	second.cost += cost
}

// minute gives what the last sixty seconds cost.
func (s *spend) minute(now time.Time) (sum providers.Money) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.seconds {
		if now.Unix()-s.seconds[i].at < int64(len(s.seconds)) {
			sum += s.seconds[i].cost
		}
	}
	return sum
}

// spentOn gives what a target has cost in the last minute.
func (st *state) spentOn(name string) providers.Money {
	return st.every[name].spent.minute(time.Now())
}
