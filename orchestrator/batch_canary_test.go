package orchestrator_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/orchestrator"
	"fairlead/providers"
)

// verdicts is a classifier made of a function.
type verdicts func(req *providers.ClassifyRequest) (string, error)

func (f verdicts) Classify(_ context.Context, req *providers.ClassifyRequest) (*providers.Classification, error) {
	name, err := f(req)
	if err != nil {
		return nil, err
	}
	out := &providers.Classification{}
	for range req.Texts {
		out.Classes = append(out.Classes, []providers.Class{{Name: name, Probability: 1}})
	}
	return out, nil
}

// While one call looks whether a canary is back, which is made for some callers, the others get the stable version.
func TestASharedCallThatACanaryRefusesGoesToTheStableVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		release := make(chan struct{})
		stable := pressed(nil, orchestrator.Batch{Max: 2}, nil)
		stable.Does, stable.Embedder, stable.Predictor, stable.Server = providers.Classify, nil, nil, nil
		stable.Classifier = verdicts(func(*providers.ClassifyRequest) (string, error) { return "old", nil })
		canary := stable
		canary.Model = "new"
		canary.Classifier = verdicts(func(*providers.ClassifyRequest) (string, error) {
			if calls.Add(1) <= 20 {
				return "", &providers.Error{Kind: providers.KindUnavailable, Backend: "b", Model: "new"}
			}
			<-release
			return "new", nil
		})
		stable.Canary = &orchestrator.Variant{Target: canary, Percent: 100}
		e := engine(t, setup{targets: []orchestrator.Target{stable}})
		var asked atomic.Int64
		ask := func() (string, error) {
			got, err := e.Classify(t.Context(), caller(1), orchestrator.ClassifyRequest{Target: "press", Texts: []string{fmt.Sprint(asked.Add(1))}})
			if err != nil {
				return "", err
			}
			return got.Classes[0][0].Name, nil
		}
		for range 20 {
			_, _ = ask()
		}
		time.Sleep(6 * time.Second)
		var all sync.WaitGroup
		got := map[string]int{}
		var mu sync.Mutex
		for range 6 {
			all.Go(func() {
				name, err := ask()
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				got[name]++
			})
			synctest.Wait()
		}
		close(release)
		all.Wait()
		if got["old"] == 0 || got["new"] == 0 || got["old"]+got["new"] != 6 {
			t.Errorf("%v", got)
		}
	})
}
