package orchestrator_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// bare makes an engine without a store, for tests on virtual time.
func bare(t testing.TB, policy routing.Policy, targets ...orchestrator.Target) *orchestrator.Engine {
	t.Helper()
	policy.Name = "default"
	if policy.Prefer == "" {
		policy.Prefer = routing.Best
	}
	e, err := orchestrator.New(orchestrator.Services{}, orchestrator.Config{Targets: targets, Policies: []routing.Policy{policy}, DefaultPolicy: "default"})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// sequence answers as the first of the generators at the first call, and so on; the last one stays.
func sequence(calls *atomic.Int64, gs ...generator) generator {
	return func(ctx context.Context, req *providers.Request, yield func(providers.Chunk, error) bool) {
		n := int(calls.Add(1))
		gs[min(n, len(gs))-1](ctx, req, yield)
	}
}

func drain(e *orchestrator.Engine, req orchestrator.ChatRequest) (last error) {
	for _, err := range e.Chat(context.Background(), auth.Local(), req) {
		last = err
	}
	return last
}

func TestAFailureThatMayPassIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		e := bare(t, routing.Policy{}, target("a", 0.9, sequence(&calls, breaks("", providers.KindUnavailable), breaks("", providers.KindTimeout), says("fine"))))
		began := time.Now()
		events, err := read(t, e.Chat(t.Context(), auth.Local(), chat("hi")))
		if _, text := kinds(events); err != nil || text != "fine" || calls.Load() != 3 {
			t.Errorf("%q after %d calls: %v", text, calls.Load(), err)
		}
		if waited := time.Since(began); waited > 750*time.Millisecond {
			t.Errorf("waited %v: two waits are at most 250 and 500 ms", waited)
		}
	})
}

func TestWhatWillNotPassIsNotAskedAgain(t *testing.T) {
	for _, kind := range []providers.Kind{providers.KindInvalid, providers.KindAuth, providers.KindNotFound, providers.KindContextLength, providers.KindQuota, providers.KindUnknown} {
		var calls atomic.Int64
		e := bare(t, routing.Policy{}, target("a", 0.9, sequence(&calls, breaks("", kind))))
		if err := drain(e, chat("hi")); err == nil || calls.Load() != 1 {
			t.Errorf("kind %d: %d calls, %v", kind, calls.Load(), err)
		}
	}
}

func TestAPauseIsWaitedForWhenThereIsTime(t *testing.T) {
	limited := func(_ context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
		yield(providers.Chunk{}, &providers.Error{Kind: providers.KindRateLimited, Backend: "b", RetryAfter: 2 * time.Second})
	}
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		e := bare(t, routing.Policy{}, target("a", 0.9, sequence(&calls, limited, says("fine"))))
		began := time.Now()
		if err := drain(e, chat("hi")); err != nil || time.Since(began) < 2*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		calls.Store(0)
		e = bare(t, routing.Policy{}, target("a", 0.9, sequence(&calls, limited, says("fine"))))
		req := chat("hi")
		req.Timeout = time.Second // the pause is longer than what is left: no use in waiting
		began = time.Now()
		err := drain(e, req)
		if f := fault.From(err); f.Reason != fault.ReasonRateLimited || f.RetryAfter != 2*time.Second || time.Since(began) > 10*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

func TestRetriesSpendFromABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		// A pause each time keeps the breaker, which would end the calls, out of it.
		e := bare(t, routing.Policy{}, target("a", 0.9, sequence(&calls, func(_ context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
			yield(providers.Chunk{}, &providers.Error{Kind: providers.KindRateLimited, Backend: "b"})
		})))
		const steps = 1000
		for range steps {
			if err := drain(e, chat("hi")); err == nil {
				t.Fatal("it went well")
			}
		}
		if n := calls.Load(); n > steps*11/10+10 || n < steps {
			t.Errorf("%d calls for %d steps", n, steps)
		}
	})
}

func TestAHangingTargetIsGivenUpForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 8)
		slow := target("slow", 0.9, hangs("", ended))
		slow.FirstToken = 3 * time.Second
		e := bare(t, routing.Policy{}, slow, target("good", 0.5, says("fine")))
		began := time.Now()
		events, err := read(t, e.Chat(t.Context(), auth.Local(), chat("hi")))
		if _, text := kinds(events); err != nil || text != "fine" || time.Since(began) != 3*time.Second {
			t.Errorf("%q after %v: %v", text, time.Since(began), err)
		}
		if f := find[*orchestrator.AttemptFailed](events); len(f) != 1 || providers.KindOf(f[0].Err) != providers.KindTimeout {
			t.Errorf("failures %+v", f)
		}
		// With a deadline, half of what is left is kept for the others.
		slow.FirstToken = 0
		e = bare(t, routing.Policy{}, slow, target("good", 0.5, says("fine")))
		req := chat("hi")
		req.Timeout = 10 * time.Second
		began = time.Now()
		if err := drain(e, req); err != nil || time.Since(began) != 5*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		// Once it speaks it may take its time.
		drip := target("drip", 0.9, func(ctx context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
			if yield(providers.Chunk{Text: "a"}, nil) {
				time.Sleep(time.Minute)
				yield(providers.Chunk{Text: "b", Finish: providers.FinishStop}, nil)
			}
		})
		drip.FirstToken = 3 * time.Second
		if err := drain(bare(t, routing.Policy{}, drip), chat("hi")); err != nil {
			t.Errorf("a slow answer: %v", err)
		}
	})
}

func TestABreakerOpensAndLetsOneThroughToSee(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		var healthy atomic.Bool
		release := make(chan struct{})
		e := bare(t, routing.Policy{Attempts: 1}, target("a", 0.9, func(_ context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
			calls.Add(1)
			if !healthy.Load() {
				yield(providers.Chunk{}, &providers.Error{Kind: providers.KindUnavailable, Backend: "b"})
				return
			}
			<-release
			yield(providers.Chunk{Text: "ok", Finish: providers.FinishStop}, nil)
		}))
		for range 30 {
			_ = drain(e, chat("hi"))
		}
		if n := calls.Load(); n != 20 {
			t.Errorf("%d calls reached a target that fails, before its breaker opened; 20 are needed", n)
		}
		err := drain(e, chat("hi"))
		if f := fault.From(err); f.Code != fault.Unavailable || f.RetryAfter <= 0 || !strings.Contains(f.Text, "looked at again") {
			t.Errorf("while it is open: %v (retry after %v)", err, f.RetryAfter)
		}
		healthy.Store(true)
		time.Sleep(6 * time.Second)
		calls.Store(0)
		var good, bad atomic.Int64
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if drain(e, chat("hi")) == nil {
					good.Add(1)
				} else {
					bad.Add(1)
				}
			})
		}
		synctest.Wait()
		if calls.Load() != 1 {
			t.Errorf("%d calls were let through to see", calls.Load())
		}
		close(release)
		wg.Wait()
		if err := drain(e, chat("hi")); err != nil || good.Load() != 1 {
			t.Errorf("after a good probe: %v; %d good, %d bad", err, good.Load(), bad.Load())
		}
	})
}

func TestCallersAreNotCountedAgainstTheTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 100)
		e := bare(t, routing.Policy{Attempts: 1}, target("a", 0.9, hangs("", ended)))
		for range 40 {
			req := chat("hi")
			req.Timeout = time.Millisecond // the caller's own haste
			_ = drain(e, req)
		}
		for _, c := range e.Targets() {
			if c.State.OpenFor > 0 {
				t.Error("the breaker opened for the callers' deadlines")
			}
		}
	})
}

// One of two targets is dark for a minute at 50 calls a second: the callers do not notice, and once the
// breaker is open hardly a call is wasted.
func TestABlackoutIsNotNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dark atomic.Bool
		var upstream atomic.Int64
		flaky := func(_ context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
			upstream.Add(1)
			time.Sleep(20 * time.Millisecond)
			if dark.Load() {
				yield(providers.Chunk{}, &providers.Error{Kind: providers.KindUnavailable, Backend: "b"})
				return
			}
			yield(providers.Chunk{Text: "x", Finish: providers.FinishStop, Usage: &providers.Usage{Output: 1}}, nil)
		}
		steady := func(_ context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
			upstream.Add(1)
			time.Sleep(30 * time.Millisecond)
			yield(providers.Chunk{Text: "x", Finish: providers.FinishStop, Usage: &providers.Usage{Output: 1}}, nil)
		}
		e := bare(t, routing.Policy{}, target("flaky", 0.9, flaky), target("steady", 0.5, steady))
		const seconds, rate = 60, 50
		var failed atomic.Int64
		var wg sync.WaitGroup
		dark.Store(true)
		for range seconds * rate {
			wg.Go(func() {
				if drain(e, chat("hi")) != nil {
					failed.Add(1)
				}
			})
			time.Sleep(time.Second / rate)
		}
		wg.Wait()
		requests := int64(seconds * rate)
		t.Logf("%d requests, %d failed, %d upstream attempts (%.3f per request)", requests, failed.Load(), upstream.Load(), float64(upstream.Load())/float64(requests))
		if failed.Load()*1000 > requests {
			t.Errorf("%d of %d requests failed", failed.Load(), requests)
		}
		if upstream.Load()*10 > requests*11 {
			t.Errorf("%d upstream attempts for %d requests", upstream.Load(), requests)
		}
	})
}

func TestPredictionsComeFromWhatWasSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		delay := map[string]time.Duration{"was-fast": 10 * time.Millisecond, "was-slow": 300 * time.Millisecond}
		var mu sync.Mutex
		speaker := func(name string) generator {
			return func(_ context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
				mu.Lock()
				d := delay[name]
				mu.Unlock()
				time.Sleep(d)
				_ = yield(providers.Chunk{Text: name}, nil) &&
					yield(providers.Chunk{Finish: providers.FinishStop, Usage: &providers.Usage{Input: 10, Output: 10}}, nil)
			}
		}
		e := bare(t, routing.Policy{Prefer: routing.Fastest}, target("was-fast", 0.5, speaker("was-fast")), target("was-slow", 0.5, speaker("was-slow")))
		first := func() string {
			plan, err := e.Explain(t.Context(), auth.Local(), chat("hi"))
			if err != nil {
				t.Fatal(err)
			}
			return plan.Records[0].Target.Name
		}
		ask := func(model string, n int) {
			for range n {
				req := chat("hi")
				req.Model = model
				if err := drain(e, req); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
			}
		}
		ask("was-slow", 60)
		ask("was-fast", 60)
		if got := first(); got != "was-fast" {
			t.Errorf("first is %s", got)
		}
		mu.Lock()
		delay["was-fast"], delay["was-slow"] = 300*time.Millisecond, 10*time.Millisecond
		mu.Unlock()
		ask("was-fast", 400) // longer than the half-life
		ask("was-slow", 400)
		if got := first(); got != "was-slow" {
			t.Errorf("first is %s, although the other has become the slow one", got)
		}
		for _, c := range e.Targets() {
			if l := c.State.Live; l == nil || l.Attempts == 0 || l.TTFT50 <= 0 || l.InFlight != 0 {
				t.Errorf("live of %s: %+v", c.Target.Name, l)
			}
		}
	})
}

func TestWhatWasLearnedStaysOverAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := target("a", 0.9, breaks("", providers.KindUnavailable))
		e := bare(t, routing.Policy{Attempts: 1}, bad)
		for range 25 {
			_ = drain(e, chat("hi"))
		}
		open := func() bool { return e.Targets()[0].State.OpenFor > 0 }
		if !open() {
			t.Fatal("the breaker is not open")
		}
		c := orchestrator.Config{Targets: []orchestrator.Target{bad}, Policies: []routing.Policy{{Name: "default"}}, DefaultPolicy: "default"}
		if err := e.Configure(c); err != nil || !open() {
			t.Errorf("the same target after a reload: open %v, %v", open(), err)
		}
		c.Targets[0].Model = "another"
		if err := e.Configure(c); err != nil || open() || e.Targets()[0].State.Live.Attempts > 0 {
			t.Errorf("another model: open %v, %v", open(), err)
		}
	})
}

func BenchmarkDispatch(b *testing.B) {
	for _, n := range []int{1, 10, 50} {
		b.Run(fmt.Sprintf("targets=%d", n), func(b *testing.B) {
			var targets []orchestrator.Target
			for i := range n {
				targets = append(targets, target(fmt.Sprintf("t%d", i), 0.5, says("hello world")))
			}
			e := bare(b, routing.Policy{}, targets...)
			req := chat("hello there")
			b.ReportAllocs()
			for b.Loop() {
				if err := drain(e, req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// hedgeFleet is a fast target whose calls hang at times, and a second one.
func hedgeFleet(hang func() bool, waits chan<- error) (orchestrator.Target, orchestrator.Target) {
	answer := func(ctx context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
		time.Sleep(20 * time.Millisecond)
		_ = yield(providers.Chunk{Text: "hello "}, nil) &&
			yield(providers.Chunk{Text: "there", Finish: providers.FinishStop, Usage: &providers.Usage{Input: 10, Output: 2}}, nil)
	}
	first := target("first", 0.9, func(ctx context.Context, req *providers.Request, yield func(providers.Chunk, error) bool) {
		if hang() {
			hangs("", waits)(ctx, req, yield)
			return
		}
		answer(ctx, req, yield)
	})
	return first, target("second", 0.5, answer)
}

func TestALateTargetIsHedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hang atomic.Bool
		ended := make(chan error, 10)
		first, second := hedgeFleet(hang.Load, ended)
		e := bare(t, routing.Policy{Hedge: &routing.Hedge{}}, first, second)
		for range 50 { // until its time is known
			if err := drain(e, chat("hi")); err != nil {
				t.Fatal(err)
			}
		}
		hang.Store(true)
		began := time.Now()
		events, err := read(t, e.Chat(t.Context(), auth.Local(), chat("hi")))
		names, text := kinds(events)
		if err != nil || text != "hello there" || time.Since(began) > 200*time.Millisecond {
			t.Errorf("%q after %v: %v (%s)", text, time.Since(began), err, names)
		}
		if got := <-ended; got == nil {
			t.Error("the late call was left running")
		}
		usage := find[*orchestrator.AttemptUsage](events)
		if len(usage) != 2 || strings.Count(names, "AttemptStarted") != 2 {
			t.Fatalf("both calls are started and paid for: %s", names)
		}
		for _, u := range usage {
			if u.Target.Name == "first" && (!u.Usage.Estimated || u.Usage.Input == 0 || u.Usage.Output != 0) {
				t.Errorf("the late call took %+v", u.Usage)
			}
		}
		end := find[*orchestrator.RunFinished](events)[0]
		if end.Usage.Input != usage[0].Usage.Input+usage[1].Usage.Input {
			t.Errorf("the run's books: %+v", end.Usage)
		}
	})
}

func TestWhatIsNotKnownOrHasToolsIsNotHedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hang atomic.Bool
		ended := make(chan error, 10)
		first, second := hedgeFleet(hang.Load, ended)
		first.FirstToken = time.Minute
		e := bare(t, routing.Policy{Hedge: &routing.Hedge{}}, first, second)
		hang.Store(true) // nothing was seen yet
		began := time.Now()
		if err := drain(e, chat("hi")); err != nil || time.Since(began) < time.Minute {
			t.Errorf("hedged on a guess, after %v: %v", time.Since(began), err)
		}
		hang.Store(false)
		for range 100 {
			_ = drain(e, chat("hi"))
		}
		hang.Store(true)
		req := chat("hi")
		req.Request.Tools = []providers.Tool{{Name: "f"}}
		began = time.Now()
		if err := drain(e, req); err != nil || time.Since(began) < time.Minute {
			t.Errorf("a call with tools was made twice, after %v: %v", time.Since(began), err)
		}
	})
}

// Where one call in twenty hangs, hedging keeps the slowest of a hundred within twice the healthy time, for
// at most a twentieth more calls.
func TestHedgingCutsTheTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls, hung atomic.Int64
		var sick atomic.Bool
		ended := make(chan error, 4000)
		first, second := hedgeFleet(func() bool {
			n := calls.Add(1)
			if sick.Load() && n%20 == 0 {
				hung.Add(1)
				return true
			}
			return false
		}, ended)
		first.FirstToken = 30 * time.Second
		e := bare(t, routing.Policy{Hedge: &routing.Hedge{}}, first, second)
		measure := func(n int) (p99 time.Duration) {
			var times []time.Duration
			for range n {
				began := time.Now()
				if err := drain(e, chat("hi")); err != nil {
					t.Fatal(err)
				}
				times = append(times, time.Since(began))
			}
			slices.Sort(times)
			return times[n*99/100]
		}
		healthy := measure(400)
		sick.Store(true)
		const n = 2000
		tail := measure(n)
		t.Logf("p99 healthy %v, with hangs and hedging %v; %d of %d calls hung", healthy, tail, hung.Load(), n)
		if tail > 2*healthy+5*time.Millisecond {
			t.Errorf("p99 %v, healthy %v", tail, healthy)
		}
	})
}

func escalation(t *testing.T, when string) *routing.Escalation {
	t.Helper()
	c, err := routing.CompileAnswerCondition(when)
	if err != nil {
		t.Fatal(err)
	}
	return &routing.Escalation{When: c, WhenText: when}
}

func TestAnAnswerThatDoesNotDoIsEscalatedOnce(t *testing.T) {
	short := "text.size() < 5"
	for _, tt := range []struct {
		name                 string
		cheap, good          generator
		noRetract            bool
		text                 string
		attempts, retraction int
	}{
		{"it does", says("long enough"), says("better answer"), false, "long enough", 1, 0},
		{"it does not", says("no"), says("better answer"), false, "better answer", 2, 1},
		{"only once", says("no"), says("ugh"), false, "ugh", 2, 1},
		{"the second one fails", says("no"), breaks("par", providers.KindTruncated), false, "no", 2, 2},
		{"the caller cannot forget", says("no"), says("better answer"), true, "no", 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cheap, good := target("cheap", 0.2, tt.cheap), target("good", 0.9, tt.good)
			cheap.Price = &providers.Price{}
			e := bare(t, routing.Policy{Prefer: routing.Cheapest, Attempts: 2, Escalate: escalation(t, short)}, cheap, good)
			req := chat("hi")
			req.NoRetract = tt.noRetract
			events, err := read(t, e.Chat(t.Context(), auth.Local(), req))
			names, text := kinds(events)
			if err != nil || text != tt.text || find[*orchestrator.RunFinished](events)[0].Output != tt.text {
				t.Errorf("%q: %v (%s)", text, err, names)
			}
			if n := len(find[*orchestrator.AttemptStarted](events)); n != tt.attempts {
				t.Errorf("%d attempts: %s", n, names)
			}
			if n := len(find[*orchestrator.Retracted](events)); n != tt.retraction {
				t.Errorf("%d retractions: %s", n, names)
			}
		})
	}
	if _, err := routing.CompileAnswerCondition("txt == ''"); err == nil || !strings.Contains(err.Error(), "there are text") {
		t.Errorf("a bad condition: %v", err)
	}
}

func TestABackendWithoutHeadroomIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		first := target("first", 0.9, sequence(&calls, says("first")))
		first.Limiter = orchestrator.NewLimiter(0, 60) // one a second, six at once
		e := bare(t, routing.Policy{}, first, target("second", 0.5, says("second")))
		for range 20 {
			if err := drain(e, chat("hi")); err != nil {
				t.Fatal(err)
			}
		}
		if n := calls.Load(); n != 6 {
			t.Errorf("%d calls at once to a backend that takes six", n)
		}
		req := chat("hi")
		req.Model = "first"
		if f := fault.From(drain(e, req)); f.Reason != fault.ReasonRateLimited || f.RetryAfter <= 0 || f.RetryAfter > time.Second {
			t.Errorf("by name: %v, retry after %v", f, f.RetryAfter)
		}
		var cost providers.Money
		for _, c := range e.Targets() {
			cost += c.State.Live.CostMinute
		}
		if want := 20 * providers.Money(100*1000+10*10000); cost != want {
			t.Errorf("the last minute cost %v, want %v", cost, want)
		}
		time.Sleep(61 * time.Second)
		if err := drain(e, req); err != nil {
			t.Errorf("after a minute: %v", err)
		}
		if c := e.Targets()[0]; c.State.Live.CostMinute != 100*1000+10*10000 {
			t.Errorf("the last minute of %s cost %v", c.Target.Name, c.State.Live.CostMinute)
		}
	})
}
