package record_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/orchestrator/record"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// A step whose caller had a canary is decided anew with that canary, as long as there is the target.
func TestSimulationsKeepTheCallersVariant(t *testing.T) {
	canary := *small
	canary.Name, canary.Of, canary.Model = "small@canary", "small", "new"
	step := recorded(label.Internal)
	step.Candidates[0] = kept(&canary, 1, 20, time.Second)
	only := routing.Policy{Name: "default", Prefer: routing.Best, Targets: []string{"small"}}
	for name, c := range map[string]struct {
		targets []routing.Target
		want    record.Move
	}{
		"as recorded":      {nil, record.Move{From: "small@canary", To: "small@canary", Steps: 1}},
		"as configured":    {[]routing.Target{*small, *big}, record.Move{From: "small@canary", To: "small@canary", Steps: 1}},
		"without a target": {[]routing.Target{*big}, record.Move{From: "small@canary", Steps: 1}},
	} {
		s := record.NewSimulation([]routing.Policy{only}, c.targets)
		s.Add(step)
		if r := s.Report(); len(r.Moves) != 1 || r.Moves[0] != c.want || r.NoEvidence != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestARecordSaysWhatStoodIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		r := record.New(s, record.Config{})
		now := time.Now()
		q := &routing.Request{Step: "chat", Tenant: "t", Label: label.Internal, Needs: providers.Chat}
		p := &routing.Policy{Name: "default"}
		candidates := []routing.Candidate{{Target: small, State: routing.State{InsteadOf: "small@canary"}}}
		play(r, "run", nil, &orchestrator.RouteDecided{Request: q, Policy: p, Candidates: candidates, Now: now, Plan: routing.Decide(q, candidates, p, now)},
			started(1, small), used(1, small), &orchestrator.StepFinished{Status: orchestrator.StepDone})
		_ = r.Close()
		if len(s.kept) != 1 || s.kept[0].Candidates[0].InsteadOf != "small@canary" || s.kept[0].Chosen != "small" {
			t.Fatalf("%+v", s.kept)
		}
		text, err := json.Marshal(s.kept[0])
		if err != nil || !strings.Contains(string(text), `"instead_of":"small@canary"`) {
			t.Errorf("%s, %v", text, err)
		}
	})
}
