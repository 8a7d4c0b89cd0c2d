package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"fairlead/evals"
	"fairlead/evals/cassette"
	"fairlead/evals/report"
)

func (p *program) evalCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "eval", Short: "Run suites of cases, and compare what they gave",
		Long: `A suite holds cases, what is under test (a chain, a policy, a target, a collection or a classifier), what scores the outcomes, and gates. With a
cassette it runs offline and twice the same. The exit status is 1 when a gate is red or a case could not be measured that a gate counts.`,
		Args: knownCommand, RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.evalRunCommand(), p.evalRecordCommand(), p.evalCompareCommand(), p.evalReportCommand(), p.evalFrontierCommand(), p.evalCalibrateCommand())
	return c
}

// evalFlags are how a suite is run.
type evalFlags struct {
	mode           cassette.Mode
	update, live   bool
	timed          bool
	updateBaseline bool
	repeat         int
	under, against string
	cases, tags    []string
	outputs        evalOutputs
	// outcomesFile is where outcomes are written. Empty: nowhere.
	outcomesFile string
	outcomes     evalOutcomes
}

// part says that not all cases run.
func (f *evalFlags) part() bool { return len(f.cases)+len(f.tags) > 0 }

func (f *evalFlags) choose(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.cases, "case", nil, "run the case of this id alone; may be given several times")
	c.Flags().StringArrayVar(&f.tags, "tag", nil, "run the cases that have this tag alone; may be given several times")
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
		Long: `SUITE is a file, or a folder whose *.yaml are suites. A suite with a cassette plays it: what is not on it is an error that names the case, and never a call. --update makes the calls that are
missing and records them; --live leaves the cassette alone and calls. With --server the suite runs on that server, which holds its
documents already.
Reports of several suites go into one file of JUnit, and one of Markdown; --out and --html are for one suite.`,
		Example: `  fairlead eval run evals/suites/answer.yaml
  fairlead eval run evals/suites --junit evals.xml
  fairlead eval run evals/suites/answer.yaml --tag german --live`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.update {
				f.mode = cassette.Update
			}
			if f.update && f.live {
				return errUpdateLive
			}
			if f.part() && f.updateBaseline {
				return errPartBaseline
			}
			return p.evalRun(cmd.Context(), args, &f)
		},
	}
	f.choose(c)
	c.Flags().BoolVar(&f.update, "update", false, "make the calls that are not on the cassette, and record them")
	c.Flags().BoolVar(&f.live, "live", false, "call, and leave the cassette alone")
	c.Flags().BoolVar(&f.timed, "timed", false, "play answers as slowly as they came when they were recorded")
	c.Flags().BoolVar(&f.updateBaseline, "update-baseline", false, "make this run the baseline")
	c.Flags().IntVar(&f.repeat, "repeat", 0, "how often each case runs (default: what the suite says)")
	c.Flags().StringVar(&f.under, "under", "", "test this in the place of what the suite says, such as policy/careful")
	c.Flags().StringVar(&f.against, "against", "", "show scorers that compare two answers (pairwise) those of this report, which eval run --out wrote")
	f.outputs.flags(c)
	c.Flags().StringVar(&f.outcomesFile, "outcomes", "", "write what each target made of each prompt into this file, by the first scorer, for fairlead router train")
	return c
}

func (p *program) evalRecordCommand() *cobra.Command {
	var f evalFlags
	c := &cobra.Command{
		Use: "record SUITE...", Short: "Make every call of suites and record their cassettes anew",
		Long: `Makes every call, whatever the cassettes hold, and leaves out of them what no case asks for any more. With --case or --tag only the calls of
those cases are recorded anew. A run that is interrupted leaves the cassettes as they were.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.mode = cassette.Record
			if f.part() && f.updateBaseline {
				return errPartBaseline
			}
			return p.evalRun(cmd.Context(), args, &f)
		},
	}
	f.choose(c)
	c.Flags().BoolVar(&f.updateBaseline, "update-baseline", false, "make this run the baseline")
	f.outputs.flags(c)
	return c
}

// What flags cannot ask for together.
var (
	errUpdateLive   = &usageError{errors.New("--update records on the cassette, and --live leaves it alone: choose one")}
	errPartBaseline = &usageError{errors.New("--update-baseline is for a run of all cases: leave out --case and --tag")}
)

// suites gives the files of suites that arguments name.
func suites(args []string) (files []string, err error) {
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil || !info.IsDir() {
			files = append(files, arg) // what is wrong with it is told when it is read
			continue
		}
		found, err := filepath.Glob(filepath.Join(arg, "*.yaml"))
		if err != nil || len(found) == 0 {
			return nil, &usageError{fmt.Errorf("looking for suites in %s: no file ends with .yaml", arg)}
		}
		files = append(files, found...)
	}
	return files, nil
}

// errRed says that a gate is red. What it found was shown before.
var errRed = errors.New("a gate is red")

// errUnmeasured says that runs have no outcome, and no gate lets them be.
var errUnmeasured = errors.New("runs have no outcome")

func (p *program) evalRun(ctx context.Context, args []string, f *evalFlags) error {
	files, err := suites(args)
	if err != nil {
		return err
	}
	if o := &f.outputs; len(files) > 1 && (o.out != "" || o.html != "") {
		return &usageError{errors.New("--out and --html are for one suite: run them one by one")}
	}
	var reports []*evals.Report
	var wrong []error
	for _, file := range files {
		r, err := p.evalOne(ctx, file, f)
		if ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if err != nil { // the others may be well, and are worth a report
			wrong = append(wrong, err)
			continue
		}
		reports = append(reports, r)
		if err := p.showReport(r, len(reports) > 1); err != nil {
			return err
		}
		if err := verdict(r); err != nil {
			if len(files) > 1 {
				err = fmt.Errorf("suite %s: %w", r.Suite, err)
			}
			wrong = append(wrong, err)
		}
	}
	if len(reports) > 0 {
		if err := f.outputs.write(reports); err != nil {
			return err
		}
		if f.outcomesFile != "" {
			if err := f.outcomes.write(p, f.outcomesFile); err != nil {
				return err
			}
		}
	}
	if len(wrong) == 1 {
		return wrong[0]
	}
	return errors.Join(wrong...)
}

// verdict is the error of a run that is red.
func verdict(r *evals.Report) error {
	gates := 0
	for i := range r.Scorers {
		if r.Scorers[i].Verdict != nil {
			gates++
		}
	}
	switch {
	case !r.Green():
		return errRed
	case gates == 0 && r.Totals.Missing > 0: // a gate would have counted them
		return errUnmeasured
	}
	return nil
}

// loadSuite reads a suite, and gives its folder and the program with the configuration that it names; --config is before
// it.
func (p *program) loadSuite(file string) (s *evals.Suite, dir string, with *program, err error) {
	dir, name := filepath.Split(file)
	if dir == "" {
		dir = "."
	}
	if s, err = evals.Load(os.DirFS(dir), name); err != nil {
		if dir != "." {
			err = fmt.Errorf("in %s: %w", filepath.Clean(dir), err)
		}
		return nil, "", nil, err
	}
	if s.Config != "" && p.config == "" {
		own := *p
		own.config = filepath.Join(dir, s.Config)
		p = &own
	}
	return s, dir, p, nil
}

// evalOne runs a suite.
func (p *program) evalOne(ctx context.Context, file string, f *evalFlags) (_ *evals.Report, err error) {
	s, dir, p, err := p.loadSuite(file)
	if err != nil {
		return nil, err
	}
	if err := s.Only(f.cases, f.tags); err != nil {
		return nil, err
	}
	if f.updateBaseline && s.Baseline == "" {
		return nil, &usageError{fmt.Errorf("updating the baseline of %s: the suite names no file for one", s.Name)}
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
	if f.against != "" {
		other, err := evals.LoadReport(f.against)
		if err != nil {
			return nil, err
		}
		o.Against = other.Answers()
	}
	if s.Baseline != "" {
		if o.Baseline, err = evals.LoadBaseline(filepath.Join(dir, s.Baseline)); err != nil {
			return nil, err
		}
		if o.Baseline == nil && !f.updateBaseline {
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
	f.outcomes.add(s, r)
	if f.updateBaseline {
		if n := r.Totals.Missing; n > 0 {
			return nil, fmt.Errorf("updating the baseline of %s: %d runs have no outcome, and it would be without them: --update records what is missing", s.Name, n)
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
		{o.markdown, func(w io.Writer) error { return report.Markdown(w, reports...) }},
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
