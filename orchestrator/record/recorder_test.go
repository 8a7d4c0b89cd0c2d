package record_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/testdb"
	"fairlead/orchestrator"
	"fairlead/orchestrator/record"
	"fairlead/orchestrator/routing"
	"fairlead/prompts"
	"fairlead/providers"
	"fairlead/providers/scripted"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is a store in memory. Writes wait for its gate while there is one.
type shelf struct {
	mu      sync.Mutex
	kept    []record.Decision
	writes  int
	forgets []time.Time
	fails   error
	gate    chan struct{}
}

func (s *shelf) DecisionsAppend(_ context.Context, _ string, list []record.Decision) error {
	if s.gate != nil {
		<-s.gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if s.fails != nil {
		return s.fails
	}
	s.kept = append(s.kept, list...)
	return nil
}

func (s *shelf) DecisionsSince(context.Context, string, time.Time, int, func(*record.Decision) error) error {
	return errors.New("not asked for")
}

func (s *shelf) DecisionsForget(_ context.Context, before time.Time, _ int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgets = append(s.forgets, before)
	return nil
}

// small and big are two targets, and plan a decision that has small first.
var (
	small = &routing.Target{Name: "small", Backend: "b", Kind: "scripted", Model: "m", Does: providers.Chat, Clearance: label.Restricted,
		Price: &providers.Price{Input: 1, Output: 1}, Quality: 0.3, Origin: "config"}
	big = &routing.Target{Name: "big", Backend: "c", Kind: "scripted", Model: "n", Does: providers.Chat, Clearance: label.Internal,
		Price: &providers.Price{Input: 10, Output: 10}, Quality: 0.9, Origin: "config"}
)

func plan(l label.Label) *orchestrator.RouteDecided {
	now := time.Now()
	q := &routing.Request{Step: "chat", Tenant: "t", Label: l, Needs: providers.Chat, PromptTokens: 100, MaxOutput: 50}
	p := &routing.Policy{Name: "default", Prefer: routing.Cheapest}
	candidates := []routing.Candidate{{Target: small}, {Target: big}}
	return &orchestrator.RouteDecided{Request: q, Policy: p, Candidates: candidates, Now: now, Plan: routing.Decide(q, candidates, p, now)}
}

// play plays the events of a run to an observer.
func play(o orchestrator.Observer, run string, err error, bodies ...orchestrator.Body) {
	_, event, end := o.RunStarts(context.Background(), run, "", auth.Principal{Tenant: "t"})
	for i, b := range bodies {
		event(&orchestrator.Event{Seq: int64(i + 1), Step: "chat", Time: time.Now(), Body: b})
	}
	end(err)
}

func started(n int, t *routing.Target) orchestrator.Body {
	return &orchestrator.AttemptStarted{Attempt: n, Target: t}
}

func used(n int, t *routing.Target) orchestrator.Body {
	return &orchestrator.AttemptUsage{Attempt: n, Target: t, Usage: providers.Usage{Input: 100, Output: 10}, Cost: 7, CostKnown: true, TTFT: time.Millisecond, Duration: time.Second}
}

func failed(n int, t *routing.Target, kind providers.Kind) orchestrator.Body {
	return &orchestrator.AttemptFailed{Attempt: n, Target: t, Err: &providers.Error{Kind: kind, Detail: "secret words"}}
}

func TestOutcomes(t *testing.T) {
	done := &orchestrator.StepFinished{Status: orchestrator.StepDone}
	left := fault.New(fault.Canceled, fault.ReasonCanceled, "left")
	type want struct {
		Outcome  record.Outcome
		Chosen   string
		Attempts int
		Cost     providers.Money
		Answered bool
	}
	for name, c := range map[string]struct {
		err    error
		bodies []orchestrator.Body
		want   want
	}{
		"it went well":                     {nil, []orchestrator.Body{plan(label.Internal), started(1, small), used(1, small), done}, want{record.OK, "small", 1, 7, true}},
		"the second did":                   {nil, []orchestrator.Body{plan(label.Internal), started(1, small), failed(1, small, providers.KindUnavailable), started(2, big), used(2, big), done}, want{record.OK, "big", 2, 7, true}},
		"both are paid":                    {nil, []orchestrator.Body{plan(label.Internal), started(1, small), used(1, small), failed(1, small, providers.KindTruncated), started(2, big), used(2, big), done}, want{record.OK, "big", 2, 14, true}},
		"all failed":                       {fault.New(fault.Unavailable, fault.ReasonUpstreamDown, "down"), []orchestrator.Body{plan(label.Internal), started(1, small), failed(1, small, providers.KindUnavailable)}, want{record.Failed, "small", 1, 0, false}},
		"the reader left":                  {left, []orchestrator.Body{plan(label.Internal), started(1, small), used(1, small)}, want{record.Canceled, "small", 1, 7, false}},
		"a later step failed":              {fault.New(fault.Internal, fault.ReasonInternal, "x"), []orchestrator.Body{plan(label.Internal), started(1, small), used(1, small), done}, want{record.OK, "small", 1, 7, true}},
		"the step failed after its answer": {fault.New(fault.Unavailable, fault.ReasonUpstreamProtocol, "no JSON"), []orchestrator.Body{plan(label.Internal), started(1, small), used(1, small)}, want{record.Failed, "small", 1, 7, false}},
		"an optional step failed":          {nil, []orchestrator.Body{plan(label.Internal), started(1, small), used(1, small), &orchestrator.StepFinished{Status: orchestrator.StepFailed}}, want{record.Failed, "small", 1, 7, false}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{}
			r := record.New(s, record.Config{})
			play(r, "run", c.err, c.bodies...)
			if err := r.Close(); err != nil || len(s.kept) != 1 {
				t.Fatalf("%d decisions, %v", len(s.kept), err)
			}
			d := s.kept[0]
			got := want{d.Outcome, d.Chosen, len(d.Attempts), d.Cost, d.Duration > 0 && d.TTFT > 0}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsKept(t *testing.T) {
	s := &shelf{}
	r := record.New(s, record.Config{})
	play(r, "run", nil, plan(label.Restricted), started(1, small), failed(1, small, providers.KindRateLimited), &orchestrator.TextDelta{Text: "words"})
	play(r, "two", nil, &orchestrator.TextDelta{Text: "no plan, so nothing to keep"})
	play(r, "old", nil, &orchestrator.RouteDecided{Plan: plan(label.Internal).Plan}) // does not say what it was made of
	_ = r.Close()
	if len(s.kept) != 1 {
		t.Fatalf("%d decisions", len(s.kept))
	}
	d := s.kept[0]
	if d.RunID != "run" || d.Seq != 1 || d.Tenant != "t" || d.Step != "chat" || d.Policy != "default" || d.PolicyDigest == "" || d.Label != label.Restricted ||
		d.PromptTokens != 100 || d.MaxOutput != 50 || d.Quantile != routing.DefaultQuantile {
		t.Errorf("%+v", d)
	}
	if len(d.Candidates) != 2 || d.Candidates[0].Target.Name != "small" || d.Candidates[0].Rank != 1 || !d.Candidates[0].CostKnown ||
		d.Candidates[1].Target.Name != "big" || d.Candidates[1].Reason != routing.OutLabel {
		t.Errorf("candidates %+v", d.Candidates)
	}
	if d.Attempts[0].Failed != string((&providers.Error{Kind: providers.KindRateLimited}).Reason()) {
		t.Errorf("attempts %+v", d.Attempts)
	}
}

func TestASecondAnswerIsNotDecidedAnew(t *testing.T) {
	s := &shelf{}
	r := record.New(s, record.Config{})
	first, second := plan(label.Internal), plan(label.Internal)
	first.Policy.Escalate = &routing.Escalation{To: routing.Best}
	second.Policy.Prefer = routing.Best
	play(r, "run", nil, first, started(1, small), used(1, small), second, started(2, big), used(2, big), &orchestrator.StepFinished{Status: orchestrator.StepDone})
	_ = r.Close()
	if len(s.kept) != 2 || s.kept[0].Escalated || !s.kept[1].Escalated || s.kept[0].Chosen != "small" || s.kept[1].Chosen != "big" ||
		s.kept[0].Outcome != record.OK || s.kept[1].Outcome != record.OK {
		t.Fatalf("%+v", s.kept)
	}
	sim := record.NewSimulation([]routing.Policy{{Name: "default", Prefer: routing.Cheapest}}, nil)
	for i := range s.kept {
		sim.Add(&s.kept[i])
	}
	if got := sim.Report(); got.Steps != 1 || got.Escalations != 1 || got.Changed != 0 {
		t.Errorf("%+v", got)
	}
}

func TestAFullQueueDropsAndNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		dropped := 0
		s := &shelf{gate: make(chan struct{})}
		r := record.New(s, record.Config{Queue: 4, Dropped: func(n int) { mu.Lock(); defer mu.Unlock(); dropped += n }})
		play(r, "first", nil, plan(label.Internal))
		time.Sleep(time.Second) // the writer now waits for the store
		for i := range 10 {
			play(r, fmt.Sprint(i), nil, plan(label.Internal))
		}
		if dropped != 6 {
			t.Errorf("%d were dropped, want 6", dropped)
		}
		close(s.gate)
		_ = r.Close()
		if len(s.kept) != 5 {
			t.Errorf("%d were kept, want 5", len(s.kept))
		}
		play(r, "late", nil, plan(label.Internal))
		if dropped != 7 || len(s.kept) != 5 {
			t.Errorf("after the end: %d kept, %d dropped", len(s.kept), dropped)
		}
		_ = r.Close() // a second time
	})
}

func TestRunsAreGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		r := record.New(s, record.Config{Keep: time.Hour})
		defer r.Close()
		for i := range 20 {
			play(r, fmt.Sprint(i), nil, plan(label.Internal))
		}
		time.Sleep(time.Second)
		s.mu.Lock()
		if len(s.kept) != 20 || s.writes != 1 {
			t.Errorf("%d in %d writes", len(s.kept), s.writes)
		}
		s.mu.Unlock()
		time.Sleep(2 * time.Hour)
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.forgets) != 3 || time.Since(s.forgets[2]) < time.Hour {
			t.Errorf("old ones were deleted at %v", s.forgets)
		}
	})
}

func TestAStoreThatFailsIsCounted(t *testing.T) {
	dropped := 0
	s := &shelf{fails: fault.New(fault.Unavailable, fault.ReasonNone, "busy")}
	r := record.New(s, record.Config{Dropped: func(n int) { dropped += n }})
	play(r, "a", nil, plan(label.Internal))
	_ = r.Close()
	if dropped != 1 {
		t.Errorf("%d dropped", dropped)
	}
}

// The whole way: an engine, its events, the database, and the same decisions again.
func TestARecordDecidesTheSameAgain(t *testing.T) {
	library, err := prompts.Load()
	if err != nil {
		t.Fatal(err)
	}
	target := func(name, model string, quality float64, clearance label.Label) orchestrator.Target {
		return orchestrator.Target{Generator: scripted.New(scripted.Config{Backend: "play"}), Target: routing.Target{
			Name: name, Backend: "play", Kind: "scripted", Model: model, Does: providers.Chat, Clearance: clearance, Quality: quality,
			Price: &providers.Price{Input: quality, Output: quality}, Origin: "config"}}
	}
	policies := []routing.Policy{
		{Name: "default", Prefer: routing.Best}, {Name: "cheap", Prefer: routing.Cheapest}, {Name: "good", Prefer: routing.Fastest, MinQuality: 0.5},
		{Name: "strict", Prefer: routing.Cheapest, MinQuality: 1},
	}
	store := testdb.SQLite(t)
	r := record.New(store, record.Config{})
	e, err := orchestrator.New(orchestrator.Services{Store: store, Sessions: store, Observer: r}, orchestrator.Config{
		Targets:  []orchestrator.Target{target("cut", "cut?after=2", 0.9, label.Internal), target("echo", "echo", 0.6, label.Internal), target("safe", "echo", 0.2, label.Restricted)},
		Policies: policies, DefaultPolicy: "default", Prompts: library,
	})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	some, none := auth.Local(), auth.Local()
	some.Models = []string{"policy/default", "echo"}
	none.Models = []string{"policy/default"} // and no target
	for i, p := range []auth.Principal{some, none} {
		n++
		for _, err := range e.Chat(t.Context(), p, orchestrator.ChatRequest{Model: "policy/default", Request: providers.Request{
			Messages: []providers.Message{providers.Text(providers.User, "one two three four")}}}) {
			if i == 0 && err != nil && fault.ReasonOf(err) == fault.ReasonNoTarget {
				t.Error(err)
			}
		}
	}
	for _, model := range []string{"policy/default", "policy/cheap", "policy/good", "policy/strict", "echo", "cut"} {
		for _, l := range []label.Label{label.Internal, label.Restricted} {
			n++
			for _, err := range e.Chat(t.Context(), auth.Local(), orchestrator.ChatRequest{Model: model, Limits: orchestrator.Limits{Label: l},
				Request: providers.Request{Messages: []providers.Message{providers.Text(providers.User, "one two three four")}}}) {
				_ = err // some have no target, and some are cut: that is recorded too
			}
		}
	}
	_ = r.Close()
	same := record.NewSimulation(policies, nil)
	outcomes := map[record.Outcome]int{}
	if err := store.DecisionsSince(t.Context(), auth.LocalTenant, time.Time{}, 0, func(d *record.Decision) error {
		same.Add(d)
		outcomes[d.Outcome]++
		return nil
	}); err != nil {
		t.Fatal(fault.Cause(err))
	}
	report := same.Report()
	if report.Steps != n || report.Changed != 0 || report.LeftOut != 0 || report.Violations != 0 || report.NewlyNone != 0 {
		t.Errorf("%d steps: %+v", n, report)
	}
	if report.Cost.Old == 0 || report.Cost.Old != report.Cost.New || report.Latency.Old != report.Latency.New {
		t.Errorf("the same costs the same: %+v, %+v", report.Cost, report.Latency)
	}
	for _, o := range []record.Outcome{record.OK, record.Failed, record.NoTarget} {
		if outcomes[o] == 0 {
			t.Errorf("none is %s: %v", o, outcomes)
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	s := &shelf{}
	r := record.New(s, record.Config{})
	defer r.Close()
	p := plan(label.Internal)
	bodies := []orchestrator.Body{p, started(1, small), used(1, small), &orchestrator.StepFinished{Status: orchestrator.StepDone}}
	b.ReportAllocs()
	for b.Loop() {
		play(r, "run", nil, bodies...)
	}
}
