package orchestrator_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// watcher is an observer that counts.
type watcher struct {
	events []orchestrator.Event
	ends   []error
}

func (w *watcher) RunStarts(ctx context.Context, _, _ string, _ auth.Principal) (context.Context, func(*orchestrator.Event), func(error)) {
	return ctx, func(e *orchestrator.Event) { w.events = append(w.events, *e) }, func(err error) { w.ends = append(w.ends, err) }
}

// breaksDown panics as a broken adapter would.
func breaksDown(_ context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
	if yield(providers.Chunk{Text: "half"}, nil) {
		var chunks []providers.Chunk
		_ = chunks[1:][0]
	}
}

func TestAPanicOfAnAdapterBesideTheReaderIsAnError(t *testing.T) {
	for name, steps := range map[string]string{
		"parallel":      `{ id: all, parallel: [ { id: a, target: bad, generate: { user: x } }, { id: b, target: good, generate: { user: x } } ] }`,
		"optional":      `{ id: all, parallel: [ { id: a, optional: true, target: bad, generate: { user: x } }, { id: b, target: good, generate: { user: x } } ] }`,
		"summarize":     `{ id: all, target: bad, summarize: { method: stuff, text: "{{q}}" } }`,
		"parts of many": `{ id: all, target: bad, summarize: { method: map_reduce, text: "{{q}}{{long}}" } }`,
	} {
		t.Run(name, func(t *testing.T) {
			w := &watcher{}
			e := engine(t, setup{observer: w, targets: []orchestrator.Target{target("bad", 0.9, breaksDown), target("good", 0.5, says("ok"))}, chains: []string{`
chain: c
version: 1
input: { q: string, long: string }
steps:
  - ` + steps + `
output: "done"
`}})
			long := make([]byte, 40_000)
			for i := range long {
				long[i] = "word "[i%5]
			}
			_, err := run(e, t, "c", map[string]any{"q": "x", "long": string(long)}, orchestrator.Limits{})
			if name == "optional" {
				if err != nil {
					t.Errorf("an optional step ends the run: %v", err)
				}
			} else if err == nil || fault.ReasonOf(err) != fault.ReasonUpstreamDown {
				t.Errorf("error %v", err)
			}
			if len(w.ends) != 1 {
				t.Errorf("the observer was told of %d ends", len(w.ends))
			}
		})
	}
}

func TestAPanicIsTheReadersOwnAndTheRunEnds(t *testing.T) {
	ended := make(chan error, 10)
	limiter := orchestrator.NewLimiter(1, 0)
	for _, tt := range []struct {
		name  string
		model string
		g     generator
		panic func(orchestrator.Event) bool
	}{
		{"reader", "", hangs("x", ended), func(ev orchestrator.Event) bool { _, ok := ev.Body.(*orchestrator.TextDelta); return ok }},
		{"reader, parallel", "chain/p", hangs("x", ended), func(ev orchestrator.Event) bool { _, ok := ev.Body.(*orchestrator.TextDelta); return ok }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &watcher{}
			slow := target("t", 0.9, tt.g)
			slow.Limiter = limiter
			e := engine(t, setup{observer: w, targets: []orchestrator.Target{slow}, chains: []string{parallelChain(2)}})
			func() {
				defer func() {
					if recover() == nil {
						t.Error("the panic is gone")
					}
				}()
				req := chat("hi")
				req.Model = tt.model
				for ev, err := range e.Chat(t.Context(), auth.Local(), req) {
					if tt.panic(ev) {
						panic("reader")
					}
					if err != nil {
						t.Errorf("error %v", err)
					}
				}
			}()
			if len(w.ends) != 1 || w.ends[0] == nil {
				t.Errorf("the observer was told of the ends %v", w.ends)
			}
		})
	}
	// The limiter's only place is free again.
	free := target("t", 0.9, says("ok"))
	free.Limiter = limiter
	e := engine(t, setup{targets: []orchestrator.Target{free}})
	if _, err := read(t, e.Chat(t.Context(), auth.Local(), chat("hi"))); err != nil {
		t.Error(err)
	}
}

func TestAnAdapterThatPanicsIsFollowedByAnother(t *testing.T) {
	e := engine(t, setup{targets: []orchestrator.Target{
		target("good", 0.5, says("fine")), target("bad", 0.9, func(context.Context, *providers.Request, func(providers.Chunk, error) bool) { panic("secret") }),
	}})
	events, err := read(t, e.Chat(t.Context(), auth.Local(), chat("hi")))
	if _, text := kinds(events); err != nil || text != "fine" {
		t.Fatalf("%q %v", text, err)
	}
	failed := find[*orchestrator.AttemptFailed](events)[0]
	if cause := errors.Unwrap(failed.Err); cause == nil || strings.Contains(cause.Error(), "secret") || !strings.Contains(cause.Error(), "panic_test.go") {
		t.Errorf("cause %v", cause)
	}
}

func TestWhatParallelCallsTookIsToldAlsoWhenTheReaderLeft(t *testing.T) {
	const n = 4
	var ended atomic.Int64
	g := func(ctx context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
		defer ended.Add(1)
		if !yield(providers.Chunk{Text: "x"}, nil) {
			return
		}
		<-ctx.Done()
		yield(providers.Chunk{}, ctx.Err())
	}
	for range 20 {
		w := &watcher{}
		e := engine(t, setup{observer: w, targets: []orchestrator.Target{target("t", 0.9, g)}, chains: []string{parallelChain(n)}, policy: routing.Policy{Attempts: 1}})
		texts := 0
		for ev, err := range e.Run(t.Context(), auth.Local(), orchestrator.RunRequest{Chain: "p", Input: map[string]any{"q": "x"}}) {
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := ev.Body.(*orchestrator.TextDelta); ok {
				if texts++; texts == n {
					break
				}
			}
		}
		if used := find[*orchestrator.AttemptUsage](w.events); len(used) != n {
			t.Fatalf("%d calls were paid for and %d were told of", n, len(used))
		}
		for i, ev := range w.events {
			if ev.Seq != int64(i+1) {
				t.Fatalf("event %d has the number %d", i+1, ev.Seq)
			}
		}
	}
}

func TestARunWhoseReaderStopsAtItsEndWentWell(t *testing.T) {
	w := &watcher{}
	e := engine(t, setup{observer: w, targets: []orchestrator.Target{target("t", 0.9, says("ok"))}})
	for ev, err := range e.Chat(t.Context(), auth.Local(), chat("hi")) {
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := ev.Body.(*orchestrator.RunFinished); ok {
			break
		}
	}
	if len(w.ends) != 1 || w.ends[0] != nil {
		t.Errorf("the observer was told of the ends %v", w.ends)
	}
}
