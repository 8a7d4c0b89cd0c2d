package report

import (
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"fairlead/evals"
)

// FrontierText writes a table of what lies where, the cheapest first.
func FrontierText(w io.Writer, scorer string, points []evals.Point) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "UNDER TEST\t%s\t95 %%\t$ A RUN\tP50\tP95\tCASES\tFRONTIER\tANSWERED BY\n", strings.ToUpper(scorer))
	for _, p := range ordered(points) {
		cost, best := "unknown", ""
		if p.Priced {
			cost = fmt.Sprintf("%.6f", p.Cost)
		}
		if p.Best {
			best = "yes"
		}
		fmt.Fprintf(t, "%s\t%.3f\t[%.3f, %.3f]\t%s\t%s\t%s\t%d\t%s\t%s\n", p.Under, p.Quality.Mean, p.Quality.Low, p.Quality.High, cost,
			took(p.P50), took(p.P95), p.Measured, best, answered(p))
	}
	return t.Flush()
}

// took gives a time, where it is known.
func took(ms float64) string {
	if ms == 0 {
		return "-"
	}
	return milliseconds(ms)
}

func answered(p evals.Point) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p.Targets)) {
		out = append(out, fmt.Sprintf("%s %d", name, p.Targets[name]))
	}
	return strings.Join(out, ", ")
}

func ordered(points []evals.Point) []evals.Point {
	return slices.SortedStableFunc(slices.Values(points), func(a, b evals.Point) int {
		switch {
		case a.Cost < b.Cost:
			return -1
		case a.Cost > b.Cost:
			return 1
		default:
			return strings.Compare(a.Under, b.Under)
		}
	})
}

var frontierPage = template.Must(template.New("frontier.html").Funcs(template.FuncMap{"answered": answered, "ms": took}).ParseFS(files, "frontier.html", "style.html"))

// FrontierHTML draws quality against cost and against latency, on one page that needs nothing else.
func FrontierHTML(w io.Writer, suite, scorer string, points []evals.Point) error {
	var cost, latency []point
	for _, p := range points {
		if p.Priced && p.Measured > 0 {
			cost = append(cost, point{Name: p.Under, Cost: p.Cost, Quality: p.Quality.Mean, Count: p.Measured})
		}
		if p.P50 > 0 && p.Measured > 0 {
			latency = append(latency, point{Name: p.Under, Cost: p.P50 / 1000, Quality: p.Quality.Mean, Count: p.Measured})
		}
	}
	charts := []chart{{Title: scorer + " against the cost of a run", Scatter: plot(cost, scorer)}, {Title: scorer + " against the median time of a run", Scatter: plot(latency, scorer)}}
	if s := charts[1].Scatter; s != nil {
		highest := 0.0
		for _, p := range latency {
			highest = max(highest, p.Cost)
		}
		s.MaxCost = milliseconds(highest * 1000)
	}
	return frontierPage.Execute(w, map[string]any{"Suite": suite, "Scorer": scorer, "Points": ordered(points), "Charts": charts})
}

// chart is a scatter with its title.
type chart struct {
	Title   string
	Scatter *scatter
}
