package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestUnknownErrorsKeepTheirTextInside(t *testing.T) {
	err := fmt.Errorf("dial with key sk-secret: %w", errors.New("refused"))
	got := From(err)
	if got.Code != Internal || strings.Contains(got.Error(), "secret") {
		t.Fatalf("From = %v %q", got.Code, got.Error())
	}
	if !errors.Is(got, err) {
		t.Error("the cause is lost")
	}
	if !strings.Contains(Cause(got), "refused") {
		t.Error("the operator cannot see the cause")
	}
}

func TestContextsKeepTheirMeaning(t *testing.T) {
	if c := CodeOf(fmt.Errorf("reading: %w", context.DeadlineExceeded)); c != DeadlineExceeded {
		t.Errorf("deadline: %v", c)
	}
	if c := CodeOf(context.Canceled); c != Canceled {
		t.Errorf("canceled: %v", c)
	}
	if From(nil) != nil || At("run", nil) != nil {
		t.Error("nil is not nil")
	}
}

func TestAtBuildsThePathWithoutChangingTheError(t *testing.T) {
	base := New(Unavailable, ReasonRateLimited, "target gpt-x: rate limited (retry in 2s)")
	err := At("run", At("answer", At("draft", base)))
	if got, want := err.Error(), "run/answer/draft: target gpt-x: rate limited (retry in 2s)"; got != want {
		t.Errorf("path: got %q, want %q", got, want)
	}
	if len(base.Path) != 0 {
		t.Error("the original was changed")
	}
	if !errors.Is(err, &Error{Code: Unavailable, Reason: ReasonRateLimited}) {
		t.Error("the error is not itself any more")
	}
}

func TestEveryCodeHasAName(t *testing.T) {
	seen := map[string]bool{}
	for c := Internal; c <= Unauthenticated; c++ {
		if seen[c.String()] {
			t.Errorf("code %d shares the name %q", c, c)
		}
		seen[c.String()] = true
	}
}
