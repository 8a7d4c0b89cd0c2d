package orchestrator

import (
	"context"
	"slices"
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
	// visitors end those calls that hold a place as long as nobody else needs it.
	visitors []*func()
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
	default:
		l.makeRoom()
	}
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// makeRoom ends the visitor that came last, if there is one.
func (l *Limiter) makeRoom() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last := len(l.visitors) - 1; last >= 0 {
		(*l.visitors[last])()
		l.visitors = l.visitors[:last]
	}
}

// visit takes a place and leave for a call that nobody waits for, if both are there now: no more than half of the calls
// that may begin at once are such. yield must end it when a caller needs its place; leave gives the place back.
func (l *Limiter) visit(now time.Time, yield func()) (leave func(), ok bool) {
	if l == nil {
		return func() {}, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rate > 0 {
		if l.refill(now); l.tokens-1 < l.burst/2 {
			return nil, false
		}
	}
	if l.slots != nil {
		select {
		case l.slots <- struct{}{}: // under the lock, so that who finds no place finds the visitor
		default:
			return nil, false
		}
		l.visitors = append(l.visitors, &yield)
	}
	if l.rate > 0 {
		l.tokens--
	}
	return func() {
		if l.slots == nil {
			return
		}
		l.mu.Lock()
		l.visitors = slices.DeleteFunc(l.visitors, func(v *func()) bool { return v == &yield })
		l.mu.Unlock()
		<-l.slots
	}, true
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
