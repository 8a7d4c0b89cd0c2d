package server

import (
	"net/http"
	"sync"
	"time"

	"fairlead/internal/fault"
)

// gate counts the calls in flight and lets none in once it is closed.
type gate struct {
	mu     sync.Mutex
	count  int
	limit  int
	closed bool
	// empty is closed when the gate is closed and the count is zero.
	empty chan struct{}
}

func newGate(limit int) *gate { return &gate{limit: limit, empty: make(chan struct{})} }

var (
	errDraining = &fault.Error{
		Code: fault.Unavailable, Reason: fault.ReasonDraining, RetryAfter: time.Second,
		Text: "the server is shutting down: send the request again, it will reach another server or the next start",
	}
	errBusy = &fault.Error{
		Code: fault.ResourceExhausted, Reason: fault.ReasonRateLimited, RetryAfter: time.Second,
		Text: "the server has as many calls in flight as it may have: wait and send the request again",
	}
)

// enter lets a call in, or says why not.
func (g *gate) enter() *fault.Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return errDraining
	case g.limit > 0 && g.count >= g.limit:
		return errBusy
	}
	g.count++
	return nil
}

// leave lets a call out.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count--
	if g.closed && g.count == 0 {
		close(g.empty)
	}
}

// close lets no call in any more.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	g.closed = true
	if g.count == 0 {
		close(g.empty)
	}
}

// inFlight gives the count.
func (g *gate) inFlight() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count
}

// admit counts the call, or refuses it.
func (s *Server) admit(m *Mount, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.gate.enter(); err != nil {
			if err == errDraining {
				// On HTTP/1.1 and on HTTP/2 this ends the connection after the answer, so that the
				// caller's next one goes elsewhere.
				w.Header().Set("Connection", "close")
			}
			m.refuse(w, r, err)
			return
		}
		defer s.gate.leave()
		if s.config.Observer != nil {
			s.config.Observer.CallStarted(m.Pattern)
			defer s.observeEnd(callOf(r.Context()))
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) observeEnd(call *Call) {
	ended := *call
	ended.Duration = time.Since(call.start)
	s.config.Observer.CallEnded(ended)
}
