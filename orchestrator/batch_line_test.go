package orchestrator

import (
	"context"
	"runtime"
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
