package score

import (
	"math"
	"testing"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-9) {
		t.Errorf("%s = %.12f, want %.12f", what, got, want)
	}
}

func TestMeasuresByHand(t *testing.T) {
	for _, test := range []struct {
		name                                         string
		ranked                                       []string
		grades                                       Grades
		k                                            int
		linear, exponential, recall, mrr, map_, prec float64
	}{
		{
			// DCG = 2/log2(3) + 3/log2(4) = 1.2618595 + 1.5; ideal = 3 + 2/log2(3) + 1/log2(4) = 4.7618595.
			// With 2^g - 1: 3/log2(3) + 7/log2(4) over 7 + 3/log2(3) + 1/log2(4).
			// b at place 2: 1/2; a at place 3: 2/3; c not found.
			name: "graded", ranked: []string{"x", "b", "a", "d"}, grades: Grades{"a": 3, "b": 2, "c": 1, "d": 0}, k: 10,
			linear: 2.7618595071429146 / 4.7618595071429146, exponential: (1.8927892607143721 + 3.5) / (7 + 1.8927892607143721 + 0.5),
			recall: 2.0 / 3, mrr: 0.5, map_: (0.5 + 2.0/3) / 3, prec: 0.2,
		},
		{
			// Places 1 and 3 of three that are relevant, cut at 2: DCG = 1, ideal = 1 + 1/log2(3).
			name: "cut", ranked: []string{"a", "x", "b"}, grades: Grades{"a": 1, "b": 1, "c": 1}, k: 2,
			linear: 1 / 1.6309297535714573, exponential: 1 / 1.6309297535714573,
			recall: 1.0 / 3, mrr: 1, map_: (1 + 2.0/3) / 3, prec: 0.5,
		},
		{
			// The only relevant one is fourth: 1/log2(5).
			name: "late", ranked: []string{"x", "y", "z", "a"}, grades: Grades{"a": 2}, k: 5,
			linear: 0.43067655807339306, exponential: 0.43067655807339306,
			recall: 1, mrr: 0.25, map_: 0.25, prec: 0.2,
		},
		{name: "nothing relevant", ranked: []string{"a"}, grades: Grades{"a": 0}, k: 3},
		{name: "nothing found", grades: Grades{"a": 1}, k: 3},
	} {
		near(t, test.name+": nDCG", NDCG(test.ranked, test.grades, test.k, Linear), test.linear)
		near(t, test.name+": nDCG, exponential", NDCG(test.ranked, test.grades, test.k, Exponential), test.exponential)
		near(t, test.name+": recall", Recall(test.ranked, test.grades, test.k), test.recall)
		near(t, test.name+": precision", Precision(test.ranked, test.grades, test.k), test.prec)
		near(t, test.name+": reciprocal rank", ReciprocalRank(test.ranked, test.grades), test.mrr)
		near(t, test.name+": average precision", AveragePrecision(test.ranked, test.grades), test.map_)
	}
	near(t, "the best order", NDCG([]string{"a", "b", "c"}, Grades{"a": 3, "b": 2, "c": 1}, 10, Exponential), 1)
	// At 2: 1.2618595 over 3 + 1.2618595.
	near(t, "nDCG@2", NDCG([]string{"x", "b", "a"}, Grades{"a": 3, "b": 2, "c": 1}, 2, Linear), 1.2618595071429148/4.2618595071429146)
}
