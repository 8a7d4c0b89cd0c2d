package router

import (
	"fmt"
	"slices"

	"fairlead/orchestrator/routing/learned"
)

// Train judges a router by cross-validation, fits it on all of the data and gives both. The artefact is active when the
// test was passed; nothing else makes it so. The date is written into it as it is.
func Train(d *Data, c Config, date string) (*learned.Artefact, *Report, error) {
	c = c.withDefaults()
	if err := c.check(d); err != nil {
		return nil, nil, err
	}
	s := newSet(d)
	report, err := evaluate(s, c)
	if err != nil {
		return nil, nil, err
	}
	by := c.by(d)
	r := cook(s, indices(len(d.Cases)), by, c.Seed)
	a := r.artefact()
	a.Trained = learned.Origin{
		Date: date, Data: d.Sum(), Prompts: len(d.Cases), Groups: d.Groups(), Folds: c.Folds, HeldOut: string(by), Seed: c.Seed,
	}
	a.Test = report.Test()
	a.Active, a.Verdict = a.Test.Pass(), report.Verdict()
	return a, report, nil
}

// Remembered gives the cases of data that the neighbours of a model stand for, in their order; nil where the model was
// trained on other data.
func Remembered(d *Data, a *learned.Artefact) []Case {
	if a.Trained.Data != d.Sum() {
		return nil
	}
	var out []Case
	for i := 0; i < len(d.Cases); i += every(len(d.Cases)) {
		out = append(out, d.Cases[i])
	}
	return out
}

// Test is the report as an artefact holds it.
func (r *Report) Test() learned.Test {
	own := &r.Rows[0]
	return learned.Test{
		Weak: r.Weak, Strong: r.Strong, APGR: own.APGR, CPT50: own.CPT50, CPT80: own.CPT80,
		Advantage: own.Advantage, ByCalls: own.ByCalls, Length: r.Rows[1].APGR,
	}
}

// Verdict says in a sentence whether the router may be active, and why.
func (r *Report) Verdict() string {
	t := r.Test()
	worse, how := t.Advantage, "at equal cost"
	if t.ByCalls.Low < worse.Low {
		worse, how = t.ByCalls, "for as many calls"
	}
	if t.Pass() {
		return fmt.Sprintf("on prompts held out its quality is %+.4f (95 %%: %+.4f to %+.4f) beside the best mix of single targets %s",
			worse.Value, worse.Low, worse.High, how)
	}
	return fmt.Sprintf("it does not surely beat the best mix of single targets %s: %+.4f (95 %%: %+.4f to %+.4f) on %d prompts held out; more outcomes may help",
		how, worse.Value, worse.Low, worse.High, r.Prompts)
}

// artefact packs what was fitted: words and shape become one set of weights, for both are linear.
func (r *recipe) artefact() *learned.Artefact {
	a := &learned.Artefact{
		Format: learned.Format, Features: learned.FeatureVersion, Thresholds: r.thresholds, Near: r.far(),
		Rarity: r.packed, Keys: learned.PackKeys(r.keys), Outcomes: learned.Pack(r.scores),
	}
	w := share
	for m := range w {
		w[m] *= r.blend.slope
	}
	for t, name := range r.set.data.Targets {
		text, form := r.words[t], r.shape[t]
		slots := make([]float64, learned.Slots)
		for slot, at := range r.columns {
			if at >= 0 {
				slots[slot] = w[words] * text[at]
			}
		}
		target := learned.Target{
			Name: name, Prompts: r.outcomes[t], Mean: r.means[t], Near: w[near],
			Intercept: r.blend.intercept + w[words]*text[len(text)-1] + w[shape]*form[len(form)-1],
			Bins:      r.bins(t),
		}
		target.Weights, target.Scale = learned.PackWeights(slots)
		column := 0
		for _, thresholds := range r.thresholds {
			cut := make([]float32, len(thresholds))
			for i := range cut {
				cut[i] = float32(w[words]*beside*text[r.seen+column] + w[shape]*form[column])
				column++
			}
			target.Shape = append(target.Shape, cut)
		}
		a.Targets = append(a.Targets, target)
	}
	return a
}

// far is the nearness that 1 in 100 of the prompts that were held out stayed below.
func (r *recipe) far() float32 {
	cosines := make([]float32, len(r.unseen))
	for k := range r.unseen {
		cosines[k] = r.unseen[k].cosine
	}
	slices.Sort(cosines)
	return cosines[len(cosines)/100]
}

// Bins of predictions have at least so many prompts each, and there are at most so many bins.
const (
	binPrompts = 50
	mostBins   = 20
)

// bins tell how the predictions of a target did on prompts that were held out.
func (r *recipe) bins(t int) []learned.Bin {
	type seen struct{ quality, score float64 }
	var all []seen
	for k, i := range r.train {
		if y := r.set.data.Cases[i].Scores[t]; isKnown(y) {
			all = append(all, seen{r.quality(&r.unseen[k], t), y})
		}
	}
	slices.SortFunc(all, func(a, b seen) int {
		switch {
		case a.quality < b.quality:
			return -1
		case a.quality > b.quality:
			return 1
		}
		return 0
	})
	count := min(max(len(all)/binPrompts, 1), mostBins)
	var bins []learned.Bin
	for b := range count {
		part := all[len(all)*b/count : len(all)*(b+1)/count]
		sum := 0.0
		for _, s := range part {
			sum += s.score
		}
		if len(part) > 0 {
			bins = append(bins, learned.Bin{UpTo: part[len(part)-1].quality, Prompts: len(part), Mean: min(sum/float64(len(part)), 1)})
		}
	}
	return bins
}
