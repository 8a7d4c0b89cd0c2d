package orchestrator_test

import (
	"context"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
	"fairlead/providers/scripted"
)

// patient is a backend that ends an answer it has begun also when the caller has left, and says what it took.
// What is given up halfway is booked by an estimate, and could not be held against a bill to the cent.
type patient struct{ *scripted.Provider }

func (p patient) Generate(ctx context.Context, req *providers.Request) iter.Seq2[providers.Chunk, error] {
	if !strings.HasPrefix(req.Model, "hang") {
		ctx = context.WithoutCancel(ctx)
	}
	return p.Provider.Generate(ctx, req)
}

const fiveSteps = `
chain: five
version: 1
input: { q: string, r: string }
steps:
  - { id: first, generate: { user: "{{q}}", max_tokens: 40 } }
  - id: side
    parallel:
      - { id: left, generate: { user: "{{r}} {{steps.first.text}}", max_tokens: 60 } }
      - { id: right, generate: { user: "{{q}}", max_tokens: 20 } }
      - { id: stuck, optional: true, target: hang, timeout: 2ms, generate: { user: "{{q}}", max_tokens: 5 } }
  - { id: extra, optional: true, generate: { user: "{{q}} {{r}}", max_tokens: 80 } }
  - { id: last, generate: { user: "{{steps.left.text}} {{steps.right.text}} {{steps.extra.text}}", max_tokens: 50 } }
output: "{{steps.last.text}}"
`

// words gives random words, none shorter than what counts as a token.
func words(rng *rand.Rand, most int) string {
	var b strings.Builder
	for range 1 + rng.IntN(most) {
		for range 4 + rng.IntN(6) {
			b.WriteByte(byte('a' + rng.IntN(26)))
		}
		b.WriteByte(' ')
	}
	return b.String()
}

// A thousand runs at once, each with its own money and time: none spends more than it has, and what the
// ledgers booked is what the backend's bill says.
func TestManyRunsKeepTheirLimitsAndTheBooksAreRight(t *testing.T) {
	runs := 1000
	if raced {
		runs = 150
	}
	backend := scripted.New(scripted.Config{})
	var targets []orchestrator.Target
	for name, of := range map[string]struct {
		model   string
		in, out float64
	}{
		"flaky": {"flaky?p=0.2&seed=7", 0.1, 0.4}, "cut": {"cut?after=4", 0.2, 0.8}, "echo": {"echo", 1, 5},
		"endless": {"infinite", 2, 8}, "hang": {"hang", 3, 9},
	} {
		tg := target(name, 0.5, nil)
		tg.Generator, tg.Model, tg.Price = patient{backend}, of.model, &providers.Price{Input: of.in, Output: of.out}
		targets = append(targets, tg)
	}
	e := engine(t, setup{chains: []string{fiveSteps}, targets: targets,
		policy: routing.Policy{Prefer: routing.Cheapest, Midstream: routing.MidstreamRestart, Attempts: 5}})

	type outcome struct {
		spent            providers.Money
		reason           fault.Reason
		skipped, retried int
	}
	outcomes := make([]outcome, runs)
	var wg sync.WaitGroup
	for i := range runs {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 4))
			limit := providers.Money(rng.IntN(2_500_000))
			timeout := 20 * time.Second
			if rng.IntN(10) == 0 {
				timeout = time.Duration(1+rng.IntN(20)) * time.Millisecond
			}
			o := &outcomes[i]
			var finished *orchestrator.RunFinished
			for ev, err := range e.Run(t.Context(), auth.Local(), orchestrator.RunRequest{Chain: "five",
				Input:  map[string]any{"q": words(rng, 80), "r": words(rng, 80)},
				Limits: orchestrator.Limits{Budget: limit, Limited: true, Timeout: timeout}}) {
				if err != nil {
					o.reason = fault.ReasonOf(err)
					continue
				}
				switch b := ev.Body.(type) {
				case *orchestrator.AttemptUsage:
					o.spent += b.Cost
					if !b.CostKnown || b.Usage.Estimated {
						t.Errorf("run %d: %s reports no usage", i, b.Target.Name)
					}
				case *orchestrator.AttemptFailed:
					o.retried++
				case *orchestrator.StepFinished:
					if b.Status == orchestrator.StepSkipped {
						o.skipped++
					}
				case *orchestrator.RunFinished:
					finished = b
				}
			}
			if o.spent > limit {
				t.Errorf("run %d spent %s of %s", i, o.spent, limit)
			}
			if (finished == nil) == (o.reason == "") || finished != nil && (finished.Cost != o.spent || finished.CostIncomplete) {
				t.Errorf("run %d spent %s, ended %q and says %+v", i, o.spent, o.reason, finished)
			}
		})
	}
	wg.Wait()

	var booked, billed providers.Money
	ends := map[fault.Reason]int{}
	skipped, retried := 0, 0
	for _, o := range outcomes {
		booked += o.spent
		ends[o.reason]++
		skipped += o.skipped
		retried += o.retried
	}
	calls := 0
	for _, tg := range targets {
		account := backend.Account(tg.Model)
		billed += tg.Price.Cost(account.Billed)
		calls += account.Calls
	}
	if booked != billed || booked == 0 {
		t.Errorf("the ledgers have %s, and the bill is %s", booked, billed)
	}
	t.Logf("%d runs, %d calls, %s; ends %v; %d steps skipped, %d attempts failed", runs, calls, booked, ends, skipped, retried)
	if ends[""] == 0 || ends[fault.ReasonBudgetExceeded] == 0 || ends[fault.ReasonDeadline] == 0 || skipped == 0 || retried == 0 {
		t.Error("the test does not reach its limits")
	}
}
