package router

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"fairlead/orchestrator/routing/learned"
)

// Config is how a router is fitted and judged. The zero value is usable.
type Config struct {
	Pair Pair
	// Folds is how many parts the data is cut into, each of which is predicted by what was fitted on the others.
	// Default 5.
	Folds int
	// ByGroup holds out whole groups, where there are as many as folds: the figures are then those for prompts of
	// groups that were not seen. Otherwise single prompts are held out.
	ByGroup bool
	// Seed is that of folds and intervals. Default 1.
	Seed uint64
	// Answer is what an answer costs, as characters of prompt: a call costs its prompt's characters and these. Default
	// 1000, which is little: the longer the answers, the less the length of prompts matters.
	Answer int
	// Resamples is how many draws stand behind an interval. Default 2000.
	Resamples int
}

func (c Config) withDefaults() Config {
	if c.Folds == 0 {
		c.Folds = 5
	}
	if c.Seed == 0 {
		c.Seed = 1
	}
	if c.Answer == 0 {
		c.Answer = 1000
	}
	if c.Resamples == 0 {
		c.Resamples = 2000
	}
	return c
}

// fewest is how many prompts a router is fitted on at least.
const fewest = 100

func (c Config) check(d *Data) error {
	switch {
	case c.Folds < 2 || c.Folds > 20:
		return fmt.Errorf("judging a router: %d folds: use 2 to 20", c.Folds)
	case c.Answer < 0:
		return fmt.Errorf("judging a router: an answer cannot cost %d characters", c.Answer)
	case c.Resamples < 100 || c.Resamples > 100_000:
		return fmt.Errorf("judging a router: %d draws: use 100 to 100000", c.Resamples)
	case len(d.Cases) < fewest:
		return fmt.Errorf("judging a router: the data has %d prompts: it takes %d", len(d.Cases), fewest)
	}
	return nil
}

func (c Config) by(d *Data) holdOut {
	if c.ByGroup && d.Groups() >= c.Folds {
		return byGroup
	}
	return byPrompt
}

// Row is one way of routing, and what it is worth.
type Row struct {
	Name  string         `json:"name"`
	APGR  learned.Figure `json:"apgr"`
	CPT50 learned.Figure `json:"cpt50"`
	CPT80 learned.Figure `json:"cpt80"`
	// Advantage is the mean quality over all costs less that of the best mix of single targets at the same cost, and
	// ByCalls the same as if every call cost the same.
	Advantage learned.Figure `json:"advantage"`
	ByCalls   learned.Figure `json:"advantage_by_calls"`
	// Over is the APGR less that of routing by length, on the same draws.
	Over learned.Figure `json:"over_length"`
}

// Report is what cross-validation found.
type Report struct {
	Weak       string  `json:"weak"`
	Strong     string  `json:"strong"`
	WeakMean   float64 `json:"weak_mean"`
	StrongMean float64 `json:"strong_mean"`
	Prompts    int     `json:"prompts"`
	Groups     int     `json:"groups"`
	LeftOut    int     `json:"left_out"`
	Folds      int     `json:"folds"`
	// HeldOut is what a fold held out: "group" or "prompt".
	HeldOut string `json:"held_out"`
	Seed    uint64 `json:"seed"`
	// Rows has the learned router first, and routing by length second.
	Rows []Row `json:"routers"`
	// Brier is the mean squared error of the qualities that were predicted, by target.
	Brier []Brier `json:"squared_errors"`
}

// Brier is how far predictions of a target are off, squared, beside those that know the target's mean alone.
type Brier struct {
	Target  string  `json:"target"`
	Learned float64 `json:"learned"`
	Mean    float64 `json:"mean"`
}

// Evaluate judges a router by cross-validation: what is said of a prompt is said by a router that has not seen it.
func Evaluate(d *Data, c Config) (*Report, error) {
	c = c.withDefaults()
	if err := c.check(d); err != nil {
		return nil, err
	}
	return evaluate(newSet(d), c)
}

func evaluate(s *set, c Config) (*Report, error) {
	d := s.data
	weak, strong, err := d.pair(c.Pair)
	if err != nil {
		return nil, err
	}
	by := c.by(d)
	qualities, means := crossValidate(s, c.Folds, by, c.Seed)
	r := &Report{
		Weak: d.Targets[weak], Strong: d.Targets[strong], Groups: d.Groups(), LeftOut: d.LeftOut,
		Folds: c.Folds, HeldOut: string(by), Seed: c.Seed,
	}
	var ask []int
	for i := range d.Cases {
		if isKnown(d.Cases[i].Scores[weak]) && isKnown(d.Cases[i].Scores[strong]) {
			ask = append(ask, i)
		}
	}
	if r.Prompts = len(ask); r.Prompts < fewest {
		return nil, fmt.Errorf("judging a router: %d prompts were asked of both %s and %s: it takes %d", len(ask), r.Weak, r.Strong, fewest)
	}
	p := &pairs{prompt: make([]string, len(ask))}
	gain, length, none, best := make([]float64, len(ask)), make([]float64, len(ask)), make([]float64, len(ask)), make([]float64, len(ask))
	for k, i := range ask {
		one := &d.Cases[i]
		p.prompt[k] = one.text()
		p.weak, p.strong = append(p.weak, one.Scores[weak]), append(p.strong, one.Scores[strong])
		length[k] = float64(s.chars[i])
		gain[k] = qualities[i][strong] - qualities[i][weak]
		best[k] = one.Scores[strong] - one.Scores[weak]
	}
	for _, n := range length {
		p.cost = append(p.cost, n+float64(c.Answer))
	}
	r.WeakMean, r.StrongMean = known(p.weak), known(p.strong)
	if r.StrongMean <= r.WeakMean {
		return nil, fmt.Errorf("judging a router: %s scores %.3f and %s %.3f: there is nothing to gain by asking it", r.Weak, r.WeakMean, r.Strong, r.StrongMean)
	}
	r.Rows = p.rows(c, []string{"learned", "prompt length", "random, or a mix of single targets", "oracle"}, gain, length, none, best)
	for t, name := range d.Targets {
		b := Brier{Target: name}
		n := 0.0
		for i := range d.Cases {
			if y := d.Cases[i].Scores[t]; isKnown(y) {
				b.Learned += (qualities[i][t] - y) * (qualities[i][t] - y)
				b.Mean += (means[i][t] - y) * (means[i][t] - y)
				n++
			}
		}
		if n == 0 {
			return nil, errors.New("judging a router: a target has no outcomes")
		}
		b.Learned, b.Mean = b.Learned/n, b.Mean/n
		r.Brier = append(r.Brier, b)
	}
	return r, nil
}

// crossValidate predicts every target's quality for every case by what was fitted on the other folds, and gives the
// means of those folds beside it.
func crossValidate(s *set, folds int, by holdOut, seed uint64) (qualities, means [][]float64) {
	all := indices(len(s.data.Cases))
	of := assign(s.data, all, by, folds, seed)
	qualities, means = make([][]float64, len(all)), make([][]float64, len(all))
	for f := range folds {
		asked := pick(all, of, f, true)
		r := cook(s, pick(all, of, f, false), by, seed+uint64(f)+1)
		for k, o := range r.ask(asked) {
			q := make([]float64, r.targets)
			for t := range q {
				q[t] = r.quality(&o, t)
			}
			qualities[asked[k]], means[asked[k]] = q, r.means
		}
	}
	return qualities, means
}

func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// pairs are the outcomes that rows are reckoned from.
type pairs struct {
	prompt             []string
	weak, strong, cost []float64
}

// rows reckons each way of routing, all on the same draws. The second is that by length.
func (p *pairs) rows(c Config, names []string, scores ...[]float64) []Row {
	curves := make([]*curve, len(scores))
	for k, score := range scores {
		curves[k] = newCurve(score, p.weak, p.strong)
	}
	const figures = 6
	draws := make([][figures][]float64, len(curves))
	reckon := func(times []float64) [][figures]float64 {
		out := make([][figures]float64, len(curves))
		for k, cv := range curves {
			m := cv.measure(times, nil)
			l := cv.measure(times, p.cost)
			out[k] = [figures]float64{m.apgr(), m.cpt50, m.cpt80, l.advantage(), m.advantage(), 0}
		}
		for k := range out {
			out[k][5] = out[k][0] - out[1][0]
		}
		return out
	}
	rng := rand.New(rand.NewPCG(c.Seed, 0x626f6f74))
	unit, units := p.units()
	counts, times := make([]float64, units), make([]float64, len(p.weak))
	for range c.Resamples {
		clear(counts)
		for range units {
			counts[rng.IntN(units)]++
		}
		for i, u := range unit {
			times[i] = counts[u]
		}
		for k, f := range reckon(times) {
			for j, v := range f {
				draws[k][j] = append(draws[k][j], v)
			}
		}
	}
	rows := make([]Row, len(names))
	for k, f := range reckon(nil) {
		row := &rows[k]
		row.Name = names[k]
		for j, to := range []*learned.Figure{&row.APGR, &row.CPT50, &row.CPT80, &row.Advantage, &row.ByCalls, &row.Over} {
			*to = figure(f[j], draws[k][j])
		}
	}
	return rows
}

// units numbers the distinct prompts: those of one text are drawn together.
func (p *pairs) units() (unit []int, count int) {
	of := map[string]int{}
	for _, text := range p.prompt {
		if _, ok := of[text]; !ok {
			of[text] = len(of)
		}
		unit = append(unit, of[text])
	}
	return unit, len(of)
}

func figure(value float64, draws []float64) learned.Figure {
	value = clean(value)
	draws = slices.DeleteFunc(draws, math.IsNaN)
	if len(draws) == 0 {
		return learned.Figure{Value: value, Low: value, High: value}
	}
	slices.Sort(draws)
	low := int(0.025 * float64(len(draws)))
	return learned.Figure{Value: value, Low: clean(draws[low]), High: clean(draws[len(draws)-1-low])}
}

// clean makes 0 of what rounding left of it.
func clean(v float64) float64 {
	if math.Abs(v) < 1e-12 {
		return 0
	}
	return v
}
