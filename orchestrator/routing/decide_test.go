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

// predicted gives states in which the whole answers of local, frontier and mystery take so long.
func predicted(local, frontier, mystery time.Duration) map[string]State {
	state := func(d time.Duration) State {
		return State{Prediction: &Prediction{TTFT: d / 4, TTFTKnown: true, Latency: d, Known: true}}
	}
	return map[string]State{"local": state(local), "frontier": state(frontier), "mystery": state(mystery)}
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
		{"the smallest window that fits", with(func(r *Request) { r.PromptTokens = 7900 }), Policy{Prefer: Cheapest}, nil, []string{"local", "frontier", "mystery"}, nil},
		{"quality exactly as demanded", chat, Policy{MinQuality: 0.9}, nil, []string{"frontier"}, map[string]Reason{"local": OutQuality}},
		{"a cost exactly at the limit", chat, Policy{Prefer: Best, MaxCost: providers.USD(0.00045)}, nil, []string{"frontier", "local"}, nil},
		{"a cost a billionth over it", chat, Policy{Prefer: Best, MaxCost: providers.USD(0.000449999)}, nil, []string{"local"}, map[string]Reason{"frontier": OutCost}},
		{"a window's reason comes before a price's", with(func(r *Request) { r.PromptTokens = 8001 }), Policy{MaxCost: 1}, nil,
			nil, map[string]Reason{"local": OutContext, "frontier": OutCost}},
		{"a policy's list", chat, Policy{Prefer: Best, Targets: []string{"mystery", "local"}}, nil,
			[]string{"local", "mystery"}, map[string]Reason{"frontier": OutNotNamed}},
		{"embedding, which none does", Request{Label: label.Public, Needs: providers.Embed}, Policy{}, nil, nil, map[string]Reason{"local": OutCapability, "quotes": OutCapability}},
		{"output that is not said", with(func(r *Request) { r.MaxOutput = 0 }), Policy{Prefer: Best, MaxCost: providers.USD(0.002)}, nil,
			[]string{"local"}, map[string]Reason{"frontier": OutCost}},
		{"label first, whatever else is wrong", with(func(r *Request) { r.Label = label.Restricted; r.PromptTokens = 1 << 20 }), Policy{MinQuality: 1, MaxCost: 1}, nil,
			nil, map[string]Reason{"frontier": OutLabel, "mystery": OutLabel, "local": OutContext}},
		{"fastest, ties go to the better", chat, Policy{Prefer: Fastest}, predicted(time.Second, time.Second, time.Second),
			[]string{"frontier", "local", "mystery"}, nil},

		{"weights: latency above all", chat, Policy{Weights: Weights{Cost: 0.2, Latency: 0.7, Quality: 0.1}}, predicted(4*time.Second, time.Second, 250*time.Millisecond),
			// mystery 0 + 0.7×0.80 + 0; frontier 0.2×0.957 + 0.7×0.5 + 0.1×0.9; local 0.2 + 0.7×0.2 + 0.1×0.6
			[]string{"frontier", "mystery", "local"}, nil},
		{"weights: cost alone is as cheapest", chat, Policy{Prefer: Best, Weights: Weights{Cost: 3}}, nil, []string{"local", "frontier", "mystery"}, nil},
		{"weights: quality alone is as best", chat, Policy{Weights: Weights{Quality: 0.1}}, nil, []string{"frontier", "local", "mystery"}, nil},
		{"weights: latency alone is as fastest", chat, Policy{Weights: Weights{Latency: 1}}, nil, []string{"frontier", "local", "mystery"}, nil},
		{"weights: a scale makes cents count", chat, Policy{Weights: Weights{Cost: 1, Quality: 1}, Scales: Scales{Cost: providers.USD(0.0001)}}, nil,
			// local 0.5 + 0.3; frontier 0.5×0.18 + 0.45; with a scale of a cent frontier would be first
			[]string{"local", "frontier", "mystery"}, nil},
		{"weights: a cent's scale", chat, Policy{Weights: Weights{Cost: 1, Quality: 1}}, nil, []string{"frontier", "local", "mystery"}, nil},
		{"weights: limits hold", chat, Policy{Weights: Weights{Latency: 1}, MinQuality: 0.5, MaxLatency: 2 * time.Second}, nil,
			[]string{"frontier"}, map[string]Reason{"mystery": OutQuality, "local": OutLatency}},
		{"weights: a probe goes first", chat, Policy{Weights: Weights{Latency: 1}}, map[string]State{"local": {Probe: true}}, []string{"local", "frontier", "mystery"}, nil},

		{"on none: fail", chat, Policy{MinQuality: 0.95, OnNone: OnNoneFail}, nil, nil, map[string]Reason{"local": OutQuality, "frontier": OutQuality}},
		{"on none: the cheapest without the limits", chat, Policy{Prefer: Best, MinQuality: 0.95, OnNone: OnNoneCheapest}, nil,
			[]string{"local", "frontier", "mystery"}, map[string]Reason{"quotes": OutCapability}},
		{"on none: not while one qualifies", chat, Policy{MinQuality: 0.7, OnNone: OnNoneCheapest}, nil, []string{"frontier"}, map[string]Reason{"local": OutQuality}},
		{"on none: cost and latency are soft", chat, Policy{Prefer: Best, MaxCost: 1, MaxTTFT: time.Millisecond, OnNone: OnNoneCheapest}, nil,
			[]string{"local", "frontier", "mystery"}, nil},
		{"on none: the label holds", with(func(r *Request) { r.Label = label.Confidential }), Policy{MinQuality: 0.95, OnNone: OnNoneCheapest}, nil,
			[]string{"local"}, map[string]Reason{"frontier": OutLabel, "mystery": OutLabel}},
		{"on none: the budget holds", with(func(r *Request) { r.Left = Left{Limited: true, Money: 5} }), Policy{MinQuality: 0.95, OnNone: OnNoneCheapest}, nil,
			[]string{"local"}, map[string]Reason{"frontier": OutBudget, "mystery": OutBudget}},
		{"on none: the condition holds", chat, Policy{MinQuality: 0.95, OnNone: OnNoneCheapest, When: condition(func(_ *Request, t *Target) (bool, error) { return t.Kind == "openai", nil })}, nil,
			[]string{"frontier", "mystery"}, map[string]Reason{"local": OutWhen}},
		{"on none: the list holds", chat, Policy{MinQuality: 0.95, OnNone: OnNoneCheapest, Targets: []string{"frontier"}}, nil,
			[]string{"frontier"}, map[string]Reason{"local": OutNotNamed}},
		{"on none: pause and breaker hold", chat, Policy{MinQuality: 0.95, OnNone: OnNoneCheapest}, map[string]State{"local": {OpenFor: time.Second}, "frontier": {PausedUntil: now.Add(time.Second)}},
			[]string{"mystery"}, map[string]Reason{"local": OutOpen, "frontier": OutPaused}},
		{"on none: the deadline holds", with(func(r *Request) { r.Left.Deadline = now.Add(time.Second) }), Policy{MinQuality: 0.95, OnNone: OnNoneCheapest}, map[string]State{
			"frontier": {Prediction: &Prediction{Finish: 0.01, FinishKnown: true}}}, []string{"local", "mystery"}, map[string]Reason{"frontier": OutDeadline}},
		{"on none: nothing but hard reasons", with(func(r *Request) { r.Needs |= providers.Embed }), Policy{OnNone: OnNoneCheapest}, nil, nil, map[string]Reason{"local": OutCapability}},
		{"on none: quotes", with(func(r *Request) { r.Documents = true }), Policy{MinQuality: 0.95, OnNone: OnNoneExtractive}, nil,
			[]string{"quotes"}, map[string]Reason{"local": OutQuality, "frontier": OutQuality}},
		{"on none: quotes need documents", chat, Policy{MinQuality: 0.95, OnNone: OnNoneExtractive}, nil, nil, map[string]Reason{"quotes": OutCapability, "local": OutQuality}},
		{"what the caller may not use", with(func(r *Request) { r.Allowed = []string{"local", "elsewhere"} }), Policy{Prefer: Best}, nil,
			[]string{"local"}, map[string]Reason{"frontier": OutNotAllowed, "mystery": OutNotAllowed}},
		{"a list of nothing allows nothing", with(func(r *Request) { r.Allowed = []string{} }), Policy{Prefer: Best, OnNone: OnNoneCheapest}, nil,
			nil, map[string]Reason{"local": OutNotAllowed, "frontier": OutNotAllowed}},
		{"the caller's list and the policy's", with(func(r *Request) { r.Allowed = []string{"local"} }), Policy{Targets: []string{"frontier"}}, nil,
			nil, map[string]Reason{"local": OutNotNamed, "frontier": OutNotAllowed}},
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
