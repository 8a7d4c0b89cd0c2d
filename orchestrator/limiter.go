package orchestrator

import (
	"context"
	"sync"
	"time"
)

// Limiter bounds the calls to a backend: how many are in flight, and how many begin in a minute. The nil
// limiter bounds nothing.
type Limiter struct {
	slots chan struct{} // nil: any number

	mu     sync.Mutex
	rate   float64 // calls a second; 0: any number
	burst  float64
	tokens float64
	last   time.Time
}

// NewLimiter makes a limiter of so many calls in flight, and so many in a minute, of which a tenth may begin
// at once. 0 is no bound.
func NewLimiter(concurrency, perMinute int) *Limiter {
	l := &Limiter{rate: float64(perMinute) / 60, burst: max(float64(perMinute)/10, 1)}
	l.tokens = l.burst
	if concurrency > 0 {
		l.slots = make(chan struct{}, concurrency)
	}
	return l
}

// acquire waits for a place, in the order of coming.
func (l *Limiter) acquire(ctx context.Context) error {
	if l == nil || l.slots == nil {
		return nil
	}
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Limiter) release() {
	if l != nil && l.slots != nil {
		<-l.slots
	}
}

// size gives how many calls may be in flight. 0: any number.
func (l *Limiter) size() int {
	if l == nil {
		return 0
	}
	return cap(l.slots)
}

// wait gives how long it takes until a call may begin.
func (l *Limiter) wait(now time.Time) time.Duration {
	if l == nil || l.rate == 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refill(now)
	if l.tokens >= 1 {
		return 0
	}
	return time.Duration((1 - l.tokens) / l.rate * float64(time.Second))
}

// begin takes leave for a call, if there is one now.
func (l *Limiter) begin(now time.Time) bool {
	if l == nil || l.rate == 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refill(now)
	if l.tokens < 1 {
		return false
	}
	l.tokens--
	return true
}

func (l *Limiter) refill(now time.Time) {
	if !l.last.IsZero() && now.After(l.last) {
		l.tokens = min(l.tokens+now.Sub(l.last).Seconds()*l.rate, l.burst)
	}
	if l.last.IsZero() || now.After(l.last) {
		l.last = now
	}
}
