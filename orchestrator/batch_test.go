package orchestrator_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
	"fairlead/providers/tensor"
)

// press is a server of models with a fixed cost for each call, which it makes one at a time. Every answer has what was
// asked in it, so that no caller's can be taken for another's.
type press struct {
	cost time.Duration
	// fail may fail a call, by its number from 1 and its texts.
	fail func(call int, texts []string) error
	// first is what the model says of its first axis.
	first int64
	// usage is what each call says it took.
	usage providers.Usage

	// gate lets one call in at a time. It is no mutex, because time stands still in a bubble while one is waited for.
	gate  chan struct{}
	once  sync.Once
	calls atomic.Int64
	// sizes are the items of each call.
	sizes []int
	ended []error
}

func (p *press) work(ctx context.Context, texts []string, items int) error {
	p.once.Do(func() { p.gate = make(chan struct{}, 1) })
	p.gate <- struct{}{}
	defer func() { <-p.gate }()
	n := int(p.calls.Add(1))
	p.sizes = append(p.sizes, items)
	if p.cost > 0 {
		timer := time.NewTimer(p.cost)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			p.ended = append(p.ended, context.Cause(ctx))
			return providers.AsError(ctx, "b", "m", ctx.Err())
		}
	}
	if p.fail != nil {
		return p.fail(n, texts)
	}
	return nil
}

func (p *press) Classify(ctx context.Context, req *providers.ClassifyRequest) (*providers.Classification, error) {
	if err := p.work(ctx, req.Texts, len(req.Texts)+len(req.Images)); err != nil {
		return nil, err
	}
	out := &providers.Classification{Model: req.Model, Usage: p.usage}
	for _, text := range req.Texts {
		out.Classes = append(out.Classes, []providers.Class{{Name: "of " + text, Probability: 0.75}, {Name: "other", Probability: 0.25}})
	}
	for _, image := range req.Images {
		out.Classes = append(out.Classes, []providers.Class{{Name: fmt.Sprintf("picture %x", image), Probability: 1}})
	}
	return out, nil
}

func (p *press) Embed(ctx context.Context, req *providers.EmbedRequest) (*providers.Embeddings, error) {
	if err := p.work(ctx, req.Texts, len(req.Texts)); err != nil {
		return nil, err
	}
	out := &providers.Embeddings{Model: req.Model, Usage: p.usage}
	for _, text := range req.Texts {
		v := make([]float32, max(req.Dimensions, 4))
		for i := range min(len(text), len(v)) {
			v[i] = float32(text[i])
		}
		out.Vectors = append(out.Vectors, v)
	}
	return out, nil
}

func (p *press) Predict(ctx context.Context, req *providers.PredictRequest) (*providers.Prediction, error) {
	in := req.Inputs[0]
	if p.first > 0 && in.Rows() != p.first {
		return nil, &providers.Error{Kind: providers.KindInvalid, Backend: "b", Model: "m"}
	}
	if err := p.work(ctx, nil, int(in.Rows())); err != nil {
		return nil, err
	}
	out := in
	out.Name = "y"
	return &providers.Prediction{Outputs: []tensor.Tensor{out}, Model: req.Model, Version: req.Version, Usage: p.usage}, nil
}

func (p *press) Describe(context.Context, string, string) (*providers.ModelDescription, error) {
	spec := func(name string) providers.Spec {
		return providers.Spec{Name: name, Type: tensor.Int64, Shape: []int64{p.first, 2}}
	}
	return &providers.ModelDescription{Signatures: map[string]providers.Signature{"": {Inputs: []providers.Spec{spec("x")}, Outputs: []providers.Spec{spec("y")}}}}, nil
}

const press3 = providers.Classify | providers.Embed | providers.Predict

func pressed(p *press, b orchestrator.Batch, limiter *orchestrator.Limiter) orchestrator.Target {
	return orchestrator.Target{Classifier: p, Embedder: p, Predictor: p, Server: p, Batch: b, Limiter: limiter, Target: routing.Target{
		Name: "press", Backend: "b", Kind: "scripted", Model: "m", Does: press3, Clearance: label.Restricted, Price: &providers.Price{Input: 1, Output: 2, PerCall: 0.000_001_003}}}
}

func int64s(t testing.TB, rows int, value int64) tensor.Tensor {
	numbers := make([]int64, 2*rows)
	for i := range numbers {
		numbers[i] = value*100 + int64(i)
	}
	in, err := tensor.FromInt64s("x", []int64{int64(rows), 2}, numbers)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// asks asks the press in one of three ways, checks that the answer is to what was asked, and gives the error.
func asks(ctx context.Context, t testing.TB, e *orchestrator.Engine, way, items, id int) error {
	texts := make([]string, items)
	for i := range texts {
		texts[i] = fmt.Sprintf("%05d-%d", id, i)
	}
	switch way {
	case 0:
		got, err := e.Classify(ctx, auth.Local(), orchestrator.ClassifyRequest{Target: "press", Texts: texts})
		if err != nil {
			return err
		}
		for i, text := range texts {
			if len(got.Classes) != items || got.Classes[i][0].Name != "of "+text || got.Target != "press" {
				t.Errorf("caller %d: text %q has %v", id, text, got.Classes)
			}
		}
	case 1:
		got, err := e.Embed(ctx, auth.Local(), orchestrator.EmbedRequest{Model: "press", Texts: texts, Dimensions: 5 + id%2})
		if err != nil {
			return err
		}
		for i, text := range texts {
			if v := got.Vectors[i]; len(got.Vectors) != items || len(v) != 5+id%2 || v[0] != float32(text[0]) || v[4] != float32(text[4]) || v[3] != float32(text[3]) {
				t.Errorf("caller %d: text %q has %v", id, text, got.Vectors)
			}
		}
	default:
		in := int64s(t, items, int64(id))
		got, err := e.Predict(ctx, auth.Local(), orchestrator.PredictRequest{Target: "press", Inputs: []tensor.Tensor{in}})
		if err != nil {
			return err
		}
		out := got.Output("y")
		if out == nil || !slices.Equal(out.Shape, in.Shape) || !slices.Equal(out.Data, in.Data) {
			t.Errorf("caller %d: %v", id, got.Outputs)
		}
	}
	return nil
}

// Whatever callers send, whenever they leave and whatever fails, each gets its own answer or an error that is its own
// to get.
func TestBatchedAnswersAreNeverCrossed(t *testing.T) {
	for _, b := range []orchestrator.Batch{{Max: 16, Delay: 5 * time.Millisecond}, {Max: 7}, {Max: 64, Delay: time.Millisecond}} {
		for _, concurrency := range []int{0, 1, 3} {
			for seed := range uint64(3) {
				t.Run(fmt.Sprint(b.Max, " ", concurrency, " ", seed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						rng := rand.New(rand.NewPCG(seed, uint64(b.Max)))
						var failures atomic.Int64
						p := &press{cost: 2 * time.Millisecond, first: -1, fail: func(call int, texts []string) error {
							switch {
							case slices.ContainsFunc(texts, func(s string) bool { return strings.HasPrefix(s, "00007") || strings.HasPrefix(s, "00170") }):
								return &providers.Error{Kind: providers.KindInvalid, Backend: "b", Model: "m"}
							case call%11 == 7:
								failures.Add(1)
								return &providers.Error{Kind: providers.KindTimeout, Backend: "b", Model: "m"}
							}
							return nil
						}}
						e := engine(t, setup{targets: []orchestrator.Target{pressed(p, b, orchestrator.NewLimiter(concurrency, 0))}})
						var all sync.WaitGroup
						kinds := map[fault.Reason]int{}
						var mu sync.Mutex
						for id := range 400 {
							start, leave := time.Duration(rng.IntN(200))*time.Millisecond/4, time.Hour
							if rng.IntN(4) == 0 {
								leave = time.Duration(rng.IntN(8000)) * time.Microsecond
							}
							way, items := rng.IntN(3), 1+rng.IntN(4)
							if rng.IntN(50) == 0 {
								items = 40 // more than a call holds
							}
							if id == 7 || id == 170 {
								way, leave = 0, time.Hour
							}
							all.Go(func() {
								time.Sleep(start)
								ctx, cancel := context.WithTimeout(t.Context(), leave)
								defer cancel()
								began := time.Now()
								err := asks(ctx, t, e, way, items, id)
								if took := time.Since(began); took > leave {
									t.Errorf("caller %d left after %s and was let go after %s", id, leave, took)
								}
								mu.Lock()
								defer mu.Unlock()
								reason := fault.Reason("")
								if err != nil {
									reason = fault.ReasonOf(err)
								}
								kinds[reason]++
								switch {
								case err == nil && (id == 7 || id == 170):
									t.Errorf("caller %d got an answer", id)
								case reason == fault.ReasonUpstreamRefused && id != 7 && id != 170:
									t.Errorf("caller %d suffers for what another sent: %v", id, err)
								case err != nil && leave == time.Hour && reason != fault.ReasonUpstreamTimeout && reason != fault.ReasonUpstreamRefused:
									t.Errorf("caller %d: %v", id, err)
								}
							})
						}
						all.Wait()
						if kinds[""] < 200 || failures.Load() == 0 || kinds[fault.ReasonDeadline] == 0 {
							t.Errorf("outcomes %v after %d calls", kinds, p.calls.Load())
						}
					})
				})
			}
		}
	}
}

// One call at a time is allowed, and 64 callers at once go in few calls.
func TestALimitOfOneCallStillTakesManyCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &press{cost: 2 * time.Millisecond, first: -1}
		e := engine(t, setup{targets: []orchestrator.Target{pressed(p, orchestrator.Batch{Max: 64, Delay: 5 * time.Millisecond}, orchestrator.NewLimiter(1, 0))}})
		began := time.Now()
		var all sync.WaitGroup
		for id := range 64 {
			all.Go(func() {
				if err := asks(t.Context(), t, e, 0, 1, id); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); p.calls.Load() != 1 || took != 2*time.Millisecond {
			t.Errorf("%d calls in %s", p.calls.Load(), took)
		}
	})
}

// Where the backend has a place, nobody waits longer for others than was allowed; and with a delay of nothing, one who is
// alone does not wait at all.
func TestTheWaitForOthersIsBounded(t *testing.T) {
	for _, delay := range []time.Duration{0, 5 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			var p parallelPress
			p.cost = 20 * time.Millisecond
			tg := pressed(&p.press, orchestrator.Batch{Max: 8, Delay: delay}, nil)
			tg.Classifier = &p
			e := engine(t, setup{targets: []orchestrator.Target{tg}})
			rng := rand.New(rand.NewPCG(1, uint64(delay)))
			var all sync.WaitGroup
			worst := time.Duration(0)
			var mu sync.Mutex
			n := 300
			if delay == 0 {
				n = 1
			}
			for id := range n {
				start := time.Duration(rng.IntN(400_000)) * time.Microsecond
				all.Go(func() {
					time.Sleep(start)
					began := time.Now()
					if err := asks(t.Context(), t, e, 0, 1, id); err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					worst = max(worst, time.Since(began)-p.cost)
				})
			}
			all.Wait()
			if worst > delay || delay > 0 && int(p.calls.Load()) > n*3/4 {
				t.Errorf("delay %s: the longest wait was %s; %d callers in %d calls", delay, worst, n, p.calls.Load())
			}
		})
	}
}

// parallelPress makes its calls side by side.
type parallelPress struct{ press }

func (p *parallelPress) Classify(ctx context.Context, req *providers.ClassifyRequest) (*providers.Classification, error) {
	time.Sleep(p.cost)
	one := &press{}
	p.calls.Add(1)
	return one.Classify(ctx, req)
}

func TestWhatComesDuringACallGoesTogetherAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &press{cost: 10 * time.Millisecond, first: -1}
		e := engine(t, setup{targets: []orchestrator.Target{pressed(p, orchestrator.Batch{Max: 32}, nil)}})
		var all sync.WaitGroup
		for id := range 10 {
			all.Go(func() {
				time.Sleep(time.Duration(id) * time.Millisecond)
				if err := asks(t.Context(), t, e, 0, 1, id); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if !slices.Equal(p.sizes, []int{1, 9}) {
			t.Errorf("calls of %v", p.sizes)
		}
	})
}

func TestACallLastsAsLongAsOneWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &press{cost: 100 * time.Millisecond, first: -1}
		e := engine(t, setup{targets: []orchestrator.Target{pressed(p, orchestrator.Batch{Max: 3, Delay: time.Millisecond}, nil)}})
		ask := func(id int, leave time.Duration) (time.Duration, error) {
			ctx, cancel := context.WithTimeout(t.Context(), leave)
			defer cancel()
			began := time.Now()
			err := asks(ctx, t, e, 0, 1, id)
			return time.Since(began), err
		}
		var all sync.WaitGroup
		for id, leave := range []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, time.Second} {
			all.Go(func() {
				took, err := ask(id, leave)
				if (err == nil) != (leave == time.Second) || took != min(leave, 100*time.Millisecond) {
					t.Errorf("caller with %s: %v after %s", leave, err, took)
				}
				if err != nil && fault.ReasonOf(err) != fault.ReasonDeadline {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if p.ended != nil || !slices.Equal(p.sizes, []int{3}) {
			t.Errorf("the call ended: %v of %v", p.ended, p.sizes)
		}
		// When all have left, so does the call.
		began := time.Now()
		for id := range 3 {
			all.Go(func() { _, _ = ask(id, time.Duration(id+1)*10*time.Millisecond) })
		}
		all.Wait()
		synctest.Wait()
		if len(p.ended) != 1 || time.Since(began) != 30*time.Millisecond {
			t.Errorf("the call ended %v after %s", p.ended, time.Since(began))
		}
		// Nor does one wait for a place that nobody needs any more.
		busy := orchestrator.NewLimiter(1, 0)
		hung := &press{cost: time.Hour, first: -1}
		e = engine(t, setup{targets: []orchestrator.Target{pressed(hung, orchestrator.Batch{Max: 2}, busy)}})
		ctx, stop := context.WithCancel(t.Context())
		all.Go(func() { _ = asks(ctx, t, e, 0, 1, 1) })
		synctest.Wait()
		if took, err := ask(2, time.Second); err == nil || took != time.Second {
			t.Errorf("%v after %s", err, took)
		}
		stop()
		all.Wait()
		synctest.Wait()
		if hung.calls.Load() != 1 {
			t.Errorf("%d calls", hung.calls.Load())
		}
	})
}

func TestOneBadItemFailsItsCallerAlone(t *testing.T) {
	for kind, want := range map[providers.Kind]int{providers.KindInvalid: 7, providers.KindProtocol: 7, providers.KindUnavailable: 0} {
		synctest.Test(t, func(t *testing.T) {
			p := &press{first: -1, fail: func(_ int, texts []string) error {
				if slices.Contains(texts, "00003-0") {
					return &providers.Error{Kind: kind, Backend: "b", Model: "m", MayBill: kind == providers.KindProtocol}
				}
				return nil
			}}
			e := engine(t, setup{targets: []orchestrator.Target{pressed(p, orchestrator.Batch{Max: 8, Delay: time.Millisecond}, nil)}})
			var all sync.WaitGroup
			var well atomic.Int64
			for id := range 8 {
				all.Go(func() {
					if asks(t.Context(), t, e, 0, 1, id) == nil {
						well.Add(1)
					}
				})
			}
			all.Wait()
			if int(well.Load()) != want || p.calls.Load() > 7 {
				t.Errorf("kind %d: %d went well in %d calls", kind, well.Load(), p.calls.Load())
			}
		})
	}
}

func TestAPanicFailsAllCallersOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &press{first: -1, fail: func(int, []string) error { panic("secret") }}
		e := engine(t, setup{targets: []orchestrator.Target{pressed(p, orchestrator.Batch{Max: 4, Delay: time.Millisecond}, orchestrator.NewLimiter(1, 0))}})
		for range 2 {
			var all sync.WaitGroup
			for id := range 4 {
				all.Go(func() {
					err := asks(t.Context(), t, e, id%2, 1, 2*id)
					if err == nil || !strings.Contains(err.Error(), "broke down") || strings.Contains(err.Error(), "secret") {
						t.Errorf("caller %d: %v", id, err)
					}
				})
			}
			all.Wait()
		}
		if p.calls.Load() != 4 {
			t.Errorf("%d calls", p.calls.Load())
		}
	})
}

// A failing call counts once, however many callers it had: one bad answer must not look like twenty.
func TestACallOfManyCountsOnceForTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &press{first: -1, fail: func(int, []string) error {
			return &providers.Error{Kind: providers.KindUnavailable, Backend: "b", Model: "m"}
		}}
		e := engine(t, setup{targets: []orchestrator.Target{pressed(p, orchestrator.Batch{Max: 64, Delay: time.Millisecond}, nil)}})
		last := errors.New("")
		for round := range 25 {
			var all sync.WaitGroup
			for id := range 64 {
				all.Go(func() {
					if err := asks(t.Context(), t, e, 0, 1, id); id == 0 {
						last = err
					}
				})
			}
			all.Wait()
			if open := strings.Contains(last.Error(), "too many of its calls have failed"); open != (round >= 20) {
				t.Fatalf("round %d: %v", round, last)
			}
		}
		if p.calls.Load() != 20 {
			t.Errorf("%d calls", p.calls.Load())
		}
	})
}

func TestModelsWithoutRowsAreNotAskedForSeveralCallers(t *testing.T) {
	for first, want := range map[int64][]int{-1: {6}, 2: {2, 2, 2}} {
		synctest.Test(t, func(t *testing.T) {
			p := &press{first: first}
			e := engine(t, setup{targets: []orchestrator.Target{pressed(p, orchestrator.Batch{Max: 6, Delay: time.Millisecond}, nil)}})
			var all sync.WaitGroup
			for id := range 3 {
				all.Go(func() {
					if err := asks(t.Context(), t, e, 2, 2, id); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if !slices.Equal(p.sizes, want) {
				t.Errorf("first axis %d: calls of %v", first, p.sizes)
			}
		})
	}
}

// What a call took is divided among its callers, to the token and to the billionth of a dollar.
func TestWhatACallTookIsDividedAmongItsCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &press{cost: 7 * time.Second / 1000, first: -1, usage: providers.Usage{Input: 1009, CachedInput: 101, Output: 17, Reasoning: 5}}
		tg := pressed(p, orchestrator.Batch{Max: 100, Delay: time.Millisecond}, nil)
		tg.Price = &providers.Price{PerCall: 0.000_000_101, GPUHour: 3.6} // a millisecond is a millionth of a dollar
		board := &switchboard{}
		e := engine(t, setup{targets: []orchestrator.Target{tg}, observer: board})
		var mu sync.Mutex
		var sum providers.Usage
		var cost providers.Money
		var all sync.WaitGroup
		for id := range 13 {
			all.Go(func() {
				got, err := e.Classify(t.Context(), auth.Local(), orchestrator.ClassifyRequest{Target: "press", Texts: slices.Repeat([]string{"some words"}, 1+id%5)})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				sum, cost = sum.Add(got.Usage), cost+got.Cost
				if !got.CostKnown || got.Usage.CachedInput > got.Usage.Input || got.Usage.Reasoning > got.Usage.Output || got.Usage.Input == 0 {
					t.Errorf("caller %d: %+v", id, got)
				}
			})
		}
		all.Wait()
		if p.calls.Load() != 1 || sum != p.usage {
			t.Errorf("%d calls used %+v, want %+v", p.calls.Load(), sum, p.usage)
		}
		// Each part is rounded to a billionth.
		if want := providers.Money(101 + 7000); cost < want-13 || cost > want+13 {
			t.Errorf("cost %d, want %d", cost, want)
		}
		told := providers.Money(0)
		for _, h := range board.take() {
			told += h.Cost
		}
		if told != cost {
			t.Errorf("told %d, and callers were told %d", told, cost)
		}
	})
}

func BenchmarkClients(b *testing.B) {
	for _, batched := range []bool{false, true} {
		b.Run(fmt.Sprint("batched=", batched), func(b *testing.B) {
			p := &press{cost: 2 * time.Millisecond, first: -1}
			batch := orchestrator.Batch{}
			if batched {
				batch = orchestrator.Batch{Max: 64, Delay: 2 * time.Millisecond}
			}
			e := engine(b, setup{targets: []orchestrator.Target{pressed(p, batch, nil)}})
			var next atomic.Int64
			b.ResetTimer()
			var all sync.WaitGroup
			for range 64 {
				all.Go(func() {
					for {
						id := int(next.Add(1))
						if id > b.N {
							return
						}
						if err := asks(b.Context(), b, e, 0, 1, id); err != nil {
							b.Error(err)
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
			b.ReportMetric(float64(b.N)/float64(p.calls.Load()), "callers/call")
		})
	}
}
