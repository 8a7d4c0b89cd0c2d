package report

import (
	"fmt"
	"io"
	"strings"

	"fairlead/evals"
)

// Markdown writes what a pull request should show, of one suite or several.
func Markdown(w io.Writer, reports ...*evals.Report) error {
	for i, r := range reports {
		if i > 0 {
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		if err := markdown(w, r); err != nil {
			return err
		}
	}
	return nil
}

func markdown(w io.Writer, r *evals.Report) error {
	var b strings.Builder
	verdict := "green"
	if !r.Green() {
		verdict = "**RED**"
	}
	fmt.Fprintf(&b, "### Evals: %s on %s: %s\n\n", cell(r.Suite), cell(r.Under), verdict)
	b.WriteString("| scorer | mean | 95 % | cases | not measured | against the baseline | gate |\n|---|---|---|---|---|---|---|\n")
	for i := range r.Scorers {
		s := &r.Scorers[i]
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %s | %s |\n", cell(s.Name), mean(s), interval(s), s.Cases, s.Failed, against(s.Against), gate(s.Verdict))
	}
	fmt.Fprintf(&b, "\n%s.\n", totals(&r.Totals))
	for i := range r.Scorers {
		s := &r.Scorers[i]
		if s.Verdict == nil || s.Verdict.Green {
			continue
		}
		fmt.Fprintf(&b, "\n**%s is red**\n\n", cell(s.Name))
		for _, f := range s.Verdict.Findings {
			if !f.Green {
				fmt.Fprintf(&b, "- `%s`: %s\n", f.Rule, cell(f.Text))
			}
		}
		for _, line := range losers(r, i) {
			fmt.Fprintf(&b, "  - %s\n", cell(line))
		}
	}
	if list := failed(r, shownFailed); len(list) > 0 {
		b.WriteString("\n<details><summary>Failed</summary>\n\n")
		for _, f := range list {
			fmt.Fprintf(&b, "- %s: %s\n", cell(f.id), cell(f.why))
		}
		b.WriteString("\n</details>\n")
	}
	if list := failures(r, shownFailures); len(list) > 0 {
		b.WriteString("\n<details><summary>Not measured</summary>\n\n")
		for _, f := range list {
			fmt.Fprintf(&b, "- %s: %s\n", cell(f.id), cell(f.why))
		}
		b.WriteString("\n</details>\n")
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "\n> %s\n", cell(n))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cell makes a text fit for a cell of a table: on one line, and nothing in it is markup.
func cell(text string) string {
	return escape.Replace(harmless(strings.Join(strings.Fields(text), " ")))
}

var escape = strings.NewReplacer("|", "\\|", "<", "&lt;", ">", "&gt;", "*", "\\*", "_", "\\_", "`", "\\`", "[", "\\[", "]", "\\]", "@", "&#64;")
