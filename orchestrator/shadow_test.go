package orchestrator_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/auth"
	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// shadowed gives a target a shadow.
func shadowed(t orchestrator.Target, g generator) orchestrator.Target {
	v := &orchestrator.Variant{Target: t, Percent: 100, Timeout: 10 * time.Second}
	v.Model, v.Generator = t.Model+"-beside", g
	t.Shadow = v
	return t
}

// bystander is an observer of all that there is to hear.
type bystander struct {
	mu      sync.Mutex
	shadows []orchestrator.Shadowed
	events  []orchestrator.Event
}

func (l *bystander) RunStarts(ctx context.Context, _, _ string, _ auth.Principal) (context.Context, func(*orchestrator.Event), func(error)) {
	return ctx, func(e *orchestrator.Event) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.events = append(l.events, *e)
	}, func(error) {}
}

func (l *bystander) ShadowEnded(s orchestrator.Shadowed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shadows = append(l.shadows, s)
}

func (l *bystander) outcomes() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for _, s := range l.shadows {
		all = append(all, s.Target+" "+string(s.Outcome))
	}
	return strings.Join(all, ", ")
}

// told is what a caller sees of a run, without what differs from run to run.
func told(events []orchestrator.Event) string {
	var b strings.Builder
	for _, ev := range events {
		switch body := ev.Body.(type) {
		case *orchestrator.AttemptStarted:
			fmt.Fprintf(&b, "%s attempt %d of %s\n", ev.Step, body.Attempt, body.Target.Name)
		case *orchestrator.AttemptUsage:
			fmt.Fprintf(&b, "%s usage %s %+v %d\n", ev.Step, body.Target.Name, body.Usage, body.Cost)
		case *orchestrator.TextDelta:
			fmt.Fprintf(&b, "%s text %q\n", ev.Step, body.Text)
		case *orchestrator.RunFinished:
			fmt.Fprintf(&b, "finished %q %+v %d %v\n", body.Output, body.Usage, body.Cost, body.CostIncomplete)
		default:
			fmt.Fprintf(&b, "%s %T\n", ev.Step, body)
		}
	}
	return b.String()
}

const leak = "beside-canary-7f3a"

func TestAShadowIsNeitherSeenNorPaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stories := map[bool]string{}
		for _, beside := range []bool{false, true} {
			var calls atomic.Int64
			var model string
			tg := target("triage", 0.9, says("the answer"))
			if beside {
				tg = shadowed(tg, func(_ context.Context, req *providers.Request, yield func(providers.Chunk, error) bool) {
					calls.Add(1)
					model = req.Model
					_ = yield(providers.Chunk{Text: leak}, nil) && yield(providers.Chunk{Finish: providers.FinishStop, Model: leak,
						Usage: &providers.Usage{Input: 1 << 20, Output: 1 << 20}}, nil)
				})
			}
			ears := &bystander{}
			e := engine(t, setup{targets: []orchestrator.Target{tg}, observer: ears})
			req := chat("hi")
			req.Limits = orchestrator.Limits{Budget: providers.USD(1), Limited: true}
			var story strings.Builder
			for range 20 {
				events, err := read(t, e.Chat(t.Context(), caller(1), req))
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				story.WriteString(told(events))
				if text := fmt.Sprintf("%+v", events); strings.Contains(text, leak) {
					t.Fatal("a caller sees the shadow's answer")
				}
			}
			stories[beside] = story.String()
			if text := fmt.Sprintf("%+v", ears.events); strings.Contains(text, leak) {
				t.Error("an observer sees the shadow's answer")
			}
			if !beside {
				continue
			}
			if calls.Load() != 20 || model != "m-triage-beside" {
				t.Errorf("%d calls of the shadow, of model %q", calls.Load(), model)
			}
			tr, _ := e.Traffic("triage")
			if diff := cmp.Diff(orchestrator.Compared{Compared: 20}, tr.Compared); diff != "" {
				t.Errorf("sums (-want +got):\n%s", diff)
			}
			for _, c := range e.Targets() {
				switch c.Target.Name {
				case "triage": // of the stable one there are 20 calls, at 100 and 10 tokens
					if got := c.State.Live.CostMinute; got != 20*(100+100)*1000 {
						t.Errorf("the target cost %d", got)
					}
				case "triage@shadow":
					if got := c.State.Live.CostMinute; got != 20*11*(1<<20)*1000 {
						t.Errorf("the shadow cost %d", got)
					}
				}
			}
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}
		// To the thousand-millionth of a dollar, and event by event.
		if diff := cmp.Diff(stories[false], stories[true]); diff != "" {
			t.Errorf("a caller notices the shadow (-without +with):\n%s", diff)
		}
	})
}

func TestAShadowIsNotWaitedForAndOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		var trace any
		ended := make(chan error, 9)
		release := make(chan struct{})
		ears := &bystander{}
		e := engine(t, setup{observer: ears, targets: []orchestrator.Target{shadowed(target("triage", 0.9, says("the answer")),
			func(ctx context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
				trace = ctx.Value(key{})
				select {
				case <-ctx.Done():
					ended <- ctx.Err()
					yield(providers.Chunk{}, providers.AsError(ctx, "b", "m", ctx.Err()))
				case <-release:
					says("the answer")(ctx, nil, yield)
				}
			})}})
		ctx, leave := context.WithCancel(context.WithValue(t.Context(), key{}, "a trace"))
		req := chat("hi")
		req.Limits.Timeout = 100 * time.Millisecond
		began := time.Now()
		if _, err := read(t, e.Chat(ctx, caller(1), req)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the caller waited %s", took)
		}
		leave()
		time.Sleep(5 * time.Second)
		close(release)
		synctest.Wait()
		if got := ears.outcomes(); got != "triage@shadow agreed" || trace != "a trace" || len(ended) > 0 {
			t.Errorf("outcomes %q, trace %v", got, trace)
		}
		// Its own time is up at last.
		release = make(chan struct{})
		if _, err := read(t, e.Chat(t.Context(), caller(1), req)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if len(ended) != 0 {
			t.Error("it ended before its time")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := ears.outcomes(); got != "triage@shadow agreed, triage@shadow failed" || len(ended) != 1 {
			t.Errorf("outcomes %q", got)
		}
		// And the engine's end ends it.
		if _, err := read(t, e.Chat(t.Context(), caller(1), req)); err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		_ = e.Close()
		if took := time.Since(began); took != 0 || !strings.HasSuffix(ears.outcomes(), "dropped") {
			t.Errorf("closing took %s, outcomes %q", took, ears.outcomes())
		}
		if _, err := read(t, e.Chat(t.Context(), caller(1), req)); err != nil { // runs go on
			t.Fatal(err)
		}
		if tr, _ := e.Traffic("triage"); tr.Compared != (orchestrator.Compared{Compared: 1, Agreed: 1, Failed: 1, Dropped: 2, Likeness: 1}) {
			t.Errorf("%+v", tr.Compared)
		}
	})
}

func TestShadowsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		release := make(chan struct{})
		e := engine(t, setup{targets: []orchestrator.Target{shadowed(target("triage", 0.9, says("x")),
			func(ctx context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
				if n := now.Add(1); n > most.Load() {
					most.Store(n)
				}
				<-release
				now.Add(-1)
				says("x")(ctx, nil, yield)
			})}})
		for range 40 {
			if _, err := read(t, e.Chat(t.Context(), caller(1), chat("hi"))); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		close(release)
		synctest.Wait()
		tr, _ := e.Traffic("triage")
		if most.Load() != 16 || tr.Compared.Agreed != 16 || tr.Compared.Dropped != 24 {
			t.Errorf("%d at once, %+v", most.Load(), tr.Compared)
		}
	})
}

func TestAShadowMakesRoomForCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := make(chan time.Time, 9)
		ears := &bystander{}
		tg := shadowed(target("triage", 0.9, says("x")), func(ctx context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
			<-ctx.Done()
			gone <- time.Now()
			yield(providers.Chunk{}, providers.AsError(ctx, "b", "m", ctx.Err()))
		})
		tg.Limiter = orchestrator.NewLimiter(1, 0)
		tg.Shadow.Limiter = tg.Limiter
		e := engine(t, setup{targets: []orchestrator.Target{tg}, observer: ears})
		began := time.Now()
		for range 2 { // the second comes while the first one's shadow has the only place
			if _, err := read(t, e.Chat(t.Context(), caller(1), chat("hi"))); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if took := time.Since(began); took != 0 || len(gone) != 1 {
			t.Errorf("callers waited %s, %d shadows made room", took, len(gone))
		}
		if got := ears.outcomes(); got != "triage@shadow dropped" {
			t.Errorf("outcomes %q", got)
		}
		for _, c := range e.Targets() { // who made room has not failed
			if c.Target.Name == "triage@shadow" && (c.State.OpenFor != 0 || c.State.Live.ErrorRate != 0) {
				t.Errorf("%+v", c.State)
			}
		}
		_ = e.Close()
	})
}

func TestShadowsTakeWhatCallersLeaveOfTheirMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := shadowed(target("triage", 0.9, says("x")), says("x"))
		tg.Limiter = orchestrator.NewLimiter(0, 100) // ten at once, and one each 600 ms
		tg.Shadow.Limiter = tg.Limiter
		e := engine(t, setup{targets: []orchestrator.Target{tg}})
		answered := 0
		for range 10 {
			if _, err := read(t, e.Chat(t.Context(), caller(1), chat("hi"))); err == nil {
				answered++
			}
			synctest.Wait()
		}
		tr, _ := e.Traffic("triage")
		// The bucket goes 10, 8, 6 by calls with a shadow, then 5 (a shadow would leave less than half), and to 0 by callers alone.
		if answered != 8 || tr.Compared.Agreed != 2 || tr.Compared.Dropped != 6 {
			t.Errorf("%d answered, %+v", answered, tr.Compared)
		}
	})
}

func TestAShadowHasABreakerOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		panics := generator(func(context.Context, *providers.Request, func(providers.Chunk, error) bool) {
			calls.Add(1)
			panic("secret " + leak)
		})
		e := engine(t, setup{targets: []orchestrator.Target{shadowed(target("triage", 0.9, says("x")), panics)}})
		down := engine(t, setup{targets: []orchestrator.Target{shadowed(target("triage", 0.9, says("x")), breaks("", providers.KindUnavailable))}})
		for range 25 {
			for _, e := range []*orchestrator.Engine{e, down} {
				if _, err := read(t, e.Chat(t.Context(), caller(1), chat("hi"))); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
			}
		}
		if tr, _ := e.Traffic("triage"); tr.Compared.Failed != 25 || calls.Load() != 25 {
			t.Errorf("panics: %+v", tr.Compared)
		}
		if tr, _ := down.Traffic("triage"); tr.Compared != (orchestrator.Compared{Failed: 20, Dropped: 5}) {
			t.Errorf("down: %+v", tr.Compared)
		}
		for _, c := range down.Targets() {
			if open := c.State.OpenFor > 0; open != (c.Target.Name == "triage@shadow") {
				t.Errorf("%s is open: %v", c.Target.Name, open)
			}
		}
	})
}

func TestShadowsAreSampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := shadowed(target("triage", 0.9, says("x")), says("x"))
		tg.Shadow.Percent = 20
		e := engine(t, setup{targets: []orchestrator.Target{tg}})
		const runs = 1000
		for range runs {
			if _, err := read(t, e.Chat(t.Context(), caller(1), chat("hi"))); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		tr, _ := e.Traffic("triage")
		if n := tr.Compared.Compared; n < 137 || n > 263 { // five standard deviations around 200
			t.Errorf("%d of %d runs", n, runs)
		}
	})
}

func TestWhatIsOnlyTheTargetsIsNotShadowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		counts := generator(func(ctx context.Context, req *providers.Request, yield func(providers.Chunk, error) bool) {
			calls.Add(1)
			says("x")(ctx, req, yield)
		})
		// A failed call, a call that the canary answered, and one above the clearance, for which nothing is asked at all.
		failing := engine(t, setup{targets: []orchestrator.Target{shadowed(target("triage", 0.9, breaks("", providers.KindInvalid)), counts)}})
		if _, err := read(t, failing.Chat(t.Context(), caller(1), chat("hi"))); err == nil {
			t.Error("no failure")
		}
		e := engine(t, setup{targets: []orchestrator.Target{with(shadowed(target("triage", 0.9, says("old")), counts), 100, says("new"))}})
		if got := gets(t, e, caller(1)); got != "new" {
			t.Errorf("got %q", got)
		}
		req := chat("hi")
		req.Limits.Label = label.Restricted
		if _, err := read(t, e.Chat(t.Context(), caller(1), req)); err == nil {
			t.Error("restricted data went out")
		}
		synctest.Wait()
		if calls.Load() != 0 {
			t.Errorf("%d calls of a shadow", calls.Load())
		}
		// Rolled back, the stable version answers, and is compared.
		e.SetTraffic([]string{"triage"})
		if got := gets(t, e, caller(1)); got != "old" {
			t.Errorf("got %q", got)
		}
		synctest.Wait()
		if calls.Load() != 1 {
			t.Errorf("%d calls of a shadow", calls.Load())
		}
	})
}

func TestAShadowIsOfferedToolsAndRunsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call := func(arguments string) generator {
			return func(_ context.Context, req *providers.Request, yield func(providers.Chunk, error) bool) {
				if len(req.Tools) != 1 {
					yield(providers.Chunk{}, errors.New("no tools"))
					return
				}
				_ = yield(providers.Chunk{ToolCalls: []providers.ToolCallDelta{{ID: "1", Name: "pay", Arguments: arguments}}}, nil) &&
					yield(providers.Chunk{Finish: providers.FinishToolCalls}, nil)
			}
		}
		for other, want := range map[string]orchestrator.Compared{
			`{"to":  "bob","n": 1.0}`: {Compared: 1, Agreed: 1, Likeness: 1},
			`{"to":"eve","n":1}`:      {Compared: 1, Likeness: 0.5},
		} {
			e := engine(t, setup{targets: []orchestrator.Target{shadowed(target("triage", 0.9, call(`{"n":1,"to":"bob"}`)), call(other))}})
			req := chat("hi")
			req.Request.Tools = []providers.Tool{{Name: "pay"}}
			if _, err := read(t, e.Chat(t.Context(), caller(1), req)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if tr, _ := e.Traffic("triage"); tr.Compared != want {
				t.Errorf("%s: %+v, want %+v", other, tr.Compared, want)
			}
		}
	})
}

func TestShadowsOfErrands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		intent := classifier("triage", "classify?label=simple&other=hard&p=0.9")
		intent.Shadow = &orchestrator.Variant{Target: intent, Percent: 100}
		intent.Shadow.Model = "classify?label=simple&other=hard&p=0.7"
		var shadow vectorsOf = func(texts []string) [][]float32 { return [][]float32{{1, 0, 0.1}} }
		var stable vectorsOf = func(texts []string) [][]float32 { return [][]float32{{1, 0, 0}} }
		embeds := orchestrator.Target{Embedder: stable, Target: routing.Target{Name: "vec", Backend: "b-vec", Kind: "scripted", Model: "m", Does: providers.Embed,
			Clearance: label.Restricted, Price: &providers.Price{Input: 1}}}
		embeds.Shadow = &orchestrator.Variant{Target: embeds, Percent: 100}
		embeds.Shadow.Model, embeds.Shadow.Embedder = "n", shadow
		const c = "\nchain: c\nversion: 1\ninput: { q: string }\nsteps:\n  - { id: a, classify: { target: triage, text: \"{{q}}\" } }\noutput: \"{{steps.a.label}}\"\n"
		e := engine(t, setup{chains: []string{c}, targets: []orchestrator.Target{intent, embeds}})
		events, err := run(e, t, "c", map[string]any{"q": "x"}, orchestrator.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range events {
			if b, ok := ev.Body.(*orchestrator.AttemptUsage); ok && b.Target.Name != "triage" {
				t.Errorf("usage of %s", b.Target.Name)
			}
		}
		got, err := e.Embed(t.Context(), caller(1), orchestrator.EmbedRequest{Model: "vec", Texts: []string{"x"}})
		if err != nil {
			t.Fatal(err)
		}
		got.Vectors[0][0] = 99 // they are the caller's
		synctest.Wait()
		if tr, _ := e.Traffic("triage"); tr.Compared.Agreed != 1 || tr.Compared.Likeness < 0.79999 || tr.Compared.Likeness > 0.80001 {
			t.Errorf("classes: %+v", tr.Compared)
		}
		if tr, _ := e.Traffic("vec"); tr.Compared.Agreed != 0 || tr.Compared.Compared != 1 || tr.Compared.Likeness < 0.995 || tr.Compared.Likeness > 0.9951 {
			t.Errorf("vectors: %+v", tr.Compared)
		}
	})
}

// vectorsOf is an embedder made of a function.
type vectorsOf func(texts []string) [][]float32

func (v vectorsOf) Embed(_ context.Context, req *providers.EmbedRequest) (*providers.Embeddings, error) {
	return &providers.Embeddings{Vectors: v(req.Texts), Usage: providers.Usage{Input: 1}}, nil
}

// What a shadow gave beside one version says nothing of it beside another.
func TestComparisonsBeginAnewWithTheTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := func(model string) orchestrator.Target {
			tg := shadowed(target("triage", 0.9, says("the answer")), says("the answer"))
			tg.Model = model
			return tg
		}
		e := engine(t, setup{targets: []orchestrator.Target{made("one")}})
		defer func() { _ = e.Close() }()
		gets(t, e, caller(1))
		synctest.Wait()
		for _, c := range []struct {
			model string
			want  int64
		}{{"one", 1}, {"two", 0}} {
			if err := e.Configure(configOf(t, made(c.model))); err != nil {
				t.Fatal(err)
			}
			if tr, _ := e.Traffic("triage"); tr.Compared.Compared != c.want {
				t.Errorf("beside %s: %d comparisons, want %d", c.model, tr.Compared.Compared, c.want)
			}
		}
	})
}
