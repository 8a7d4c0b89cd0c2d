package orchestrator

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/internal/label"
	"fairlead/orchestrator/routing"
	"fairlead/orchestrator/routing/observe"
	"fairlead/providers"
)

// slow is a classifier that takes a second for each call.
type slow struct{}

func (slow) Classify(_ context.Context, req *providers.ClassifyRequest) (*providers.Classification, error) {
	time.Sleep(time.Second) // in a bubble
	out := &providers.Classification{}
	for range req.Texts {
		out.Classes = append(out.Classes, []providers.Class{{Name: "a", Probability: 1}})
	}
	return out, nil
}

// Whoever comes between the leaving of the last caller of a call that waited for its place, and that call's end, is not
// lost with it.
func TestWhoComesWhenTheLastOneLeavesIsAnswered(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	synctest.Test(t, func(t *testing.T) {
		seen, err := observe.NewRecorder(observe.Config{})
		if err != nil {
			t.Fatal(err)
		}
		made := newTarget(Target{Classifier: slow{}, Batch: Batch{Max: 2}, Limiter: NewLimiter(1, 0), Target: routing.Target{
			Name: "press", Backend: "b", Model: "m", Does: providers.Classify, Clearance: label.Internal}})
		b := made.batcher
		q := &question{needs: providers.Classify, texts: []string{"x"}}
		ask := func(ctx context.Context) *waiter {
			w := &waiter{ctx: ctx, question: q, seen: seen, weight: 1, items: 1, since: time.Now(), done: make(chan struct{}), queued: true}
			b.enqueue(w, "texts")
			return w
		}
		first := ask(t.Context())
		synctest.Wait() // it has the only place
		leaving, leave := context.WithCancel(t.Context())
		second, third := ask(leaving), ask(leaving) // as many as one call has: it waits for the place
		synctest.Wait()
		leave()
		b.leave(second)
		b.leave(third)
		late := ask(t.Context()) // before the call that waited has seen that both have left: there is one processor
		<-first.done
		select {
		case <-late.done:
		case <-time.After(time.Minute):
			t.Error("a caller was never answered")
		}
	})
}

// quick is a classifier that takes next to no time.
type quick struct{}

func (quick) Classify(ctx context.Context, req *providers.ClassifyRequest) (*providers.Classification, error) {
	runtime.Gosched()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := &providers.Classification{}
	for _, text := range req.Texts {
		if text == "bad" {
			return nil, &providers.Error{Kind: providers.KindInvalid}
		}
		out.Classes = append(out.Classes, []providers.Class{{Name: text, Probability: 1}})
	}
	return out, nil
}

// Whatever callers do, each of those who stay is answered, each who leaves is let go, every place is given back and no
// queue is left.
func TestNoCallerIsLost(t *testing.T) {
	seen, err := observe.NewRecorder(observe.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, delay := range []time.Duration{0, 50 * time.Microsecond} {
		limiter := NewLimiter(2, 0)
		made := newTarget(Target{Classifier: quick{}, Batch: Batch{Max: 3, Delay: delay}, Limiter: limiter, Target: routing.Target{
			Name: "press", Backend: "b", Model: "m", Does: providers.Classify, Clearance: label.Internal}})
		var all sync.WaitGroup
		for n := range 16 {
			random := rand.New(rand.NewPCG(1, uint64(n)))
			all.Go(func() {
				for i := range 400 {
					text := fmt.Sprint(n, "-", i)
					if random.IntN(10) == 0 {
						text = "bad"
					}
					ctx, cancel := context.WithCancel(t.Context())
					stays := random.IntN(2) == 0
					if !stays {
						time.AfterFunc(time.Duration(random.IntN(100))*time.Microsecond, cancel)
					}
					o := made.batcher.do(ctx, &question{needs: providers.Classify, texts: []string{text}}, 1, seen)
					switch kind := providers.KindOf(o.err); {
					case o.err == nil && o.reply.classes[0][0].Name != text:
						t.Errorf("%s was answered with %s", text, o.reply.classes[0][0].Name)
					case o.err != nil && stays && (text != "bad" || kind != providers.KindInvalid):
						t.Errorf("%s: %v", text, o.err)
					}
					cancel()
				}
			})
		}
		all.Wait()
		for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() { // calls of callers who have left end a little later
			made.batcher.mu.Lock()
			lines := len(made.batcher.lines)
			made.batcher.mu.Unlock()
			if lines == 0 && len(limiter.slots) == 0 && made.meter.inside() == 0 && seen.InFlight("press") == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d queues, %d places and %d calls are left", lines, len(limiter.slots), made.meter.inside())
			}
		}
	}
}
