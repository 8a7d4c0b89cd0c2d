package evals

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"fairlead/evals/score"
	"fairlead/internal/fault"
	"fairlead/providers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a system whose answers a function gives.
type fake struct {
	answer func(q *Question) (*Answer, error)

	mu    sync.Mutex
	asked []Question
	open  int
}

func (f *fake) Begin(ctx context.Context, _ *Question) (context.Context, func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open++
	return ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.open--
	}
}

func (f *fake) Ask(_ context.Context, q *Question) (*Answer, error) {
	f.mu.Lock()
	f.asked = append(f.asked, *q)
	f.mu.Unlock()
	return f.answer(q)
}

func said(text string, cost providers.Money) *Answer {
	return &Answer{Outcome: score.Outcome{Text: text, Cost: cost, CostKnown: true, Latency: 20 * time.Millisecond, TTFT: 5 * time.Millisecond},
		Targets: []string{"small"}, Usage: providers.Usage{Input: 3, Output: 2}}
}

// suiteOf makes a suite of n cases that expect the case's number.
func suiteOf(t testing.TB, n int, more string) *Suite {
	t.Helper()
	var cases strings.Builder
	for i := range n {
		fmt.Fprintf(&cases, `{"id":"c%03d","input":"what is %d?","expected":"%d","tags":["%s"]}`+"\n", i, i, i, []string{"even", "odd"}[i%2])
	}
	file := "suite: numbers\nunder: {policy: default}\ncases: cases.jsonl\nscorers:\n- score: exact\n" + more
	s, err := Load(fstest.MapFS{"suite.yaml": {Data: []byte(file)}, "cases.jsonl": {Data: []byte(cases.String())}}, "suite.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prepare(score.Deps{}); err != nil {
		t.Fatal(err)
	}
	return s
}

// number gives the number that a case asks for.
func number(q *Question) string {
	return strings.TrimSuffix(strings.TrimPrefix(q.Text(), "what is "), "?")
}

// right answers all but some of the cases.
func right(wrong ...string) func(*Question) (*Answer, error) {
	return func(q *Question) (*Answer, error) {
		for _, id := range wrong {
			if q.Case.ID == id {
				return said("no idea", 1000), nil
			}
		}
		return said(number(q), 1000), nil
	}
}

func mustRun(t testing.TB, s *Suite, f *fake, o Options) *Report {
	t.Helper()
	r, err := Run(t.Context(), s, f, o)
	if err != nil {
		t.Fatal(err)
	}
	if f.open != 0 {
		t.Errorf("%d repetitions are still open", f.open)
	}
	return r
}

// noisy is right with a chance, by its own dice.
func noisy(chance float64, seed uint64) func(*Question) (*Answer, error) {
	return func(q *Question) (*Answer, error) {
		dice := rand.New(rand.NewPCG(seed, uint64(q.Seed)))
		if dice.Float64() < chance {
			return said(number(q), 1000), nil
		}
		return said("no idea", 1000), nil
	}
}

var errUpstream = fault.New(fault.Unavailable, fault.ReasonUpstreamDown, "target small: unavailable")

var errTape = fault.New(fault.FailedPrecondition, fault.ReasonBadRequest, "the cassette has no such call")
