package router

import (
	"math/rand/v2"
	"slices"
)

// holdOut says what a fold keeps together.
type holdOut string

const (
	// byPrompt keeps together what has the same text.
	byPrompt holdOut = "prompt"
	// byGroup keeps together a group, so that what is asked about is of none that was seen.
	byGroup holdOut = "group"
)

// assign gives each of the cases its fold. It depends on the seed and the cases alone. Where there are fewer groups than
// folds, it is by prompt.
func assign(d *Data, cases []int, by holdOut, folds int, seed uint64) []int {
	key := func(i int) string {
		if by == byGroup {
			return d.Cases[i].Group
		}
		return d.Cases[i].text()
	}
	var keys []string
	for _, i := range cases {
		keys = append(keys, key(i))
	}
	distinct := slices.Clone(keys)
	slices.Sort(distinct)
	distinct = slices.Compact(distinct)
	if by == byGroup && len(distinct) < folds {
		return assign(d, cases, byPrompt, folds, seed)
	}
	rng := rand.New(rand.NewPCG(seed, uint64(folds)))
	rng.Shuffle(len(distinct), func(i, j int) { distinct[i], distinct[j] = distinct[j], distinct[i] })
	of := make(map[string]int, len(distinct))
	for i, k := range distinct {
		of[k] = i % folds
	}
	out := make([]int, len(cases))
	for i, k := range keys {
		out[i] = of[k]
	}
	return out
}

// pick gives the cases of a fold, or all others.
func pick(cases, folds []int, fold int, inside bool) []int {
	var out []int
	for k, i := range cases {
		if (folds[k] == fold) == inside {
			out = append(out, i)
		}
	}
	return out
}
