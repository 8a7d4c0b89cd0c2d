package orchestrator_test

import (
	"context"
	"math"
	"testing"

	"fairlead/internal/auth"
	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// reports answers and reports a usage, however odd.
func reports(u providers.Usage) generator {
	return func(_ context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
		yield(providers.Chunk{Text: "ok", Finish: providers.FinishStop, Usage: &u}, nil)
	}
}

func TestOddCountsOfABackendDoNotMakeMoney(t *testing.T) {
	for name, u := range map[string]providers.Usage{
		"negative":        {Input: -1_000_000, Output: -1_000_000},
		"negative cached": {Input: 10, CachedInput: -1_000_000, Output: 1},
		"huge":            {Input: math.MaxInt64, Output: math.MaxInt64},
		"least":           {Input: math.MinInt64, Output: math.MinInt64, CachedInput: math.MinInt64, Reasoning: math.MinInt64},
	} {
		t.Run(name, func(t *testing.T) {
			cached := 0.5
			odd := target("odd", 0.9, reports(u))
			odd.Price.CachedInput = &cached
			e := engine(t, setup{targets: []orchestrator.Target{odd}, chains: []string{`
chain: c
version: 1
steps:
  - { id: a, generate: { user: x, max_tokens: 10 } }
  - { id: b, optional: true, generate: { user: x, max_tokens: 10 } }
output: "{{run.left_usd}}"
`}})
			budget := providers.USD(0.001)
			events, err := read(t, e.Run(t.Context(), auth.Local(), orchestrator.RunRequest{Chain: "c", Limits: orchestrator.Limits{Limited: true, Budget: budget}}))
			if err != nil {
				t.Fatal(err)
			}
			end := find[*orchestrator.RunFinished](events)[0]
			if end.Cost < 0 || end.Usage.Input < 0 || end.Usage.Output < 0 || end.Usage.CachedInput < 0 || end.Usage.Reasoning < 0 {
				t.Errorf("end %+v", end)
			}
			if u.Input > 1<<40 && len(find[*orchestrator.AttemptStarted](events)) > 1 {
				t.Error("a call was made after the money was gone")
			}
		})
	}
}

func TestNoOneCanAskForLessThanNothing(t *testing.T) {
	var reqs []providers.Request
	e := engine(t, setup{targets: []orchestrator.Target{target("paid", 0.9, asked(&reqs, says("ok")))}})
	for _, limit := range []int{-1_000_000_000, math.MinInt, math.MaxInt} {
		req := chat("hi")
		req.Request.MaxTokens = &limit
		req.Limited, req.Budget = true, providers.USD(0.0000001)
		if _, err := read(t, e.Chat(t.Context(), auth.Local(), req)); err == nil || len(reqs) > 0 {
			t.Errorf("max_tokens %d: error %v, %d calls", limit, err, len(reqs))
		}
	}
}

// vectors embeds everything alike and reports what it took.
type vectors struct{ calls *int }

func (v vectors) Embed(_ context.Context, req *providers.EmbedRequest) (*providers.Embeddings, error) {
	*v.calls++
	out := &providers.Embeddings{Usage: providers.Usage{Input: 1000}}
	for range req.Texts {
		out.Vectors = append(out.Vectors, []float32{1, 0})
	}
	return out, nil
}

func TestTheVectorOfAQueryIsPaidByTheRun(t *testing.T) {
	calls := 0
	e := engine(t, setup{documents: manual, targets: []orchestrator.Target{{Embedder: vectors{&calls}, Target: routing.Target{
		Name: "paid", Backend: "b", Kind: "scripted", Model: "m", Does: providers.Embed, Clearance: label.Restricted, Price: &providers.Price{Input: 1},
	}}}, config: func(c *orchestrator.Config) { c.DefaultEmbedder = "paid" }, chains: []string{`
chain: c
version: 1
steps:
  - { id: found, retrieve: { collection: docs, query: how is the press started } }
output: "{{steps.found.count}}"
`}})
	for _, tt := range []struct {
		budget providers.Money
		calls  int
	}{{providers.USD(0.01), 1}, {1, 0}} {
		calls = 0
		events, err := run(e, t, "c", nil, orchestrator.Limits{Limited: true, Budget: tt.budget})
		if err != nil {
			t.Fatal(err)
		}
		end := find[*orchestrator.RunFinished](events)[0]
		if want := providers.Money(tt.calls * 1000 * 1000); calls != tt.calls || end.Cost != want || end.CostIncomplete {
			t.Errorf("budget %s: %d calls, and the run says %s", tt.budget, calls, end.Cost)
		}
		if end.Output == "0" {
			t.Error("without money for vectors, words find nothing")
		}
	}
}

func TestAFailedEmbeddingThatIsBilledIsBooked(t *testing.T) {
	e := engine(t, setup{chains: []string{`
chain: c
version: 1
steps:
  - { id: v, optional: true, target: paid, embed: { text: some words } }
output: "{{run.left_usd}}"
`}, targets: []orchestrator.Target{{Embedder: billed{}, Target: routing.Target{
		Name: "paid", Backend: "b", Kind: "scripted", Model: "m", Does: providers.Embed, Clearance: label.Restricted, Price: &providers.Price{Input: 1},
	}}}})
	events, err := run(e, t, "c", nil, orchestrator.Limits{Limited: true, Budget: providers.USD(1)})
	if err != nil {
		t.Fatal(err)
	}
	if end := find[*orchestrator.RunFinished](events)[0]; end.Cost <= 0 || !end.Usage.Estimated {
		t.Errorf("end %+v", end)
	}
}

// billed fails after it began to answer.
type billed struct{}

func (billed) Embed(context.Context, *providers.EmbedRequest) (*providers.Embeddings, error) {
	return nil, &providers.Error{Kind: providers.KindTruncated, MayBill: true}
}

func TestMoneyIsReleasedWhereverACallEnds(t *testing.T) {
	ended := make(chan error, 2)
	limiter := orchestrator.NewLimiter(1, 0)
	slow := target("slow", 0.9, hangs("", ended))
	slow.Limiter = limiter
	queued := target("queued", 0.9, hangs("", ended))
	queued.Limiter = limiter
	e := engine(t, setup{targets: []orchestrator.Target{slow, queued, target("good", 0.5, says("ok"))}, chains: []string{`
chain: c
version: 1
steps:
  - id: both
    optional: true
    timeout: 30ms
    parallel:
      - { id: a, target: slow, generate: { user: x, max_tokens: 10 } }
      - { id: b, target: queued, generate: { user: x, max_tokens: 10 } }
output: "{{run.left_usd}}"
`}})
	events, err := run(e, t, "c", nil, orchestrator.Limits{Limited: true, Budget: providers.USD(0.001)})
	if err != nil {
		t.Fatal(err)
	}
	if end := find[*orchestrator.RunFinished](events)[0]; end.Output != "0.001" || end.Cost != 0 {
		t.Errorf("end %+v", end)
	}
}
