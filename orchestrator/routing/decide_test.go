package routing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"fairlead/internal/label"
	"fairlead/providers"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func price(in, out float64) *providers.Price { return &providers.Price{Input: in, Output: out} }

func fleet() []Candidate {
	return []Candidate{
		{Target: &Target{Name: "local", Backend: "gpu", Kind: "ollama", Does: providers.Chat | providers.Tools, Context: 8000,
			Clearance: label.Restricted, Price: price(0, 0), Quality: 0.6, TTFT: 300 * time.Millisecond, PerToken: 30 * time.Millisecond}},
		{Target: &Target{Name: "frontier", Backend: "api", Kind: "openai", Does: providers.Chat | providers.Tools | providers.Vision | providers.JSON,
			Context: 400000, Clearance: label.Internal, Price: price(0.25, 2), Quality: 0.9, TTFT: 500 * time.Millisecond, PerToken: 5 * time.Millisecond}},
		{Target: &Target{Name: "mystery", Backend: "api2", Kind: "openai", Does: providers.Chat, Clearance: label.Internal, Quality: -1}},
		{Target: &Target{Name: "quotes", Backend: "inside", Kind: "extractive", Does: providers.Extract, Clearance: label.Restricted,
			Price: price(0, 0), Quality: 0.2, TTFT: time.Millisecond, PerToken: time.Microsecond}},
	}
}

type condition func(*Request, *Target) (bool, error)

func (c condition) Holds(r *Request, t *Target) (bool, error) { return c(r, t) }

func TestDecide(t *testing.T) {
	chat := Request{Label: label.Internal, Needs: providers.Chat, PromptTokens: 1000, MaxOutput: 100}
	with := func(f func(*Request)) Request { r := chat; f(&r); return r }
	for _, tt := range []struct {
		name   string
		req    Request
		policy Policy
		state  map[string]State
		order  []string
		out    map[string]Reason
	}{
		{"cheapest, unknown price last", chat, Policy{Prefer: Cheapest}, nil,
			[]string{"local", "frontier", "mystery"}, map[string]Reason{"quotes": OutCapability}},
		{"best, unknown quality last", chat, Policy{Prefer: Best}, nil, []string{"frontier", "local", "mystery"}, nil},
		{"fastest, unknown latency last", chat, Policy{Prefer: Fastest}, nil, []string{"frontier", "local", "mystery"}, nil},
		{"documents let the quoter in", with(func(r *Request) { r.Documents = true }), Policy{Prefer: Best}, nil,
			[]string{"frontier", "local", "quotes", "mystery"}, nil},
		{"documents do not let it use tools", with(func(r *Request) { r.Documents = true; r.Needs |= providers.Tools }), Policy{Prefer: Best}, nil,
			[]string{"frontier", "local"}, map[string]Reason{"quotes": OutCapability, "mystery": OutCapability}},
		{"a label above the clearance", with(func(r *Request) { r.Label = label.Confidential }), Policy{Prefer: Best}, nil,
			[]string{"local"}, map[string]Reason{"frontier": OutLabel, "mystery": OutLabel, "quotes": OutCapability}},
		{"a label beats a pinned target", with(func(r *Request) { r.Label = label.Restricted }), Policy{Targets: []string{"frontier"}}, nil,
			nil, map[string]Reason{"frontier": OutLabel, "local": OutNotNamed}},
		{"vision", with(func(r *Request) { r.Needs |= providers.Vision }), Policy{}, nil,
			[]string{"frontier"}, map[string]Reason{"local": OutCapability}},
		{"a window too small", with(func(r *Request) { r.PromptTokens = 7950 }), Policy{Prefer: Cheapest}, nil,
			[]string{"frontier", "mystery"}, map[string]Reason{"local": OutContext}},
		{"minimum quality, unknown is out", chat, Policy{MinQuality: 0.7}, nil,
			[]string{"frontier"}, map[string]Reason{"local": OutQuality, "mystery": OutQuality}},
		{"a cost limit, unknown price is out", chat, Policy{MaxCost: providers.USD(0.0001)}, nil,
			[]string{"local"}, map[string]Reason{"frontier": OutCost, "mystery": OutCost}},
		{"a budget, unknown price is out", with(func(r *Request) { r.Left = Left{Limited: true, Money: providers.USD(0.0001)} }), Policy{}, nil,
			[]string{"local"}, map[string]Reason{"frontier": OutBudget, "mystery": OutBudget}},
		{"a budget of nothing pays for what is free", with(func(r *Request) { r.Left = Left{Limited: true} }), Policy{}, nil,
			[]string{"local"}, nil},
		{"first token", chat, Policy{Prefer: Best, MaxTTFT: 400 * time.Millisecond}, nil,
			[]string{"local", "mystery"}, map[string]Reason{"frontier": OutLatency}},
		{"whole latency", chat, Policy{Prefer: Best, MaxLatency: 2 * time.Second}, nil,
			[]string{"frontier", "mystery"}, map[string]Reason{"local": OutLatency}},
		{"paused", chat, Policy{Prefer: Best}, map[string]State{"frontier": {PausedUntil: now.Add(time.Second)}},
			[]string{"local", "mystery"}, map[string]Reason{"frontier": OutPaused}},
		{"an open breaker", chat, Policy{Prefer: Best}, map[string]State{"frontier": {OpenFor: time.Second}},
			[]string{"local", "mystery"}, map[string]Reason{"frontier": OutOpen}},
		{"what was observed counts, not the prior", chat, Policy{Prefer: Fastest}, map[string]State{
			"frontier": {Prediction: &Prediction{TTFT: time.Second, TTFTKnown: true, Latency: 9 * time.Second, Known: true}},
			"mystery":  {Prediction: &Prediction{TTFT: time.Millisecond, TTFTKnown: true, Latency: time.Second, Known: true}}},
			[]string{"mystery", "local", "frontier"}, nil},
		{"the queue counts", chat, Policy{Prefer: Best, MaxTTFT: 400 * time.Millisecond}, map[string]State{
			"local": {Prediction: &Prediction{Wait: time.Second, TTFT: time.Millisecond, TTFTKnown: true}}},
			[]string{"mystery"}, map[string]Reason{"local": OutLatency, "frontier": OutLatency}},
		{"what is only assumed rules nothing out", chat, Policy{Prefer: Best, MaxTTFT: 400 * time.Millisecond}, map[string]State{
			"frontier": {Prediction: &Prediction{TTFT: time.Second, TTFTKnown: true, Assumed: true}}},
			[]string{"frontier", "local", "mystery"}, nil},
		{"too late for what is left", with(func(r *Request) { r.Left.Deadline = now.Add(time.Second) }), Policy{Prefer: Best}, map[string]State{
			"frontier": {Prediction: &Prediction{Finish: 0.01, FinishKnown: true}}, "local": {Prediction: &Prediction{Finish: 0.9, FinishKnown: true}}},
			[]string{"local", "mystery"}, map[string]Reason{"frontier": OutDeadline}},
		{"a probe goes first, if it qualifies", chat, Policy{Prefer: Best}, map[string]State{"mystery": {Probe: true}, "quotes": {Probe: true}},
			[]string{"mystery", "frontier", "local"}, map[string]Reason{"quotes": OutCapability}},
		{"a pause that is over", chat, Policy{Prefer: Best}, map[string]State{"frontier": {PausedUntil: now}},
			[]string{"frontier", "local", "mystery"}, nil},
		{"a condition", chat, Policy{Prefer: Best, When: condition(func(_ *Request, t *Target) (bool, error) { return t.Kind == "ollama", nil })}, nil,
			[]string{"local"}, map[string]Reason{"frontier": OutWhen}},
		{"a condition that fails lets nothing in", chat, Policy{When: condition(func(*Request, *Target) (bool, error) { return true, errors.New("boom") })}, nil,
			nil, map[string]Reason{"local": OutWhen, "frontier": OutWhen}},
		{"another dialect's fields", with(func(r *Request) { r.Dialect = "openai"; r.DialectFields = []string{"logprobs"} }), Policy{Prefer: Best}, nil,
			[]string{"frontier", "mystery"}, map[string]Reason{"local": OutDialect}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			candidates := fleet()
			for i := range candidates {
				candidates[i].State = tt.state[candidates[i].Target.Name]
			}
			for range 4 { // whatever their order
				rand.Shuffle(len(candidates), func(i, j int) { candidates[i], candidates[j] = candidates[j], candidates[i] })
				plan := Decide(&tt.req, candidates, &tt.policy, now)
				var order []string
				for i, r := range plan.Order() {
					order = append(order, r.Target.Name)
					if r.Rank != i+1 || r.Reason != In {
						t.Errorf("record %d: rank %d, reason %q", i, r.Rank, r.Reason)
					}
				}
				if fmt.Sprint(order) != fmt.Sprint(tt.order) {
					t.Fatalf("order %v, want %v (%s)", order, tt.order, plan.Summary())
				}
				if len(plan.Records) != len(candidates) {
					t.Errorf("%d records of %d targets", len(plan.Records), len(candidates))
				}
				for _, r := range plan.Records[plan.Eligible:] {
					if r.Reason == In || r.Detail() == "" || r.Rank != 0 {
						t.Errorf("%s is out without a reason: %+v", r.Target.Name, r)
					}
					if want, ok := tt.out[r.Target.Name]; ok && r.Reason != want {
						t.Errorf("%s is out for %q, want %q", r.Target.Name, r.Reason, want)
					}
				}
				if (plan.Eligible == 0) != (plan.Summary() == "no target qualifies") {
					t.Errorf("summary %q", plan.Summary())
				}
			}
		})
	}
}

// Over random fleets, policies and requests: no plan ever holds a target below the label, lacking a
// capability, over a hard limit; every score is in [0,1]; and adding a target never makes the best worse.
func TestDecideProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	target := func(i int) Candidate {
		tg := &Target{Name: fmt.Sprintf("t%02d", i), Kind: []string{"openai", "ollama"}[rng.IntN(2)],
			Does: providers.Chat | providers.Capability(rng.IntN(128)), Clearance: label.Label(1 + rng.IntN(4)), Quality: rng.Float64()*1.2 - 0.2}
		if rng.IntN(3) > 0 {
			tg.Price = price(rng.Float64(), rng.Float64()*3)
		}
		if rng.IntN(3) > 0 {
			tg.Context = rng.IntN(5000)
		}
		return Candidate{Target: tg}
	}
	for range 2000 {
		var candidates []Candidate
		for i := range 1 + rng.IntN(12) {
			candidates = append(candidates, target(i))
		}
		req := &Request{Label: label.Label(1 + rng.IntN(4)), Needs: providers.Capability(rng.IntN(16)) | providers.Chat,
			PromptTokens: rng.IntN(4000), MaxOutput: rng.IntN(1000), Left: Left{Limited: rng.IntN(2) == 0, Money: providers.USD(rng.Float64() / 500)}}
		policy := &Policy{Prefer: []Preference{Cheapest, Best, Fastest}[rng.IntN(3)], MinQuality: rng.Float64() / 2 * float64(rng.IntN(2)),
			MaxCost: providers.USD(rng.Float64()/200) * providers.Money(rng.IntN(2))}
		plan := Decide(req, candidates, policy, now)
		for _, r := range plan.Order() {
			tg := r.Target
			if tg.Clearance < req.Label || !tg.Does.Has(req.Needs) || policy.MinQuality > 0 && tg.Quality < policy.MinQuality ||
				policy.MaxCost > 0 && (!r.CostKnown || r.Cost > policy.MaxCost) ||
				req.Left.Limited && (!r.CostKnown || r.Cost > req.Left.Money) ||
				tg.Context > 0 && req.PromptTokens+req.MaxOutput > tg.Context {
				t.Fatalf("%+v is in the plan of %+v under %+v", tg, req, policy)
			}
			if r.Scored && (r.Score < 0 || r.Score > 1) {
				t.Fatalf("score %v", r.Score)
			}
		}
		more := Decide(req, append(candidates, target(99)), policy, now)
		if plan.Eligible > 0 && plan.Records[0].Scored && more.Records[0].Score < plan.Records[0].Score {
			t.Fatalf("adding a target made the best score worse: %v → %v", plan.Records[0].Score, more.Records[0].Score)
		}
	}
}

func BenchmarkDecide50(b *testing.B) {
	var candidates []Candidate
	for range 13 {
		candidates = append(candidates, fleet()...)
	}
	req := &Request{Label: label.Internal, Needs: providers.Chat, PromptTokens: 1000, MaxOutput: 100}
	policy := &Policy{Prefer: Cheapest}
	b.ReportAllocs()
	for b.Loop() {
		Decide(req, candidates[:50], policy, now)
	}
}
