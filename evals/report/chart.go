package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"fairlead/evals"
)

// tagChart is one scorer's mean for each tag.
type tagChart struct {
	Scorer string
	Bars   []bar
	Height int
}

// bar is a labelled length from 0 to 1. Y is its place in the chart.
type bar struct {
	Label string
	Value float64
	Count int
	Y     int
}

// Width gives the bar's length in the chart.
func (b bar) Width() string { return fmt.Sprintf("%.1f", 300*b.Value) }

// Figure gives the value for people.
func (b bar) Figure() string { return fmt.Sprintf("%.3f (%d)", b.Value, b.Count) }

// rowHeight is that of a bar, in the chart's units.
const rowHeight = 22

func byTag(r *evals.Report) (out []tagChart) {
	for k := range r.Scorers {
		sums, counts := map[string]float64{}, map[string]int{}
		for i := range r.Cases {
			for j := range r.Cases[i].Runs {
				run := &r.Cases[i].Runs[j]
				if run.Error != "" || !run.Scores[k].Counts() {
					continue
				}
				for _, tag := range r.Cases[i].Tags {
					sums[tag] += run.Scores[k].Value
					counts[tag]++
				}
			}
		}
		chart := tagChart{Scorer: r.Scorers[k].Name}
		for i, tag := range slices.Sorted(maps.Keys(sums)) {
			chart.Bars = append(chart.Bars, bar{tag, sums[tag] / float64(counts[tag]), counts[tag], i * rowHeight})
		}
		if chart.Height = len(chart.Bars) * rowHeight; chart.Height > 0 {
			out = append(out, chart)
		}
	}
	return out
}

// histogram is how many runs took how long.
type histogram struct {
	Bars     []column
	From, To string
}

// column is one class of a histogram.
type column struct {
	X, Y, Height float64
	Title        string
}

// classes is how many columns a histogram has. They are of equal width in the logarithm: latencies have long tails.
const classes = 24

func latencies(r *evals.Report) *histogram {
	var all []float64
	for i := range r.Cases {
		for j := range r.Cases[i].Runs {
			if l := r.Cases[i].Runs[j].Latency; l > 0 {
				all = append(all, l)
			}
		}
	}
	if len(all) < 2 {
		return nil
	}
	low, high := slices.Min(all), slices.Max(all)
	step := math.Log(high/low) / classes
	counts := make([]int, classes)
	for _, l := range all {
		at := 0
		if step > 0 {
			at = min(int(math.Log(l/low)/step), classes-1)
		}
		counts[at]++
	}
	most := slices.Max(counts)
	h := &histogram{From: milliseconds(low), To: milliseconds(high)}
	for i, n := range counts {
		if n == 0 {
			continue
		}
		height := 100 * float64(n) / float64(most)
		h.Bars = append(h.Bars, column{X: float64(i) * 17, Y: 100 - height, Height: height,
			Title: fmt.Sprintf("%s to %s: %d", milliseconds(low*math.Exp(step*float64(i))), milliseconds(low*math.Exp(step*float64(i+1))), n)})
	}
	return h
}

func milliseconds(ms float64) string {
	if ms >= 1000 {
		return fmt.Sprintf("%.2f s", ms/1000)
	}
	return fmt.Sprintf("%.3g ms", ms)
}

// scatter is quality against cost.
type scatter struct {
	Points []point
	// Line joins the points that no other beats in both.
	Line    string
	Scorer  string
	MaxCost string
}

// point is a target, or a policy.
type point struct {
	Name          string
	X, Y          float64
	Cost, Quality float64
	Count         int
	Best          bool
}

// Title says what the point is.
func (p point) Title() string {
	return fmt.Sprintf("%s: quality %.3f, $%.6f a run, %d runs", p.Name, p.Quality, p.Cost, p.Count)
}

// byTarget sets the mean of the first scorer against the mean cost, for each set of targets that answered.
func byTarget(r *evals.Report) *scatter {
	if len(r.Scorers) == 0 {
		return nil
	}
	type sum struct {
		quality, cost float64
		n             int
	}
	sums := map[string]*sum{}
	for i := range r.Cases {
		for j := range r.Cases[i].Runs {
			run := &r.Cases[i].Runs[j]
			if run.Error != "" || !run.Priced || len(run.Targets) == 0 || !run.Scores[0].Counts() {
				continue
			}
			name := strings.Join(slices.Compact(slices.Sorted(slices.Values(run.Targets))), " + ")
			s := sums[name]
			if s == nil {
				s = &sum{}
				sums[name] = s
			}
			s.quality, s.cost, s.n = s.quality+run.Scores[0].Value, s.cost+float64(run.CostNano)/1e9, s.n+1
		}
	}
	var points []point
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		s := sums[name]
		points = append(points, point{Name: name, Cost: s.cost / float64(s.n), Quality: s.quality / float64(s.n), Count: s.n})
	}
	return plot(points, r.Scorers[0].Name)
}

// plot places points, and joins those that no other beats: the frontier.
func plot(points []point, scorer string) *scatter {
	if len(points) == 0 {
		return nil
	}
	highest := 0.0
	for _, p := range points {
		highest = max(highest, p.Cost)
	}
	for i := range points {
		p := &points[i]
		if highest > 0 {
			p.X = 400 * p.Cost / highest
		}
		p.Y = 200 * (1 - p.Quality)
		p.Best = !slices.ContainsFunc(points, func(o point) bool {
			return o.Cost <= p.Cost && o.Quality >= p.Quality && (o.Cost < p.Cost || o.Quality > p.Quality)
		})
	}
	slices.SortStableFunc(points, func(a, b point) int { return cmp.Compare(a.Cost, b.Cost) })
	var line []string
	for _, p := range points {
		if p.Best {
			line = append(line, fmt.Sprintf("%.1f,%.1f", p.X, p.Y))
		}
	}
	return &scatter{Points: points, Line: strings.Join(line, " "), Scorer: scorer, MaxCost: fmt.Sprintf("$%.6f", highest)}
}
