package feedback_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/orchestrator/feedback"
	"fairlead/orchestrator/record"
)

// shelf is a store in memory, whose runs are there from a time on.
type shelf struct {
	feedback.Store // what no test here asks for

	runs map[string][]record.Decision
	from time.Time
	kept []string
	asks int
}

func (s *shelf) DecisionsOfRun(_ context.Context, tenant, run string) ([]record.Decision, error) {
	s.asks++
	if time.Now().Before(s.from) {
		return nil, nil
	}
	return s.runs[tenant+"/"+run], nil
}

func (s *shelf) FeedbackPut(_ context.Context, tenant string, f *feedback.Feedback, most int) error {
	s.kept = append(s.kept, fmt.Sprintf("%s/%s/%d %s %s by %s: %g %s, of %d", tenant, f.RunID, f.Seq, f.Step, f.Target, f.Principal, f.Score, f.Reason, most))
	return nil
}

func decided(seq int64, step, need, chosen string, outcome record.Outcome) record.Decision {
	return record.Decision{RunID: "run", Seq: seq, Step: step, Needs: []string{need}, Chosen: chosen, Outcome: outcome}
}

var ada = auth.Principal{Tenant: "acme", Name: "ada"}

func TestWhatFeedbackIsAbout(t *testing.T) {
	chain := []record.Decision{
		decided(1, "look", "embed", "vectors", record.OK),
		decided(2, "draft", "chat", "small", record.OK),
		decided(3, "draft", "chat", "big", record.OK), // a second answer
		decided(4, "polish", "chat", "small", record.Failed),
		decided(5, "sort", "classify", "labels", record.OK),
	}
	for name, c := range map[string]struct {
		run     []record.Decision
		step    string
		target  string
		refused fault.Code // 0: not
	}{
		"the last that wrote":                         {chain, "", "big", 0},
		"the step's last":                             {chain, "draft", "big", 0},
		"a step that does not write":                  {chain, "sort", "labels", 0},
		"a step that failed":                          {chain, "polish", "", fault.FailedPrecondition},
		"a step that there is not":                    {chain, "drafts", "", fault.InvalidArgument},
		"of a run that wrote nothing, the last":       {[]record.Decision{chain[0], chain[4]}, "", "labels", 0},
		"what wrote, also before what did not":        {[]record.Decision{chain[4], chain[1], chain[0]}, "", "small", 0},
		"nothing of a run in which nothing went well": {chain[3:4], "", "", fault.FailedPrecondition},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{runs: map[string][]record.Decision{"acme/run": c.run}}
			f, err := feedback.New(s).Give(t.Context(), ada, feedback.Given{RunID: "run", Step: c.step, Score: 0.5, Reason: "ok"})
			if c.refused != 0 {
				if err == nil || fault.CodeOf(err) != c.refused || len(s.kept) != 0 {
					t.Fatalf("%v, kept %q", err, s.kept)
				}
				return
			}
			if err != nil || len(s.kept) != 1 {
				t.Fatalf("%v, kept %q", err, s.kept)
			}
			if f.Target != c.target {
				t.Errorf("it is about %+v, want %s", f, c.target)
			}
		})
	}
}

func TestRunsThatAreNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := []record.Decision{decided(1, "chat", "chat", "small", record.OK)}
		s := &shelf{runs: map[string][]record.Decision{"acme/run": run, "umbrella/theirs": run}, from: time.Now().Add(500 * time.Millisecond)}
		service := feedback.New(s)
		// One that is written a moment later is found.
		if _, err := service.Give(t.Context(), ada, feedback.Given{RunID: "run", Score: 1}); err != nil {
			t.Fatal(fault.Cause(err))
		}
		if diff := cmp.Diff([]string{"acme/run/1 chat small by ada: 1 , of 1000"}, s.kept); diff != "" {
			t.Error(diff)
		}
		// Another's and none read the same, and take as long.
		var texts []string
		var took []time.Duration
		for _, name := range []string{"theirs", "none"} {
			began := time.Now()
			_, err := service.Give(t.Context(), ada, feedback.Given{RunID: name, Score: 1})
			f := fault.From(err)
			if f == nil || f.Code != fault.NotFound || f.Reason != fault.ReasonUnknownRun {
				t.Fatalf("%s: %v", name, err)
			}
			texts, took = append(texts, f.Error()), append(took, time.Since(began))
		}
		if texts[0] != texts[1] || took[0] != took[1] || took[0] > time.Second {
			t.Errorf("%q after %v", texts, took)
		}
		// Who leaves does not wait.
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		began := time.Now()
		if _, err := service.Give(ctx, ada, feedback.Given{RunID: "none", Score: 1}); fault.CodeOf(err) != fault.Canceled || time.Since(began) != 50*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestWhatIsRefused(t *testing.T) {
	s := &shelf{runs: map[string][]record.Decision{"acme/run": {decided(1, "chat", "chat", "small", record.OK)}}}
	for _, g := range []feedback.Given{{RunID: "run", Score: 2}, {RunID: "run", Score: -1}, {RunID: "run", Reason: "Free text"}} {
		if _, err := feedback.New(s).Give(t.Context(), ada, g); fault.CodeOf(err) != fault.InvalidArgument {
			t.Errorf("%+v: %v", g, err)
		}
	}
	if diff := cmp.Diff([]string{}, s.kept, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if _, err := feedback.New(nil).Give(t.Context(), ada, feedback.Given{RunID: "run"}); fault.CodeOf(err) != fault.FailedPrecondition {
		t.Errorf("without a store: %v", err)
	}
}
