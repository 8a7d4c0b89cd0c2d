package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator/record"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// noon is when the decisions of these tests begin.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

// decision is one of a run, so many minutes after noon.
func decision(who, run string, seq int64, minutes int) record.Decision {
	return record.Decision{RunID: run, Seq: seq, Time: noon.Add(time.Duration(minutes) * time.Minute), Tenant: who, Step: "chat", Policy: "default",
		Label: label.Internal, Needs: []string{"chat"}, Outcome: record.OK}
}

func mustRecord(t *testing.T, s Store, who string, list ...record.Decision) {
	t.Helper()
	if err := s.DecisionsAppend(t.Context(), who, list); err != nil {
		t.Fatalf("DecisionsAppend: %v", fault.Cause(err))
	}
}

// recorded gives the decisions of a tenant as "run/seq".
func recorded(t *testing.T, s Store, who string, since time.Time, limit int) (names []string) {
	t.Helper()
	if err := s.DecisionsSince(t.Context(), who, since, limit, func(d *record.Decision) error {
		names = append(names, fmt.Sprintf("%s/%d", d.RunID, d.Seq))
		return nil
	}); err != nil {
		t.Fatalf("DecisionsSince: %v", fault.Cause(err))
	}
	return names
}

func wantRecorded(t *testing.T, s Store, who string, since time.Time, limit int, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, recorded(t, s, who, since, limit), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("decisions of %s (-want +got):\n%s", who, diff)
	}
}

var decisionTests = map[string]func(t *testing.T, s Store){
	"every part comes out": func(t *testing.T, s Store) {
		cached := 0.5
		in := decision(tenant, "r", 3, 0)
		in.Chain, in.PolicyDigest, in.Quantile, in.Pinned, in.Dialect, in.Documents = "answer", "abc", 0.95, "small", "openai", true
		in.Images, in.Features = 2, []byte{1, 0, 255}
		in.PromptTokens, in.MaxOutput, in.Left, in.Limited, in.Deadline = 120, 64, providers.USD(0.01), true, noon.Add(time.Second)
		in.Locale, in.Classes = "de-AT", map[string]routing.Class{"topic": {Label: "tax", Probability: 0.75}}
		in.Chosen, in.Usage, in.Cost, in.CostKnown = "small", providers.Usage{Input: 120, Output: 9, CachedInput: 3, Reasoning: 2, Estimated: true}, 77, true
		in.TTFT, in.Duration = 20*time.Millisecond, time.Second
		in.Attempts = []record.Attempt{{Target: "big", Failed: "rate_limited"}, {Target: "small", Usage: in.Usage, Cost: 77, CostKnown: true, TTFT: in.TTFT, Duration: in.Duration}}
		in.Candidates = []record.Candidate{
			{Target: record.Target{Target: routing.Target{Name: "small", Backend: "b", Kind: "ollama", Model: "m", Version: "2", Context: 8192, Clearance: label.Restricted,
				Price: &providers.Price{Input: 1, CachedInput: &cached, Output: 2, PerCall: 3}, Quality: 0.5, TTFT: time.Second, PerToken: time.Millisecond, Origin: "config"},
				Does: []string{"chat", "tools"}},
				Probe: true, PromptTokens: 130, Rank: 1, Score: 0.5, Scored: true, Cost: 9, CostKnown: true, TTFT: 1, Latency: 2,
				Prediction: &routing.Prediction{Wait: 1, TTFT: 2, TTFTKnown: true, Latency: 3, Known: true, Assumed: true, Finish: 0.5, FinishKnown: true, ErrorRate: 0.1, Samples: 12.5, Source: "observed"}},
			{Target: record.Target{Target: routing.Target{Name: "big", Clearance: label.Public, Quality: -1}}, PausedFor: time.Second, OpenFor: time.Minute, Reason: routing.OutLabel},
		}
		mustRecord(t, s, tenant, in)
		var got []record.Decision
		if err := s.DecisionsSince(t.Context(), tenant, noon, 0, func(d *record.Decision) error { got = append(got, *d); return nil }); err != nil {
			t.Fatal(fault.Cause(err))
		}
		if diff := cmp.Diff([]record.Decision{in}, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	},
	"from a time on, the oldest first": func(t *testing.T, s Store) {
		mustRecord(t, s, tenant, decision(tenant, "b", 3, 2), decision(tenant, "b", 7, 3))
		mustRecord(t, s, tenant, decision(tenant, "a", 3, 1), decision(tenant, "a", 4, 1))
		wantRecorded(t, s, tenant, noon, 0, "a/3", "a/4", "b/3", "b/7")
		wantRecorded(t, s, tenant, noon, 3, "a/3", "a/4", "b/3")
		wantRecorded(t, s, tenant, noon.Add(2*time.Minute), 0, "b/3", "b/7")
		wantRecorded(t, s, tenant, noon.Add(2*time.Minute+1*time.Microsecond), 0, "b/7")
		wantRecorded(t, s, tenant, noon.Add(time.Hour), 0)
	},
	"one that is there stays as it is": func(t *testing.T, s Store) {
		mustRecord(t, s, tenant, decision(tenant, "a", 1, 0))
		again := decision(tenant, "a", 1, 0)
		again.Outcome = record.Failed
		mustRecord(t, s, tenant, again, decision(tenant, "a", 2, 0))
		var outcomes []record.Outcome
		if err := s.DecisionsSince(t.Context(), tenant, noon, 0, func(d *record.Decision) error { outcomes = append(outcomes, d.Outcome); return nil }); err != nil {
			t.Fatal(fault.Cause(err))
		}
		if diff := cmp.Diff([]record.Outcome{record.OK, record.OK}, outcomes); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	},
	"tenants see their own": func(t *testing.T, s Store) {
		mustRecord(t, s, tenant, decision(tenant, "a", 1, 0))
		mustRecord(t, s, other, decision(other, "a", 1, 0), decision(other, "a", 2, 0))
		wantRecorded(t, s, tenant, noon, 0, "a/1")
		wantRecorded(t, s, other, noon, 0, "a/1", "a/2")
		wantRecorded(t, s, "%", noon, 0)
	},
	"the reader may stop": func(t *testing.T, s Store) {
		mustRecord(t, s, tenant, decision(tenant, "a", 1, 0), decision(tenant, "a", 2, 0))
		enough, n := errors.New("enough"), 0
		err := s.DecisionsSince(t.Context(), tenant, noon, 0, func(*record.Decision) error { n++; return enough })
		if !errors.Is(err, enough) || n != 1 {
			t.Errorf("%v after %d", err, n)
		}
	},
	"old ones go, of all tenants": func(t *testing.T, s Store) {
		var many []record.Decision
		for i := range 1200 { // more than any store deletes at once
			many = append(many, decision(tenant, "old", int64(i), -i-1))
		}
		mustRecord(t, s, tenant, append(many, decision(tenant, "new", 1, 0))...)
		mustRecord(t, s, other, decision(other, "old", 1, -1), decision(other, "new", 1, 1))
		if err := s.DecisionsForget(t.Context(), noon, 1000); err != nil {
			t.Fatal(fault.Cause(err))
		}
		wantRecorded(t, s, tenant, time.Time{}, 0, "new/1")
		wantRecorded(t, s, other, time.Time{}, 0, "new/1")
	},
	"the newest stay, of each tenant": func(t *testing.T, s Store) {
		for i := range 5 {
			mustRecord(t, s, tenant, decision(tenant, "a", int64(i), i))
		}
		mustRecord(t, s, other, decision(other, "b", 1, -60), decision(other, "b", 2, 0))
		if err := s.DecisionsForget(t.Context(), time.Time{}, 2); err != nil {
			t.Fatal(fault.Cause(err))
		}
		wantRecorded(t, s, tenant, time.Time{}, 0, "a/3", "a/4")
		wantRecorded(t, s, other, time.Time{}, 0, "b/1", "b/2")
	},
	"what is missing is refused": func(t *testing.T, s Store) {
		for what, list := range map[string][]record.Decision{
			"another tenant's": {decision(tenant, "a", 1, 0), decision(other, "a", 2, 0)},
			"no run":           {decision(tenant, "a", 1, 0), decision(tenant, "", 2, 0)},
		} {
			wantFault(t, what, s.DecisionsAppend(t.Context(), tenant, list), fault.InvalidArgument, fault.ReasonBadRequest)
		}
		wantFault(t, "no tenant", s.DecisionsAppend(t.Context(), "", nil), fault.InvalidArgument, fault.ReasonBadRequest)
		wantRecorded(t, s, tenant, time.Time{}, 0)
	},
}
