package ranking

import (
	"math"
	"testing"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9 {
		t.Errorf("%s = %.9f, want %.9f", what, got, want)
	}
}

func TestMeasuresByHand(t *testing.T) {
	g := Grades{"a": 3, "b": 2, "c": 1, "d": 0}
	ranked := []string{"x", "b", "a", "d"}
	// DCG = 2/log2(3) + 3/log2(4) = 1.2618595 + 1.5; ideal = 3 + 2/log2(3) + 1/log2(4) = 4.7618595.
	near(t, "nDCG@10", NDCG(ranked, g, 10), 2.7618595071429146/4.7618595071429146)
	// At 2: 1.2618595 over 3 + 1.2618595.
	near(t, "nDCG@2", NDCG(ranked, g, 2), 1.2618595071429148/4.2618595071429146)
	near(t, "recall@2", Recall(ranked, g, 2), 1.0/3)
	near(t, "recall@10", Recall(ranked, g, 10), 2.0/3)
	near(t, "reciprocal rank", ReciprocalRank(ranked, g), 0.5)
	// b at place 2: 1/2; a at place 3: 2/3; c not found.
	near(t, "average precision", AveragePrecision(ranked, g), (0.5+2.0/3)/3)
	near(t, "nDCG of the best order", NDCG([]string{"a", "b", "c"}, g, 10), 1)
	for what, got := range map[string]float64{
		"nDCG": NDCG(ranked, Grades{"x": 0}, 10), "recall": Recall(ranked, nil, 10),
		"reciprocal rank": ReciprocalRank(nil, g), "average precision": AveragePrecision(ranked, nil),
	} {
		near(t, what+" of nothing", got, 0)
	}
}

func TestIntervals(t *testing.T) {
	a, b := make([]float64, 200), make([]float64, 200)
	for i := range a {
		b[i] = float64(i%10) / 10
		a[i] = b[i] + 0.02
	}
	m := Mean(b, 1)
	near(t, "mean", m.Mean, 0.45)
	if m.Low >= m.Mean || m.High <= m.Mean || m.High-m.Low > 0.12 || m.High-m.Low < 0.05 {
		t.Errorf("interval %+v", m) // ± 1.96 · 0.287 / √200 = ± 0.040
	}
	if m != Mean(b, 1) || m == Mean(b, 2) {
		t.Error("the interval does not follow from the seed")
	}
	// The same small gain on every query is certain, although the two means' intervals overlap.
	if d := Difference(a, b, 1); d.Low < 0.0199 || d.High > 0.0201 || Mean(a, 1).Low > m.High {
		t.Errorf("difference %+v", d)
	}
	if Mean(nil, 1) != (Estimate{}) {
		t.Error("the mean of nothing")
	}
}
