package orchestrator_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// Whatever fails, and however a policy answers it (failover, retry, hedge, escalation, an open breaker, no
// target), a backend below the label of the data is never called. Every way is seen to be taken.
func TestNoWayLeadsBelowTheLabel(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	var hedged, escalated, retried, relaxed, opened, none int
	for round := range 60 {
		synctest.Test(t, func(t *testing.T) {
			var canary atomic.Int64
			ended := make(chan error, 10_000)
			var targets []orchestrator.Target
			for i := range 2 + rng.IntN(2) { // cleared, and of every temper
				temper := rng.IntN(5)
				var calls atomic.Int64
				tg := target(fmt.Sprintf("inner%d", i), rng.Float64(), func(ctx context.Context, req *providers.Request, yield func(providers.Chunk, error) bool) {
					switch n := calls.Add(1); {
					case temper == 0:
						breaks("", providers.KindUnavailable)(ctx, req, yield)
					case temper == 1 && n%3 == 0:
						breaks("par", providers.KindTruncated)(ctx, req, yield)
					case temper == 2 && n > 20 && n%5 == 0:
						hangs("", ended)(ctx, req, yield)
					default:
						time.Sleep(time.Millisecond)
						says("an answer")(ctx, req, yield)
					}
				})
				tg.Clearance, tg.FirstToken = label.Restricted, 10*time.Second
				targets = append(targets, tg)
			}
			for i := range 3 { // not cleared, and better, cheaper and faster than all others
				tg := target(fmt.Sprintf("outer%d", i), 0.99, func(ctx context.Context, req *providers.Request, yield func(providers.Chunk, error) bool) {
					canary.Add(1)
					says("leak")(ctx, req, yield)
				})
				tg.Clearance, tg.Price, tg.TTFT, tg.PerToken = label.Label(1+rng.IntN(3)), &providers.Price{}, 1, 1
				targets = append(targets, tg)
			}
			policy := routing.Policy{
				Prefer: []routing.Preference{routing.Best, routing.Cheapest, routing.Fastest}[rng.IntN(3)], Attempts: 1 + rng.IntN(5),
				Midstream: routing.MidstreamRestart, Hedge: &routing.Hedge{Budget: 1},
				OnNone: []routing.OnNone{routing.OnNoneFail, routing.OnNoneCheapest, routing.OnNoneExtractive}[rng.IntN(3)],
			}
			if rng.IntN(2) == 0 {
				policy.Escalate = escalation(t, "text.size() < 100")
			}
			if rng.IntN(4) == 0 {
				policy.MinQuality = 0.95 // none of the cleared ones has it
			}
			e := bare(t, policy, targets...)
			for range 60 {
				req := chat("secret")
				req.Label = label.Restricted
				req.Whole = rng.IntN(2) == 0
				if rng.IntN(10) == 0 {
					req.Model = "outer0" // by name
				}
				var started int
				for ev, err := range e.Chat(t.Context(), auth.Local(), req) {
					if err != nil {
						none++
						break
					}
					switch b := ev.Body.(type) {
					case *orchestrator.AttemptStarted:
						started++
						if b.Label != label.Restricted || b.Target.Clearance < b.Label {
							t.Fatalf("attempt on %s, cleared for %v, with data that is %v", b.Target.Name, b.Target.Clearance, b.Label)
						}
					case *orchestrator.RouteDecided:
						for _, rec := range b.Plan.Order() {
							if rec.Target.Clearance < label.Restricted {
								t.Fatalf("%s is in the plan", rec.Target.Name)
							}
						}
						if b.Plan.Relaxed != "" {
							relaxed++
						}
					case *orchestrator.Retracted:
						if b.Reason == "escalated" {
							escalated++
						}
					case *orchestrator.AttemptFailed:
						if providers.KindOf(b.Err) == providers.KindCanceled {
							hedged++
						}
					}
				}
				if started > len(targets)-3 {
					retried++
				}
				for _, c := range e.Targets() {
					if c.State.OpenFor > 0 {
						opened++
					}
				}
			}
			if n := canary.Load(); n > 0 {
				t.Errorf("round %d: the backends below the label were called %d times", round, n)
			}
		})
	}
	t.Logf("hedged %d, escalated %d, retried %d, relaxed %d, breakers seen open %d, refused %d", hedged, escalated, retried, relaxed, opened, none)
	if hedged == 0 || escalated == 0 || retried == 0 || relaxed == 0 || opened == 0 || none == 0 {
		t.Error("a way was not taken: the test does not see what it should")
	}
}
