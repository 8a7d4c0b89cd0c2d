package ranking

import (
	"math"
	"math/rand/v2"
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

// NDCG is the normalised discounted cumulative gain of the first k: the sum over places i from 1 of
// grade / log2(i+1), divided by that of the best possible order (Järvelin and Kekäläinen, "Cumulated
// gain-based evaluation of IR techniques", ACM TOIS 20(4), 2002, with linear gain, as trec_eval has it).
// It is 0 where nothing is relevant. Ranked holds no document twice.
func NDCG(ranked []string, g Grades, k int) float64 {
	ideal := make([]float64, 0, len(g))
	for _, grade := range g {
		if grade > 0 {
			ideal = append(ideal, grade)
		}
	}
	slices.SortFunc(ideal, func(a, b float64) int { return -compare(a, b) })
	best := 0.0
	for i, grade := range ideal[:min(k, len(ideal))] {
		best += grade / math.Log2(float64(i+2))
	}
	if best == 0 {
		return 0
	}
	sum := 0.0
	for i, id := range ranked[:min(k, len(ranked))] {
		sum += max(g[id], 0) / math.Log2(float64(i+2))
	}
	return sum / best
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Recall is how much of what is relevant is among the first k, 0 where nothing is relevant.
func Recall(ranked []string, g Grades, k int) float64 {
	relevant := g.Relevant()
	if relevant == 0 {
		return 0
	}
	found := 0
	for _, id := range ranked[:min(k, len(ranked))] {
		if g[id] > 0 {
			found++
		}
	}
	return float64(found) / float64(relevant)
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

// Estimate is a mean over queries with its 95 % interval.
type Estimate struct {
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// resamples is how often the queries are drawn anew.
const resamples = 2000

// Mean estimates the mean of values, one a query, by the percentile bootstrap: the queries are drawn with
// replacement, and the interval holds the middle 95 % of the means (Efron and Tibshirani, "An Introduction
// to the Bootstrap", 1993). The same values and seed give the same interval.
func Mean(values []float64, seed uint64) Estimate {
	if len(values) == 0 {
		return Estimate{}
	}
	rng := rand.New(rand.NewPCG(seed, seed))
	means := make([]float64, resamples)
	for i := range means {
		sum := 0.0
		for range values {
			sum += values[rng.IntN(len(values))]
		}
		means[i] = sum / float64(len(values))
	}
	slices.Sort(means)
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return Estimate{Mean: sum / float64(len(values)), Low: means[resamples*25/1000], High: means[resamples*975/1000-1]}
}

// Difference estimates by how much a is better than b on the same queries: the bootstrap of the
// differences by query. Two intervals of means that overlap say little; this one says whether the
// difference could be chance. It panics where the two are not of one length.
func Difference(a, b []float64, seed uint64) Estimate {
	if len(a) != len(b) {
		panic("ranking: values of different queries")
	}
	differences := make([]float64, len(a))
	for i := range a {
		differences[i] = a[i] - b[i]
	}
	return Mean(differences, seed)
}
