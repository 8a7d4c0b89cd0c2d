package routing

import (
	"strings"
	"testing"

	"fairlead/internal/label"
	"fairlead/providers"
)

func TestAnExpectedQualityTakesThePlaceOfTheTargetsOwn(t *testing.T) {
	req := Request{Label: label.Internal, Needs: providers.Chat, PromptTokens: 1000, MaxOutput: 100}
	expected := map[string]*QualityEstimate{
		"local":   {Value: 0.95, Low: 0.9, High: 0.97, Source: "learned"},
		"mystery": {Value: 0.71, Low: 0.62, High: 0.8, Source: "learned"},
	}
	decide := func(req Request, p Policy) *Plan {
		candidates := fleet()
		for i := range candidates {
			candidates[i].State.Quality = expected[candidates[i].Target.Name]
		}
		return Decide(&req, candidates, &p, now)
	}
	names := func(p *Plan) string {
		var order []string
		for i := range p.Order() {
			order = append(order, p.Records[i].Target.Name)
		}
		return strings.Join(order, " ")
	}
	detail := func(p *Plan, name string) string {
		for i := range p.Records {
			if p.Records[i].Target.Name == name {
				return p.Records[i].Detail()
			}
		}
		return ""
	}

	best := decide(req, Policy{Prefer: Best})
	if got := names(best); got != "local frontier mystery" {
		t.Errorf("the best first: %s", got)
	}
	if got := best.Summary(); !strings.Contains(got, "best quality, 0.95 (learned, 0.90-0.97),") {
		t.Errorf("the summary says %q", got)
	}
	if best.Records[0].Score != 0.95 || best.Records[0].Quality() != 0.95 || best.Records[1].Quality() != 0.9 {
		t.Errorf("scores %v", best.Records[0].Score)
	}

	// What is expected lets in, and keeps out.
	good := decide(req, Policy{Prefer: Cheapest, MinQuality: 0.92})
	if got := names(good); got != "local" {
		t.Errorf("at least 0.92: %s", got)
	}
	if got := detail(good, "mystery"); got != "quality 0.71 (learned, 0.62-0.80) is under the policy's 0.92" {
		t.Errorf("why mystery is out: %q", got)
	}
	if got := detail(good, "frontier"); got != "quality 0.90 is under the policy's 0.92" {
		t.Errorf("why frontier is out: %q", got)
	}

	weighed := decide(req, Policy{Weights: Weights{Quality: 1}})
	if got := names(weighed); got != "local frontier mystery" || weighed.Records[0].ScoreQuality() != 0.95 {
		t.Errorf("by weight: %s, %v", got, weighed.Records[0].ScoreQuality())
	}

	// It lets nobody past what a target may see, however good it would be.
	expected["frontier"] = &QualityEstimate{Value: 1, Low: 1, High: 1, Source: "learned"}
	secret := req
	secret.Label = label.Restricted
	if got := names(decide(secret, Policy{Prefer: Best})); got != "local" {
		t.Errorf("restricted: %s", got)
	}
	poor := req
	poor.Left = Left{Limited: true}
	if got := names(decide(poor, Policy{Prefer: Best})); got != "local" {
		t.Errorf("without money: %s", got)
	}
}
