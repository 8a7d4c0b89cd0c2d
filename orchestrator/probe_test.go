package orchestrator_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/orchestrator"
	"fairlead/orchestrator/health"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

const period = 10 * time.Second

var (
	gone  = health.Answer{Err: &providers.Error{Kind: providers.KindUnavailable}, Every: period}
	there = health.Answer{State: providers.ModelReady, Every: period}
)

// standing gives what is known of a target.
func standing(t testing.TB, e *orchestrator.Engine, name string) routing.State {
	t.Helper()
	for _, c := range e.Targets() {
		if c.Target.Name == name {
			return c.State
		}
	}
	t.Fatalf("there is no target %s", name)
	return routing.State{}
}

// why gives the reason for which a target is out of the plan of a chat.
func why(t testing.TB, e *orchestrator.Engine, name string) (routing.Reason, string) {
	t.Helper()
	plan, err := e.Explain(t.Context(), auth.Local(), chat("hi"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range plan.Records {
		if r := &plan.Records[i]; r.Target.Name == name {
			return r.Reason, r.Detail()
		}
	}
	t.Fatalf("the plan has no target %s", name)
	return "", ""
}

// counted counts the calls of a generator.
func counted(calls *atomic.Int64, g generator) generator {
	return func(ctx context.Context, req *providers.Request, yield func(providers.Chunk, error) bool) {
		calls.Add(1)
		g(ctx, req, yield)
	}
}

func TestABackendThatIsGoneIsLeftAloneBeforeACallerMeetsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a, b atomic.Int64
		e := bare(t, routing.Policy{}, target("a", 0.9, counted(&a, says("from a"))), target("b", 0.5, counted(&b, says("from b"))))
		call := func(want int64) {
			t.Helper()
			before := a.Load()
			if err := drain(e, chat("hi")); err != nil {
				t.Fatal(err)
			}
			if got := a.Load() - before; got != want {
				t.Errorf("%d calls to a, want %d", got, want)
			}
		}
		e.Probed("a", gone)
		call(1) // one bad answer is none; and a call that goes well takes it back
		e.Probed("a", gone)
		call(1)
		e.Probed("a", gone)
		e.Probed("a", gone)
		call(0)
		if reason, text := why(t, e, "a"); reason != routing.OutOpen || text != "its backend does not answer; it is asked again in 10s" {
			t.Errorf("it is out because of %s: %s", reason, text)
		}
		time.Sleep(period)
		e.Probed("a", gone)
		call(0) // longer than any breaker is open: no caller is sent to see
		time.Sleep(period)
		e.Probed("a", there)
		call(1) // at once
		call(1)

		// What was said a long time ago does not count, and neither does what says nothing.
		e.Probed("a", gone)
		e.Probed("a", gone)
		time.Sleep(health.Lasting(period) + time.Second)
		call(1)
		for _, kind := range []providers.Kind{providers.KindUnknown, providers.KindRateLimited, providers.KindQuota, providers.KindInvalid, providers.KindCanceled} {
			for range 3 {
				e.Probed("a", health.Answer{Err: &providers.Error{Kind: kind}, Every: period})
			}
			call(1)
		}
		e.Probed("nobody", gone)
		e.Resolved("nobody", "1")
		e.LoadTime("nobody", time.Second)
		e.Loaded("nobody", providers.Load{}, period)

		// What a server said of its work is not shown any more when it does not answer.
		e.Loaded("b-a", providers.Load{Running: 4}, period)
		if l := standing(t, e, "a").Live.Load; l == nil || l.Running != 4 {
			t.Errorf("its load is %v", l)
		}
		e.Probed("a", gone)
		if l := standing(t, e, "a").Live.Load; l != nil {
			t.Errorf("it does not answer, and its load is %v", l)
		}
	})
}

// A server may be well and fail in its work: what it says of itself lets one call through, and closes no breaker.
func TestAHealthyServerWhoseCallsFailStaysLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a atomic.Int64
		var works atomic.Bool
		held := make(chan struct{})
		e := bare(t, routing.Policy{Attempts: 1}, target("a", 0.9, counted(&a, func(ctx context.Context, req *providers.Request, yield func(providers.Chunk, error) bool) {
			switch {
			case works.Load():
				<-held
				says("fine")(ctx, req, yield)
			default:
				breaks("", providers.KindUnavailable)(ctx, req, yield)
			}
		})))
		for range 20 {
			_ = drain(e, chat("hi"))
		}
		if s := standing(t, e, "a"); s.OpenFor == 0 || s.Silent || a.Load() != 20 {
			t.Fatalf("after 20 failures: %+v", s)
		}
		for range 3 {
			_ = drain(e, chat("hi"))
			e.Probed("a", there)
			for range 3 {
				_ = drain(e, chat("hi"))
			}
		}
		if a.Load() != 23 { // one for each good answer
			t.Errorf("%d calls", a.Load())
		}
		// It works again: the one call that is let through closes the breaker, and the others wait for that one's end.
		works.Store(true)
		e.Probed("a", there)
		done := make(chan error)
		go func() { done <- drain(e, chat("hi")) }()
		synctest.Wait()
		if err := drain(e, chat("hi")); fault.From(err).Reason != fault.ReasonUpstreamDown {
			t.Errorf("a second call went through: %v", err)
		}
		close(held)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := drain(e, chat("hi")); err != nil {
			t.Error(err)
		}
	})
}

func TestAModelThatIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a atomic.Int64
		e := bare(t, routing.Policy{}, target("a", 0.9, counted(&a, says("fine"))))
		loading := health.Answer{State: providers.ModelLoading, Detail: "42 of 100", Every: period}
		e.Probed("a", loading)
		e.Probed("a", loading)
		time.Sleep(4 * time.Second)
		reason, text := why(t, e, "a")
		if want := "its model is being loaded: 42 of 100; its backend is asked again in 6s"; reason != routing.OutNotReady || text != want {
			t.Errorf("it is out because of %s: %s", reason, text)
		}
		err := drain(e, chat("hi"))
		if f := fault.From(err); f.Reason != fault.ReasonUpstreamDown || f.RetryAfter != 6*time.Second || a.Load() != 0 {
			t.Errorf("%d calls: %v, again in %s", a.Load(), err, f.RetryAfter)
		}
		if s := standing(t, e, "a"); !s.Live.Answered || s.Live.Ready || s.Live.Detail != "its model is being loaded: 42 of 100" {
			t.Errorf("shown: %+v", s.Live)
		}
		e.Probed("a", there)
		if err := drain(e, chat("hi")); err != nil || a.Load() != 1 {
			t.Errorf("%d calls: %v", a.Load(), err)
		}
	})
}

// Where the first call loads the model, one that is not in memory is never out: it is only later, by as much as was
// measured.
func TestAModelThatTheCallLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := target("a", 0.9, says("from a")), target("b", 0.5, says("from b"))
		for _, x := range []*orchestrator.Target{&a, &b} {
			x.TTFT, x.PerToken = 100*time.Millisecond, time.Millisecond
		}
		e := bare(t, routing.Policy{MaxTTFT: time.Second}, a, b)
		absent := health.Answer{State: providers.ModelAbsent, Lazy: true, Every: period}
		e.Probed("a", absent)
		e.Probed("a", absent)
		if reason, text := why(t, e, "a"); reason != routing.In || text != "" {
			t.Errorf("how long it takes is not known, and it is out because of %s: %s", reason, text)
		}
		e.LoadTime("a", 4*time.Second)
		reason, text := why(t, e, "a")
		if reason != routing.OutLatency || !strings.Contains(text, "its model is loaded first, in about 4s") {
			t.Errorf("it is out because of %q: %s", reason, text)
		}
		if reason, _ := why(t, e, "b"); reason != routing.In {
			t.Errorf("the other one is out because of %s", reason)
		}
		e.Probed("a", there)
		if reason, text := why(t, e, "a"); reason != routing.In || text != "" {
			t.Errorf("it is in memory, and out because of %s: %s", reason, text)
		}
		// One that a call has loaded is in memory whatever was said before.
		e.Probed("b", absent)
		e.LoadTime("b", 4*time.Second)
		if reason, _ := why(t, e, "b"); reason != routing.OutLatency {
			t.Errorf("b is out because of %q", reason)
		}
		req := chat("hi")
		req.Model = "b"
		if err := drain(e, req); err != nil {
			t.Fatal(err)
		}
		if reason, _ := why(t, e, "b"); reason != routing.In {
			t.Errorf("b was called, and is out because of %s", reason)
		}
	})
}

// What a backend said of a target holds over a new configuration, and not for another model of the name.
func TestWhatWasSaidStaysWithItsModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := func(model string) orchestrator.Config {
			x := target("a", 0.9, says("fine"))
			x.Model = model
			return orchestrator.Config{Targets: []orchestrator.Target{x}, Policies: []routing.Policy{{Name: "default", Prefer: routing.Best}}, DefaultPolicy: "default"}
		}
		e, err := orchestrator.New(orchestrator.Services{}, config("one"))
		if err != nil {
			t.Fatal(err)
		}
		e.Probed("a", gone)
		e.Probed("a", gone)
		for model, want := range map[string]routing.Reason{"one": routing.OutOpen, "two": routing.In} {
			if err := e.Configure(config(model)); err != nil {
				t.Fatal(err)
			}
			if reason, _ := why(t, e, "a"); reason != want {
				t.Errorf("model %s: %q, want %q", model, reason, want)
			}
			if model == "two" {
				break
			}
			if err := e.Configure(config("one")); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestTheQueueOfABackendIsReckonedWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := target("a", 0.9, says("from a")), target("b", 0.5, says("from b"))
		for _, x := range []*orchestrator.Target{&a, &b} {
			x.TTFT, x.PerToken = 400*time.Millisecond, 0
			x.PerToken = time.Nanosecond
		}
		e := bare(t, routing.Policy{MaxLatency: 2 * time.Second, Quantile: 0.5}, a, b)
		e.Loaded("b-a", providers.Load{Running: 4, Waiting: 20, Slots: 4}, period)
		// 24 others on 4 slots: 21 must end, each after the 0.4 s that is expected, 4 at once: 2.1 s and 0.4 s.
		reason, text := why(t, e, "a")
		if want := "is over the policy's 2s; its server has 20 waiting, which is about 2.1"; reason != routing.OutLatency || !strings.Contains(text, want) {
			t.Errorf("it is out because of %q: %s", reason, text)
		}
		if l := standing(t, e, "a").Live.Load; l == nil || l.Waiting != 20 {
			t.Errorf("shown: %+v", l)
		}
		time.Sleep(health.Lasting(period) + time.Second)
		if reason, _ := why(t, e, "a"); reason != routing.In || standing(t, e, "a").Live.Load != nil {
			t.Errorf("what it said is too old, and it is out because of %s", reason)
		}
		// Where it does not say how many it takes, it is as many as it works on while others wait.
		e.Loaded("b-a", providers.Load{Running: 4, Waiting: 20}, period)
		if reason, _ := why(t, e, "a"); reason != routing.OutLatency {
			t.Errorf("without slots: %q", reason)
		}
		e.Loaded("b-a", providers.Load{Running: 400}, period)
		if reason, _ := why(t, e, "a"); reason != routing.In {
			t.Errorf("nobody waits, and it is out because of %q", reason)
		}
		// A full cache lets nobody in until one of two ends.
		for cache, want := range map[float64]string{0.9: "", 0.91: "its server is full, which is about 20"} {
			e.Loaded("b-a", providers.Load{Running: 2, Slots: 8, Cache: cache, CacheKnown: true}, period)
			if reason, text := why(t, e, "a"); reason != routing.In || !strings.HasPrefix(text, want) || (text == "") != (want == "") {
				t.Errorf("cache at %v: %q %q", cache, reason, text)
			}
		}
	})
}

// Our own calls are no others: what a backend counts of them is in its figures, and not in its queue.
func TestOurOwnCallsAreNotCountedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := make(chan error, 8)
		a := target("a", 0.9, hangs("a", held))
		a.TTFT, a.PerToken = 400*time.Millisecond, time.Nanosecond
		e := bare(t, routing.Policy{Quantile: 0.5}, a)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		for range 6 {
			go func() {
				for range e.Chat(ctx, auth.Local(), chat("hi")) {
				}
				ended <- struct{}{}
			}()
		}
		synctest.Wait()
		e.Loaded("b-a", providers.Load{Running: 4, Waiting: 2, Slots: 4}, period) // that is us
		if reason, text := why(t, e, "a"); reason != routing.In || text != "" {
			t.Errorf("%q %q", reason, text)
		}
		e.Loaded("b-a", providers.Load{Running: 4, Waiting: 3, Slots: 4}, period) // one more
		if _, text := why(t, e, "a"); !strings.HasPrefix(text, "its server has 3 waiting, which is about 10") {
			t.Errorf("%q", text)
		}
		cancel()
		for range 6 {
			<-ended
		}
	})
}

// warm is an adapter whose model is loaded when it is asked for.
type warm struct {
	state atomic.Value
	takes time.Duration
	fails error
}

func (w *warm) Versions(context.Context, string) ([]providers.ModelVersion, error) {
	return []providers.ModelVersion{{Model: "m", State: w.state.Load().(providers.ModelState), Bytes: 7}}, nil
}

func (w *warm) Ready(context.Context, string, string) error { return nil }

func (w *warm) Warm(context.Context, string, string) error {
	if w.state.Load() != providers.ModelReady {
		time.Sleep(w.takes)
	}
	w.state.Store(providers.ModelReady)
	return w.fails
}

func (w *warm) Pull(_ context.Context, _ string, told func(providers.Pulled) error) error {
	for i := range int64(3) {
		if err := told(providers.Pulled{Status: "fetching", Done: i, Total: 2}); err != nil {
			return err
		}
	}
	return w.fails
}

func TestWarmAndPull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &warm{takes: 3 * time.Second}
		w.state.Store(providers.ModelAbsent)
		a, b := target("a", 0.9, says("fine")), target("b", 0.5, says("fine"))
		a.Server, a.Lazy = w, true
		e := bare(t, routing.Policy{}, a, b)
		took, err := e.WarmModel(t.Context(), "a")
		if err != nil || took != 3*time.Second || standing(t, e, "a").Live.LoadTime != took {
			t.Errorf("took %s: %v", took, err)
		}
		// One that was in memory says nothing about loading.
		if took, err := e.WarmModel(t.Context(), "a"); err != nil || took != 0 || standing(t, e, "a").Live.LoadTime != 3*time.Second {
			t.Errorf("took %s: %v", took, err)
		}
		var steps int
		if err := e.PullModel(t.Context(), "a", func(providers.Pulled) error { steps++; return nil }); err != nil || steps != 3 {
			t.Errorf("%d steps: %v", steps, err)
		}
		left := errors.New("left")
		if err := e.PullModel(t.Context(), "a", func(providers.Pulled) error { return left }); !errors.Is(err, left) {
			t.Errorf("an error of the listener came back as %v", err)
		}
		w.fails = &providers.Error{Kind: providers.KindUnsupported, Err: errors.New("secret")}
		for name, want := range map[string]fault.Code{"a": fault.Unimplemented, "b": fault.Unimplemented, "c": fault.NotFound} {
			_, err := e.WarmModel(t.Context(), name)
			pulled := e.PullModel(t.Context(), name, func(providers.Pulled) error { return nil })
			if fault.CodeOf(err) != want || fault.CodeOf(pulled) != want || strings.Contains(err.Error()+pulled.Error(), "secret") {
				t.Errorf("%s: %v; %v", name, err, pulled)
			}
		}
	})
}

// dead is an adapter that never answers.
type dead struct{}

func (dead) Versions(ctx context.Context, _ string) ([]providers.ModelVersion, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
func (dead) Ready(ctx context.Context, _, _ string) error { <-ctx.Done(); return errors.New("secret") }

// stranger is an adapter whose server speaks another protocol.
type stranger struct{}

func (stranger) Versions(context.Context, string) ([]providers.ModelVersion, error) {
	return nil, &providers.Error{Kind: providers.KindUnsupported, Code: "Unimplemented"}
}

func (stranger) Ready(context.Context, string, string) error {
	return &providers.Error{Kind: providers.KindUnsupported, Code: "Unimplemented"}
}

// broke panics.
type broke struct{}

func (broke) Probe(context.Context) error { panic("secret") }

// lister lists.
type lister []string

func (l lister) Models(context.Context) (out []providers.Model, _ error) {
	for _, name := range l {
		out = append(out, providers.Model{Name: name})
	}
	return out, nil
}

func TestModelsAreAskedForAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &warm{}
		w.state.Store(providers.ModelAbsent)
		var targets []orchestrator.Target
		for name, server := range map[string]any{"cold": w, "dead": dead{}, "dead2": dead{}, "broke": broke{}, "listed": lister{"m-listed"}, "unlisted": lister{"x"}, "inside": nil, "stranger": stranger{}} {
			x := target(name, 0.5, says("fine"))
			x.Server, x.HealthTimeout, x.Lazy = server, 3*time.Second, true
			targets = append(targets, x)
		}
		e := bare(t, routing.Policy{}, targets...)
		began := time.Now()
		list := e.Models(t.Context(), func(x *routing.Target) bool { return x.Name != "dead2" })
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("took %s", took)
		}
		var got []string
		for _, m := range list {
			line := m.Target.Name + ": "
			if m.Asked {
				line += map[bool]string{true: "yes ", false: "no "}[m.Ready]
			}
			got = append(got, line+m.Detail)
		}
		want := []string{
			"broke: no its backend could not be asked", "cold: yes its model is not in memory: the next call loads it", "dead: no its backend did not answer in time",
			"inside: ", "listed: yes ", "stranger: its server does not know this call: is the backend's kind right?", "unlisted: its backend does not list the model",
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got\n%s", strings.Join(got, "\n"))
		}
	})
}
