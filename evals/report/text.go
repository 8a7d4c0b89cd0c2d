package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"fairlead/evals"
	"fairlead/evals/stat"
)

// Text writes a table for a terminal: the scorers, the gates that are red with the cases that lost most, and the cases
// without an outcome.
func Text(w io.Writer, r *evals.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s: %d cases", r.Suite, r.Under, len(r.Cases))
	if r.Repeat > 1 {
		fmt.Fprintf(&b, ", each %d times", r.Repeat)
	}
	if r.Played {
		b.WriteString(", from the cassette")
	}
	b.WriteString("\n\n")
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SCORER\tMEAN\t95 %\tCASES\tFAILED\tAGAINST THE BASELINE\tGATE")
	for i := range r.Scorers {
		s := &r.Scorers[i]
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%s\t%s\n", s.Name, mean(s), interval(s), s.Cases, s.Failed, against(s.Against), gate(s.Verdict))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(&b, "\n%s\n", totals(&r.Totals))
	for i := range r.Scorers {
		red(&b, r, i)
	}
	for i := range r.Scorers {
		if s := r.Scorers[i].Steady; s != nil && len(s.Flaky) > 0 {
			shown := s.Flaky[:min(len(s.Flaky), shownWorst)]
			fmt.Fprintf(&b, "%s: %d of %d cases pass at times and fail at times: %s", r.Scorers[i].Name, len(s.Flaky), s.Cases, strings.Join(shown, ", "))
			if more := len(s.Flaky) - len(shown); more > 0 {
				fmt.Fprintf(&b, " and %d more", more)
			}
			b.WriteString("\n")
		}
	}
	for _, f := range failed(r, shownFailed) {
		fmt.Fprintf(&b, "failed: %s: %s\n", f.id, f.why)
	}
	for _, f := range failures(r, shownFailures) {
		what := "no outcome"
		if f.scorer {
			what = "not measured"
		}
		fmt.Fprintf(&b, "%s: %s: %s\n", what, f.id, f.why)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	_, err := io.WriteString(w, harmless(b.String()))
	return err
}

// harmless takes from a text what a terminal obeys.
func harmless(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) && c != '\n' {
			return unicode.ReplacementChar
		}
		return c
	}, text)
}

// shownFailures is how many cases without an outcome are named where there is little room.
const shownFailures = 20

// shownFailed is how many runs that failed are named: as a rule they fail for one reason.
const shownFailed = 5

// red tells why a gate is red, and which cases lost most or, where it is not against a baseline, are worst.
func red(b *strings.Builder, r *evals.Report, scorer int) {
	s := &r.Scorers[scorer]
	if s.Verdict == nil || s.Verdict.Green {
		return
	}
	for _, f := range s.Verdict.Findings {
		if !f.Green {
			fmt.Fprintf(b, "RED %s %s: %s\n", s.Name, f.Rule, f.Text)
		}
	}
	for _, line := range losers(r, scorer) {
		fmt.Fprintf(b, "    %s\n", line)
	}
}

// losers names the cases that made a scorer's gate red: those that lost most against the baseline, or else those with the
// least scores.
func losers(r *evals.Report, scorer int) (lines []string) {
	s := &r.Scorers[scorer]
	for _, c := range s.Verdict.Lost {
		lines = append(lines, fmt.Sprintf("%s: %.3f before, %.3f now", c.Case, c.Base, c.New))
	}
	if lines != nil {
		return lines
	}
	type worst struct {
		name, why string
		value     float64
	}
	var list []worst
	for i := range r.Cases {
		for j := range r.Cases[i].Runs {
			if one := &r.Cases[i].Runs[j].Scores[scorer]; one.Counts() && one.Value < s.Estimate.Mean {
				list = append(list, worst{place(r, r.Cases[i].ID, j), one.Detail, one.Value})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b worst) int { return cmp.Compare(a.value, b.value) })
	for _, w := range list[:min(len(list), shownWorst)] {
		lines = append(lines, strings.TrimSuffix(fmt.Sprintf("%s: %.3f: %s", w.name, w.value, w.why), ": "))
	}
	return lines
}

// shownWorst is how many cases are named of those that are poor.
const shownWorst = 5

func mean(s *evals.ScorerReport) string {
	if s.Cases == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3f", s.Estimate.Mean)
}

func interval(s *evals.ScorerReport) string {
	if s.Cases == 0 {
		return "-"
	}
	return fmt.Sprintf("[%.3f, %.3f]", s.Estimate.Low, s.Estimate.High)
}

func against(c *stat.Comparison) string {
	if c == nil || c.Cases == 0 {
		return "-"
	}
	return fmt.Sprintf("%+.3f [%+.3f, %+.3f]", c.Difference.Mean, c.Difference.Low, c.Difference.High)
}

func gate(v *stat.Verdict) string {
	switch {
	case v == nil:
		return "-"
	case v.Green:
		return "green"
	default:
		return "RED"
	}
}

func totals(t *evals.Totals) string {
	cost := dollars(t.CostNano)
	if t.Unpriced > 0 {
		cost += fmt.Sprintf(" and %d runs of unknown cost", t.Unpriced)
	}
	if t.JudgedNano > 0 {
		cost += ", and " + dollars(t.JudgedNano) + " for judges"
	}
	text := fmt.Sprintf("%d runs, %d failed, %d without an outcome; %s; %d tokens read, %d written", t.Runs, t.Failed, t.Missing, cost, t.Input, t.Output)
	if t.P50 > 0 {
		text += fmt.Sprintf("; p50 %.0f ms, p95 %.0f ms", t.P50, t.P95)
	}
	return text
}

// dollars shows an amount so that what is little is not nothing.
func dollars(nano int64) string {
	digits := 4
	if nano != 0 && nano < 10_000_000 {
		digits = 7
	}
	return fmt.Sprintf("$%.*f", digits, float64(nano)/1e9)
}

// failure is a run without an outcome, or a score that could not be measured.
type failure struct {
	id, why string
	// scorer says that there is an outcome, and a scorer failed.
	scorer bool
}

// failed gives the runs that failed, with the reason.
func failed(r *evals.Report, most int) (out []failure) {
	more := 0
	for i := range r.Cases {
		for j := range r.Cases[i].Runs {
			switch why := r.Cases[i].Runs[j].Failed; {
			case why == "":
			case len(out) == most:
				more++
			default:
				out = append(out, failure{id: place(r, r.Cases[i].ID, j), why: why})
			}
		}
	}
	if more > 0 {
		out = append(out, failure{id: "and", why: fmt.Sprintf("%d more", more)})
	}
	return out
}

func failures(r *evals.Report, most int) (out []failure) {
	for i := range r.Cases {
		c := &r.Cases[i]
		for j := range c.Runs {
			if why := c.Runs[j].Error; why != "" {
				out = append(out, failure{id: place(r, c.ID, j), why: why})
				continue
			}
			for k, s := range c.Runs[j].Scores {
				if s.Error != "" {
					out = append(out, failure{place(r, c.ID, j), r.Scorers[k].Name + ": " + s.Error, true})
				}
			}
		}
	}
	if len(out) > most {
		out = append(out[:most:most], failure{id: "and", why: fmt.Sprintf("%d more", len(out)-most)})
	}
	return out
}

// place names a run.
func place(r *evals.Report, id string, epoch int) string {
	if r.Repeat > 1 {
		return fmt.Sprintf("%s (%d of %d)", id, epoch+1, r.Repeat)
	}
	return id
}
