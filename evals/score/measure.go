package score

import (
	"cmp"
	"math"
	"slices"
)

// Grades says how relevant documents are to one query, by id. A document that is not in it, or has 0, is
// not relevant.
type Grades map[string]float64

// Relevant gives how many documents are relevant.
func (g Grades) Relevant() int {
	n := 0
	for _, grade := range g {
		if grade > 0 {
			n++
		}
	}
	return n
}

// Gain is what a document of a grade is worth in NDCG. It is 0 for grades that are not above 0.
type Gain func(grade float64) float64

// Linear is the grade itself, as trec_eval has it.
func Linear(grade float64) float64 { return max(grade, 0) }

// Exponential is 2^grade - 1, which weighs the best documents more (Burges et al., "Learning to Rank using Gradient
// Descent", 2005).
func Exponential(grade float64) float64 { return math.Exp2(max(grade, 0)) - 1 }

// NDCG is the normalised discounted cumulative gain of the first k: the sum over places i from 1 of
// gain / log2(i+1), divided by that of the best possible order (Järvelin and Kekäläinen, "Cumulated
// gain-based evaluation of IR techniques", ACM TOIS 20(4), 2002). It is 0 where nothing is relevant.
// Ranked holds no document twice.
func NDCG(ranked []string, g Grades, k int, gain Gain) float64 {
	ideal := make([]float64, 0, len(g))
	for _, grade := range g {
		if grade > 0 {
			ideal = append(ideal, gain(grade))
		}
	}
	slices.SortFunc(ideal, func(a, b float64) int { return cmp.Compare(b, a) })
	best := 0.0
	for i, v := range ideal[:min(k, len(ideal))] {
		best += v / math.Log2(float64(i+2))
	}
	if best == 0 {
		return 0
	}
	sum := 0.0
	for i, id := range ranked[:min(k, len(ranked))] {
		sum += gain(g[id]) / math.Log2(float64(i+2))
	}
	return sum / best
}

// Recall is how much of what is relevant is among the first k, 0 where nothing is relevant.
func Recall(ranked []string, g Grades, k int) float64 {
	relevant := g.Relevant()
	if relevant == 0 {
		return 0
	}
	return float64(found(ranked, g, k)) / float64(relevant)
}

// Precision is how many of k are relevant and among the first k: places that are empty count against it. It is 0 where
// k is not positive.
func Precision(ranked []string, g Grades, k int) float64 {
	return float64(found(ranked, g, k)) / float64(max(k, 1))
}

func found(ranked []string, g Grades, k int) int {
	n := 0
	for _, id := range ranked[:min(max(k, 0), len(ranked))] {
		if g[id] > 0 {
			n++
		}
	}
	return n
}

// ReciprocalRank is 1 / the place of the first relevant document, 0 where there is none.
func ReciprocalRank(ranked []string, g Grades) float64 {
	for i, id := range ranked {
		if g[id] > 0 {
			return 1 / float64(i+1)
		}
	}
	return 0
}

// AveragePrecision is the mean, over the relevant documents, of the precision at their places; one that
// was not found counts 0.
func AveragePrecision(ranked []string, g Grades) float64 {
	relevant := g.Relevant()
	if relevant == 0 {
		return 0
	}
	found, sum := 0, 0.0
	for i, id := range ranked {
		if g[id] > 0 {
			found++
			sum += float64(found) / float64(i+1)
		}
	}
	return sum / float64(relevant)
}
