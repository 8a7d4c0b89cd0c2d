package server

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// Call is what the server knows of one request.
type Call struct {
	// ID is the request's id: the caller's X-Request-Id when that is sane, or a UUIDv7.
	ID string
	// Route is the pattern of the mount, or "" where there is none.
	Route string
	// Method is the HTTP method.
	Method string
	// Status is the HTTP status. 0: nothing was written.
	Status int
	// Code and Reason are the outcome in the vocabulary of fault, when the handler told it. Code is "ok"
	// for a call that went well.
	Code, Reason string
	// Bytes is the size of the response's body.
	Bytes int64
	// Duration is from the request's headers to the handler's return.
	Duration time.Duration

	start time.Time
}

type callKey struct{}

// callOf gives the record of a request that came through the server, or nil.
func callOf(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}

// RequestID gives the id of the request that the context belongs to, or "".
func RequestID(ctx context.Context) string {
	if c := callOf(ctx); c != nil {
		return c.ID
	}
	return ""
}

// SetOutcome tells the server how a call ended, for the log and the metrics: a fault's code and reason, or
// "ok". Handlers whose protocol has more to say than an HTTP status call it before they return, from the
// goroutine that the server called them on.
func SetOutcome(ctx context.Context, code, reason string) {
	if c := callOf(ctx); c != nil {
		c.Code, c.Reason = code, reason
	}
}

// headerRequestID is the header of the request's id, both ways.
const headerRequestID = "X-Request-Id"

// identify gives the request its record and its id, and the response its guard.
func (s *Server) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := &Call{Method: r.Method, start: time.Now()}
		if id := r.Header.Get(headerRequestID); saneID(id) {
			call.ID = id
		} else {
			call.ID = uuid.Must(uuid.NewV7()).String()
		}
		w.Header().Set(headerRequestID, call.ID)
		guarded := newResponse(w, call, s.config.WriteTimeout)
		defer guarded.done()
		if r.ContentLength != 0 {
			// What the handler leaves unread, net/http reads for a while: that must end, too. With the
			// request net/http forgets the deadline.
			defer func() { _ = guarded.control.SetReadDeadline(time.Now().Add(s.config.ReadTimeout)) }()
		}
		next.ServeHTTP(guarded, r.WithContext(context.WithValue(r.Context(), callKey{}, call)))
	})
}

// saneID says whether a caller's id may go into logs and headers: [A-Za-z0-9._-]{1,64}.
func saneID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
