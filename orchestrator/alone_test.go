package orchestrator_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
	"fairlead/retrieval"
)

// switchboard is an observer that writes down calls outside runs.
type switchboard struct {
	mu    sync.Mutex
	calls []heard
	runs  int
}

// heard is one call.
type heard struct {
	ID, Step string
	Who      auth.Principal
	Kinds    string
	Cost     providers.Money
	Reason   fault.Reason
	Ended    int
}

var _ orchestrator.CallObserver = (*switchboard)(nil)

func (s *switchboard) RunStarts(ctx context.Context, _, _ string, _ auth.Principal) (context.Context, func(*orchestrator.Event), func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs++
	return ctx, func(*orchestrator.Event) {}, func(error) {}
}

func (s *switchboard) CallStarts(ctx context.Context, id, step string, p auth.Principal) (context.Context, func(*orchestrator.Event), func(error)) {
	h := heard{ID: id, Step: step, Who: p}
	var events []orchestrator.Event
	return ctx, func(e *orchestrator.Event) { events = append(events, *e) }, func(err error) {
		h.Kinds, _ = kinds(events)
		for i, e := range events {
			if e.Seq != int64(i+1) || e.RunID != id || e.Step != step {
				h.Kinds += " out of order"
			}
		}
		for _, u := range find[*orchestrator.AttemptUsage](events) {
			h.Cost += u.Cost
		}
		if h.Ended++; err != nil {
			h.Reason = fault.ReasonOf(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls = append(s.calls, h)
	}
}

// take gives what was heard since the last time.
func (s *switchboard) take() []heard {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

func embedding(name string, calls *int) orchestrator.Target {
	return orchestrator.Target{Embedder: vectors{calls}, Target: routing.Target{Name: name, Backend: "b", Kind: "scripted", Model: "m", Does: providers.Embed,
		Clearance: label.Restricted, Price: &providers.Price{Input: 1}}}
}

func TestCallsOutsideRunsAreToldWithWhoMadeThem(t *testing.T) {
	calls := 0
	board := &switchboard{}
	e := engine(t, setup{observer: orchestrator.Observers{listener{"deaf to calls", new([]string)}, board}, targets: []orchestrator.Target{embedding("paid", &calls)},
		config: func(c *orchestrator.Config) { c.DefaultEmbedder = "paid" }})
	who := auth.Principal{Tenant: "acme", Name: "fl_1", Ceiling: label.Internal, Scopes: auth.Ingest}
	ctx := auth.With(t.Context(), who)
	const kinds = "AttemptStarted AttemptUsage"
	check := func(what string, n int) {
		t.Helper()
		heard := board.take()
		if len(heard) != n {
			t.Fatalf("%s: %d calls were told, want %d: %+v", what, len(heard), n, heard)
		}
		seen := map[string]bool{}
		for _, h := range heard {
			if h.Kinds != kinds || h.Step != "embed" || h.Who.Tenant != "acme" || h.Who.Name != "fl_1" || h.Cost != 1000*1000 || h.Ended != 1 || h.Reason != "" || h.ID == "" || seen[h.ID] {
				t.Errorf("%s: %+v", what, h)
			}
			seen[h.ID] = true
		}
	}
	if _, err := e.Embed(ctx, who, orchestrator.EmbedRequest{Texts: []string{"a", "b"}}); err != nil {
		t.Fatal(err)
	}
	check("vectors for a caller", 1)
	// One to know the length of vectors, one for the passages.
	if _, err := e.Retrieval().Ingest(ctx, "acme", "docs", []retrieval.Source{{URI: "a.md", Content: []byte("the press")}}, who.Ceiling); err != nil {
		t.Fatal(err)
	}
	check("ingestion", 2)
	if _, err := e.Retrieval().Search(ctx, "acme", retrieval.Query{Collection: "docs", Text: "press", MaxLabel: who.Ceiling}); err != nil {
		t.Fatal(err)
	}
	check("a search", 1)
	if board.runs != 0 || calls != 4 {
		t.Errorf("%d runs, %d calls", board.runs, calls)
	}
}

func TestACallOutsideRunsThatFailsIsTold(t *testing.T) {
	board := &switchboard{}
	e := engine(t, setup{observer: board, targets: []orchestrator.Target{{Embedder: billed{}, Target: routing.Target{
		Name: "paid", Backend: "b", Kind: "scripted", Model: "m", Does: providers.Embed, Clearance: label.Restricted, Price: &providers.Price{Input: 1}}}}})
	if _, err := e.Embed(t.Context(), auth.Local(), orchestrator.EmbedRequest{Model: "paid", Texts: []string{"some words"}}); err == nil {
		t.Fatal("no error")
	}
	heard := board.take()
	if len(heard) != 1 || heard[0].Kinds != "AttemptStarted AttemptUsage AttemptFailed" || heard[0].Cost == 0 || heard[0].Reason != fault.ReasonStreamTruncated {
		t.Errorf("%+v", heard)
	}
}

// What a step's vectors cost is told by the step, and is what the run pays.
func TestVectorsOfStepsAreTold(t *testing.T) {
	calls := 0
	e := engine(t, setup{documents: manual, targets: []orchestrator.Target{embedding("paid", &calls)}, config: func(c *orchestrator.Config) { c.DefaultEmbedder = "paid" }, chains: []string{`
chain: c
version: 1
steps:
  - id: both
    parallel:
      - { id: found, retrieve: { collection: docs, query: how is the press started } }
      - { id: vector, embed: { text: some words } }
output: "{{steps.found.count}}"
`}})
	calls = 0
	events, err := run(e, t, "c", nil, orchestrator.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	type told struct {
		Step    string
		Attempt int
	}
	got := map[told]int{}
	var cost providers.Money
	plans := map[string]int{}
	for _, ev := range events {
		switch b := ev.Body.(type) {
		case *orchestrator.AttemptUsage:
			got[told{ev.Step, b.Attempt}]++
			cost += b.Cost
			if b.Failed != "" {
				t.Errorf("%s failed: %s", ev.Step, b.Failed)
			}
		case *orchestrator.RouteDecided:
			plans[ev.Step]++
		}
	}
	if diff := cmp.Diff(map[told]int{{"c/found", 1}: 1, {"c/vector", 1}: 1}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if end := find[*orchestrator.RunFinished](events)[0]; end.Cost != cost || cost == 0 || calls != 2 {
		t.Errorf("the run says %s, the attempts %s in %d calls", end.Cost, cost, calls)
	}
	if diff := cmp.Diff(map[string]int{"c/vector": 1}, plans); diff != "" { // which model a collection is of was not decided
		t.Errorf("plans (-want +got):\n%s", diff)
	}
}

// A settled attempt says why it failed: a failure, an answer that was overtaken or that nobody reads.
func TestSettledAttemptsSayWhyTheyFailed(t *testing.T) {
	ended := make(chan error, 1)
	e := engine(t, setup{targets: []orchestrator.Target{target("cut", 0.9, breaks("par", providers.KindTruncated)), target("slow", 0.8, hangs("par", ended)), target("good", 0.5, says("whole"))}})
	reasons := func(model string, stop bool) (got []fault.Reason) {
		req := chat("hi")
		req.Model = model
		for ev, err := range e.Chat(t.Context(), auth.Local(), req) {
			if err != nil {
				break
			}
			if u, ok := ev.Body.(*orchestrator.AttemptUsage); ok {
				got = append(got, u.Failed)
			}
			if _, ok := ev.Body.(*orchestrator.TextDelta); ok && stop {
				break
			}
		}
		return got
	}
	if diff := cmp.Diff([]fault.Reason{fault.ReasonStreamTruncated}, reasons("cut", false)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]fault.Reason{""}, reasons("good", false)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var log []orchestrator.Event
	e = engine(t, setup{observer: eventLog{&log}, targets: []orchestrator.Target{target("slow", 0.8, hangs("par", ended))}})
	reasons("slow", true)
	<-ended
	if u := find[*orchestrator.AttemptUsage](log); len(u) != 1 || u[0].Failed != fault.ReasonCanceled {
		t.Errorf("the reader left, and the attempt says %+v", u)
	}
}

// eventLog is an observer that keeps what it hears.
type eventLog struct{ events *[]orchestrator.Event }

func (l eventLog) RunStarts(ctx context.Context, _, _ string, _ auth.Principal) (context.Context, func(*orchestrator.Event), func(error)) {
	return ctx, func(e *orchestrator.Event) { *l.events = append(*l.events, *e) }, func(error) {}
}
