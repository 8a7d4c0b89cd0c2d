package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fairlead/evals"
	"fairlead/evals/cassette"
	"fairlead/evals/report"
	fairleadv1 "fairlead/gen/fairlead/v1"
)

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
			if f.update && f.live {
				return errUpdateLive
			}
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
		s, _, with, err := p.loadSuite(file)
		if err != nil {
			return err
		}
		if under, err = with.answerers(ctx, s.Cassette != "" && !f.live && !f.update); err != nil {
			return err
		}
	}
	var reports []*evals.Report
	var missing error
	for _, one := range under {
		g := *f
		g.under, g.outputs = one, evalOutputs{}
		r, err := p.evalOne(ctx, file, &g)
		if err != nil {
			return fmt.Errorf("on %s: %w", one, err)
		}
		if n := r.Totals.Missing; n > 0 {
			fmt.Fprintf(p.err, "%s: %d of %d runs have no outcome: %s\n", one, n, r.Totals.Runs, firstMissing(r))
			missing = errUnmeasured
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
		return errors.Join(json.NewEncoder(p.out).Encode(points), missing)
	}
	return errors.Join(report.FrontierText(p.out, scorer, points), missing)
}

// firstMissing says why the first run without an outcome has none.
func firstMissing(r *evals.Report) string {
	for i := range r.Cases {
		for j := range r.Cases[i].Runs {
			if why := r.Cases[i].Runs[j].Error; why != "" {
				return why
			}
		}
	}
	return ""
}

// answerers gives the targets that chat and the policies: the server's, or those of the configuration. played says that
// none of them will be called.
func (p *program) answerers(ctx context.Context, played bool) (out []string, err error) {
	cl, err := p.answering(ctx, played)
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

// answering gives a client of the server, or of one with an empty store.
func (p *program) answering(ctx context.Context, played bool) (*client, error) {
	if p.server != "" {
		return p.connect(ctx)
	}
	a, err := p.open(ctx, openOptions{own: true, store: ":memory:", tenant: p.tenant, offline: played})
	if err != nil {
		return nil, err
	}
	return a.loopback(ctx)
}
