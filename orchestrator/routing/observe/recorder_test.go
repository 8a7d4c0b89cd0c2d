package observe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"fairlead/internal/fault"
	"fairlead/providers"
)

func TestConfigIsChecked(t *testing.T) {
	for _, c := range []Config{{HalfLife: time.Millisecond}, {Refresh: -1}, {ProbeAfter: -1}, {Steps: -1}} {
		if _, err := NewRecorder(c); fault.CodeOf(err) != fault.InvalidArgument {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestQuantilesAgainstExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for name, draw := range map[string]func() time.Duration{
		"log-normal": func() time.Duration { return lognormalTime(rng, 300*time.Millisecond, 0.8) },
		"uniform":    func() time.Duration { return time.Duration(rng.Int64N(int64(2*time.Second))) + time.Millisecond },
		"two humps": func() time.Duration {
			return lognormalTime(rng, []time.Duration{50 * time.Millisecond, 4 * time.Second}[rng.IntN(2)], 0.2)
		},
		"heavy tail": func() time.Duration {
			return time.Duration(float64(100*time.Millisecond) / math.Pow(rng.Float64(), 0.5))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder(t)
			var values []weighted
			for range 20000 {
				d := draw()
				values = append(values, weighted{d, 1})
				r.Observe(ok("t", d, time.Millisecond, start))
			}
			stats, _ := r.Snapshot(start).Stats("t")
			got := stats.TTFT[0]
			near(t, "p50", got.P50, exact(values, 0.50), 0.02)
			near(t, "p90", got.P90, exact(values, 0.90), 0.02)
			near(t, "p95", got.P95, exact(values, 0.95), 0.02)
			near(t, "p99", got.P99, exact(values, 0.99), 0.02)
			near(t, "per token", stats.PerToken[0].P95, time.Millisecond, 0.02)
			if got.Samples != 20000 {
				t.Errorf("%v samples", got.Samples)
			}
		})
	}
}

// Samples over many half-lives, some of them late, so that the landmark moves: quantiles and counts are those
// of exact exponential weights.
func TestAgeingAgainstExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, lives := range []float64{0.5, 3, 31, 40, 100} {
		r := newRecorder(t)
		end := start.Add(time.Duration(lives * float64(halfLife)))
		var values []weighted
		var count float64
		const n = 20000
		for i := range n {
			at := start.Add(time.Duration(float64(i) / n * float64(end.Sub(start))))
			if i%10 == 0 {
				at = at.Add(-min(at.Sub(start), time.Duration(rng.Int64N(int64(time.Minute)))))
			}
			d := lognormalTime(rng, time.Duration(float64(100*time.Millisecond)*(1+float64(i)/n)), 0.5)
			w := math.Exp2(-float64(end.Sub(at)) / float64(halfLife))
			values, count = append(values, weighted{d, w}), count+w
			r.Observe(ok("t", d, time.Millisecond, at))
		}
		got, _ := r.Snapshot(end).Stats("t")
		for q, d := range map[float64]time.Duration{0.5: got.TTFT[0].P50, 0.9: got.TTFT[0].P90, 0.95: got.TTFT[0].P95, 0.99: got.TTFT[0].P99} {
			near(t, fmt.Sprintf("%v half-lives, p%v", lives, 100*q), d, exact(values, q), 0.02)
		}
		if math.Abs(got.TTFT[0].Samples/count-1) > 1e-6 || math.Abs(got.Attempts/count-1) > 1e-6 {
			t.Errorf("%v half-lives: %v samples, %v attempts, want %v", lives, got.TTFT[0].Samples, got.Attempts, count)
		}
	}
}

// A target that becomes slow is seen to be slow within a half-life, in the tail at once.
func TestSlowdownIsSeen(t *testing.T) {
	r := newRecorder(t)
	now := start
	run := func(d, ttft time.Duration) Times {
		for end := now.Add(d); now.Before(end); now = now.Add(500 * time.Millisecond) {
			r.Observe(ok("t", ttft, time.Millisecond, now))
		}
		stats, _ := r.Refresh(now).Stats("t")
		return stats.TTFT[0]
	}
	if got := run(time.Hour, 200*time.Millisecond); got.P99 > 210*time.Millisecond {
		t.Fatalf("before: %+v", got)
	}
	if got := run(time.Minute, 2*time.Second); got.P90 < 1900*time.Millisecond || got.P50 > 210*time.Millisecond {
		t.Errorf("after a minute: %+v", got)
	}
	if got := run(halfLife-time.Minute+5*time.Second, 2*time.Second); got.P50 < 1900*time.Millisecond {
		t.Errorf("after a half-life: %+v", got)
	}
	if got := run(12*halfLife, 200*time.Millisecond); got.P99 > 210*time.Millisecond {
		t.Errorf("after it recovered: %+v", got)
	}
}

func TestOldDataFade(t *testing.T) {
	r := newRecorder(t)
	for range 64 {
		r.Observe(ok("t", 200*time.Millisecond, time.Millisecond, start))
	}
	for _, tt := range []struct {
		lives   float64
		samples float64
	}{{0, 64}, {1, 32}, {4, 4}, {7, 0.5}, {7.1, 0}, {1000, 0}} {
		now := start.Add(time.Duration(tt.lives * float64(halfLife)))
		s := r.Refresh(now)
		stats, _ := s.Stats("t")
		if got := stats.TTFT[0]; math.Abs(got.Samples-tt.samples) > 1e-9 || tt.samples > 0 != (got.P50 > 0) {
			t.Errorf("after %v half-lives: %+v, want %v samples", tt.lives, got, tt.samples)
		}
		if p := s.Predict(Query{Target: unknown("t"), Step: "s"}); p.Known != (tt.samples > 0) {
			t.Errorf("after %v half-lives: %+v", tt.lives, p)
		}
	}
}

// What each outcome feeds, and what it does not.
func TestOutcomes(t *testing.T) {
	const ttft, duration = 300 * time.Millisecond, 2 * time.Second
	for _, tt := range []struct {
		name                                            string
		outcome                                         Outcome
		ttft                                            time.Duration
		ttfts, perTokens, outputs, attempts, errs, last bool
		service                                         time.Duration
	}{
		{"ok", OK, ttft, true, true, true, true, false, true, duration},
		{"ok without a first token", OK, 0, false, false, true, true, false, true, duration},
		{"failed", Failed, ttft, false, false, false, true, true, true, 0},
		{"truncated", Truncated, ttft, true, false, false, true, true, true, 0},
		{"timed out", TimedOut, 0, true, false, false, true, true, true, duration},
		{"stalled", TimedOut, ttft, true, false, false, true, true, true, duration},
		{"canceled before", Canceled, 0, false, false, false, false, false, false, 0},
		{"canceled after", Canceled, ttft, true, false, false, false, false, true, 0},
		{"nothing said", 0, ttft, false, false, false, false, false, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRecorder(t)
			r.Start("t")
			r.Observe(Sample{Target: "t", Step: "s", PromptTokens: 500, TTFT: tt.ttft, Duration: duration, OutputTokens: 20, Outcome: tt.outcome, Now: start})
			got, _ := r.Snapshot(start).Stats("t")
			if got.TTFT[1].Samples > 0 != tt.ttfts || got.PerToken[1].Samples > 0 != tt.perTokens || got.Output["s"].Samples > 0 != tt.outputs ||
				got.Attempts > 0 != tt.attempts || got.ErrorRate > 0 != tt.errs || got.Last.IsZero() == tt.last {
				t.Errorf("%+v", got)
			}
			if got.Service != tt.service || got.InFlight != 1 {
				t.Errorf("service %s, %d in flight", got.Service, got.InFlight)
			}
		})
	}
	r := newRecorder(t)
	r.Observe(Sample{Target: "t", TTFT: time.Second, Duration: 2 * time.Second, OutputTokens: MinOutput - 1, Outcome: OK, Now: start})
	if got, _ := r.Snapshot(start).Stats("t"); got.PerToken[0].Samples != 0 {
		t.Errorf("a time per token of %d tokens", MinOutput-1)
	}
}

func TestOutcomeOf(t *testing.T) {
	for err, want := range map[error]Outcome{
		nil: OK, context.Canceled: Canceled, context.DeadlineExceeded: TimedOut, errors.New("boom"): Failed,
		&providers.Error{Kind: providers.KindTruncated}:   Truncated,
		&providers.Error{Kind: providers.KindUnavailable}: Failed,
		&providers.Error{Kind: providers.KindInvalid}:     Canceled,
		&providers.Error{Kind: providers.KindRateLimited}: Canceled,
	} {
		if got := OutcomeOf(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}

func TestSuccessorDoesNotInherit(t *testing.T) {
	r := newRecorder(t)
	r.Observe(Sample{Target: "first", Duration: 30 * time.Second, Outcome: Failed, Now: start})
	r.Observe(ok("second", 100*time.Millisecond, time.Millisecond, start.Add(30*time.Second)))
	s := r.Snapshot(start.Add(30 * time.Second))
	second, _ := s.Stats("second")
	near(t, "the successor's TTFT", second.TTFT[0].P99, 100*time.Millisecond, 0.02)
	if p := s.Predict(Query{Target: unknown("first")}); p.Known || p.TTFTKnown {
		t.Errorf("a failure made a latency: %+v", p)
	}
	near(t, "the failed one's error rate, in seconds", time.Duration(s.Predict(Query{Target: unknown("first")}).ErrorRate*float64(time.Second)),
		time.Duration((math.Exp2(-0.1)+0.16)/(math.Exp2(-0.1)+8)*float64(time.Second)), 0.001)
}

func TestStepsAreBounded(t *testing.T) {
	r, err := NewRecorder(Config{Steps: 10})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		s := ok("t", time.Second, time.Millisecond, start)
		if i%2 == 0 {
			s.Step = fmt.Sprint(i)
		}
		r.Observe(s)
	}
	got, _ := r.Snapshot(start).Stats("t")
	if len(got.Output) != 10 || got.Output["s"].Samples != 500 {
		t.Errorf("%d steps; the common one has %v samples", len(got.Output), got.Output["s"].Samples)
	}
}

func TestForget(t *testing.T) {
	r := newRecorder(t)
	r.Observe(ok("t", time.Second, time.Millisecond, start))
	r.Forget("t")
	if got, _ := r.Snapshot(start).Stats("t"); got.TTFT[0].Samples != 0 || got.Attempts != 0 || !r.NeedsProbe("t", start) {
		t.Errorf("%+v", got)
	}
}

func TestSnapshotIsCachedAndImmutable(t *testing.T) {
	r := newRecorder(t)
	r.Observe(ok("t", 100*time.Millisecond, time.Millisecond, start))
	first := r.Snapshot(start)
	for range 100 {
		r.Observe(ok("t", time.Second, time.Millisecond, start))
	}
	if r.Snapshot(start.Add(249*time.Millisecond)) != first {
		t.Error("a fresh table was made anew")
	}
	second := r.Snapshot(start.Add(250 * time.Millisecond))
	if second == first {
		t.Error("a stale table was not made anew")
	}
	before, _ := first.Stats("t")
	after, _ := second.Stats("t")
	near(t, "the old table", before.TTFT[0].P50, 100*time.Millisecond, 0.02)
	near(t, "the new table", after.TTFT[0].P50, time.Second, 0.02)
	r.refreshing.Lock()
	if r.Snapshot(start.Add(time.Hour)) != second {
		t.Error("while one makes a table the others get the old one")
	}
	r.refreshing.Unlock()
}

func TestConcurrentUse(t *testing.T) {
	r := newRecorder(t)
	var wg sync.WaitGroup
	const workers, each = 8, 2000
	for w := range workers {
		wg.Go(func() {
			target := fmt.Sprint("t", w%3)
			for i := range each {
				now := start.Add(time.Duration(i) * 10 * time.Millisecond)
				r.Start(target)
				r.Observe(ok(target, time.Duration(i+1)*time.Millisecond, time.Millisecond, now))
				p := r.Snapshot(now).Predict(Query{Target: unknown(target), Step: "s", Quantile: 0.95, Concurrency: 4})
				p.PFinish(time.Second)
				r.NeedsProbe(target, now)
				r.End(target)
			}
		})
	}
	wg.Wait()
	s := r.Refresh(start.Add(each * 10 * time.Millisecond))
	for i := range 3 {
		name := fmt.Sprint("t", i)
		if got, _ := s.Stats(name); r.InFlight(name) != 0 || got.Attempts < 1000 || got.ErrorRate != 0 {
			t.Errorf("%s: %d in flight, %v attempts, error rate %v", name, r.InFlight(name), got.Attempts, got.ErrorRate)
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	r := newRecorder(b)
	rng := rand.New(rand.NewPCG(1, 2))
	samples := make([]Sample, 1024)
	for i := range samples {
		samples[i] = ok("t", lognormalTime(rng, time.Second, 0.8), lognormalTime(rng, 20*time.Millisecond, 0.5), start)
		samples[i].PromptTokens = 1 << rng.IntN(18)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		s := &samples[i%len(samples)]
		s.Now = start.Add(time.Duration(i) * time.Millisecond)
		r.Observe(*s)
		i++
	}
}

func BenchmarkObserveParallel(b *testing.B) {
	r := newRecorder(b)
	s := ok("t", time.Second, 20*time.Millisecond, start)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r.Observe(s)
		}
	})
}

func BenchmarkRefresh50(b *testing.B) {
	r := newRecorder(b)
	rng := rand.New(rand.NewPCG(1, 2))
	fill := func() {
		for i := range 50 {
			for class := range Classes {
				s := ok(fmt.Sprint("t", i), lognormalTime(rng, time.Second, 0.8), lognormalTime(rng, 20*time.Millisecond, 0.5), start)
				s.PromptTokens = 200 << (2 * class)
				r.Observe(s)
			}
		}
	}
	for range 200 {
		fill()
	}
	for b.Loop() {
		b.StopTimer()
		fill()
		b.StartTimer()
		r.Refresh(start)
	}
}
