package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"fairlead/evals"
	"fairlead/evals/score"
)

func (p *program) evalCalibrateCommand() *cobra.Command {
	var scorer string
	c := &cobra.Command{
		Use: "calibrate SUITE GRADED", Short: "Say how well a suite's judge agrees with people",
		Long: `Has a scorer of the suite grade answers that people have graded, and says how often it agrees, beyond chance (Cohen's kappa), and by grade.
GRADED is a JSON list of {"input": {"input": "...", "output": "...", "expected": "..."}, "expected": GRADE}, with the question, the
answer, the answer that was expected, and the people's grade from 0 to 1. The judge is called: no cassette is played. What it reads has the
suite's label.`,
		Example: `  fairlead eval calibrate evals/suites/support.yaml graded.json --scorer helpful`,
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.evalCalibrate(cmd.Context(), args[0], args[1], scorer)
		},
	}
	c.Flags().StringVar(&scorer, "scorer", "", "name of the scorer (default: the suite's only one)")
	return c
}

func (p *program) evalCalibrate(ctx context.Context, file, graded, name string) (err error) {
	s, dir, p, err := p.loadSuite(file)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(s.Scorers, func(sc evals.Scorer) bool { return sc.Name == name })
	switch {
	case name == "" && len(s.Scorers) == 1:
		at = 0
	case at < 0:
		var names []string
		for _, sc := range s.Scorers {
			names = append(names, sc.Name)
		}
		return &usageError{fmt.Errorf("calibrating suite %s: name one of its scorers by --scorer: %s", s.Name, strings.Join(names, ", "))}
	}
	answers, err := score.ReadGraded(graded)
	if err != nil {
		return err
	}
	s.Documents = nil // what is graded is there already
	bench, err := p.openBench(ctx, s, dir, &evalFlags{live: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bench.close()) }()
	k, err := score.Calibrate(ctx, score.Func(func(ctx context.Context, c *score.Case, o *score.Outcome) (score.Score, error) {
		ctx, end := bench.system.Begin(ctx, &evals.Question{Case: &evals.Case{Case: *c}, Label: s.Label})
		defer end()
		return s.Scorers[at].Score(ctx, c, o)
	}), answers)
	if err != nil {
		return err
	}
	if k.Answers == 0 {
		return fmt.Errorf("calibrating suite %s: none of %d answers was graded: is the judge there?", s.Name, len(answers))
	}
	if p.json {
		return json.NewEncoder(p.out).Encode(k)
	}
	return p.showCalibration(&k)
}

func (p *program) showCalibration(k *score.Calibration) error {
	fmt.Fprintf(p.out, "%d answers graded by both, %d that it failed to grade, %d that it skipped\n", k.Answers, k.Failed, k.Skipped)
	kappa := "-"
	if !math.IsNaN(k.Kappa) {
		kappa = fmt.Sprintf("%.3f", k.Kappa)
	}
	fmt.Fprintf(p.out, "agreement %.3f, kappa %s, balanced accuracy %.3f\n\n", k.Agreement, kappa, k.Balanced)
	t := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "PEOPLE")
	for _, g := range k.Grades {
		fmt.Fprintf(t, "\tJUDGE %.2g", g)
	}
	fmt.Fprintln(t)
	for i, row := range k.Confusion {
		fmt.Fprintf(t, "%.2g", k.Grades[i])
		for _, n := range row {
			fmt.Fprintf(t, "\t%d", n)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}
