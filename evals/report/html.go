package report

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"

	"fairlead/evals"
)

//go:embed page.html frontier.html style.html
var files embed.FS

var page = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"mean": mean, "interval": interval, "against": against, "gate": gate, "totals": totals, "json": compact,
	"diff": diff, "score": scoreText, "join": func(list []string) string { return strings.Join(list, ", ") },
}).ParseFS(files, "page.html", "style.html"))

// HTML writes one page that needs nothing else: no script of others, no font, no picture from elsewhere.
func HTML(w io.Writer, r *evals.Report) error {
	return page.Execute(w, view{Report: r, ByTag: byTag(r), Latency: latencies(r), Targets: byTarget(r), Rows: rows(r)})
}

// view is what the page shows.
type view struct {
	*evals.Report
	ByTag   []tagChart
	Latency *histogram
	Targets *scatter
	Rows    []row
}

// row is a run of a case, with what its scores say for sorting: what is not measured first, then what is worst.
type row struct {
	Case  *evals.CaseReport
	Run   *evals.RunReport
	Name  string
	Worst float64
	Red   bool
}

func rows(r *evals.Report) []row {
	var bad, poor, good []row
	for i := range r.Cases {
		c := &r.Cases[i]
		for j := range c.Runs {
			run := &c.Runs[j]
			one := row{Case: c, Run: run, Name: place(r, c.ID, j), Worst: 1}
			measured := run.Error == ""
			for _, s := range run.Scores {
				measured = measured && s.Error == ""
				if s.Counts() {
					one.Worst = min(one.Worst, s.Value)
				}
			}
			switch {
			case !measured:
				one.Red = true
				bad = append(bad, one)
			case one.Worst < 0.5:
				one.Red = true
				poor = append(poor, one)
			default:
				good = append(good, one)
			}
		}
	}
	return append(append(bad, poor...), good...)
}

func compact(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return ""
	}
	return string(data)
}

func scoreText(s evals.ScoreReport) string {
	switch {
	case s.Error != "":
		return "not measured: " + s.Error
	case s.Skipped != "":
		return "skipped: " + s.Skipped
	case s.Detail != "":
		return fmt.Sprintf("%.3f: %s", s.Value, s.Detail)
	default:
		return fmt.Sprintf("%.3f", s.Value)
	}
}
