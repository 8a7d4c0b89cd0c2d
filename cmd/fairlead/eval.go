package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fairlead/evals"
	"fairlead/evals/cassette"
	"fairlead/evals/report"
	fairleadv1 "fairlead/gen/fairlead/v1"
)

func (p *program) evalCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "eval", Short: "Run suites of cases, and compare what they gave",
		Long: `A suite holds cases, what is under test (a chain, a policy, a target, a collection or a classifier), what scores the outcomes, and gates. With a
cassette it runs offline and twice the same. The exit status is 1 when a gate is red or a case could not be measured that a gate counts.`,
		Args: knownCommand, RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.evalRunCommand(), p.evalRecordCommand(), p.evalCompareCommand(), p.evalReportCommand(), p.evalFrontierCommand())
	return c
}

// evalFlags are how a suite is run.
type evalFlags struct {
	mode           cassette.Mode
	update, live   bool
	timed          bool
	updateBaseline bool
	repeat         int
	under          string
	outputs        evalOutputs
}

// evalOutputs are the files that a report is written into.
type evalOutputs struct{ out, junit, markdown, html string }

func (o *evalOutputs) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.out, "out", "", "write the report as JSON into this file, which eval compare and eval report read")
	c.Flags().StringVar(&o.junit, "junit", "", "write JUnit XML into this file")
	c.Flags().StringVar(&o.markdown, "markdown", "", "write Markdown for a pull request into this file")
	c.Flags().StringVar(&o.html, "html", "", "write one page of HTML into this file")
}

func (p *program) evalRunCommand() *cobra.Command {
	var f evalFlags
	c := &cobra.Command{
		Use: "run SUITE...", Short: "Run suites and hold them to their gates",
		Long: `A suite with a cassette plays it: what is not on it is an error that names the case, and never a call. --update makes the calls that are
missing and records them; --live leaves the cassette alone and calls. With --server the suite runs on that server.
Several reports go into one file of JUnit; the other files are for one suite.`,
		Example: `  fairlead eval run evals/suites/answer.yaml
  fairlead eval run evals/suites/*.yaml --junit evals.xml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.update {
				f.mode = cassette.Update
			}
			if f.update && f.live {
				return &usageError{errors.New("--update records on the cassette, and --live leaves it alone: choose one")}
			}
			return p.evalRun(cmd.Context(), args, &f)
		},
	}
	c.Flags().BoolVar(&f.update, "update", false, "make the calls that are not on the cassette, and record them")
	c.Flags().BoolVar(&f.live, "live", false, "call, and leave the cassette alone")
	c.Flags().BoolVar(&f.timed, "timed", false, "play answers as slowly as they came when they were recorded")
	c.Flags().BoolVar(&f.updateBaseline, "update-baseline", false, "make this run the baseline")
	c.Flags().IntVar(&f.repeat, "repeat", 0, "how often each case runs (default: what the suite says)")
	c.Flags().StringVar(&f.under, "under", "", "test this in the place of what the suite says, such as policy/careful")
	f.outputs.flags(c)
	return c
}

func (p *program) evalRecordCommand() *cobra.Command {
	var f evalFlags
	c := &cobra.Command{
		Use: "record SUITE...", Short: "Make every call of suites and record their cassettes anew",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.mode = cassette.Record
			return p.evalRun(cmd.Context(), args, &f)
		},
	}
	f.outputs.flags(c)
	return c
}

// errRed says that a gate is red. What it found was shown before.
var errRed = errors.New("a gate is red")

func (p *program) evalRun(ctx context.Context, files []string, f *evalFlags) error {
	if o := &f.outputs; len(files) > 1 && (o.out != "" || o.markdown != "" || o.html != "") {
		return &usageError{errors.New("--out, --markdown and --html are for one suite: run them one by one")}
	}
	var reports []*evals.Report
	red := false
	for _, file := range files {
		r, err := p.evalOne(ctx, file, f)
		if err != nil {
			return err
		}
		reports = append(reports, r)
		red = red || !r.Green()
		if err := p.showReport(r, len(reports) > 1); err != nil {
			return err
		}
	}
	if err := f.outputs.write(reports); err != nil {
		return err
	}
	if red {
		return errRed
	}
	return nil
}

// evalOne runs a suite.
func (p *program) evalOne(ctx context.Context, file string, f *evalFlags) (_ *evals.Report, err error) {
	dir, name := filepath.Split(file)
	if dir == "" {
		dir = "."
	}
	s, err := evals.Load(os.DirFS(dir), name)
	if err != nil {
		return nil, err
	}
	if f.repeat > 0 {
		s.Repeat = f.repeat
	}
	if f.under != "" {
		if s.Under, err = evals.ParseUnder(f.under); err != nil {
			return nil, &usageError{err}
		}
	}
	bench, err := p.openBench(ctx, s, dir, f)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bench.close()) }()
	o := evals.Options{Played: bench.system.played, Told: p.told(s.Name)}
	if s.Baseline != "" {
		if o.Baseline, err = evals.LoadBaseline(filepath.Join(dir, s.Baseline)); err != nil {
			return nil, err
		}
		if o.Baseline == nil && !f.updateBaseline && f.mode == cassette.Play {
			fmt.Fprintf(p.err, "%s: there is no baseline yet: --update-baseline makes one\n", s.Name)
		}
	}
	r, err := evals.Run(ctx, s, bench.system, o)
	if err != nil {
		return nil, err
	}
	if err := bench.keep(p, s, dir, f); err != nil {
		return nil, err
	}
	if f.updateBaseline {
		if s.Baseline == "" {
			return nil, &usageError{fmt.Errorf("updating the baseline of %s: the suite names no file for one", s.Name)}
		}
		made := evals.BaselineOf(r)
		r.Rejudge(s, made)
		data, err := made.Marshal()
		if err != nil {
			return nil, err
		}
		if err := evals.WriteFile(filepath.Join(dir, s.Baseline), data); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// told shows how far a suite is, on a terminal.
func (p *program) told(suite string) func(done, all int) {
	if !isTerminal(p.err) {
		return nil
	}
	return func(done, all int) {
		fmt.Fprintf(p.err, "\r%s: %d of %d", suite, done, all)
		if done == all {
			fmt.Fprint(p.err, "\r\x1b[K")
		}
	}
}

func (p *program) showReport(r *evals.Report, further bool) error {
	if p.json {
		data, err := r.Marshal()
		if err != nil {
			return err
		}
		_, err = p.out.Write(data)
		return err
	}
	if further {
		fmt.Fprintln(p.out)
	}
	return report.Text(p.out, r)
}

func (o *evalOutputs) write(reports []*evals.Report) error {
	one := reports[0]
	for _, f := range []struct {
		file string
		form func(io.Writer) error
	}{
		{o.out, func(w io.Writer) error {
			data, err := one.Marshal()
			if err == nil {
				_, err = w.Write(data)
			}
			return err
		}},
		{o.junit, func(w io.Writer) error { return report.JUnit(w, reports...) }},
		{o.markdown, func(w io.Writer) error { return report.Markdown(w, one) }},
		{o.html, func(w io.Writer) error { return report.HTML(w, one) }},
	} {
		if f.file == "" {
			continue
		}
		var b strings.Builder
		if err := f.form(&b); err != nil {
			return fmt.Errorf("writing %s: %w", f.file, err)
		}
		if err := evals.WriteFile(f.file, []byte(b.String())); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) evalCompareCommand() *cobra.Command {
	var o evalOutputs
	c := &cobra.Command{
		Use: "compare BASE RUN", Short: "Compare two reports of a suite, case by case",
		Long: `Reads two reports that eval run --out wrote, and says for each scorer whether the second is surely worse (paired, at 95 %); the exit
status is then 1. It names the cases that lost most.`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			base, err := evals.LoadReport(args[0])
			if err != nil {
				return err
			}
			run, err := evals.LoadReport(args[1])
			if err != nil {
				return err
			}
			r, err := evals.Compare(base, run)
			if err != nil {
				return err
			}
			if err := p.showReport(r, false); err != nil {
				return err
			}
			if err := o.write([]*evals.Report{r}); err != nil {
				return err
			}
			if !r.Green() {
				return errRed
			}
			return nil
		},
	}
	o.flags(c)
	return c
}

func (p *program) evalReportCommand() *cobra.Command {
	var o evalOutputs
	c := &cobra.Command{
		Use: "report RUN", Short: "Show a report that eval run --out wrote, or make other forms of it",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := evals.LoadReport(args[0])
			if err != nil {
				return err
			}
			if err := o.write([]*evals.Report{r}); err != nil {
				return err
			}
			return p.showReport(r, false)
		},
	}
	o.flags(c)
	return c
}

func (p *program) evalFrontierCommand() *cobra.Command {
	var f evalFlags
	var under []string
	c := &cobra.Command{
		Use: "frontier SUITE", Short: "Run a suite on every target and policy, and show which are worth their cost",
		Long: `Runs the suite on each of --under, or on every target that chats and every policy, and shows quality (the suite's first scorer), cost and
latency of each, and which no other beats. On a cassette it calls nothing: what a policy would have chosen is played too.`,
		Example: `  fairlead eval frontier evals/suites/support.yaml --under target/small --under target/large --under policy/default`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.update {
				f.mode = cassette.Update
			}
			return p.evalFrontier(cmd.Context(), args[0], under, &f)
		},
	}
	c.Flags().StringArrayVar(&under, "under", nil, "what to run it on, such as target/small or policy/default; may be given several times")
	c.Flags().BoolVar(&f.update, "update", false, "make the calls that are not on the cassette, and record them")
	c.Flags().BoolVar(&f.live, "live", false, "call, and leave the cassette alone")
	c.Flags().StringVar(&f.outputs.html, "html", "", "draw it on one page of HTML in this file")
	return c
}

func (p *program) evalFrontier(ctx context.Context, file string, under []string, f *evalFlags) error {
	if len(under) == 0 {
		var err error
		if under, err = p.answerers(ctx); err != nil {
			return err
		}
	}
	var reports []*evals.Report
	for _, one := range under {
		g := *f
		g.under, g.outputs = one, evalOutputs{}
		r, err := p.evalOne(ctx, file, &g)
		if err != nil {
			return fmt.Errorf("on %s: %w", one, err)
		}
		reports = append(reports, r)
	}
	points, err := evals.Frontier(reports)
	if err != nil {
		return err
	}
	scorer := reports[0].Scorers[0].Name
	if f.outputs.html != "" {
		var b strings.Builder
		if err := report.FrontierHTML(&b, reports[0].Suite, scorer, points); err != nil {
			return err
		}
		if err := evals.WriteFile(f.outputs.html, []byte(b.String())); err != nil {
			return err
		}
	}
	if p.json {
		return json.NewEncoder(p.out).Encode(points)
	}
	return report.FrontierText(p.out, scorer, points)
}

// answerers gives the targets that chat and the policies.
func (p *program) answerers(ctx context.Context) (out []string, err error) {
	cl, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer p.done(cl)
	resp, err := cl.routing.ListTargets(ctx, &fairleadv1.ListTargetsRequest{})
	if err != nil {
		return nil, err
	}
	for _, t := range resp.GetTargets() {
		if slices.Contains(t.GetDoes(), "chat") && t.GetVariantOf() == "" {
			out = append(out, "target/"+t.GetName())
		}
	}
	for _, name := range resp.GetPolicies() {
		out = append(out, "policy/"+name)
	}
	if len(out) == 0 {
		return nil, errors.New("there is no target that chats and no policy: write some into the configuration")
	}
	return out, nil
}
