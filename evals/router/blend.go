package router

import "fairlead/orchestrator/routing/learned"

// blend is how much each member counts: logit = intercept of the target + Σ weight·member. The weights are the same for
// all targets, so that what the members get wrong alike for all of them cancels out between two.
type blend struct {
	weight    [members]float64
	intercept []float64
}

// equal is the blend that is assumed before there is data: the two regressions in equal parts, neighbours for half of
// one. belief is how many units of information it counts for; a case has about a twentieth of one.
var equal = [members]float64{words: 0.5, shape: 0.5, near: 0.25}

const (
	belief = 500
	// levelShare is how much the level of a quality counts beside the difference between two targets, which is what
	// routing goes by.
	levelShare = 0.1
	// spread is about the variance of the difference between two scores.
	spread = 0.25
)

// fitBlend fits the weights on what the members said of cases that they had not seen. A weight that would be negative
// is 0.
func fitBlend(opinions []opinion, scores [][]float64) blend {
	use := [members]bool{true, true, true}
	for {
		b := solveBlend(opinions, scores, use)
		worst := members
		for m := range members {
			if b.weight[m] < 0 && (worst == members || b.weight[m] < b.weight[worst]) {
				worst = m
			}
		}
		if worst == members {
			return b
		}
		use[worst] = false
	}
}

// solveBlend minimises, over the cases, the squared error of the differences between targets and a share of the logistic
// loss of each, with the weights held near those that are assumed.
func solveBlend(opinions []opinion, scores [][]float64, use [members]bool) blend {
	targets := len(scores[0])
	q, slope := make([]float64, targets), make([]float64, targets)
	level := levelShare
	if targets == 1 {
		level = 1
	}
	objective := func(w, g []float64) float64 {
		clear(g)
		sum := 0.0
		for m := range members {
			if use[m] {
				d := w[m] - equal[m]
				sum, g[m] = sum+belief*d*d/2, belief*d
			}
		}
		for i := range opinions {
			y := scores[i]
			for t := range targets {
				z := w[int(members)+t]
				for m, v := range opinions[i].of[t] {
					if use[m] {
						z += w[m] * v
					}
				}
				q[t], slope[t] = learned.Sigmoid(z), 0
				if isKnown(y[t]) {
					loss, d := logLoss(z, y[t])
					sum, slope[t] = sum+level*loss, level*d
				}
			}
			for t := range targets {
				for u := range t {
					if !isKnown(y[t]) || !isKnown(y[u]) {
						continue
					}
					scale := 1 / (spread * float64(targets-1))
					d := (q[t] - q[u]) - (y[t] - y[u])
					sum += scale * d * d / 2
					slope[t] += scale * d * q[t] * (1 - q[t])
					slope[u] -= scale * d * q[u] * (1 - q[u])
				}
			}
			for t := range targets {
				for m, v := range opinions[i].of[t] {
					if use[m] {
						g[m] += slope[t] * v
					}
				}
				g[int(members)+t] += slope[t]
			}
		}
		return sum
	}
	start := make([]float64, int(members)+targets)
	for m := range members {
		if use[m] {
			start[m] = equal[m]
		}
	}
	w := minimise(objective, start, 100, 1e-6)
	return blend{weight: [members]float64(w[:members]), intercept: w[members:]}
}

func (b *blend) logit(o *opinion, t int) float64 {
	z := b.intercept[t]
	for m, v := range o.of[t] {
		z += b.weight[m] * v
	}
	return z
}

// recipe is all that is fitted on a training set: the learner on all of it, and how its members are blended, which is
// found by cross-validation within it.
type recipe struct {
	*learner
	blend blend
	// outcomes counts those of each target.
	outcomes []int
	// unseen has, for each training case, what was said of it by learners that had not seen it.
	unseen []opinion
	train  []int
}

// innerFolds is how many folds the blend is found with.
const innerFolds = 3

func cook(s *set, train []int, by holdOut, seed uint64) *recipe {
	r := &recipe{train: train, unseen: make([]opinion, len(train)), outcomes: make([]int, len(s.data.Targets))}
	folds := assign(s.data, train, by, innerFolds, seed)
	for f := range innerFolds {
		fitted, asked := fit(s, pick(train, folds, f, false)), pick(train, folds, f, true)
		opinions := fitted.ask(asked)
		k := 0
		for at := range train {
			if folds[at] == f {
				r.unseen[at], k = opinions[k], k+1
			}
		}
	}
	scores := make([][]float64, len(train))
	for k, i := range train {
		scores[k] = s.data.Cases[i].Scores
		for t, y := range scores[k] {
			if isKnown(y) {
				r.outcomes[t]++
			}
		}
	}
	r.learner, r.blend = fit(s, train), fitBlend(r.unseen, scores)
	return r
}

// quality is what is predicted of a target, from what the members say of a case.
func (r *recipe) quality(o *opinion, t int) float64 {
	return learned.Shrink(learned.Sigmoid(r.blend.logit(o, t)), r.means[t], r.outcomes[t])
}
