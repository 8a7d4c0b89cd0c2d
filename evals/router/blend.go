package router

import "fairlead/orchestrator/routing/learned"

// share is how much each member counts in the logit of a quality.
var share = [members]float64{words: 0.4, shape: 0.4, near: 0.2}

// blend is what becomes of the members' shares: logit = slope·Σ share·member + intercept. It is the same for all targets,
// so that what the members get wrong alike for all of them cancels out between two.
type blend struct{ slope, intercept float64 }

// belief is how many units of information stand for a slope of 1 and an intercept of 0. A case has at most a quarter of
// one.
const belief = 500

// fitBlend calibrates the members' shares on what they said of cases that they had not seen (Platt, "Probabilistic
// Outputs for Support Vector Machines", 1999).
func fitBlend(opinions []opinion, scores [][]float64) blend {
	objective := func(w, g []float64) float64 {
		d := w[0] - 1
		sum := belief * (d*d + w[1]*w[1]) / 2
		g[0], g[1] = belief*d, belief*w[1]
		for i := range opinions {
			for t, y := range scores[i] {
				if !isKnown(y) {
					continue
				}
				m := opinions[i].mix(t)
				loss, d := logLoss(w[0]*m+w[1], y)
				sum, g[0], g[1] = sum+loss, g[0]+d*m, g[1]+d
			}
		}
		return sum
	}
	w := minimise(objective, []float64{1, 0}, 100, 1e-6)
	return blend{slope: max(w[0], 0), intercept: w[1]}
}

// mix is what the members say together.
func (o *opinion) mix(t int) float64 {
	z := 0.0
	for m, v := range o.of[t] {
		z += share[m] * v
	}
	return z
}

func (b *blend) logit(o *opinion, t int) float64 { return b.slope*o.mix(t) + b.intercept }

// recipe is all that is fitted on a training set: the learner on all of it, and how it is calibrated, which is found by
// cross-validation within it.
type recipe struct {
	*learner
	blend blend
	// outcomes counts those of each target.
	outcomes []int
	// unseen has, for each training case, what was said of it by learners that had not seen it.
	unseen []opinion
	train  []int
}

// innerFolds is how many folds the calibration is found with.
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
