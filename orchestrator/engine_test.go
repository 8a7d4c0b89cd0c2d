package orchestrator_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/testdb"
	"fairlead/orchestrator"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
	"fairlead/prompts"
	"fairlead/providers"
	"fairlead/providers/hashing"
	"fairlead/retrieval"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// generator is a Generator made of a function.
type generator func(ctx context.Context, req *providers.Request, yield func(providers.Chunk, error) bool)

func (g generator) Generate(ctx context.Context, req *providers.Request) iter.Seq2[providers.Chunk, error] {
	return func(yield func(providers.Chunk, error) bool) { g(ctx, req, yield) }
}

// says answers with a text in two pieces.
func says(text string) generator {
	return func(_ context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
		half := len(text) / 2
		_ = yield(providers.Chunk{Text: text[:half]}, nil) &&
			yield(providers.Chunk{Text: text[half:], Finish: providers.FinishStop, Usage: &providers.Usage{Input: 100, Output: 10}, Model: "reported"}, nil)
	}
}

// breaks says something and then fails.
func breaks(text string, kind providers.Kind) generator {
	return func(_ context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
		if text != "" && !yield(providers.Chunk{Text: text}, nil) {
			return
		}
		yield(providers.Chunk{}, &providers.Error{Kind: kind, Backend: "b", Model: "m", MayBill: text != ""})
	}
}

// hangs says something and then waits for the end of its context, which it reports.
func hangs(text string, ended chan<- error) generator {
	return func(ctx context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
		defer func() { ended <- ctx.Err() }()
		if text != "" && !yield(providers.Chunk{Text: text}, nil) {
			return
		}
		<-ctx.Done()
		yield(providers.Chunk{}, providers.AsError(ctx, "b", "m", ctx.Err()))
	}
}

// asked records what it was asked and passes on.
func asked(reqs *[]providers.Request, g generator) generator {
	return func(ctx context.Context, req *providers.Request, yield func(providers.Chunk, error) bool) {
		*reqs = append(*reqs, *req)
		g(ctx, req, yield)
	}
}

// quotes answers with the first line of each document, and says where it stands.
func quotes() generator {
	return func(_ context.Context, req *providers.Request, yield func(providers.Chunk, error) bool) {
		for i, d := range req.Documents {
			line, _, _ := strings.Cut(d.Text, "\n")
			if !yield(providers.Chunk{Text: fmt.Sprintf("%s [%d] ", line, i+1), Citation: &providers.Citation{Document: i, End: len(line)}}, nil) {
				return
			}
		}
		yield(providers.Chunk{Finish: providers.FinishStop, Usage: &providers.Usage{}}, nil)
	}
}

func target(name string, quality float64, g generator) orchestrator.Target {
	return orchestrator.Target{Generator: g, Target: routing.Target{
		Name: name, Backend: "b-" + name, Kind: "scripted", Model: "m-" + name, Does: providers.Chat | providers.JSON | providers.Tools,
		Clearance: label.Internal, Quality: quality, Price: &providers.Price{Input: 1, Output: 10},
	}}
}

type setup struct {
	targets   []orchestrator.Target
	policy    routing.Policy
	chains    []string
	documents map[string]string
	observer  orchestrator.Observer
	// sessions, when not nil, stands before the store's.
	sessions func(orchestrator.Sessions) orchestrator.Sessions
	// config, when not nil, changes the configuration.
	config func(*orchestrator.Config)
}

func engine(t testing.TB, s setup) *orchestrator.Engine {
	t.Helper()
	library, err := prompts.Load()
	if err != nil {
		t.Fatal(err)
	}
	embedder, err := hashing.New(hashing.Config{})
	if err != nil {
		t.Fatal(err)
	}
	c := orchestrator.Config{Prompts: library, DefaultPolicy: "default", DefaultEmbedder: "hashing", Targets: append(s.targets,
		orchestrator.Target{Embedder: embedder, Target: routing.Target{Name: "hashing", Backend: "inside", Kind: "hashing", Model: "hashing",
			Does: providers.Embed, Clearance: label.Restricted, Price: &providers.Price{}}},
		orchestrator.Target{Generator: quotes(), Target: routing.Target{Name: "extractive", Backend: "inside", Kind: "extractive",
			Model: "extractive", Does: providers.Extract, Clearance: label.Restricted, Price: &providers.Price{}, Quality: 0.1}})}
	s.policy.Name = "default"
	if s.policy.Attempts == 0 { // each target once: what waits for a retry is tested on its own
		s.policy.Attempts = max(len(s.targets), 1)
	}
	if s.policy.Prefer == "" {
		s.policy.Prefer = routing.Best
	}
	c.Policies = []routing.Policy{s.policy}
	for i, text := range s.chains {
		ch, err := chain.Parse(fmt.Sprintf("chain%d.yaml", i), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		c.Chains = append(c.Chains, ch)
	}
	if s.config != nil {
		s.config(&c)
	}
	store := testdb.SQLite(t)
	services := orchestrator.Services{Store: store, Sessions: store, Observer: s.observer}
	if s.sessions != nil {
		services.Sessions = s.sessions(store)
	}
	e, err := orchestrator.New(services, c)
	if err != nil {
		t.Fatal(err)
	}
	for uri, text := range s.documents {
		l := label.Internal
		if strings.HasPrefix(uri, "secret") {
			l = label.Restricted
		}
		results, err := e.Retrieval().Ingest(t.Context(), auth.LocalTenant, "docs", []retrieval.Source{{URI: uri, Content: []byte(text), Label: l}}, label.Restricted)
		if err != nil || results[0].Err != nil {
			t.Fatal(err, results)
		}
	}
	return e
}

func chat(text string) orchestrator.ChatRequest {
	return orchestrator.ChatRequest{Request: providers.Request{Messages: []providers.Message{providers.Text(providers.User, text)}}}
}

// read reads a run to its end, and checks what holds for every run.
func read(t *testing.T, events iter.Seq2[orchestrator.Event, error]) ([]orchestrator.Event, error) {
	t.Helper()
	var all []orchestrator.Event
	var failed error
	for ev, err := range events {
		if failed != nil {
			t.Fatal("something follows the error")
		}
		if err != nil {
			failed = err
			continue
		}
		if ev.Seq != int64(len(all)+1) {
			t.Fatalf("event %d has the number %d", len(all)+1, ev.Seq)
		}
		all = append(all, ev)
	}
	finished := false
	for _, ev := range all {
		_, is := ev.Body.(*orchestrator.RunFinished)
		finished = finished || is
	}
	if finished == (failed != nil) {
		t.Fatalf("finished %v with the error %v", finished, failed)
	}
	return all, failed
}

// kinds gives the events in short, and the text that is left after retractions.
func kinds(events []orchestrator.Event) (string, string) {
	var names []string
	text := ""
	for _, ev := range events {
		name := strings.TrimPrefix(fmt.Sprintf("%T", ev.Body), "*orchestrator.")
		switch b := ev.Body.(type) {
		case *orchestrator.TextDelta:
			if b.Output {
				text += b.Text
			}
		case *orchestrator.Retracted:
			text = ""
		case *orchestrator.StepFinished:
			name += ":" + string(b.Status)
		}
		names = append(names, name)
	}
	return strings.Join(names, " "), text
}

func find[B orchestrator.Body](events []orchestrator.Event) (out []B) {
	for _, ev := range events {
		if b, ok := ev.Body.(B); ok {
			out = append(out, b)
		}
	}
	return out
}

func TestChatTellsTheWholeStory(t *testing.T) {
	e := engine(t, setup{targets: []orchestrator.Target{target("good", 0.9, says("hello world")), target("other", 0.5, says("no"))}})
	events, err := read(t, e.Chat(t.Context(), auth.Local(), chat("hi")))
	if err != nil {
		t.Fatal(err)
	}
	names, text := kinds(events)
	if want := "RunStarted StepStarted RouteDecided AttemptStarted TextDelta TextDelta AttemptUsage StepFinished:done RunFinished"; names != want {
		t.Errorf("events\n%s\nwant\n%s", names, want)
	}
	if text != "hello world" {
		t.Errorf("text %q", text)
	}
	u := find[*orchestrator.AttemptUsage](events)[0]
	if want := providers.Money(100*1000 + 10*10000); u.Cost != want || !u.CostKnown || u.Reported != "reported" || u.TTFT <= 0 {
		t.Errorf("usage %+v", u)
	}
	end := find[*orchestrator.RunFinished](events)[0]
	if end.Output != text || end.Cost != u.Cost || end.Usage != u.Usage || end.CostIncomplete || end.Finish != providers.FinishStop {
		t.Errorf("end %+v", end)
	}
	plan := find[*orchestrator.RouteDecided](events)[0].Plan
	if plan.Eligible != 2 || len(plan.Records) != 4 || plan.Records[0].Target.Name != "good" {
		t.Errorf("plan %+v", plan)
	}
}

func TestBeforeTheFirstByteFailoverIsSilent(t *testing.T) {
	for _, kind := range []providers.Kind{providers.KindUnavailable, providers.KindRateLimited, providers.KindTimeout, providers.KindTruncated,
		providers.KindProtocol, providers.KindAuth, providers.KindNotFound, providers.KindContextLength, providers.KindQuota} {
		e := engine(t, setup{targets: []orchestrator.Target{target("bad", 0.9, breaks("", kind)), target("good", 0.5, says("fine"))}})
		events, err := read(t, e.Chat(t.Context(), auth.Local(), chat("hi")))
		if err != nil {
			t.Fatalf("kind %d: %v", kind, err)
		}
		if names, text := kinds(events); text != "fine" || !strings.Contains(names, "AttemptStarted AttemptFailed AttemptStarted TextDelta") || strings.Contains(names, "Retracted") {
			t.Errorf("kind %d: %q %s", kind, text, names)
		}
	}
}

func TestARefusedRequestIsNotOfferedToOthers(t *testing.T) {
	var reqs []providers.Request
	for _, kind := range []providers.Kind{providers.KindInvalid, providers.KindContentFilter} {
		e := engine(t, setup{targets: []orchestrator.Target{target("bad", 0.9, breaks("", kind)), target("good", 0.5, asked(&reqs, says("fine")))}})
		if _, err := read(t, e.Chat(t.Context(), auth.Local(), chat("hi"))); err == nil || len(reqs) > 0 {
			t.Errorf("kind %d: error %v, others asked %d times", kind, err, len(reqs))
		}
	}
}

func TestAfterTheFirstByteThePolicyDecides(t *testing.T) {
	cut := target("bad", 0.9, breaks("par", providers.KindTruncated))
	good := target("good", 0.5, says("whole"))
	for _, tt := range []struct {
		name      string
		midstream routing.Midstream
		noRetract bool
		targets   []orchestrator.Target
		text      string
		fails     bool
	}{
		{"fail", routing.MidstreamFail, false, []orchestrator.Target{cut, good}, "par", true},
		{"unset is fail", "", false, []orchestrator.Target{cut, good}, "par", true},
		{"restart", routing.MidstreamRestart, false, []orchestrator.Target{cut, good}, "whole", false},
		{"restart, but nobody is left", routing.MidstreamRestart, false, []orchestrator.Target{cut}, "par", true},
		{"restart, but the client cannot retract", routing.MidstreamRestart, true, []orchestrator.Target{cut, good}, "par", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := engine(t, setup{targets: tt.targets, policy: routing.Policy{Midstream: tt.midstream}})
			req := chat("hi")
			req.NoRetract = tt.noRetract
			events, err := read(t, e.Chat(t.Context(), auth.Local(), req))
			names, text := kinds(events)
			if text != tt.text || (err != nil) != tt.fails {
				t.Errorf("text %q, error %v: %s", text, err, names)
			}
			if tt.fails && fault.ReasonOf(err) != fault.ReasonStreamTruncated {
				t.Errorf("reason %q", fault.ReasonOf(err))
			}
			if retracted := strings.Contains(names, "Retracted"); retracted == tt.fails {
				t.Errorf("retracted %v: %s", retracted, names)
			}
			// What was received of the broken attempt is counted, and said to be an estimate.
			if u := find[*orchestrator.AttemptUsage](events); len(u) == 0 || !u[0].Usage.Estimated || u[0].Usage.Output == 0 {
				t.Errorf("usage of the broken attempt: %+v", u)
			}
		})
	}
}

func TestACallerWhoSeesOnlyTheEndIsFailedOverAlsoInTheMidst(t *testing.T) {
	e := engine(t, setup{targets: []orchestrator.Target{target("bad", 0.9, breaks("par", providers.KindTruncated)), target("good", 0.5, says("whole"))}})
	req := chat("hi")
	req.Whole = true
	events, err := read(t, e.Chat(t.Context(), auth.Local(), req))
	if _, text := kinds(events); err != nil || text != "whole" {
		t.Errorf("%q %v", text, err)
	}
}

func TestAPromptThatFitsNoWindowIsToldAsSuch(t *testing.T) {
	small := target("small", 0.9, says("x"))
	small.Context = 10
	e := engine(t, setup{targets: []orchestrator.Target{small}})
	req := chat(strings.Repeat("long ", 100))
	req.Model = "small"
	_, err := read(t, e.Chat(t.Context(), auth.Local(), req))
	if f := fault.From(err); f.Reason != fault.ReasonContextTooLong || strings.Contains(f.Text, "hashing") {
		t.Errorf("error %v", err)
	}
}

func TestAnAdapterThatForgetsToFinishIsNotBelieved(t *testing.T) {
	e := engine(t, setup{targets: []orchestrator.Target{target("bad", 0.9, func(_ context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
		yield(providers.Chunk{Text: "half an ans"}, nil)
	})}})
	if _, err := read(t, e.Chat(t.Context(), auth.Local(), chat("hi"))); fault.ReasonOf(err) != fault.ReasonStreamTruncated {
		t.Errorf("error %v", err)
	}
}

func TestErrorsNameTheStepAndTheTarget(t *testing.T) {
	e := engine(t, setup{targets: []orchestrator.Target{target("gpt-x", 0.9, breaks("", providers.KindRateLimited)), target("gpt-y", 0.8, breaks("", providers.KindUnavailable))}})
	_, err := read(t, e.Chat(t.Context(), auth.Local(), chat("hi")))
	if text := err.Error(); !strings.HasPrefix(text, "chat: target gpt-y: ") || !strings.Contains(text, "target gpt-x: ") {
		t.Errorf("text %q", text)
	}
}

func TestALabelNeverReachesABackendBelowIt(t *testing.T) {
	var canary []providers.Request
	inner := target("inner", 0.1, says("ok"))
	inner.Clearance = label.Restricted
	bad := target("inner-bad", 0.95, breaks("", providers.KindUnavailable))
	bad.Clearance = label.Restricted
	e := engine(t, setup{targets: []orchestrator.Target{target("outer", 0.9, asked(&canary, says("leak"))), inner, bad}, policy: routing.Policy{Midstream: routing.MidstreamRestart}})
	req := chat("secret")
	req.Label = label.Restricted
	events, err := read(t, e.Chat(t.Context(), auth.Local(), req))
	if _, text := kinds(events); err != nil || text != "ok" {
		t.Errorf("%q %v", text, err)
	}
	req.Model = "outer" // by name it is not reached either
	if _, err := read(t, e.Chat(t.Context(), auth.Local(), req)); fault.ReasonOf(err) != fault.ReasonNoTarget {
		t.Errorf("by name: %v", err)
	}
	if len(canary) > 0 {
		t.Errorf("the outer backend saw %d requests", len(canary))
	}
	for _, a := range find[*orchestrator.AttemptStarted](events) {
		if a.Label > a.Target.Clearance || a.Label != label.Restricted {
			t.Errorf("attempt on %s: label %v, clearance %v", a.Target.Name, a.Label, a.Target.Clearance)
		}
	}
	low := auth.Local()
	low.Ceiling = label.Internal
	if _, err := read(t, e.Chat(t.Context(), low, req)); fault.CodeOf(err) != fault.PermissionDenied {
		t.Errorf("above the caller's ceiling: %v", err)
	}
	low.Ceiling = label.Public // what states no label is internal
	if _, err := read(t, e.Chat(t.Context(), low, chat("hi"))); fault.CodeOf(err) != fault.PermissionDenied {
		t.Errorf("the default label above the caller's ceiling: %v", err)
	}
}

func TestABudgetIsNotOverspent(t *testing.T) {
	e := engine(t, setup{targets: []orchestrator.Target{target("paid", 0.9, says("ok"))}})
	req := chat("hi")
	limit := 20
	req.Request.MaxTokens = &limit
	req.Limited, req.Budget = true, providers.USD(0.0001)
	_, err := read(t, e.Chat(t.Context(), auth.Local(), req))
	if fault.ReasonOf(err) != fault.ReasonBudgetExceeded {
		t.Errorf("error %v", err)
	}
	req.Budget = providers.USD(0.001)
	if _, err := read(t, e.Chat(t.Context(), auth.Local(), req)); err != nil {
		t.Errorf("enough money: %v", err)
	}
}

func TestAPausedTargetIsLeftAloneUntilItsTime(t *testing.T) {
	var reqs []providers.Request
	limited := func(_ context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
		yield(providers.Chunk{}, &providers.Error{Kind: providers.KindRateLimited, Backend: "b", RetryAfter: time.Hour})
	}
	e := engine(t, setup{targets: []orchestrator.Target{target("a", 0.9, asked(&reqs, limited))}})
	for range 2 {
		_, err := read(t, e.Chat(t.Context(), auth.Local(), chat("hi")))
		if f := fault.From(err); f.Reason != fault.ReasonRateLimited || f.RetryAfter < 59*time.Minute {
			t.Errorf("error %v, retry after %v", err, f.RetryAfter)
		}
	}
	if len(reqs) != 1 {
		t.Errorf("the target was called %d times, and had asked for a pause at the first", len(reqs))
	}
}

func TestTheDeadlineReachesTheProvider(t *testing.T) {
	ended := make(chan error, 1)
	e := engine(t, setup{targets: []orchestrator.Target{target("slow", 0.9, hangs("par", ended))}})
	req := chat("hi")
	req.Timeout = 20 * time.Millisecond
	_, err := read(t, e.Chat(t.Context(), auth.Local(), req))
	if fault.ReasonOf(err) != fault.ReasonDeadline || fault.CodeOf(err) != fault.DeadlineExceeded {
		t.Errorf("error %v (%v)", err, fault.ReasonOf(err))
	}
	if got := <-ended; !errors.Is(got, context.DeadlineExceeded) {
		t.Errorf("the provider's context ended with %v", got)
	}
}

func TestBreakingTheLoopEndsTheCall(t *testing.T) {
	ended := make(chan error, 1)
	e := engine(t, setup{targets: []orchestrator.Target{target("slow", 0.9, hangs("par", ended))}})
	for ev, err := range e.Chat(t.Context(), auth.Local(), chat("hi")) {
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := ev.Body.(*orchestrator.TextDelta); ok {
			break
		}
	}
	if got := <-ended; got == nil {
		t.Error("the provider's call was left running")
	}
}

func TestTheLimiterBoundsCallsInFlight(t *testing.T) {
	var inFlight, most atomic.Int32
	release := make(chan struct{})
	slow := target("one", 0.9, func(_ context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
		if n := inFlight.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer inFlight.Add(-1)
		<-release
		yield(providers.Chunk{Text: "x", Finish: providers.FinishStop}, nil)
	})
	slow.Limiter = orchestrator.NewLimiter(2, 0)
	e := engine(t, setup{targets: []orchestrator.Target{slow}})
	done := make(chan error)
	for range 8 {
		go func() {
			var last error
			for _, err := range e.Chat(t.Context(), auth.Local(), chat("hi")) {
				last = err
			}
			done <- last
		}()
	}
	close(release)
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if most.Load() > 2 {
		t.Errorf("%d calls at once", most.Load())
	}
}

func TestExplainDecidesAndCallsNothing(t *testing.T) {
	var reqs []providers.Request
	e := engine(t, setup{targets: []orchestrator.Target{target("a", 0.9, asked(&reqs, says("x")))}})
	plan, err := e.Explain(t.Context(), auth.Local(), chat("hi"))
	if err != nil || plan.Eligible != 1 || len(reqs) != 0 || plan.Records[0].Target.Name != "a" {
		t.Errorf("plan %+v, error %v, calls %d", plan, err, len(reqs))
	}
	req := chat("hi")
	req.Label = label.Restricted
	plan, err = e.Explain(t.Context(), auth.Local(), req)
	if err != nil || plan.Eligible != 0 {
		t.Errorf("a plan without a target is an answer, not an error: %+v %v", plan, err)
	}
}

func TestUnknownModels(t *testing.T) {
	e := engine(t, setup{targets: []orchestrator.Target{target("a", 0.9, says("x"))}})
	for _, model := range []string{"nope", "policy/nope", "chain/nope"} {
		req := chat("hi")
		req.Model = model
		if _, err := read(t, e.Chat(t.Context(), auth.Local(), req)); fault.ReasonOf(err) != fault.ReasonUnknownModel || !strings.Contains(err.Error(), "nope") {
			t.Errorf("%s: %v", model, err)
		}
	}
}

func TestEmbedHoldsTheLabel(t *testing.T) {
	e := engine(t, setup{})
	got, err := e.Embed(t.Context(), auth.Local(), orchestrator.EmbedRequest{Texts: []string{"a", "b"}})
	if err != nil || len(got.Vectors) != 2 || got.Target != "hashing" || !got.CostKnown {
		t.Fatalf("%+v %v", got, err)
	}
	if _, err := e.Embed(t.Context(), auth.Local(), orchestrator.EmbedRequest{Model: "extractive", Texts: []string{"a"}}); fault.ReasonOf(err) != fault.ReasonUnsupported {
		t.Errorf("what does not embed: %v", err)
	}
}
