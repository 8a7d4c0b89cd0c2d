package routing_test

import (
	"testing"
	"time"

	"fairlead/internal/label"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

func TestAVariantGoesByTheNameOfItsTarget(t *testing.T) {
	variant := &routing.Target{Name: "triage@canary", Of: "triage", Does: providers.Chat, Clearance: label.Internal, Quality: -1}
	named, err := routing.CompileCondition("target.name == 'triage'")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		allowed, targets []string
		when             routing.Condition
		want             routing.Reason
	}{
		{nil, nil, named, routing.In},
		{[]string{"triage"}, []string{"triage"}, nil, routing.In},
		{[]string{"triage@canary"}, nil, nil, routing.OutNotAllowed},
		{[]string{}, nil, nil, routing.OutNotAllowed},
		{nil, []string{"triage@canary"}, nil, routing.OutNotNamed},
	} {
		q := &routing.Request{Label: label.Internal, Needs: providers.Chat, Allowed: c.allowed}
		plan := routing.Decide(q, []routing.Candidate{{Target: variant}}, &routing.Policy{Targets: c.targets, When: c.when}, time.Now())
		if got := plan.Records[0].Reason; got != c.want {
			t.Errorf("allowed %v, named %v: %q, want %q", c.allowed, c.targets, got, c.want)
		}
	}
}

func TestWhatStandsInSaysSo(t *testing.T) {
	stable := &routing.Target{Name: "triage", Does: providers.Chat, Clearance: label.Internal, Quality: -1}
	q := &routing.Request{Label: label.Internal, Needs: providers.Chat}
	plan := routing.Decide(q, []routing.Candidate{{Target: stable, State: routing.State{InsteadOf: "triage@canary"}}}, &routing.Policy{}, time.Now())
	rec := &plan.Records[0]
	if rec.InsteadOf != "triage@canary" || rec.Detail() != "it stands in for triage@canary, which is left alone for a moment" {
		t.Errorf("%q, %q", rec.InsteadOf, rec.Detail())
	}
}
