package stat

import (
	"math"
	"math/rand/v2"
)

// enumerated is up to how many differences that are not 0 all signs are tried; beyond, signs are drawn.
const enumerated = 16

// Worse is the one-sided p-value of the sign-flip test: how likely the mean of differences is as low as it is, or lower,
// where each difference could as well have had the other sign (Pitman 1937; see the package's doc). It is exact for up
// to 16 differences that are not 0; for more it draws resamples signs and counts the observed order among them, so that
// it is never 0 and the test never too eager (Phipson and Smyth, "Permutation P-values should never be zero", 2010).
// Nothing gives 1.
func Worse(differences []float64, resamples int, seed uint64) float64 {
	var d []float64
	observed := 0.0
	for _, v := range differences {
		if v != 0 {
			d = append(d, math.Abs(v))
			observed += v
		}
	}
	if len(d) == 0 {
		return 1
	}
	// Sums in another order differ in their last bits: what is equal up to them counts as equal.
	limit := observed + 1e-9*(1+math.Abs(observed))
	if len(d) <= enumerated {
		return float64(below(d, 0, limit)) / float64(uint64(1)<<len(d))
	}
	if resamples <= 0 {
		resamples = 10_000
	}
	rng := rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15))
	// Of each eight values the sums of all their signs are known beforehand, so that a draw costs one look for eight.
	sums := make([][256]float64, (len(d)+7)/8)
	for i := range sums {
		for signs := range 256 {
			for j, v := range d[8*i : min(8*i+8, len(d))] {
				if signs>>j&1 == 0 {
					v = -v
				}
				sums[i][signs] += v
			}
		}
	}
	count := 1 // the observed signs themselves
	for range resamples {
		sum, bits := 0.0, uint64(0)
		for i := range sums {
			if i%8 == 0 {
				bits = rng.Uint64()
			}
			sum += sums[i][byte(bits)]
			bits >>= 8
		}
		if sum <= limit {
			count++
		}
	}
	return float64(count) / float64(resamples+1)
}

// below counts the signs of d whose sum is at most limit.
func below(d []float64, sum, limit float64) int {
	if len(d) == 0 {
		if sum <= limit {
			return 1
		}
		return 0
	}
	return below(d[1:], sum-d[0], limit) + below(d[1:], sum+d[0], limit)
}

// Holm adjusts p-values of several tests, so that the chance that any true hypothesis is rejected stays at the level
// that each adjusted value is compared with (Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979). The
// result is in the order of p. An adjusted value is at least its own and at most 1.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	sortBy(order, func(i int) float64 { return p[i] })
	out, highest := make([]float64, len(p)), 0.0
	for rank, i := range order {
		highest = max(highest, min(1, p[i]*float64(len(p)-rank)))
		out[i] = highest
	}
	return out
}
