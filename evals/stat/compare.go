package stat

import (
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"slices"
)

// Sample is one score of one case. A case that was run several times has several.
type Sample struct {
	Case  string
	Value float64
}

// byCase gives each case's mean.
func byCase(samples []Sample) map[string]float64 {
	sums, counts := map[string]float64{}, map[string]int{}
	for _, s := range samples {
		sums[s.Case] += s.Value
		counts[s.Case]++
	}
	for name := range sums {
		sums[name] /= float64(counts[name])
	}
	return sums
}

// Means gives the mean of each case, in the order of their names.
func Means(samples []Sample) []float64 {
	cases := byCase(samples)
	out := make([]float64, 0, len(cases))
	for _, name := range sortedNames(cases) {
		out = append(out, cases[name])
	}
	return out
}

// Change is what became of a case.
type Change struct {
	Case string  `json:"case"`
	Base float64 `json:"base"`
	New  float64 `json:"new"`
	// Difference is New - Base.
	Difference float64 `json:"difference"`
}

// Comparison is a run beside its baseline, case by case. Only cases that both have are compared.
type Comparison struct {
	// Cases is how many both have. Missing names those that only the baseline has, Added those that only the run has.
	Cases   int      `json:"cases"`
	Missing []string `json:"missing,omitempty"`
	Added   []string `json:"added,omitempty"`
	Base    Estimate `json:"base"`
	New     Estimate `json:"new"`
	// Difference is New - Base over the cases of both, paired.
	Difference Estimate `json:"difference"`
	// PWorse is the one-sided p-value that the run is worse than its baseline, PBetter that it is better; see Worse.
	PWorse  float64 `json:"p_worse"`
	PBetter float64 `json:"p_better"`
	// Detectable is the least difference that so many cases of such a spread find with 80 % power. It is +Inf where they
	// find none; as JSON it is left out then.
	Detectable float64 `json:"-"`
	// Changes are the cases of both, those that lost most first.
	Changes []Change `json:"-"`

	differences []float64
	bootstrap   Bootstrap
}

// Compare sets a run beside its baseline. Values of a case that was run several times are averaged first.
func Compare(base, run []Sample, b Bootstrap) *Comparison {
	was, is := byCase(base), byCase(run)
	c := &Comparison{bootstrap: b.withDefaults()}
	var x, y []float64
	for _, name := range sortedNames(was) {
		now, ok := is[name]
		if !ok {
			c.Missing = append(c.Missing, name)
			continue
		}
		x, y = append(x, was[name]), append(y, now)
		c.Changes = append(c.Changes, Change{Case: name, Base: was[name], New: now, Difference: now - was[name]})
	}
	for _, name := range sortedNames(is) {
		if _, ok := was[name]; !ok {
			c.Added = append(c.Added, name)
		}
	}
	c.Cases = len(x)
	c.differences = differences(y, x)
	c.Base, c.Difference = c.bootstrap.Mean(x), c.bootstrap.Mean(c.differences)
	if c.New = c.Base; !slices.Equal(x, y) { // most runs are as before, and draws take time
		c.New = c.bootstrap.Mean(y)
	}
	c.PWorse = Worse(c.differences, c.bootstrap.Resamples, c.bootstrap.Seed)
	c.PBetter = Worse(differences(x, y), c.bootstrap.Resamples, c.bootstrap.Seed)
	c.Detectable = Detectable(deviation(c.differences), c.Cases)
	slices.SortStableFunc(c.Changes, func(a, b Change) int { return cmp.Compare(a.Difference, b.Difference) })
	return c
}

type plainComparison Comparison

// comparisonForm is a comparison as JSON, which knows no infinity.
type comparisonForm struct {
	*plainComparison
	Detectable *float64 `json:"detectable,omitempty"`
}

// MarshalJSON leaves out what is infinite.
func (c *Comparison) MarshalJSON() ([]byte, error) {
	form := comparisonForm{plainComparison: (*plainComparison)(c)}
	if !math.IsInf(c.Detectable, 1) {
		form.Detectable = &c.Detectable
	}
	return json.Marshal(form)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *Comparison) UnmarshalJSON(data []byte) error {
	form := comparisonForm{plainComparison: (*plainComparison)(c)}
	if err := json.Unmarshal(data, &form); err != nil {
		return err
	}
	c.Detectable = math.Inf(1)
	if form.Detectable != nil {
		c.Detectable = *form.Detectable
	}
	return nil
}

// Lost gives up to n cases that lost, those that lost most first.
func (c *Comparison) Lost(n int) []Change {
	lost := c.Changes
	if i := slices.IndexFunc(lost, func(ch Change) bool { return ch.Difference >= 0 }); i >= 0 {
		lost = lost[:i]
	}
	return slices.Clone(lost[:min(n, len(lost))])
}

// worseBy is the p-value that the run is worse than its baseline by more than margin.
func (c *Comparison) worseBy(margin float64) float64 {
	if margin == 0 {
		return c.PWorse
	}
	shifted := make([]float64, len(c.differences))
	for i, d := range c.differences {
		shifted[i] = d + margin
	}
	return Worse(shifted, c.bootstrap.Resamples, c.bootstrap.Seed)
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
