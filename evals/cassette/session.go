package cassette

import (
	"context"
	"sync"
	"time"
)

// Session is one repetition of a case, as far as calls of models go. It travels in the context of the run.
type Session struct {
	// Case names the case, and Epoch counts its repetitions from 0.
	Case  string
	Epoch int

	mu      sync.Mutex
	takes   map[string]int
	missing []string
	played  []Timing
}

// Timing is how long a recorded call took when it was recorded.
type Timing struct {
	Target string
	// TTFT is 0 for answers in one piece, and where nothing came.
	TTFT, Took time.Duration
}

type sessionKey struct{}

// With gives a context whose calls belong to the session.
func With(ctx context.Context, s *Session) context.Context {
	return context.WithValue(ctx, sessionKey{}, s)
}

func from(ctx context.Context) *Session {
	s, _ := ctx.Value(sessionKey{}).(*Session)
	return s
}

// Missing gives the targets of calls that were asked for and not recorded.
func (s *Session) Missing() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.missing...)
}

// Played gives the times of the calls that were played, in the order in which they were asked for.
func (s *Session) Played() []Timing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Timing(nil), s.played...)
}

// next counts a request, and gives how many of its kind were before it.
func (s *Session) next(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.takes == nil {
		s.takes = map[string]int{}
	}
	n := s.takes[key]
	s.takes[key] = n + 1
	return n
}

func (s *Session) miss(target string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missing = append(s.missing, target)
}

func (s *Session) play(t Timing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.played = append(s.played, t)
}
