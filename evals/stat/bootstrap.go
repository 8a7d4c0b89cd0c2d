package stat

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Estimate is a mean with its interval of confidence.
type Estimate struct {
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Bootstrap is how intervals are drawn. The zero value is usable.
type Bootstrap struct {
	// Resamples is how often the values are drawn anew. Default 10,000.
	Resamples int
	// Confidence is the share of the resamples within the interval, in (0, 1). Default 0.95.
	Confidence float64
	// Seed is that of the draws: the same values and seed give the same interval.
	Seed uint64
}

func (b Bootstrap) withDefaults() Bootstrap {
	if b.Resamples <= 0 {
		b.Resamples = 10_000
	}
	if b.Confidence <= 0 || b.Confidence >= 1 {
		b.Confidence = 0.95
	}
	return b
}

// Mean estimates the mean of values, one a case, by the percentile bootstrap: the values are drawn with replacement,
// and the interval holds the middle of the means (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993,
// chapter 13). The estimate of nothing is zero, and one value has no width: it says nothing of others.
func (b Bootstrap) Mean(values []float64) Estimate {
	if len(values) == 0 {
		return Estimate{}
	}
	if slices.Max(values) == slices.Min(values) { // whatever is drawn
		m := mean(values)
		return Estimate{Mean: m, Low: m, High: m}
	}
	b = b.withDefaults()
	rng := rand.New(rand.NewPCG(b.Seed, b.Seed))
	means := make([]float64, b.Resamples)
	for i := range means {
		sum := 0.0
		for range values {
			sum += values[rng.IntN(len(values))]
		}
		means[i] = sum / float64(len(values))
	}
	slices.Sort(means)
	low := min(int(float64(b.Resamples)*(1-b.Confidence)/2), (b.Resamples-1)/2)
	return Estimate{Mean: mean(values), Low: means[low], High: means[b.Resamples-1-low]}
}

// Difference estimates by how much a is better than b on the same cases: the bootstrap of the differences by case. Two
// intervals of means that overlap say little; this one says whether the difference could be chance. It panics where the
// two are not of one length.
func (b Bootstrap) Difference(x, y []float64) Estimate {
	return b.Mean(differences(x, y))
}

// Mean is Bootstrap.Mean with the defaults.
func Mean(values []float64, seed uint64) Estimate { return Bootstrap{Seed: seed}.Mean(values) }

// Difference is Bootstrap.Difference with the defaults.
func Difference(a, b []float64, seed uint64) Estimate { return Bootstrap{Seed: seed}.Difference(a, b) }

func differences(x, y []float64) []float64 {
	if len(x) != len(y) {
		panic("stat: values of different cases")
	}
	out := make([]float64, len(x))
	for i := range x {
		out[i] = x[i] - y[i]
	}
	return out
}

func mean(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// deviation is the sample's standard deviation, 0 for fewer than two values.
func deviation(values []float64) float64 {
	if len(values) < 2 {
		return 0
	}
	m, sum := mean(values), 0.0
	for _, v := range values {
		sum += (v - m) * (v - m)
	}
	return math.Sqrt(sum / float64(len(values)-1))
}
