package server

import (
	"errors"
	"io"
	"net/http"
	"time"

	"fairlead/internal/fault"
)

const (
	// bodyHead is the time that any body may take, and bodyPace the bytes per second that a larger one
	// must come with: a body of single bytes does not hold a handler for long.
	bodyHead = 30 * time.Second
	bodyPace = 16 << 10
)

// limitBody bounds the size of the body and the time between and over its pieces. A body whose length is
// declared as too large is refused unread.
func (s *Server) limitBody(m *Mount, next http.Handler) http.Handler {
	limit := m.MaxBody
	if limit == 0 {
		limit = s.config.MaxBody
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > limit {
			m.refuse(w, r, TooLarge(limit))
			return
		}
		if r.Body != nil && r.Body != http.NoBody {
			body := &pacedBody{
				ReadCloser: http.MaxBytesReader(w, r.Body, limit),
				limit:      s.config.ReadTimeout,
				start:      time.Now(),
			}
			control := http.NewResponseController(w)
			body.dog.bite = func() { _ = control.SetReadDeadline(past) }
			defer body.dog.end()
			r.Body = body
		}
		next.ServeHTTP(w, r)
	})
}

// TooLarge is the fault of a body of more than limit bytes.
func TooLarge(limit int64) *fault.Error {
	return fault.New(fault.ResourceExhausted, fault.ReasonTooLarge,
		"reading the request: its body is larger than %d bytes: send less at once", limit)
}

// BodyTooLarge gives the fault of a read that failed because the body is too large, or nil when err says
// something else.
func BodyTooLarge(err error) *fault.Error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return TooLarge(tooLarge.Limit)
	}
	return nil
}

// pacedBody bounds the time of reads. net/http forgets a read deadline with the request, and a bite only
// comes while a read waits, so the watch for the caller's leaving, which reads too, is not disturbed.
type pacedBody struct {
	io.ReadCloser
	limit time.Duration
	start time.Time
	read  int64
	dog   watchdog
}

func (b *pacedBody) Read(p []byte) (int, error) {
	allowed := bodyHead + time.Duration(b.read)*time.Second/bodyPace
	b.dog.arm(max(0, min(b.limit, allowed-time.Since(b.start))))
	defer b.dog.disarm()
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	return n, err
}
