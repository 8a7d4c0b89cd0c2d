package orchestrator_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
	"fairlead/prompts"
	"fairlead/providers"
)

func TestWhatWasWithdrawnIsNotInTheOutput(t *testing.T) {
	e := engine(t, setup{chains: []string{`
chain: c
version: 1
input: { q: string }
steps:
  - id: way
    optional: true
    choose:
      - when: input.q == 'x'
        steps:
          - { id: one, target: good, generate: { user: "{{q}}" } }
          - { id: two, target: bad, generate: { user: "{{q}}" } }
      - else: [ { id: three, target: good, generate: { user: "{{q}}" } } ]
output: "{{steps.one.text}}"
`}, targets: []orchestrator.Target{target("good", 0.9, says("said")), target("bad", 0.5, breaks("", providers.KindInvalid))}})
	events, err := run(e, t, "c", map[string]any{"q": "x"}, orchestrator.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	names, text := kinds(events)
	if output := find[*orchestrator.RunFinished](events)[0].Output; output != text {
		t.Errorf("streamed %q, and the output is %q: %s", text, output, names)
	}
}

func TestAConditionThatCannotBeEvaluatedFailsItsStep(t *testing.T) {
	const text = `
chain: c
version: 1
input: { q: string, n: number? }
steps:
  - { id: say, target: good, generate: { user: "{{q}}" } }
  - { id: more, optional: true, when: "input.n > 1.0", generate: { user: "{{q}}" } }
output: "{{steps.say.text}}{{steps.more.text}}"
`
	e := engine(t, setup{chains: []string{text, strings.ReplaceAll(strings.Replace(text, "chain: c", "chain: d", 1), "optional: true, ", "")},
		targets: []orchestrator.Target{target("good", 0.9, says("said"))}})
	events, err := run(e, t, "c", map[string]any{"q": "x"}, orchestrator.Limits{})
	if err != nil {
		t.Fatalf("an optional step ends the run: %v", err)
	}
	if names, _ := kinds(events); !strings.HasSuffix(names, "StepStarted StepFinished:failed RunFinished") {
		t.Errorf("events %s", names)
	}
	if _, err := run(e, t, "d", map[string]any{"q": "x"}, orchestrator.Limits{}); err == nil || fault.ReasonOf(err) != fault.ReasonBadChain {
		t.Errorf("error %v", err)
	}
}

func TestAStepsTimeIsToldWithThePlaceWhereItWasSpent(t *testing.T) {
	ended := make(chan error, 1)
	e := engine(t, setup{chains: []string{`
chain: c
version: 1
input: { q: string }
steps:
  - id: all
    timeout: 20ms
    parallel: [ { id: slow, generate: { user: x } } ]
output: "{{steps.slow.text}}"
`}, targets: []orchestrator.Target{target("slow", 0.9, hangs("", ended))}})
	_, err := run(e, t, "c", map[string]any{"q": "x"}, orchestrator.Limits{})
	if err == nil || fault.ReasonOf(err) != fault.ReasonDeadline || !strings.HasPrefix(err.Error(), "c/all/slow: the step's time of 20ms") {
		t.Errorf("error %v", err)
	}
}

func TestATimeoutBelowNothingWidensNothing(t *testing.T) {
	ended := make(chan error, 1)
	e := engine(t, setup{chains: []string{`
chain: c
version: 1
budget: { deadline: 20ms }
steps:
  - { id: slow, generate: { user: x } }
output: "{{steps.slow.text}}"
`}, targets: []orchestrator.Target{target("slow", 0.9, hangs("", ended))}})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := read(t, e.Run(ctx, auth.Local(), orchestrator.RunRequest{Chain: "c", Limits: orchestrator.Limits{Timeout: -1}}))
	if ctx.Err() != nil || err == nil || fault.CodeOf(err) != fault.InvalidArgument {
		t.Errorf("error %v, caller's context %v", err, ctx.Err())
	}
}

func TestATurnWithToolsIsRememberedWhole(t *testing.T) {
	var reqs []providers.Request
	e := engine(t, setup{targets: []orchestrator.Target{target("t", 0.9, asked(&reqs, says("it is sunny")))}})
	req := chat("how is the weather?")
	call := providers.Message{Role: providers.Assistant, ToolCalls: []providers.ToolCall{{ID: "1", Name: "weather", Arguments: "{}"}}}
	result := providers.Text(providers.ToolRole, "sun")
	result.ToolCallID = "1"
	req.Request.Messages = append(req.Request.Messages, call, result)
	req.Session = "s"
	if _, err := read(t, e.Chat(t.Context(), auth.Local(), req)); err != nil {
		t.Fatal(err)
	}
	next := chat("and tomorrow?")
	next.Session = "s"
	if _, err := read(t, e.Chat(t.Context(), auth.Local(), next)); err != nil {
		t.Fatal(err)
	}
	var roles []string
	for _, m := range reqs[1].Messages {
		roles = append(roles, string(m.Role))
	}
	if got := strings.Join(roles, " "); got != "user assistant tool assistant user" {
		t.Errorf("the next turn sees %s", got)
	}
}

func TestARunHasOneConfiguration(t *testing.T) {
	library, err := prompts.Load()
	if err != nil {
		t.Fatal(err)
	}
	config := func(name string) orchestrator.Config {
		ch, err := chain.Parse("c.yaml", fmt.Appendf(nil, `
chain: c
version: 1
steps:
  - { id: say, policy: %s, target: %[1]s, generate: { user: x } }
output: "{{steps.say.text}}"
`, name))
		if err != nil {
			t.Fatal(err)
		}
		tgt := target(name, 0.9, says(name))
		tgt.Clearance = label.Restricted
		return orchestrator.Config{Prompts: library, DefaultPolicy: name, Chains: []*chain.Chain{ch}, Auto: name,
			Targets: []orchestrator.Target{tgt}, Policies: []routing.Policy{{Name: name, Prefer: routing.Best, Targets: []string{name}}}}
	}
	a, b := config("a"), config("b")
	e, err := orchestrator.New(orchestrator.Services{}, a)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var changes sync.WaitGroup
	changes.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			c := a
			if i%2 == 0 {
				c = b
			}
			if err := e.Configure(c); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 3000 {
		if _, err := read(t, e.Run(t.Context(), auth.Local(), orchestrator.RunRequest{Chain: "c"})); err != nil {
			t.Errorf("run: %v", err)
			break
		}
		if _, err := read(t, e.Chat(t.Context(), auth.Local(), chat("x"))); err != nil {
			t.Errorf("chat: %v", err)
			break
		}
	}
	close(done)
	changes.Wait()
}

func TestACitationOfAnAttemptThatFailedIsWithdrawn(t *testing.T) {
	e := engine(t, setup{chains: []string{answerChain}, documents: manual, policy: routing.Policy{Midstream: routing.MidstreamRestart}, targets: []orchestrator.Target{
		target("bad", 0.9, func(_ context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
			_ = yield(providers.Chunk{Citation: &providers.Citation{}}, nil) && yield(providers.Chunk{}, &providers.Error{Kind: providers.KindTruncated})
		}),
		target("good", 0.5, says("so [1]")),
	}})
	events, err := run(e, t, "answer", map[string]any{"question": "How do I start the press?"}, orchestrator.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	cited := 0
	for _, ev := range events {
		switch ev.Body.(type) {
		case *orchestrator.Citation:
			cited++
		case *orchestrator.Retracted:
			cited = 0
		}
	}
	if cited != 1 {
		t.Errorf("%d citations are left of an answer with one", cited)
	}
}

func TestAShorterPauseDoesNotEndALongerOne(t *testing.T) {
	first, second := make(chan struct{}), make(chan struct{})
	var calls atomic.Int64
	e := engine(t, setup{targets: []orchestrator.Target{target("a", 0.9, func(_ context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
		wait := time.Hour
		if calls.Add(1) == 1 {
			close(first)
			<-second
			wait = time.Nanosecond
		}
		yield(providers.Chunk{}, &providers.Error{Kind: providers.KindRateLimited, Backend: "b", RetryAfter: wait})
	})}})
	ask := func() error {
		_, err := read(t, e.Chat(t.Context(), auth.Local(), chat("hi")))
		return err
	}
	var early sync.WaitGroup
	early.Go(func() { _ = ask() })
	<-first
	_ = ask()
	close(second)
	early.Wait()
	if err := ask(); fault.From(err).RetryAfter < 59*time.Minute || calls.Load() != 2 {
		t.Errorf("error %v after %d calls", err, calls.Load())
	}
}
