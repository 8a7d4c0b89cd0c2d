package storetest

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fairlead/internal/fault"
	"fairlead/orchestrator/feedback"
	"fairlead/orchestrator/record"
)

// many is more feedback than any test here gives about a run.
const many = 100

func spoken(run string, seq int64, who string, score float64) *feedback.Feedback {
	return &feedback.Feedback{RunID: run, Seq: seq, Step: "chat", Target: "small", Principal: who, Score: score, Reason: "thumbs_down", At: noon}
}

func mustSpeak(t *testing.T, s Store, tenant string, list ...*feedback.Feedback) {
	t.Helper()
	for _, f := range list {
		if err := s.FeedbackPut(t.Context(), tenant, f, many); err != nil {
			t.Fatalf("FeedbackPut: %v", fault.Cause(err))
		}
	}
}

// wantRated compares rated decisions, each as "run/seq score voices".
func wantRated(t *testing.T, s Store, who string, since time.Time, want ...string) {
	t.Helper()
	var got []string
	if err := s.RatedSince(t.Context(), who, since, func(d *record.Decision, score float64, voices int) error {
		got = append(got, fmt.Sprintf("%s/%d %.3f %d", d.RunID, d.Seq, score, voices))
		return nil
	}); err != nil {
		t.Fatalf("RatedSince: %v", fault.Cause(err))
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("rated of %s (-want +got):\n%s", who, diff)
	}
}

var feedbackTests = map[string]func(t *testing.T, s Store){
	"the mean of all voices, of each the last": func(t *testing.T, s Store) {
		mustRecord(t, s, tenant, decision(tenant, "b", 3, 2), decision(tenant, "a", 3, 1), decision(tenant, "a", 4, 1), decision(tenant, "c", 1, 3))
		mustSpeak(t, s, tenant, spoken("b", 3, "ada", 1), spoken("a", 4, "ada", 1), spoken("a", 4, "bob", 0), spoken("a", 4, "bob", 0.25), spoken("a", 3, "ada", 0))
		wantRated(t, s, tenant, noon, "a/3 0.000 1", "a/4 0.625 2", "b/3 1.000 1")
		wantRated(t, s, tenant, noon.Add(2*time.Minute), "b/3 1.000 1")
		wantRated(t, s, tenant, noon.Add(3*time.Minute))
	},
	"the mean of equal scores is one of them": func(t *testing.T, s Store) {
		mustRecord(t, s, tenant, decision(tenant, "a", 1, 0))
		for i := range 20 {
			mustSpeak(t, s, tenant, spoken("a", 1, fmt.Sprint("p", i), 1))
		}
		if err := s.RatedSince(t.Context(), tenant, noon, func(_ *record.Decision, score float64, _ int) error {
			if score > 1 {
				return errors.New("above 1")
			}
			return nil
		}); err != nil {
			t.Error(fault.Cause(err))
		}
	},
	"decisions of a run, in their order": func(t *testing.T, s Store) {
		mustRecord(t, s, tenant, decision(tenant, "a", 7, 0), decision(tenant, "a", 3, 1), decision(tenant, "b", 1, 0))
		mustRecord(t, s, other, decision(other, "a", 1, 0))
		for run, want := range map[string][]int64{"a": {3, 7}, "b": {1}, "none": nil, "a' OR ''='": nil, "a\x00": nil, "": nil} {
			list, err := s.DecisionsOfRun(t.Context(), tenant, run)
			if err != nil {
				t.Fatal(fault.Cause(err))
			}
			var got []int64
			for _, d := range list {
				got = append(got, d.Seq)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%q (-want +got):\n%s", run, diff)
			}
		}
	},
	"of no other tenant": func(t *testing.T, s Store) {
		mustRecord(t, s, tenant, decision(tenant, "a", 1, 0))
		mustRecord(t, s, other, decision(other, "b", 1, 0))
		wantFault(t, "another's run", s.FeedbackPut(t.Context(), other, spoken("a", 1, "eve", 0), many), fault.NotFound, fault.ReasonUnknownRun)
		wantFault(t, "no run", s.FeedbackPut(t.Context(), tenant, spoken("none", 1, "eve", 0), many), fault.NotFound, fault.ReasonUnknownRun)
		wantFault(t, "no decision", s.FeedbackPut(t.Context(), tenant, spoken("a", 2, "eve", 0), many), fault.NotFound, fault.ReasonUnknownRun)
		mustSpeak(t, s, tenant, spoken("a", 1, "ada", 1))
		wantRated(t, s, tenant, noon, "a/1 1.000 1")
		wantRated(t, s, other, noon)
	},
	"no more than so many of a run": func(t *testing.T, s Store) {
		mustRecord(t, s, tenant, decision(tenant, "a", 1, 0), decision(tenant, "a", 2, 0), decision(tenant, "b", 1, 1))
		mustSpeak(t, s, tenant, spoken("a", 1, "ada", 1), spoken("a", 2, "ada", 1))
		wantFault(t, "a third", s.FeedbackPut(t.Context(), tenant, spoken("a", 1, "bob", 0), 2), fault.ResourceExhausted, fault.ReasonTooLarge)
		if err := s.FeedbackPut(t.Context(), tenant, spoken("a", 2, "ada", 0), 2); err != nil {
			t.Errorf("saying it again: %v", fault.Cause(err))
		}
		if err := s.FeedbackPut(t.Context(), tenant, spoken("b", 1, "bob", 0), 2); err != nil {
			t.Errorf("another run: %v", fault.Cause(err))
		}
		wantRated(t, s, tenant, noon, "a/1 1.000 1", "a/2 0.000 1", "b/1 0.000 1")
	},
	"of many at once, not one more": func(t *testing.T, s Store) {
		mustRecord(t, s, tenant, decision(tenant, "a", 1, 0))
		side(t, 8, func(who int) error {
			for i := range 5 {
				err := s.FeedbackPut(t.Context(), tenant, spoken("a", 1, fmt.Sprint(who, "-", i), 1), 10)
				if err != nil && fault.CodeOf(err) != fault.ResourceExhausted {
					return err
				}
			}
			return nil
		})
		wantRated(t, s, tenant, noon, "a/1 1.000 10")
	},
	"it goes with its decision": func(t *testing.T, s Store) {
		mustRecord(t, s, tenant, decision(tenant, "old", 1, -1), decision(tenant, "new", 1, 0))
		mustSpeak(t, s, tenant, spoken("old", 1, "ada", 1), spoken("new", 1, "ada", 0))
		if err := s.DecisionsForget(t.Context(), noon, 1000); err != nil {
			t.Fatal(fault.Cause(err))
		}
		wantRated(t, s, tenant, time.Time{}, "new/1 0.000 1")
		wantFault(t, "what is gone", s.FeedbackPut(t.Context(), tenant, spoken("old", 1, "ada", 1), many), fault.NotFound, fault.ReasonUnknownRun)
		mustRecord(t, s, tenant, decision(tenant, "old", 1, -1))
		wantRated(t, s, tenant, time.Time{}, "new/1 0.000 1") // what was said of another is not said of this one
	},
	"it goes with its tenant": func(t *testing.T, s Store) {
		mustRegister(t, s, tenant, other)
		for _, who := range []string{tenant, other} {
			mustRecord(t, s, who, decision(who, "a", 1, 0))
			mustSpeak(t, s, who, spoken("a", 1, "ada", 1))
		}
		if err := s.TenantDisable(t.Context(), tenant, began); err != nil {
			t.Fatal(fault.Cause(err))
		}
		if err := s.TenantDelete(t.Context(), tenant); err != nil {
			t.Fatal(fault.Cause(err))
		}
		wantRated(t, s, tenant, time.Time{})
		wantRated(t, s, other, time.Time{}, "a/1 1.000 1")
	},
	"more than are read at once": func(t *testing.T, s Store) {
		var list []record.Decision
		for i := range 1203 {
			list = append(list, decision(tenant, "r", int64(i), i/2)) // two of each time
		}
		mustRecord(t, s, tenant, list...)
		const most = 2000
		for i := range list {
			if err := s.FeedbackPut(t.Context(), tenant, spoken("r", int64(i), "ada", 1), most); err != nil {
				t.Fatal(fault.Cause(err))
			}
		}
		next := int64(0)
		if err := s.RatedSince(t.Context(), tenant, noon, func(d *record.Decision, _ float64, _ int) error {
			if d.Seq != next {
				t.Errorf("%d comes where %d should", d.Seq, next)
			}
			next++
			return nil
		}); err != nil || next != 1203 {
			t.Errorf("%d were read, %v", next, err)
		}
		enough, n := errors.New("enough"), 0
		if err := s.RatedSince(t.Context(), tenant, noon, func(*record.Decision, float64, int) error { n++; return enough }); !errors.Is(err, enough) || n != 1 {
			t.Errorf("%v after %d", err, n)
		}
	},
	"what is none is refused": func(t *testing.T, s Store) {
		mustRecord(t, s, tenant, decision(tenant, "a", 1, 0))
		for name, change := range map[string]func(*feedback.Feedback){
			"no run": func(f *feedback.Feedback) { f.RunID = "" }, "no principal": func(f *feedback.Feedback) { f.Principal = "" },
			"no step": func(f *feedback.Feedback) { f.Step = "" }, "no target": func(f *feedback.Feedback) { f.Target = "" },
			"a score above 1": func(f *feedback.Feedback) { f.Score = 1.01 }, "below 0": func(f *feedback.Feedback) { f.Score = -0.01 }, "no number": func(f *feedback.Feedback) { f.Score = math.NaN() },
			"free text": func(f *feedback.Feedback) { f.Reason = "it was wrong" }, "a long word": func(f *feedback.Feedback) { f.Reason = strings.Repeat("a", 65) },
			"not a text": func(f *feedback.Feedback) { f.Principal = "a\x00" }, "a long name": func(f *feedback.Feedback) { f.Principal = strings.Repeat("a", 513) },
			"no time": func(f *feedback.Feedback) { f.At = time.Time{} },
		} {
			f := spoken("a", 1, "ada", 1)
			change(f)
			wantFault(t, name, s.FeedbackPut(t.Context(), tenant, f, many), fault.InvalidArgument, fault.ReasonBadRequest)
		}
		wantFault(t, "no tenant", s.FeedbackPut(t.Context(), "", spoken("a", 1, "ada", 1), many), fault.InvalidArgument, fault.ReasonBadRequest)
		wantRated(t, s, tenant, time.Time{})
	},
}
