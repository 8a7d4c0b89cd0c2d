package score

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"fairlead/internal/fault"
)

// Score is what a scorer found.
type Score struct {
	// Value is from 0 to 1, the higher the better.
	Value float64 `json:"value"`
	// Pass says whether it is good enough, where the scorer has a bar. Nil: it only measures.
	Pass *bool `json:"pass,omitempty"`
	// Detail says in a few words why, for people. It may quote the outcome: it is for reports, not for logs.
	Detail string `json:"detail,omitempty"`
	// Skipped says why there is no score: the case expects nothing of this kind. Empty: there is one. A score that was
	// skipped has no part in a mean.
	Skipped string `json:"skipped,omitempty"`
}

// Passed says whether the score has a bar and reached it.
func (s Score) Passed() bool { return s.Pass != nil && *s.Pass }

// Scorer judges one outcome of one case.
type Scorer interface {
	// Score gives the score of an outcome. An error is a failure of the scorer, such as a judge that does not answer: it
	// is never the outcome's fault, and whoever runs scorers counts and shows it and makes no 0 of it. Scorers of this
	// package may be used by several goroutines at once.
	Score(ctx context.Context, c *Case, o *Outcome) (Score, error)
}

// Func makes a scorer of a function.
type Func func(ctx context.Context, c *Case, o *Outcome) (Score, error)

// Score calls the function.
func (f Func) Score(ctx context.Context, c *Case, o *Outcome) (Score, error) { return f(ctx, c, o) }

// Close ends what a scorer runs, such as a command. Scorers that run nothing need none.
func Close(s Scorer) error {
	if c, ok := s.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Bar is the least value that passes. Nil: there is none.
type Bar struct {
	// Min is from 0 to 1.
	Min *float64 `yaml:"min" json:"min,omitempty"`
}

func (b Bar) check() error {
	if b.Min != nil && !(*b.Min >= 0 && *b.Min <= 1) {
		return errors.New("min must be from 0 to 1")
	}
	return nil
}

// graded makes a score of a value, with a verdict where there is a bar.
func (b Bar) graded(value float64, format string, args ...any) Score {
	// Sums of parts of 1 may be a hair above it.
	s := Score{Value: min(max(value, 0), 1), Detail: clip(fmt.Sprintf(format, args...))}
	if math.IsNaN(value) {
		s.Value = 0
	}
	if b.Min != nil {
		pass := s.Value >= *b.Min-1e-12 // a mean of parts may be off by its rounding
		s.Pass = &pass
	}
	return s
}

// right makes a score of right or wrong.
func right(ok bool, format string, args ...any) Score {
	s := Score{Pass: &ok, Detail: clip(fmt.Sprintf(format, args...))}
	if ok {
		s.Value = 1
	}
	return s
}

func skipped(format string, args ...any) Score { return Score{Skipped: fmt.Sprintf(format, args...)} }

// lost gives the score of an outcome that is none: what failed is wrong, whatever was expected of it.
func lost(o *Outcome) (Score, bool) {
	if o.Err == nil {
		return Score{}, false
	}
	return right(false, "the run failed: %s", reasonOf(o.Err)), true
}

func reasonOf(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		if f.Reason != fault.ReasonNone {
			return string(f.Reason)
		}
		return f.Code.String()
	}
	return "internal"
}

// failed makes the error of a scorer that could not score.
func failed(cause error, code fault.Code, c *Case, what string) error {
	return fault.Wrap(cause, code, fault.ReasonNone, "scoring case %q: %s", c.ID, what)
}

// clip bounds a detail.
func clip(s string) string {
	const most = 300
	n := 0
	for i := range s {
		if n++; n > most {
			return s[:i] + "…"
		}
	}
	return s
}

// quote shows a piece of an outcome in a detail.
func quote(s string) string {
	const most = 60
	n := 0
	for i := range s {
		if n++; n > most {
			return fmt.Sprintf("%q…", s[:i])
		}
	}
	return fmt.Sprintf("%q", s)
}
