package usage_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/auth"
	registry "fairlead/internal/auth/tenants"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/testdb"
	"fairlead/orchestrator"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
	"fairlead/orchestrator/usage"
	"fairlead/prompts"
	"fairlead/providers"
	"fairlead/providers/scripted"
	"fairlead/retrieval"
)

const everything = `
chain: everything
version: 1
input: { q: string, long: string }
steps:
  - { id: kind, optional: true, classify: { target: intent, text: "{{q}}" } }
  - id: side
    parallel:
      - { id: vector, optional: true, target: embedder, embed: { text: "{{q}}" } }
      - { id: found, retrieve: { collection: docs, query: "{{q}}" } }
      - { id: cheap, optional: true, policy: cheap, generate: { user: "{{q}}", max_tokens: 40 } }
      - { id: raced, optional: true, policy: raced, generate: { user: "{{q}}", max_tokens: 40 } }
      - { id: stuck, optional: true, target: hang, timeout: 5ms, generate: { user: "{{q}}", max_tokens: 5 } }
  - { id: short, optional: true, summarize: { text: "{{long}}", method: map_reduce, max_tokens: 30 } }
  - { id: last, policy: picky, generate: { user: "{{steps.cheap.text}} {{q}}", max_tokens: 50 } }
output: "{{steps.last.text}}"
`

// uneven makes every third call of a slow model slower by far, so that there is something to overtake however idle the
// machine is.
type uneven struct {
	providers.Generator
	calls atomic.Int64
}

func (u *uneven) Generate(ctx context.Context, req *providers.Request) iter.Seq2[providers.Chunk, error] {
	if strings.HasPrefix(req.Model, "slow?") && u.calls.Add(1)%3 == 0 {
		slower := *req
		slower.Model = "slow?ttft=40ms&tps=100000"
		req = &slower
	}
	return u.Generator.Generate(ctx, req)
}

// tally is an observer that adds up what is settled, in and outside of runs, on its own.
type tally struct {
	mu    sync.Mutex
	by    map[string]usage.Sum // "tenant key"
	names map[string]int
}

func (a *tally) RunStarts(ctx context.Context, run, _ string, p auth.Principal) (context.Context, func(*orchestrator.Event), func(error)) {
	return ctx, func(e *orchestrator.Event) {
		u, ok := e.Body.(*orchestrator.AttemptUsage)
		if !ok {
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		s := a.by[p.Tenant+" "+p.Name]
		s.Attempts++
		s.Cost += u.Cost
		a.by[p.Tenant+" "+p.Name] = s
		a.names[fmt.Sprintf("%s %s %d", run, e.Step, u.Attempt)]++
	}, func(error) {}
}

func (a *tally) CallStarts(ctx context.Context, id, _ string, p auth.Principal) (context.Context, func(*orchestrator.Event), func(error)) {
	return a.RunStarts(ctx, id, "", p)
}

// A thousand runs at once, with all that can happen to a call, and vectors beside them: what is summed is what the
// runs say that they cost, to the billionth, and there is a record of each attempt that was settled.
func TestWhatIsSummedIsWhatWasSpent(t *testing.T) {
	runs := 1000
	if raced {
		runs = 150
	}
	library, err := prompts.Load()
	if err != nil {
		t.Fatal(err)
	}
	ch, err := chain.Parse("everything.yaml", []byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	backend := scripted.New(scripted.Config{})
	c := orchestrator.Config{Prompts: library, Chains: []*chain.Chain{ch}, DefaultPolicy: "cheap", DefaultEmbedder: "embedder"}
	for name, of := range map[string]struct {
		model   string
		does    providers.Capability
		price   float64
		quality float64
	}{
		"flaky": {"flaky?p=0.3&seed=7", providers.Chat, 0.1, 0.2}, "cut": {"cut?after=4", providers.Chat, 0.2, 0.3}, "echo": {"echo", providers.Chat, 1, 0.5},
		"late": {"slow?ttft=8ms&tps=100000", providers.Chat, 1.3, 0.6}, "best": {"echo?report=false", providers.Chat, 3, 0.9}, "hang": {"hang?after=1", providers.Chat, 2, 0.1},
		"embedder": {"flaky?p=0.05&seed=3", providers.Embed, 0.7, 0}, "intent": {"classify?p=0.6", providers.Classify, 0.3, 0},
	} {
		c.Targets = append(c.Targets, orchestrator.Target{Generator: &uneven{Generator: backend}, Embedder: backend, Classifier: backend, Target: routing.Target{Name: name, Backend: "b-" + name,
			Kind: "scripted", Model: of.model, Does: of.does, Clearance: label.Restricted, Quality: of.quality, Price: &providers.Price{Input: of.price, Output: 4 * of.price, PerCall: 1e-9}}})
	}
	short, err := routing.CompileAnswerCondition("text.size() < 120")
	if err != nil {
		t.Fatal(err)
	}
	c.Policies = []routing.Policy{
		{Name: "cheap", Prefer: routing.Cheapest, Midstream: routing.MidstreamRestart, Attempts: 5, Targets: []string{"flaky", "cut", "echo"}},
		{Name: "raced", Prefer: routing.Best, Attempts: 3, Targets: []string{"late", "echo"}, Hedge: &routing.Hedge{After: 0.3, Budget: 0.9}},
		{Name: "picky", Prefer: routing.Cheapest, Attempts: 4, Targets: []string{"flaky", "echo", "best"}, Escalate: &routing.Escalation{When: short}},
	}
	store := testdb.SQLite(t)
	books := &tally{by: map[string]usage.Sum{}, names: map[string]int{}}
	var lost counter
	r := usage.New(store, usage.Config{Queue: 1000, Wait: time.Minute, Lost: lost.add})
	e, err := orchestrator.New(orchestrator.Services{Store: store, Sessions: store, Observer: orchestrator.Observers{books, r}}, c)
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	tenants := []string{"acme", "umbrella"}
	for _, name := range tenants { // of a tenant that is not there nothing is kept
		if err := store.TenantInsert(t.Context(), registry.Tenant{Name: name}); err != nil {
			t.Fatal(fault.Cause(err))
		}
	}
	for _, tenant := range tenants {
		ctx := auth.With(t.Context(), auth.Principal{Tenant: tenant, Name: "loader"})
		for i := range 20 { // the embedder fails now and then
			if results, err := e.Retrieval().Ingest(ctx, tenant, "docs", []retrieval.Source{
				{URI: fmt.Sprintf("%d.md", i), Content: fmt.Appendf(nil, "# Page %d\n\nSome words of page %d about the press.", i, i)}}, label.Restricted); err != nil && i == 19 {
				t.Fatal(err, results)
			}
		}
	}

	type outcome struct {
		settled  int
		cost     providers.Money
		finished *orchestrator.RunFinished
		reason   fault.Reason
		failed   map[fault.Reason]int
	}
	outcomes := make([]outcome, runs)
	var embedded providers.Money
	var embeddedMu sync.Mutex
	var wg sync.WaitGroup
	atOnce := make(chan struct{}, runs/16) // later runs go by what was seen of earlier ones
	for i := range runs {
		wg.Go(func() {
			atOnce <- struct{}{}
			defer func() { <-atOnce }()
			rng := rand.New(rand.NewPCG(uint64(i), 11))
			p := auth.Principal{Tenant: tenants[rng.IntN(2)], Name: fmt.Sprintf("key-%d", rng.IntN(3)), Ceiling: label.Restricted, Scopes: auth.AllScopes}
			ctx := auth.With(t.Context(), p)
			if rng.IntN(5) == 0 {
				if got, err := e.Embed(ctx, p, orchestrator.EmbedRequest{Texts: []string{"one two", "three"}}); err == nil {
					embeddedMu.Lock()
					embedded += got.Cost
					embeddedMu.Unlock()
				}
			}
			o := &outcomes[i]
			o.failed = map[fault.Reason]int{}
			question := "press"
			for range rng.IntN(40) {
				question += fmt.Sprintf(" word%d", rng.IntN(1000))
			}
			long := question
			if rng.IntN(10) == 0 {
				long = strings.Repeat("A sentence of a long text. ", 1200)
			}
			limits := orchestrator.Limits{Timeout: 10 * time.Minute}
			if rng.IntN(4) == 0 {
				limits.Budget, limits.Limited = providers.Money(rng.IntN(150_000)), true
			}
			for ev, err := range e.Run(ctx, p, orchestrator.RunRequest{Chain: "everything", Input: map[string]any{"q": question, "long": long}, Limits: limits}) {
				if err != nil {
					o.reason = fault.ReasonOf(err)
					continue
				}
				switch b := ev.Body.(type) {
				case *orchestrator.AttemptUsage:
					o.settled++
					o.cost += b.Cost
					o.failed[b.Failed]++
				case *orchestrator.RunFinished:
					o.finished = b
				}
			}
			if o.finished != nil && o.finished.Cost != o.cost {
				t.Errorf("run %d says %s, its attempts %s", i, o.finished.Cost, o.cost)
			}
		})
	}
	wg.Wait()
	if err := r.Close(); err != nil || lost.get() != 0 {
		t.Fatalf("%v, %d lost", err, lost.get())
	}

	var ran providers.Money
	settled, ends, failed := 0, map[fault.Reason]int{}, map[fault.Reason]int{}
	for _, o := range outcomes {
		ran += o.cost
		settled += o.settled
		ends[o.reason]++
		for reason, n := range o.failed {
			failed[reason] += n
		}
	}
	days := usage.Query{From: begun, Until: time.Now().AddDate(0, 0, 1)}
	got := map[string]usage.Sum{}
	var total, inRuns usage.Sum
	rows, overtaken, better, steps := 0, 0, 0, map[string]int{}
	for _, tenant := range tenants {
		q := days
		q.By = []usage.Dimension{usage.ByKey}
		sums, err := store.UsageSum(t.Context(), tenant, q)
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		for _, s := range sums {
			got[tenant+" "+s.Key] = usage.Sum{Attempts: s.Attempts, Cost: s.Cost}
			total.Join(&s)
		}
		q.By = []usage.Dimension{usage.ByChain}
		if sums, err = store.UsageSum(t.Context(), tenant, q); err != nil {
			t.Fatal(fault.Cause(err))
		}
		for _, s := range sums {
			if s.Chain == "everything" {
				inRuns.Join(&s)
			}
		}
		if err := store.UsageSince(t.Context(), tenant, time.Time{}, 0, func(r *usage.Record) error {
			rows++
			steps[r.Step]++
			if r.Step == "everything/raced" && r.Failed == string(fault.ReasonCanceled) {
				overtaken++
			}
			if r.Step == "everything/last" && r.Target == "best" {
				better++
			}
			return nil
		}); err != nil {
			t.Fatal(fault.Cause(err))
		}
	}
	if diff := cmp.Diff(books.by, got); diff != "" {
		t.Errorf("by tenant and key (-settled +summed):\n%s", diff)
	}
	if inRuns.Cost != ran || inRuns.Attempts != int64(settled) || ran == 0 {
		t.Errorf("the runs say %s in %d attempts, and their sums %s in %d", ran, settled, inRuns.Cost, inRuns.Attempts)
	}
	if beside := total.Cost - inRuns.Cost; beside < embedded || embedded == 0 {
		t.Errorf("vectors outside runs cost %s at least, and their sums say %s", embedded, beside)
	}
	if rows != len(books.names) || int64(rows) != total.Attempts {
		t.Errorf("%d records of %d attempts, summed as %d", rows, len(books.names), total.Attempts)
	}
	for name, n := range books.names {
		if n != 1 {
			t.Errorf("%d attempts are %q", n, name)
		}
	}
	t.Logf("%d attempts, %s; runs end %v, attempts %v, steps %v", rows, total.Cost, ends, failed, steps)
	for what, seen := range map[string]bool{
		"runs that went well": ends[""] > 0, "budgets that end": ends[fault.ReasonBudgetExceeded] > 0, "attempts that nobody waited for": failed[fault.ReasonCanceled] > 0,
		"streams that were cut": failed[fault.ReasonStreamTruncated] > 0, "estimates": total.Estimated > 0, "vectors outside": steps["embed"] > 0, "classes": steps["everything/kind"] > 0,
		"queries": steps["everything/found"] > 0, "vectors of steps": steps["everything/vector"] > 0, "parts of summaries": steps["everything/short/1"] > 0,
		"calls that were overtaken": overtaken > 0, "second answers": better > 0,
	} {
		if !seen {
			t.Errorf("the test does not reach %s", what)
		}
	}
}
