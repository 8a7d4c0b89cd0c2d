package router

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Write prints the report for people.
func (r *Report) Write(w io.Writer) error {
	fmt.Fprintf(w, "weak    %s  %.4f\nstrong  %s  %.4f\n", r.Weak, r.WeakMean, r.Strong, r.StrongMean)
	fmt.Fprintf(w, "%d prompts in %d groups, %d left out as contaminated; %d folds, by %s, seed %d\n\n", r.Prompts, r.Groups, r.LeftOut, r.Folds, r.HeldOut, r.Seed)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ROUTER\tAPGR\tOVER LENGTH\tCPT(50)\tCPT(80)\tADVANTAGE AT EQUAL COST\tBY CALLS")
	for i := range r.Rows {
		row := &r.Rows[i]
		over := fmt.Sprintf("%+.3f [%+.3f, %+.3f]", row.Over.Value, row.Over.Low, row.Over.High)
		if i == 1 {
			over = "-"
		}
		fmt.Fprintf(t, "%s\t%.3f [%.3f, %.3f]\t%s\t%.1f %% [%.1f, %.1f]\t%.1f %% [%.1f, %.1f]\t%+.4f [%+.4f, %+.4f]\t%+.4f [%+.4f, %+.4f]\n", row.Name,
			row.APGR.Value, row.APGR.Low, row.APGR.High, over,
			100*row.CPT50.Value, 100*row.CPT50.Low, 100*row.CPT50.High, 100*row.CPT80.Value, 100*row.CPT80.Low, 100*row.CPT80.High,
			row.Advantage.Value, row.Advantage.Low, row.Advantage.High, row.ByCalls.Value, row.ByCalls.Low, row.ByCalls.High)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, b := range r.Brier {
		fmt.Fprintf(w, "%s: squared error %.4f, of the mean alone %.4f\n", b.Target, b.Learned, b.Mean)
	}
	pass := "PASSED"
	if t := r.Test(); !t.Pass() {
		pass = "NOT PASSED"
	}
	_, err := fmt.Fprintf(w, "\ntest: %s: %s\n", pass, r.Verdict())
	return err
}
