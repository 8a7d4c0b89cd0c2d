package server

import (
	"sync"
	"time"
)

// watchdog calls bite when an operation takes too long. net/http's own deadlines are not used as timers
// because on HTTP/2 each change is a message to the connection's loop, and because a deadline that is left
// standing between two writes resets the stream; a timer costs neither.
type watchdog struct {
	mu    sync.Mutex
	timer *time.Timer
	armed bool
	over  bool
	bite  func()
}

// arm starts the time of an operation.
func (d *watchdog) arm(limit time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return
	}
	d.armed = true
	if d.timer == nil {
		d.timer = time.AfterFunc(limit, d.fire)
		return
	}
	d.timer.Reset(limit)
}

// disarm ends it.
func (d *watchdog) disarm() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.armed = false
	if d.timer != nil {
		d.timer.Stop()
	}
}

// end ends all: after it, bite is never called again.
func (d *watchdog) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.armed, d.over = false, true
	if d.timer != nil {
		d.timer.Stop()
	}
}

// fire bites under the lock, so that the request cannot end meanwhile: after its end the response must
// not be touched.
func (d *watchdog) fire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.armed && !d.over {
		d.over = true
		d.bite()
	}
}
