package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"fairlead/internal/auth"
	"fairlead/internal/config"
	"fairlead/internal/fault"
	"fairlead/orchestrator/record"
	"fairlead/orchestrator/routing"
)

func (p *program) policyCommand() *cobra.Command {
	c := &cobra.Command{Use: "policy", Short: "Try policies before they serve", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	c.AddCommand(p.policySimulateCommand())
	return c
}

// simulation is one `policy simulate`.
type simulation struct {
	*program
	file, since, chain, tenant string
	limits                     record.Limits
}

func (p *program) policySimulateCommand() *cobra.Command {
	s := simulation{program: p}
	c := &cobra.Command{
		Use:   "simulate --policy FILE",
		Short: "Decide recorded steps anew under other policies, and call nothing",
		Long: `Reads the decisions that a server has recorded in its store, decides each step again with the policies and targets of
FILE, and tells what would change. What was known of the targets is what was known then. FILE is a configuration, or one
that only has policies, targets or both: then the rest is that of --config, and without targets the recorded ones count.

The exit status is 1 when a limit is crossed: --max-violations steps with a target that is not cleared for them, or a
predicted cost that grows by more than --max-cost-increase.`,
		Example: `  fairlead policy simulate --policy new.yaml --config fairlead.yaml --since 7d
  fairlead policy simulate --policy new.yaml --chain answer --max-cost-increase 0 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context()) },
	}
	c.Flags().StringVar(&s.file, "policy", "", "the file with the policies to try")
	c.Flags().StringVar(&s.since, "since", "7d", "how far back, such as 90m, 24h or 7d")
	c.Flags().StringVar(&s.chain, "chain", "", "only the steps of this chain")
	c.Flags().StringVar(&s.tenant, "tenant", auth.LocalTenant, "whose steps")
	c.Flags().Float64Var(&s.limits.CostIncrease, "max-cost-increase", 0.1, "the share by which the predicted cost may grow")
	c.Flags().IntVar(&s.limits.Violations, "max-violations", 0, "how many steps may have a target that is not cleared for them")
	return c
}

func (s *simulation) run(ctx context.Context) (err error) {
	back, err := readAge(s.since)
	switch {
	case err != nil:
		return &usageError{err}
	case s.file == "":
		return &usageError{errors.New("which policies? name a file with --policy")}
	case s.server != "":
		return &usageError{errors.New("policy simulate reads the store itself: run it where that can be reached, without --server")}
	case s.limits.Violations < 0 || math.IsNaN(s.limits.CostIncrease):
		return &usageError{errors.New("reading the limits: --max-violations is 0 or more, and --max-cost-increase a number")}
	}
	current, _, options, err := s.load()
	if err != nil {
		return err
	}
	policies, targets, err := s.proposed(current, options)
	if err != nil {
		return err
	}
	a := &app{config: current}
	if file, ok := strings.CutPrefix(current.Database.URL.Reveal(), "sqlite:"); ok && file != ":memory:" {
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("opening the store %s: there is none: name its folder with --data, or its configuration with --config", file)
		}
	}
	if err := a.openStore(ctx, ""); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	sim := record.NewSimulation(policies, targets)
	if err := a.store.DecisionsSince(ctx, s.tenant, time.Now().Add(-back), 0, func(d *record.Decision) error {
		if s.chain == "" || d.Chain == s.chain {
			sim.Add(d)
		}
		return ctx.Err()
	}); err != nil {
		return fmt.Errorf("reading the record: %w", err)
	}
	report := sim.Report()
	if report.Steps+report.LeftOut == 0 {
		return fmt.Errorf("there is no decision to try it on in the last %s: a server records them while record.decisions is on", s.since)
	}
	crossed := report.Crossed(s.limits)
	if err := s.print(&report, crossed); err != nil {
		return err
	}
	if len(crossed) > 0 {
		return fmt.Errorf("the change crosses a limit: %s", strings.Join(crossed, ", "))
	}
	return nil
}

// readAge reads a duration that may be in days.
func readAge(text string) (time.Duration, error) {
	age, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n float64
		n, err = strconv.ParseFloat(days, 64)
		if age = time.Duration(n * 24 * float64(time.Hour)); n > 36500 {
			age = 0
		}
	}
	if err != nil || age <= 0 {
		return 0, fmt.Errorf("reading --since %q: write how far back, such as 90m, 24h or 7d", text)
	}
	return age, nil
}

// proposed reads the file with the policies to try. Targets are nil where it says nothing about them.
func (s *simulation) proposed(current *config.Config, o config.Options) ([]routing.Policy, []routing.Target, error) {
	part, targets, err := partial(s.file)
	if err != nil {
		return nil, nil, err
	}
	o.Path, o.Base = s.file, nil
	if part {
		o.Base = current
	}
	c, _, err := config.Load(o)
	if err != nil {
		return nil, nil, err
	}
	f := &fleet{why: map[string]string{}}
	if err := f.policies(c); err != nil {
		return nil, nil, err
	}
	if !targets {
		return f.config.Policies, nil, nil
	}
	if err := f.written(c); err != nil {
		return nil, nil, err
	}
	if err := f.builtIn(); err != nil {
		return nil, nil, err
	}
	list := make([]routing.Target, len(f.config.Targets))
	for i, t := range f.config.Targets {
		list[i] = t.Target
	}
	return f.config.Policies, list, nil
}

// partial says whether a file holds nothing but policies and targets, and whether it says what targets there
// are.
func partial(file string) (part, targets bool, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return false, false, fmt.Errorf("reading the policies: %w", err)
	}
	var keys map[string]any
	if yaml.Unmarshal(data, &keys) != nil {
		return false, true, nil // the loader says what is wrong, and where
	}
	part = true
	for key := range keys {
		part = part && (key == "policies" || key == "targets")
	}
	_, targets = keys["targets"]
	return part, targets || !part, nil
}

func (s *simulation) print(r *record.Report, crossed []string) error {
	if s.json {
		increase := any(r.Cost.Increase())
		if math.IsInf(r.Cost.Increase(), 0) {
			increase = nil // from nothing: JSON has no word for it
		}
		out := struct {
			*record.Report
			CostIncrease any      `json:"cost_increase"`
			Crossed      []string `json:"crossed"`
		}{r, increase, append([]string{}, crossed...)}
		if err := json.NewEncoder(s.out).Encode(out); err != nil {
			return fault.Wrap(err, fault.Internal, fault.ReasonInternal, "writing the report")
		}
		return nil
	}
	say := func(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }
	say("%s", s.style().bold(fmt.Sprintf("%d steps decided anew: %s would go elsewhere", r.Steps, share(r.Changed, r.Steps))))
	if r.LeftOut > 0 {
		say("left out: %d steps, whose policy the file does not have: %s", r.LeftOut, strings.Join(r.Missing, ", "))
	}
	if r.Escalations > 0 {
		say("left out: %d second answers, which were asked for because the first did not do", r.Escalations)
	}
	if len(r.Moves) > 0 {
		say("")
		rows := make([][]string, len(r.Moves))
		for i, m := range r.Moves {
			rows[i] = []string{named(m.From), named(m.To), strconv.Itoa(m.Steps), share(m.Steps, r.Steps)}
		}
		table(s.out, s.style(), []string{"FROM", "TO", "STEPS", "SHARE"}, rows)
		say("")
	}
	increase := "no change"
	switch x := r.Cost.Increase(); {
	case math.IsInf(x, 1):
		increase = "from nothing"
	case x != 0:
		increase = fmt.Sprintf("%+.1f%%", 100*x)
	}
	say("predicted cost     $%.6f, was $%.6f (%s); per step %+.6f, 95%% between %+.6f and %+.6f; known for %d steps", r.Cost.New, r.Cost.Old, increase,
		r.Cost.PerStep.Mean, r.Cost.PerStep.Low, r.Cost.PerStep.High, r.Cost.Steps)
	say("predicted latency  %.3fs, was %.3fs; per step %+.3fs, 95%% between %+.3fs and %+.3fs; known for %d steps", r.Latency.New, r.Latency.Old,
		r.Latency.PerStep.Mean, r.Latency.PerStep.Low, r.Latency.PerStep.High, r.Latency.Steps)
	say("label violations   %d", r.Violations)
	say("without a target   %s, of which %d had one", share(r.NoTarget, r.Steps), r.NewlyNone)
	say("without evidence   %s: nothing was observed of the target that would come first; %d of them go to one that the record does not know",
		share(r.NoEvidence, r.Steps), r.Unknown)
	if r.OtherQuantile > 0 {
		say("other quantile     %s: their latencies are those of the quantile that was recorded", share(r.OtherQuantile, r.Steps))
	}
	return nil
}

func named(target string) string {
	if target == "" {
		return "(none)"
	}
	return target
}

// share gives a count with its share.
func share(n, of int) string {
	if of == 0 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%d (%.1f%%)", n, 100*float64(n)/float64(of))
}
