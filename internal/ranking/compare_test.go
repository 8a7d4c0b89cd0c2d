package ranking

import (
	"math"
	"testing"

	"fairlead/internal/fault"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9 {
		t.Errorf("%s = %.9f, want %.9f", what, got, want)
	}
}

func TestCompareIsByQuery(t *testing.T) {
	report := func(ndcg, recall []float64) *Report {
		return &Report{Dataset: "d", Queries: len(ndcg), Legs: []Leg{{Name: "words", ndcg: ndcg, recall: recall}}}
	}
	a := report([]float64{0.1, 0.9, 0.5}, []float64{1, 1, 0})
	b := report([]float64{0, 0.8, 0.4}, []float64{1, 1, 1})
	got, err := Compare(a, b, 1)
	if err != nil || len(got) != 1 || got[0].Name != "words" {
		t.Fatal(got, err)
	}
	// The same gain on every query is certain, whatever the queries are.
	near(t, "mean", got[0].NDCG10.Mean, 0.1)
	near(t, "low", got[0].NDCG10.Low, 0.1)
	near(t, "high", got[0].NDCG10.High, 0.1)
	near(t, "recall", got[0].Recall100.Mean, -1.0/3)
	if _, err := Compare(a, report([]float64{1}, []float64{1}), 1); fault.CodeOf(err) != fault.InvalidArgument {
		t.Errorf("reports of different queries: %v", err)
	}
	b.Dataset = "e"
	if _, err := Compare(a, b, 1); fault.CodeOf(err) != fault.InvalidArgument {
		t.Errorf("reports of different data: %v", err)
	}
}
