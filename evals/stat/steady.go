package stat

import (
	"fmt"
	"slices"
)

// Tries is how often a case was run, and how often it passed.
type Tries struct {
	Case           string
	Passed, Repeat int
}

// PassHat is pass^k: the chance that k fresh runs of a case all pass, as a mean over the cases. For a case with c of n
// runs passed it is C(c,k)/C(n,k), which is unbiased (Yao et al., "τ-bench: A Benchmark for Tool-Agent-User Interaction
// in Real-World Domains", 2024). It is an error where a case ran fewer than k times, or k is not positive.
func PassHat(k int, tries []Tries) (float64, error) {
	return reduce(k, tries, func(passed, n int) float64 { return chosen(passed, n, k) })
}

// PassAt is pass@k: the chance that at least one of k fresh runs passes, as a mean over the cases: 1 - C(n-c,k)/C(n,k)
// (Chen et al., "Evaluating Large Language Models Trained on Code", 2021). It is an error as with PassHat.
func PassAt(k int, tries []Tries) (float64, error) {
	return reduce(k, tries, func(passed, n int) float64 { return 1 - chosen(n-passed, n, k) })
}

func reduce(k int, tries []Tries, of func(passed, n int) float64) (float64, error) {
	if k < 1 {
		return 0, fmt.Errorf("reckoning over %d runs of each case: it must be 1 at least", k)
	}
	sum := 0.0
	for _, t := range tries {
		if t.Passed < 0 || t.Passed > t.Repeat {
			return 0, fmt.Errorf("reckoning how steady cases are: case %q passed %d of %d runs", t.Case, t.Passed, t.Repeat)
		}
		if t.Repeat < k {
			return 0, fmt.Errorf("reckoning over %d runs of each case: case %q has %d: repeat cases more often", k, t.Case, t.Repeat)
		}
		sum += of(t.Passed, t.Repeat)
	}
	return sum / float64(max(1, len(tries))), nil
}

// chosen is C(c,k)/C(n,k), as a product that neither overflows nor underflows early.
func chosen(c, n, k int) float64 {
	if c < k {
		return 0
	}
	p := 1.0
	for i := range k {
		p *= float64(c-i) / float64(n-i)
	}
	return p
}

// Steadiness is how much the outcomes of cases change where nothing does.
type Steadiness struct {
	// Cases were run more than once.
	Cases int `json:"cases"`
	// Unstable is the share of them that passed sometimes and failed sometimes, with its Wilson interval.
	Unstable Estimate `json:"unstable"`
	// Flaky names those cases, the closest to even first.
	Flaky []string `json:"flaky,omitempty"`
}

// Steady says how steady cases are. Cases that ran once say nothing of it and are left out.
func Steady(tries []Tries) Steadiness {
	var s Steadiness
	var flaky []Tries
	for _, t := range tries {
		if t.Repeat < 2 {
			continue
		}
		s.Cases++
		if t.Passed > 0 && t.Passed < t.Repeat {
			flaky = append(flaky, t)
		}
	}
	s.Unstable = Wilson(len(flaky), s.Cases)
	order := make([]int, len(flaky))
	for i := range order {
		order[i] = i
	}
	sortBy(order, func(i int) float64 {
		p := float64(flaky[i].Passed) / float64(flaky[i].Repeat)
		return max(p, 1-p)
	})
	for _, i := range order {
		s.Flaky = append(s.Flaky, flaky[i].Case)
	}
	s.Flaky = slices.Clip(s.Flaky)
	return s
}
