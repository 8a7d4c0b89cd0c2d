package record_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/label"
	"fairlead/orchestrator/record"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// kept is a candidate of which so many samples spoke.
func kept(t *routing.Target, rank int, samples float64, latency time.Duration) record.Candidate {
	c := record.Candidate{Target: record.Target{Target: *t, Does: t.Does.Names()}, Rank: rank, Latency: latency, CostKnown: true,
		Cost: t.Price.Cost(providers.Usage{Input: 100, Output: 50})}
	if samples > 0 {
		c.Prediction = &routing.Prediction{Latency: latency, Known: true, Samples: samples, Source: "observed"}
	}
	return c
}

// recorded is a step under the cheapest that went to small, with what was seen of both.
func recorded(l label.Label) *record.Decision {
	return &record.Decision{RunID: "r", Tenant: "t", Step: "chat", Policy: "default", Quantile: routing.DefaultQuantile, Label: l, Needs: []string{"chat"},
		PromptTokens: 100, MaxOutput: 50, Time: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		Candidates: []record.Candidate{kept(small, 1, 20, time.Second), kept(big, 2, 30, 3*time.Second)}}
}

func TestSimulation(t *testing.T) {
	cheapest := routing.Policy{Name: "default", Prefer: routing.Cheapest}
	best := routing.Policy{Name: "default", Prefer: routing.Best}
	none := routing.Policy{Name: "default", MinQuality: 0.99}
	fresh := routing.Target{Name: "fresh", Does: providers.Chat, Clearance: label.Restricted, Quality: 1, Price: &providers.Price{}, TTFT: time.Second, PerToken: time.Millisecond, Origin: "config"}
	renamed := *big
	renamed.Model = "another"
	lower := *small
	lower.Clearance = label.Public
	pinned := recorded(label.Internal)
	pinned.Pinned = "small"
	named := recorded(label.Internal)
	named.Policy, named.Pinned = "target/small", "small"
	foreign := recorded(label.Internal)
	foreign.Policy = "gone"
	other := recorded(label.Internal)
	other.Quantile = 0.5
	paused := recorded(label.Internal)
	paused.Candidates[0].PausedFor = time.Second
	found := recorded(label.Internal)
	found.Candidates[0].Target.Origin = "found"
	type want struct {
		Steps, Changed, NoTarget, NewlyNone, NoEvidence, Unknown, LeftOut, OtherQuantile int
		To                                                                               string
		NewCost, NewLatency                                                              float64
	}
	for name, c := range map[string]struct {
		policy  routing.Policy
		targets []routing.Target
		step    *record.Decision
		want    want
	}{
		"the same":                           {cheapest, nil, recorded(label.Internal), want{Steps: 1, To: "small", NewCost: 0.00015, NewLatency: 1}},
		"another preference":                 {best, nil, recorded(label.Internal), want{Steps: 1, Changed: 1, To: "big", NewCost: 0.0015, NewLatency: 3}},
		"its label forbids the other":        {best, nil, recorded(label.Restricted), want{Steps: 1, To: "small", NewCost: 0.00015, NewLatency: 1}},
		"nothing is good enough":             {none, nil, recorded(label.Internal), want{Steps: 1, Changed: 1, NoTarget: 1, NewlyNone: 1}},
		"a target that nobody saw":           {best, []routing.Target{*small, *big, fresh}, recorded(label.Internal), want{Steps: 1, Changed: 1, NoEvidence: 1, Unknown: 1, To: "fresh", NewLatency: 1.05}},
		"the name of another model":          {best, []routing.Target{*small, renamed}, recorded(label.Internal), want{Steps: 1, Changed: 1, NoEvidence: 1, To: "big", NewCost: 0.0015}},
		"a clearance that was lowered":       {cheapest, []routing.Target{lower, *big}, recorded(label.Internal), want{Steps: 1, Changed: 1, To: "big", NewCost: 0.0015, NewLatency: 3}},
		"a target that is taken out":         {cheapest, []routing.Target{*big}, recorded(label.Internal), want{Steps: 1, Changed: 1, To: "big", NewCost: 0.0015, NewLatency: 3}},
		"one that was found stays":           {cheapest, []routing.Target{*big}, found, want{Steps: 1, To: "small", NewCost: 0.00015, NewLatency: 1}},
		"a step that pins its target":        {best, nil, pinned, want{Steps: 1, To: "small", NewCost: 0.00015, NewLatency: 1}},
		"one that the policy does not name":  {routing.Policy{Name: "default", Targets: []string{"big"}}, nil, pinned, want{Steps: 1, Changed: 1, NoTarget: 1, NewlyNone: 1}},
		"the caller's own choice":            {none, nil, named, want{Steps: 1, To: "small", NewCost: 0.00015, NewLatency: 1}},
		"a policy that is not there":         {best, nil, foreign, want{LeftOut: 1}},
		"another quantile":                   {cheapest, nil, other, want{Steps: 1, OtherQuantile: 1, To: "small", NewCost: 0.00015, NewLatency: 1}},
		"a target that was to be left alone": {cheapest, nil, paused, want{Steps: 1, Changed: 1, To: "big", NewCost: 0.0015, NewLatency: 3}},
		"a limit that what was seen exceeds": {routing.Policy{Name: "default", Prefer: routing.Best, MaxLatency: 2 * time.Second}, nil, recorded(label.Internal), want{Steps: 1, To: "small", NewCost: 0.00015, NewLatency: 1}},
		"no targets at all":                  {cheapest, []routing.Target{}, recorded(label.Internal), want{Steps: 1, Changed: 1, NoTarget: 1, NewlyNone: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			s := record.NewSimulation([]routing.Policy{c.policy}, c.targets)
			s.Add(c.step)
			r := s.Report()
			got := want{r.Steps, r.Changed, r.NoTarget, r.NewlyNone, r.NoEvidence, r.Unknown, r.LeftOut, r.OtherQuantile, "", r.Cost.New, math.Round(r.Latency.New*1e6) / 1e6}
			if len(r.Moves) > 0 {
				got.To = r.Moves[0].To
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if r.Violations != 0 {
				t.Errorf("%d violations", r.Violations)
			}
		})
	}
}

func TestSimulationSums(t *testing.T) {
	s := record.NewSimulation([]routing.Policy{{Name: "default", Prefer: routing.Best}}, nil)
	for i := range 10 {
		s.Add(recorded([]label.Label{label.Internal, label.Restricted}[i%2]))
	}
	r := s.Report()
	if diff := cmp.Diff([]record.Move{{From: "small", To: "big", Steps: 5}, {From: "small", To: "small", Steps: 5}}, r.Moves); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("%s = %g, want %g", what, got, want)
		}
	}
	near("the old cost", r.Cost.Old, 10*0.00015)
	near("the new cost", r.Cost.New, 5*0.00015+5*0.0015)
	near("the mean difference", r.Cost.PerStep.Mean, (0.0015-0.00015)/2)
	near("the increase", r.Cost.Increase(), 4.5)
	near("the latency", r.Latency.New-r.Latency.Old, 10)
	if e := r.Cost.PerStep; e.Low <= 0 || e.Low >= e.Mean || e.High <= e.Mean || e.High >= 0.00135 {
		t.Errorf("interval %+v", e)
	}
	for limit, want := range map[float64]int{4.4: 1, 4.6: 0} {
		if got := r.Crossed(record.Limits{CostIncrease: limit}); len(got) != want {
			t.Errorf("at %g: %v", limit, got)
		}
	}
	r.Violations = 2
	if got := r.Crossed(record.Limits{CostIncrease: 5, Violations: 1}); len(got) != 1 || len(r.Crossed(record.Limits{CostIncrease: 5, Violations: 2})) != 0 {
		t.Errorf("violations: %v", got)
	}
}

// A condition that lets nothing in, or everything, cannot make the label a matter of policy.
func TestNoPolicyBreaksALabel(t *testing.T) {
	policies := []routing.Policy{{Name: "default", Prefer: routing.Best, Targets: []string{"big"}}, {Name: "relaxed", Prefer: routing.Fastest, MinQuality: 0.9}}
	for i := range policies {
		policies[i].Name = "default"
		s := record.NewSimulation(policies[i:i+1], nil)
		s.Add(recorded(label.Restricted))
		if r := s.Report(); r.Violations != 0 || r.NoTarget != 1 {
			t.Errorf("policy %d: %+v", i, r)
		}
	}
}

func TestIncreaseFromNothing(t *testing.T) {
	if got := (&record.Comparison{New: 1}).Increase(); !math.IsInf(got, 1) {
		t.Errorf("%g", got)
	}
	if got := (&record.Comparison{}).Increase(); got != 0 {
		t.Errorf("%g", got)
	}
}

func BenchmarkSimulation(b *testing.B) {
	s := record.NewSimulation([]routing.Policy{{Name: "default", Prefer: routing.Best}}, nil)
	d := recorded(label.Internal)
	for b.Loop() {
		s.Add(d)
	}
}
