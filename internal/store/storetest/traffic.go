package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fairlead/internal/fault"
	"fairlead/orchestrator/traffic"
)

func verdict(target string, rolledBack bool, after time.Duration) traffic.Decision {
	return traffic.Decision{Target: target, RolledBack: rolledBack, By: "acme/ada", Reason: "Ünïcode, 'quoted'", At: began.Add(after)}
}

func mustDecide(t *testing.T, s Store, list ...traffic.Decision) {
	t.Helper()
	for _, d := range list {
		if err := s.TrafficDecide(t.Context(), d); err != nil {
			t.Fatal(fault.Cause(err))
		}
	}
}

func wantTraffic(t *testing.T, s Store, state, log []traffic.Decision) {
	t.Helper()
	got, err := s.TrafficState(t.Context())
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	if diff := cmp.Diff(state, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("in force (-want +got):\n%s", diff)
	}
	if got, err = s.TrafficLog(t.Context(), "", 100); err != nil {
		t.Fatal(fault.Cause(err))
	}
	if diff := cmp.Diff(log, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

var trafficTests = map[string]func(t *testing.T, s Store){
	"none": func(t *testing.T, s Store) { wantTraffic(t, s, nil, nil) },
	"the newest of a target is in force": func(t *testing.T, s Store) {
		// The order of deciding counts, and not that of clocks that differ.
		first, second := verdict("b", true, time.Hour), verdict("a", true, 0)
		mustDecide(t, s, first, second)
		wantTraffic(t, s, []traffic.Decision{second, first}, []traffic.Decision{second, first})
		back := verdict("b", false, 0)
		mustDecide(t, s, back)
		wantTraffic(t, s, []traffic.Decision{second}, []traffic.Decision{back, second, first})
		again := verdict("b", true, time.Minute)
		mustDecide(t, s, again)
		wantTraffic(t, s, []traffic.Decision{second, again}, []traffic.Decision{again, back, second, first})
	},
	"the log of one target, as long as asked for": func(t *testing.T, s Store) {
		a, b, c := verdict("a", true, 0), verdict("b", true, 0), verdict("a", false, 0)
		mustDecide(t, s, a, b, c)
		for _, q := range []struct {
			target string
			limit  int
			want   []traffic.Decision
		}{
			{"a", 9, []traffic.Decision{c, a}}, {"a", 1, []traffic.Decision{c}}, {"b", 9, []traffic.Decision{b}}, {"", 2, []traffic.Decision{c, b}},
			{"A", 9, nil}, {"' OR ''='", 9, nil}, {"a", 0, nil}, {"a", -1, nil},
		} {
			got, err := s.TrafficLog(t.Context(), q.target, q.limit)
			if err != nil {
				t.Fatal(fault.Cause(err))
			}
			if diff := cmp.Diff(q.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%q, %d (-want +got):\n%s", q.target, q.limit, diff)
			}
		}
	},
	"a time that is not said is now": func(t *testing.T, s Store) {
		before := time.Now().Add(-time.Second)
		d := verdict("a", true, 0)
		d.At = time.Time{}
		mustDecide(t, s, d)
		got, err := s.TrafficState(t.Context())
		if err != nil || len(got) != 1 || got[0].At.Before(before) || got[0].At.After(time.Now().Add(time.Second)) {
			t.Errorf("%+v, %v", got, err)
		}
	},
	"what is none": func(t *testing.T, s Store) {
		for name, d := range map[string]traffic.Decision{
			"no target": {}, "long target": {Target: strings.Repeat("a", 129)}, "target with NUL": {Target: "a\x00"},
			"long reason": {Target: "a", Reason: strings.Repeat("a", 4097)}, "reason that is no text": {Target: "a", Reason: "\xff"}, "long author": {Target: "a", By: strings.Repeat("a", 513)},
		} {
			wantFault(t, name, s.TrafficDecide(t.Context(), d), fault.InvalidArgument, fault.ReasonBadRequest)
		}
		wantTraffic(t, s, nil, nil)
	},
	"it outlives the tenant of who decided": func(t *testing.T, s Store) {
		mustRegister(t, s, tenant)
		d := verdict("a", true, 0)
		d.By = tenant + "/ada"
		mustDecide(t, s, d)
		if err := s.TenantDisable(t.Context(), tenant, began); err != nil {
			t.Fatal(fault.Cause(err))
		}
		if err := s.TenantDelete(t.Context(), tenant); err != nil {
			t.Fatal(fault.Cause(err))
		}
		wantTraffic(t, s, []traffic.Decision{d}, []traffic.Decision{d})
	},
	"of many at once, one is in force": func(t *testing.T, s Store) {
		side(t, 4, func(who int) error {
			for i := range 5 {
				if err := s.TrafficDecide(t.Context(), verdict("a", (who+i)%2 == 0, time.Duration(who*10+i))); err != nil {
					return err
				}
			}
			return nil
		})
		log, err := s.TrafficLog(t.Context(), "a", 100)
		if err != nil || len(log) != 20 {
			t.Fatalf("%d decisions, %v", len(log), err)
		}
		state, err := s.TrafficState(t.Context())
		if err != nil || (len(state) == 1) != log[0].RolledBack || len(state) == 1 && state[0] != log[0] {
			t.Errorf("in force is %+v, the newest %+v, %v", state, log[0], err)
		}
	},
}
