package observe

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"fairlead/orchestrator/routing"
)

func TestColdStart(t *testing.T) {
	configured := &routing.Target{Name: "t", Kind: "ollama", TTFT: time.Second, PerToken: 10 * time.Millisecond}
	empty := newRecorder(t).Snapshot(start)
	p := empty.Predict(Query{Target: configured, MaxOutput: 101})
	if !p.Known || p.Source != SourcePrior || p.OutputTokens != 101 || p.ErrorRate != ErrorPrior {
		t.Errorf("%+v", p)
	}
	near(t, "the configured TTFT", p.TTFT, time.Second, 1e-6)
	near(t, "the whole", p.Latency, 2*time.Second, 1e-6)
	p = empty.Predict(Query{Target: configured, Quantile: 0.95})
	near(t, "its p95", p.TTFT, time.Duration(math.Exp(1.6449*0.5)*float64(time.Second)), 1e-3)

	p = empty.Predict(Query{Target: &routing.Target{Name: "t", Kind: "ollama"}, Quantile: 0.95})
	if !p.Known || p.Source != SourceKind || p.TTFT < 5*time.Second {
		t.Errorf("a kind's prior is wide: %+v", p)
	}
	long := empty.Predict(Query{Target: &routing.Target{Name: "t", Kind: "ollama"}, Quantile: 0.95, PromptTokens: 10000})
	if long.TTFT < 2*p.TTFT {
		t.Errorf("a long prompt's first token in %s, an empty one's in %s", long.TTFT, p.TTFT)
	}
	mixed := empty.Predict(Query{Target: &routing.Target{Name: "t", Kind: "ollama", TTFT: time.Second}})
	if !mixed.Known || mixed.Source != SourceKind {
		t.Errorf("the weaker part's source: %+v", mixed)
	}
}

// A prior is worth PriorWeight samples: with as many, the prediction is half-way, in the logarithm.
func TestBlending(t *testing.T) {
	target := &routing.Target{Name: "t", TTFT: 4 * time.Second, PerToken: 40 * time.Millisecond}
	r := newRecorder(t)
	last := 4 * time.Second
	for n := 1; n <= 800; n++ {
		r.Observe(ok("t", time.Second, 10*time.Millisecond, start))
		p := r.Refresh(start).Predict(Query{Target: target, Step: "s"})
		if p.TTFT >= last {
			t.Fatalf("%d samples: %s, and %s before", n, p.TTFT, last)
		}
		last = p.TTFT
		want := math.Exp(math.Log(4) * PriorWeight / float64(n+PriorWeight))
		near(t, fmt.Sprint(n, " samples"), p.TTFT, time.Duration(want*float64(time.Second)), 0.011)
		if p.Source == SourceObserved != (n >= PriorWeight) || math.Abs(p.Samples-float64(n)) > 1e-9 {
			t.Fatalf("%d samples: source %s of %v", n, p.Source, p.Samples)
		}
	}
	near(t, "the end", last, time.Second, 0.03)
}

func TestUnknownStaysUnknown(t *testing.T) {
	r := newRecorder(t)
	r.Start("t")
	r.Observe(Sample{Target: "t", Duration: time.Second, Outcome: Failed, Now: start})
	for name, s := range map[string]*Snapshot{"never seen": newRecorder(t).Snapshot(start), "only failed": r.Snapshot(start)} {
		p := s.Predict(Query{Target: unknown("t"), Step: "s", Quantile: 0.95, Concurrency: 1})
		if p.Known || p.TTFTKnown || p.Latency != 0 || p.Source != SourceNone {
			t.Errorf("%s: %+v", name, p)
		}
		if _, known := p.PFinish(time.Hour); known {
			t.Errorf("%s: a chance of finishing is made of nothing", name)
		}
	}
	r.Observe(Sample{Target: "t", TTFT: time.Second, Duration: 2 * time.Second, OutputTokens: 3, Outcome: OK, Now: start})
	s := r.Refresh(start)
	if p := s.Predict(Query{Target: unknown("t")}); !p.TTFTKnown || p.Known || p.Latency != 0 || p.PerToken != 0 {
		t.Errorf("a TTFT is not a latency: %+v", p)
	}
	p := s.Predict(Query{Target: unknown("t"), MaxOutput: -1})
	if !p.Known || p.OutputTokens != 0 || p.Source != SourceObserved {
		t.Errorf("without output it is: %+v", p)
	}
	near(t, "latency without output", p.Latency, time.Second, 0.02)
	if in, _ := p.PFinish(2 * time.Second); in < 0.8 {
		t.Errorf("%v in twice the time", in)
	}
}

func TestClasses(t *testing.T) {
	for tokens, want := range map[int]int{-1: 0, 0: 0, 255: 0, 256: 1, 1023: 1, 1024: 2, 4095: 2, 4096: 3, 16383: 3, 16384: 4, 65535: 4, 65536: 5, 1e6: 5} {
		if got := Class(tokens); got != want {
			t.Errorf("%d tokens: class %d, want %d", tokens, got, want)
		}
	}
	r := newRecorder(t)
	for class := range 3 {
		for range 100 {
			s := ok("t", time.Second<<(2*class), time.Millisecond, start)
			s.PromptTokens = 100 << (2 * class)
			r.Observe(s)
		}
	}
	target := unknown("t")
	predict := func(tokens int) Prediction {
		return r.Snapshot(start).Predict(Query{Target: target, PromptTokens: tokens})
	}
	near(t, "short", predict(10).TTFT, time.Second, 0.02)
	near(t, "middle", predict(500).TTFT, 4*time.Second, 0.02)
	near(t, "long", predict(2000).TTFT, 16*time.Second, 0.02)
	// The fourth class has none of its own. Its loans are 2 samples of 16 s, 1/2 of 4 s and 1/8 of 1 s.
	lent := predict(5000)
	near(t, "lent", lent.TTFT, time.Duration(math.Exp((2*math.Log(16)+0.5*math.Log(4))/2.625)*float64(time.Second)), 0.02)
	if math.Abs(lent.Samples-2.625) > 1e-9 {
		t.Errorf("lent %v samples", lent.Samples)
	}
	// A loan of millions is no more than one of a few: the prior stays.
	prior := &routing.Target{Name: "t", TTFT: 60 * time.Second, PerToken: time.Millisecond}
	if p := r.Snapshot(start).Predict(Query{Target: prior, PromptTokens: 100000}); p.TTFT < 50*time.Second || p.Source != SourcePrior {
		t.Errorf("lent from afar: %+v", p)
	}
}

func TestOutputLength(t *testing.T) {
	r := newRecorder(t)
	put := func(target, step string, tokens, n int) {
		for range n {
			r.Observe(Sample{Target: target, Step: step, OutputTokens: tokens, Duration: time.Second, Outcome: OK, Now: start})
		}
	}
	put("a", "draft", 50, 800)
	put("a", "essay", 3000, 800)
	put("b", "draft", 50, 1)
	s := r.Snapshot(start)
	predict := func(target, step string, most int) int {
		return s.Predict(Query{Target: unknown(target), Step: step, MaxOutput: most}).OutputTokens
	}
	for _, tt := range []struct {
		target, step string
		most         int
		low, high    int
	}{
		{"a", "draft", 0, 49, 53},
		{"a", "draft", 20, 20, 20},
		{"a", "essay", 0, 2900, 3050}, // more than the default, which is no limit
		{"a", "essay", 500, 500, 500},
		{"a", "never", 0, routing.DefaultOutput, routing.DefaultOutput},
		{"a", "never", 77, 77, 77},
		{"b", "draft", 0, 300, 500},    // one of its own, and some of a's
		{"c", "draft", 0, 500, 800},    // some of a's and b's
		{"c", "draft", 40, 40, 45},     // and never more than allowed
		{"c", "never", 40, 40, 40},     //
		{"a", "draft", 100000, 50, 60}, // a wide limit is forgotten soon
	} {
		got := predict(tt.target, tt.step, tt.most)
		if got < tt.low || got > tt.high || tt.most > 0 && got > tt.most {
			t.Errorf("%s, %s, at most %d: %d, want %d to %d", tt.target, tt.step, tt.most, got, tt.low, tt.high)
		}
	}
}

// Timeouts at random times hide the slow first tokens. The product-limit estimate finds the quantiles of what
// would have been; leaving timeouts out does not.
func TestCensoring(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	r := newRecorder(t)
	var truth, naive []weighted
	for range 30000 {
		ttft := lognormalTime(rng, time.Second, 0.7)
		patience := time.Duration((0.3 + 6*rng.Float64()) * float64(time.Second))
		truth = append(truth, weighted{ttft, 1})
		if ttft > patience {
			r.Observe(Sample{Target: "t", Duration: patience, Outcome: TimedOut, Now: start})
			continue
		}
		naive = append(naive, weighted{ttft, 1})
		r.Observe(ok("t", ttft, time.Millisecond, start))
	}
	stats, _ := r.Snapshot(start).Stats("t")
	got := stats.TTFT[0]
	for q, d := range map[float64]time.Duration{0.5: got.P50, 0.9: got.P90, 0.95: got.P95} {
		near(t, fmt.Sprintf("p%v", 100*q), d, exact(truth, q), 0.04)
	}
	if exact(naive, 0.9) > exact(truth, 0.9)*9/10 {
		t.Error("the test shows nothing: without timeouts p90 is nearly right")
	}
}

// Half of the attempts hang. Waiting longer than the timeout does not make them finish.
func TestHanging(t *testing.T) {
	r := newRecorder(t)
	for range 500 {
		r.Observe(ok("t", time.Second, time.Millisecond, start))
		r.Observe(Sample{Target: "t", PromptTokens: 100, Duration: 10 * time.Second, Outcome: TimedOut, Now: start})
	}
	p := r.Snapshot(start).Predict(Query{Target: unknown("t"), Step: "s", Quantile: 0.9})
	if in, _ := p.PFinish(time.Hour); math.Abs(in-0.5) > 0.01 {
		t.Errorf("%v of attempts finish, of which half hang", in)
	}
	near(t, "p90 is the longest wait known", p.TTFT, 10*time.Second, 0.02)
	if math.Abs(p.ErrorRate-0.5) > 0.01 {
		t.Errorf("error rate %v", p.ErrorRate)
	}
}

// What fails does not finish, and what waits starts late.
func TestPFinishCountsFailuresAndWaiting(t *testing.T) {
	r := newRecorder(t)
	for i := range 1000 {
		s := ok("t", time.Second, 10*time.Millisecond, start) // 2 s
		if i%4 == 0 {
			s.Outcome = Failed
		}
		r.Observe(s)
	}
	s := r.Snapshot(start)
	for inFlight := range 3 { // 2 s of waiting each
		p := s.Predict(Query{Target: unknown("t"), Step: "s", MaxOutput: 101, Concurrency: 1})
		done := 2*time.Second + time.Duration(inFlight)*2*time.Second
		if in, _ := p.PFinish(done * 19 / 20); in > 0.01 {
			t.Errorf("%d ahead: %v within %s", inFlight, in, done*19/20)
		}
		if in, _ := p.PFinish(done * 21 / 20); math.Abs(in-0.75) > 0.01 {
			t.Errorf("%d ahead: %v within %s, and a quarter fails", inFlight, in, done*21/20)
		}
		r.Start("t")
	}
}

func TestQueue(t *testing.T) {
	r := newRecorder(t)
	for range 100 {
		r.Observe(ok("t", time.Second, 10*time.Millisecond, start)) // 2 s of service
	}
	s := r.Snapshot(start)
	for inFlight, want := range []time.Duration{0, 0, 0, 0, 500 * time.Millisecond, time.Second} { // 2 s / 4 for each ahead
		p := s.Predict(Query{Target: unknown("t"), Step: "s", Concurrency: 4})
		near(t, fmt.Sprint(inFlight, " in flight"), p.Wait, want, 1e-9)
		near(t, "the whole", p.Latency, want+p.TTFT+time.Duration(p.OutputTokens-1)*p.PerToken, 1e-9)
		if p := s.Predict(Query{Target: unknown("t"), Step: "s"}); p.Wait != 0 {
			t.Errorf("a wait of %s without a limit", p.Wait)
		}
		r.Start("t")
	}
	if got := r.InFlight("t"); got != 6 {
		t.Errorf("%d in flight", got)
	}
}

// The chance of finishing against drawing from the same distributions.
func TestPFinishAgainstDrawing(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	r := newRecorder(t)
	var totals []time.Duration
	for range 30000 {
		ttft, per := lognormalTime(rng, 800*time.Millisecond, 0.6), lognormalTime(rng, 20*time.Millisecond, 0.3)
		out := 8 + int(200*rng.ExpFloat64())
		total := ttft + time.Duration(out-1)*per
		r.Observe(Sample{Target: "t", Step: "s", TTFT: ttft, Duration: total, OutputTokens: out, Outcome: OK, Now: start})
		totals = append(totals, total)
	}
	p := r.Snapshot(start).Predict(Query{Target: unknown("t"), Step: "s", Quantile: 0.9})
	for _, left := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 40 * time.Second} {
		in := 0
		for _, d := range totals {
			if d <= left {
				in++
			}
		}
		got, _ := p.PFinish(left)
		if want := float64(in) / float64(len(totals)); math.Abs(got-want) > 0.02 {
			t.Errorf("within %s: %.3f, drawn %.3f", left, got, want)
		}
	}
}

// Over random histories: quantiles grow with q, the chance of finishing is in [0,1] and grows with what is
// left, and nothing is NaN or negative.
func TestPredictionProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for range 300 {
		r := newRecorder(t)
		now := start
		for range rng.IntN(200) {
			now = now.Add(time.Duration(rng.Int64N(int64(time.Minute))))
			ttft := time.Duration(rng.IntN(4)) * lognormalTime(rng, 100*time.Millisecond, 2)
			r.Observe(Sample{Target: fmt.Sprint(rng.IntN(3)), Step: fmt.Sprint(rng.IntN(3)), PromptTokens: 1 << rng.IntN(18), TTFT: ttft,
				Duration: ttft + lognormalTime(rng, time.Second, 2), OutputTokens: rng.IntN(500), Outcome: Outcome(1 + rng.IntN(5)), Now: now})
		}
		s := r.Snapshot(now)
		target := &routing.Target{Name: fmt.Sprint(rng.IntN(4)), Kind: []string{"ollama", "scripted", "openai"}[rng.IntN(3)]}
		if rng.IntN(2) == 0 {
			target.TTFT, target.PerToken = time.Duration(rng.Int64N(1e10)), time.Duration(rng.Int64N(1e8))
		}
		q := Query{Target: target, Step: fmt.Sprint(rng.IntN(4)), PromptTokens: 1 << rng.IntN(18), MaxOutput: rng.IntN(4000) - 1, Concurrency: rng.IntN(3)}
		var before Prediction
		for level := 0.01; level < 1; level += 0.01 {
			q.Quantile = level
			p := s.Predict(q)
			if p.TTFT < before.TTFT || p.PerToken < before.PerToken || p.Latency < before.Latency || p.OutputTokens < before.OutputTokens {
				t.Fatalf("at %v less than before:\n%+v\n%+v", level, p, before)
			}
			if q.MaxOutput > 0 && p.OutputTokens > q.MaxOutput || p.ErrorRate < 0 || p.ErrorRate > 1 || p.TTFTKnown != (p.TTFT > 0) || p.Known != (p.Latency > 0) {
				t.Fatalf("%+v", p)
			}
			before = p
		}
		last := 0.0
		for left := -time.Second; left < time.Hour; left = left*3/2 + 10*time.Millisecond + time.Duration(math.Abs(float64(left))) {
			in, known := before.PFinish(left)
			if known != before.Known || math.IsNaN(in) || in < last || in > 1 {
				t.Fatalf("left %s: %v, %v; %v before: %+v", left, in, known, last, before)
			}
			last = in
		}
	}
}

func TestProbes(t *testing.T) {
	r := newRecorder(t)
	if !r.NeedsProbe("t", start) {
		t.Error("a target that was never seen")
	}
	r.Observe(ok("t", time.Second, time.Millisecond, start))
	r.Observe(Sample{Target: "t", Outcome: Canceled, Now: start.Add(time.Hour)})
	for after, want := range map[time.Duration]bool{0: false, 5 * time.Minute: false, 5*time.Minute + 1: true} {
		if got := r.NeedsProbe("t", start.Add(after)); got != want {
			t.Errorf("after %s: %v", after, got)
		}
	}
}

func TestProbeShare(t *testing.T) {
	for _, share := range []float64{0, 0.01, 0.05, 0.5, 1} {
		in := 0
		const n = 100_000
		for i := range n {
			key := fmt.Sprint("run-", i)
			if ProbeShare(key, share) {
				in++
				if !ProbeShare(key, share+0.1) {
					t.Fatalf("%s is in %v and not in more", key, share)
				}
			}
		}
		if got := float64(in) / n; math.Abs(got-share) > 0.005 {
			t.Errorf("share %v: %v", share, got)
		}
	}
}

func benchmarked(tb testing.TB) (*Snapshot, Query) {
	r := newRecorder(tb)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		r.Observe(ok("t", lognormalTime(rng, time.Second, 0.8), lognormalTime(rng, 20*time.Millisecond, 0.5), start))
	}
	return r.Snapshot(start), Query{Target: &routing.Target{Name: "t", Kind: "ollama", TTFT: time.Second}, Step: "s", PromptTokens: 100, Quantile: 0.95, Concurrency: 4}
}

func TestNothingIsAllocated(t *testing.T) {
	s, q := benchmarked(t)
	if n := testing.AllocsPerRun(100, func() { p := s.Predict(q); p.PFinish(time.Second) }); n != 0 {
		t.Errorf("%v allocations in a prediction", n)
	}
	r := newRecorder(t)
	sample := ok("t", time.Second, time.Millisecond, start)
	r.Observe(sample)
	sample.Now = start.Add(time.Second)
	if n := testing.AllocsPerRun(100, func() { r.Observe(sample) }); n != 0 {
		t.Errorf("%v allocations in an observation", n)
	}
}

func BenchmarkPredict(b *testing.B) {
	s, q := benchmarked(b)
	b.ReportAllocs()
	for b.Loop() {
		s.Predict(q)
	}
}

func BenchmarkPFinish(b *testing.B) {
	s, q := benchmarked(b)
	p := s.Predict(q)
	b.ReportAllocs()
	for b.Loop() {
		p.PFinish(4 * time.Second)
	}
}
