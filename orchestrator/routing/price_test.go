package routing

import (
	"strings"
	"testing"
	"time"

	"fairlead/internal/label"
	"fairlead/providers"
)

// What is paid by time costs what it is expected to take, and is out where cost is limited while nobody knows.
func TestTimeThatIsPaidIsReckonedWithAndUnknownTimeIsNotNothing(t *testing.T) {
	req := &Request{Label: label.Internal, Needs: providers.Chat, PromptTokens: 100, MaxOutput: 100}
	hourly := func(change func(*Target)) *Target {
		out := &Target{Name: "gpu", Backend: "pool", Kind: "openai", Does: providers.Chat, Clearance: label.Internal, Quality: 0.5, Price: &providers.Price{GPUHour: 3.6}}
		if change != nil {
			change(out)
		}
		return out
	}
	priors := func(t *Target) { t.TTFT, t.PerToken = 500*time.Millisecond, 15*time.Millisecond }
	for name, tt := range map[string]struct {
		target     *Target
		prediction *Prediction
		want       providers.Money
		known      bool
	}{
		"nothing known":              {hourly(nil), nil, 0, false},
		"priors":                     {hourly(priors), nil, providers.USD(0.002), true},
		"observed, without the wait": {hourly(nil), &Prediction{Wait: 9 * time.Second, Latency: 12 * time.Second, Known: true}, providers.USD(0.003), true},
		"a guess from the kind":      {hourly(nil), &Prediction{Latency: 2 * time.Second, Known: true, Assumed: true}, 0, false},
		"not observed":               {hourly(nil), &Prediction{}, 0, false},
	} {
		for limit, policy := range map[string]Policy{"no limit": {}, "a limit": {MaxCost: providers.USD(0.0025)}} {
			plan := Decide(req, []Candidate{{Target: tt.target, State: State{Prediction: tt.prediction}}}, &policy, time.Time{})
			r := plan.Records[0]
			if r.Cost != tt.want || r.CostKnown != tt.known {
				t.Errorf("%s: cost %s, known %t", name, r.Cost, r.CostKnown)
			}
			if in := limit == "no limit" || tt.known && tt.want <= policy.MaxCost; in != (r.Reason == In) {
				t.Errorf("%s under %s: %q", name, limit, r.Reason)
			}
			if limit == "a limit" && !tt.known && !strings.Contains(r.Detail(), "paid by the hour") {
				t.Errorf("%s: %s", name, r.Detail())
			}
		}
	}
}

// A target has a count of its own for the prompt, which decides about its window and its cost.
func TestEachTargetHasItsOwnCountOfThePrompt(t *testing.T) {
	req := &Request{Label: label.Internal, Needs: providers.Chat | providers.Vision, PromptTokens: 900, MaxOutput: 100, Images: 2}
	small := &Target{Name: "t", Kind: "openai", Does: providers.Chat | providers.Vision, Clearance: label.Internal, Context: 1000, Price: &providers.Price{Input: 1, PerImage: 0.5}}
	for tokens, in := range map[int]bool{0: true, 800: true, 901: false} {
		r := Decide(req, []Candidate{{Target: small, State: State{PromptTokens: tokens}}}, &Policy{}, time.Time{}).Records[0]
		want := tokens
		if tokens == 0 {
			want = req.PromptTokens
		}
		if (r.Reason == In) != in || r.PromptTokens != want || r.Cost != providers.Money(want*1000)+providers.USD(1) {
			t.Errorf("%d tokens: %q, %d, %s", tokens, r.Detail(), r.PromptTokens, r.Cost)
		}
	}
}
