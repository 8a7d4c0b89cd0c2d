package stat

import (
	"cmp"
	"math"
	"slices"
)

// The normal quantiles of a two-sided test at 5 %, and of 80 % power.
const (
	z975 = 1.959963984540054
	z80  = 0.8416212335729143
)

// Detectable is the least difference of means that a paired comparison of n cases finds with 80 % power at the 5 %
// level, two-sided: 2.80 standard errors, where deviation is the standard deviation of the differences of cases (Bloom,
// "Minimum Detectable Effects", Evaluation Review 19(5), 1995; Cohen, "Statistical Power Analysis", 1988). It is in the
// scores' own unit. Fewer than 2 cases find nothing: +Inf.
func Detectable(deviation float64, n int) float64 {
	if n < 2 {
		return math.Inf(1)
	}
	return (z975 + z80) * deviation / math.Sqrt(float64(n))
}

// CasesFor is how many cases would find a difference with 80 % power at the 5 % level, two-sided: Detectable the other
// way round, rounded up. It is 0 where the difference is not positive.
func CasesFor(deviation, difference float64) int {
	if difference <= 0 {
		return 0
	}
	errors := (z975 + z80) * deviation / difference
	n := math.Ceil(errors * errors)
	if n > math.MaxInt32 {
		return math.MaxInt32
	}
	return max(2, int(n))
}

// Wilson is the 95 % interval of a proportion of n (Wilson, "Probable Inference, the Law of Succession, and Statistical
// Inference", 1927). It stays within [0, 1] and has a width even where all or none succeeded. Of nothing it is [0, 1].
func Wilson(successes, n int) Estimate {
	if n <= 0 {
		return Estimate{High: 1}
	}
	successes = min(max(successes, 0), n)
	p, m, z2 := float64(successes)/float64(n), float64(n), z975*z975
	centre := (p + z2/(2*m)) / (1 + z2/m)
	half := z975 / (1 + z2/m) * math.Sqrt(p*(1-p)/m+z2/(4*m*m))
	e := Estimate{Mean: p, Low: max(0, centre-half), High: min(1, centre+half)}
	// Rounding must not leave the ends a hair off what they are exactly.
	if successes == 0 {
		e.Low = 0
	}
	if successes == n {
		e.High = 1
	}
	return e
}

func sortBy(order []int, key func(int) float64) {
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(key(i), key(j)) })
}
