package evals

import (
	"errors"
	"fmt"
	"strings"

	"fairlead/evals/stat"
)

// ParseUnder reads what is under test as String gives it.
func ParseUnder(s string) (Under, error) {
	kind, name, ok := strings.Cut(s, "/")
	var u Under
	switch kind {
	case "chain":
		u.Chain = name
	case "policy":
		u.Policy = name
	case "target":
		u.Target = name
	case "collection":
		u.Collection = name
	case "classifier":
		u.Classifier = name
	default:
		ok = false
	}
	if !ok || name == "" {
		return u, fmt.Errorf("reading %q: want chain/NAME, policy/NAME, target/NAME, collection/NAME or classifier/NAME", s)
	}
	return u, nil
}

// Point is where a target or a policy lies between cost, quality and latency.
type Point struct {
	Under string `json:"under"`
	// Quality is the mean of the suite's first scorer, with its interval.
	Quality stat.Estimate `json:"quality"`
	// Cost is the mean cost of a run, in US dollars. It counts when Priced.
	Cost   float64 `json:"cost_usd"`
	Priced bool    `json:"priced"`
	P50    float64 `json:"latency_p50_ms,omitempty"`
	P95    float64 `json:"latency_p95_ms,omitempty"`
	// Measured is how many cases have a score.
	Measured int `json:"cases"`
	// Best says that no other point is as good at less cost, or better at the same.
	Best bool `json:"best"`
	// Targets are how many runs each target answered.
	Targets map[string]int `json:"targets,omitempty"`
}

// Frontier sums reports of one suite on several things up, and marks those that no other beats.
func Frontier(reports []*Report) ([]Point, error) {
	var points []Point
	for _, r := range reports {
		if len(r.Scorers) == 0 {
			return nil, errors.New("a report has no scorer")
		}
		p := Point{Under: r.Under, Quality: r.Scorers[0].Estimate, Measured: r.Scorers[0].Cases, P50: r.Totals.P50, P95: r.Totals.P95,
			Priced: r.Totals.Unpriced == 0, Targets: map[string]int{}}
		if n := r.Totals.Runs - r.Totals.Missing; n > 0 {
			p.Cost = float64(r.Totals.CostNano) / 1e9 / float64(n)
		}
		for i := range r.Cases {
			for j := range r.Cases[i].Runs {
				if t := r.Cases[i].Runs[j].Targets; len(t) > 0 {
					p.Targets[t[len(t)-1]]++
				}
			}
		}
		points = append(points, p)
	}
	for i := range points {
		p := &points[i]
		p.Best = p.Priced && p.Measured > 0
		for j := range points {
			o := &points[j]
			if i != j && o.Priced && o.Measured > 0 && o.Cost <= p.Cost && o.Quality.Mean >= p.Quality.Mean && (o.Cost < p.Cost || o.Quality.Mean > p.Quality.Mean) {
				p.Best = false
			}
		}
	}
	return points, nil
}
