package orchestrator_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
	"fairlead/providers/scripted"
	"fairlead/providers/tokens"
)

// slow is a scripted model whose backend is paid by the hour: a hundredth of a dollar for ten seconds.
func slow() orchestrator.Target {
	out := target("gpu", 0.9, nil)
	out.Generator = scripted.New(scripted.Config{Backend: out.Backend})
	out.Model, out.Price = "slow?ttft=1s&tps=10", &providers.Price{GPUHour: 3.6}
	return out
}

func TestTheTimeOfACallIsPaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := bare(t, routing.Policy{}, slow())
		limited := chat("one two three four five six seven eight nine ten eleven twelve")
		limited.Limited, limited.Budget = true, providers.USD(1)
		_, err := read(t, e.Chat(t.Context(), auth.Local(), limited))
		if f := fault.From(err); err == nil || f.Reason != fault.ReasonBudgetExceeded || !strings.Contains(f.Text, "paid by the hour") {
			t.Errorf("under a budget, before its time is known: %v", err)
		}
		for range 30 { // as many as outweigh what is guessed from the kind
			events, err := read(t, e.Chat(t.Context(), auth.Local(), chat("one two three four five six seven eight nine ten eleven twelve")))
			if err != nil {
				t.Fatal(err)
			}
			u := find[*orchestrator.AttemptUsage](events)[0]
			if want := providers.USD(u.Duration.Hours() * 3.6); !u.CostKnown || u.Cost != want || u.Duration < time.Second {
				t.Errorf("%v cost %s, want %s", u.Duration, u.Cost, want)
			}
			if end := find[*orchestrator.RunFinished](events)[0]; end.Cost != u.Cost || end.CostIncomplete {
				t.Errorf("the run says %s", end.Cost)
			}
		}
		events, err := read(t, e.Chat(t.Context(), auth.Local(), limited))
		if err != nil {
			t.Fatalf("under a budget, after its time was seen: %v", err)
		}
		rec := find[*orchestrator.RouteDecided](events)[0].Plan.Records[0]
		if paid := find[*orchestrator.AttemptUsage](events)[0].Cost; !rec.CostKnown || rec.Cost < paid || rec.Cost == 0 {
			t.Errorf("expected %s, and it cost %s", rec.Cost, paid)
		}
	})
}

func TestCallsAtOneTimeShareWhatItCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := bare(t, routing.Policy{}, slow())
		const calls = 4
		var mu sync.Mutex
		var cost providers.Money
		var wall time.Duration
		var group sync.WaitGroup
		for range calls {
			group.Go(func() {
				for ev, err := range e.Chat(context.Background(), auth.Local(), chat("one two three four five six seven eight nine ten eleven twelve")) {
					if err != nil {
						t.Error(err)
					}
					if u, ok := ev.Body.(*orchestrator.AttemptUsage); ok {
						mu.Lock()
						cost += u.Cost
						wall = max(wall, u.Duration)
						mu.Unlock()
					}
				}
			})
		}
		group.Wait()
		if want := providers.USD(wall.Hours() * 3.6); cost < want-calls || cost > want+calls {
			t.Errorf("together they cost %s, and the machine %s", cost, want)
		}
	})
}

// The reader's own time is not the machine's.
func TestAReaderThatWaitsDoesNotPayForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := bare(t, routing.Policy{}, slow())
		for ev, err := range e.Chat(t.Context(), auth.Local(), chat("one two three four five six seven eight nine ten eleven twelve")) {
			if err != nil {
				t.Fatal(err)
			}
			switch b := ev.Body.(type) {
			case *orchestrator.TextDelta:
				time.Sleep(time.Hour)
			case *orchestrator.AttemptUsage:
				if b.Cost > providers.USD(0.01) {
					t.Errorf("%s", b.Cost)
				}
			}
		}
	})
}

func TestPicturesArePaid(t *testing.T) {
	seeing := target("a", 0.9, reports(providers.Usage{Input: 10, Output: 1}))
	seeing.Does |= providers.Vision
	seeing.Price = &providers.Price{PerImage: 0.5}
	e := bare(t, routing.Policy{}, seeing)
	req := chat("what is it")
	req.Request.Messages[0].Parts = append(req.Request.Messages[0].Parts, providers.Part{Image: &providers.Image{URL: "https://example.com/x.png"}})
	events, err := read(t, e.Chat(t.Context(), auth.Local(), req))
	if err != nil {
		t.Fatal(err)
	}
	if expected, paid := find[*orchestrator.RouteDecided](events)[0].Plan.Records[0].Cost, find[*orchestrator.RunFinished](events)[0].Cost; expected != providers.USD(0.5) || paid != expected {
		t.Errorf("expected %s, paid %s", expected, paid)
	}
}

// What a target reports corrects what is expected of its next prompts, and what is booked where it reports
// nothing; another target's count stays as it was.
func TestReportsCorrectTheCountOfTheirTarget(t *testing.T) {
	prompt := strings.Repeat("The engine decides which target answers, and says why. ", 20)
	asked := chat(prompt).Request
	ours := tokens.O200k.Prompt(&asked)
	silent := false
	learning := target("a", 0.9, func(_ context.Context, _ *providers.Request, yield func(providers.Chunk, error) bool) {
		if silent {
			yield(providers.Chunk{Text: "ok, fine", Finish: providers.FinishStop}, nil)
			return
		}
		yield(providers.Chunk{Text: "ok", Finish: providers.FinishStop, Usage: &providers.Usage{Input: int64(2 * ours), Output: 1}}, nil)
	})
	other := target("b", 0.1, says("ok"))
	learning.Encoding, other.Encoding = tokens.O200k, tokens.O200k
	e := bare(t, routing.Policy{}, learning, other)
	ask := func() (a, b int, usage providers.Usage) {
		events, err := read(t, e.Chat(t.Context(), auth.Local(), chat(prompt)))
		if err != nil {
			t.Fatal(err)
		}
		plan := find[*orchestrator.RouteDecided](events)[0].Plan
		if plan.PromptTokens != ours || len(plan.Records) != 2 {
			t.Errorf("the plan says %d tokens, counted %d", plan.PromptTokens, ours)
		}
		return plan.Records[0].PromptTokens, plan.Records[1].PromptTokens, find[*orchestrator.AttemptUsage](events)[0].Usage
	}
	for range 3 {
		if a, b, _ := ask(); a != ours || b != ours {
			t.Errorf("before three reports: %d and %d, counted %d", a, b, ours)
		}
	}
	silent = true
	if a, b, u := ask(); a != 2*ours || b != ours || !u.Estimated || u.Input != int64(a) || u.Output != 3 {
		t.Errorf("after three reports: %d and %d, counted %d; booked %+v", a, b, ours, u)
	}
	// What was learned goes with the target that it was learned of.
	silent = false
	learning.Model = "another"
	if err := e.Configure(orchestrator.Config{Targets: []orchestrator.Target{learning, other}, Policies: []routing.Policy{{Name: "default", Prefer: routing.Best}}, DefaultPolicy: "default"}); err != nil {
		t.Fatal(err)
	}
	if a, _, _ := ask(); a != ours {
		t.Errorf("of another model: %d", a)
	}
}

// resting embeds after two seconds.
type resting struct{}

func (resting) Embed(_ context.Context, req *providers.EmbedRequest) (*providers.Embeddings, error) {
	time.Sleep(2 * time.Second)
	out := &providers.Embeddings{Usage: providers.Usage{Input: 10}}
	for range req.Texts {
		out.Vectors = append(out.Vectors, []float32{1})
	}
	return out, nil
}

func TestTheTimeOfVectorsIsPaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		paid := orchestrator.Target{Embedder: resting{}, Target: routing.Target{Name: "gpu", Backend: "pool", Kind: "scripted", Model: "m", Does: providers.Embed,
			Clearance: label.Internal, Quality: -1, Price: &providers.Price{GPUHour: 3.6}}}
		limited := orchestrator.EmbedRequest{Model: "gpu", Texts: []string{"some words"}, Limits: orchestrator.Limits{Limited: true, Budget: providers.USD(0.006)}}
		if _, err := bare(t, routing.Policy{}, paid).Embed(t.Context(), auth.Local(), limited); err == nil {
			t.Error("its time is not known, and it is called under a budget")
		}
		for ttft, in := range map[time.Duration]bool{2 * time.Second: true, time.Minute: false} {
			paid.TTFT = ttft
			got, err := bare(t, routing.Policy{}, paid).Embed(t.Context(), auth.Local(), limited)
			if (err == nil) != in {
				t.Errorf("ttft %v: %v", ttft, err)
			}
			if err == nil && (got.Cost != providers.USD(0.002) || !got.CostKnown) {
				t.Errorf("ttft %v: it cost %s", ttft, got.Cost)
			}
		}
	})
}
