package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	fairleadv1 "fairlead/gen/fairlead/v1"
	"fairlead/providers"
)

func (p *program) usageCommand() *cobra.Command {
	req := &fairleadv1.UsageRequest{}
	var by []string
	c := &cobra.Command{
		Use:   "usage",
		Short: "Show what was used and what it cost",
		Long: `Sums what a server's calls to models took, day by day in UTC: each attempt once, also one that failed, was overtaken or
made a second answer, and vectors of documents and queries. What failed before it used anything is not in it; the metric
fairlead_upstream_attempts_total counts all. Commands that run on their own record nothing.

--tenant says whose it is. On a server that takes a caller with the scope operator.`,
		Example: `  fairlead usage
  fairlead usage --by day,target --from 2026-11-01 --until 2026-11-30
  fairlead usage --by key --server https://fairlead.example.com --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if req.By, err = parseDimensions(by); err != nil {
				return &usageError{err}
			}
			for name, text := range map[string]string{"--from": req.From, "--until": req.Until} {
				if _, err := time.Parse(time.DateOnly, text); text != "" && err != nil {
					return &usageError{fmt.Errorf("reading %s %q: write a day, such as 2026-11-01", name, text)}
				}
			}
			req.Tenant = p.tenant
			cl, err := p.connectAdmin(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			resp, err := cl.admin.Usage(cmd.Context(), req)
			if err != nil {
				return err
			}
			if p.json {
				return printJSON(p.out, resp)
			}
			p.showUsage(req, resp.GetSums())
			return nil
		},
	}
	c.Flags().StringSliceVar(&by, "by", []string{"target"}, "what to sum by: target, key, chain, day; several parted by commas, or none")
	c.Flags().StringVar(&req.From, "from", "", "the first day in UTC, such as 2026-11-01 (default: 30 days before the last)")
	c.Flags().StringVar(&req.Until, "until", "", "the last day in UTC (default: today)")
	return c
}

// parseDimensions reads what to sum by.
func parseDimensions(names []string) (by []fairleadv1.UsageRequest_Dimension, err error) {
	if len(names) == 1 && names[0] == "none" {
		return nil, nil
	}
	seen := map[string]bool{}
	for _, name := range names {
		n, ok := fairleadv1.UsageRequest_Dimension_value["DIMENSION_"+strings.ToUpper(name)]
		if !ok || n == 0 {
			return nil, fmt.Errorf("reading --by %q: use target, key, chain and day, parted by commas, or none", name)
		}
		if seen[name] {
			return nil, errors.New("reading --by: " + name + " is there twice")
		}
		seen[name] = true
		by = append(by, fairleadv1.UsageRequest_Dimension(n))
	}
	return by, nil
}

// showUsage shows sums, a line each, and what they come to.
func (p *program) showUsage(req *fairleadv1.UsageRequest, sums []*fairleadv1.UsageSum) {
	s := p.style()
	var heading []string
	for _, d := range req.GetBy() {
		heading = append(heading, strings.TrimPrefix(d.String(), "DIMENSION_"))
	}
	heading = append(heading, "ATTEMPTS", "FAILED", "TOKENS IN", "CACHED", "OUT", "COST")
	total := &fairleadv1.UsageSum{Usage: &fairleadv1.Usage{}, Cost: &fairleadv1.Money{}}
	rows := make([][]string, 0, len(sums)+1)
	for _, sum := range sums {
		add(total, sum)
		rows = append(rows, append(usageNames(req, sum), usageRow(sum)...))
	}
	if len(req.GetBy()) > 0 && len(sums) > 0 {
		rows = append(rows, slices.Concat([]string{"total"}, make([]string, len(req.GetBy())-1), usageRow(total)))
	}
	if total.GetAttempts() == 0 {
		fmt.Fprintln(p.out, s.faint("no call was recorded in these days: a server records them while record.usage is on"))
		return
	}
	table(p.out, s, heading, rows)
	if n := total.GetUnpriced(); n > 0 {
		fmt.Fprintln(p.out, s.faint(fmt.Sprintf("+ is at least: the price of %d attempts is not known", n)))
	}
	if n := total.GetEstimated(); n > 0 {
		fmt.Fprintln(p.out, s.faint(fmt.Sprintf("~ is about: of %d attempts no backend told the tokens, so they are estimates", n)))
	}
}

// add adds a sum to the total.
func add(total, sum *fairleadv1.UsageSum) {
	total.Attempts += sum.GetAttempts()
	total.Failed += sum.GetFailed()
	total.Unpriced += sum.GetUnpriced()
	total.Estimated += sum.GetEstimated()
	total.Cost.NanoUsd += sum.GetCost().GetNanoUsd()
	total.Usage.InputTokens += sum.GetUsage().GetInputTokens()
	total.Usage.CachedInputTokens += sum.GetUsage().GetCachedInputTokens()
	total.Usage.OutputTokens += sum.GetUsage().GetOutputTokens()
}

// usageNames gives what a sum is of.
func usageNames(req *fairleadv1.UsageRequest, sum *fairleadv1.UsageSum) (names []string) {
	for _, d := range req.GetBy() {
		name := ""
		switch d {
		case fairleadv1.UsageRequest_DIMENSION_TARGET:
			name = sum.GetTarget()
		case fairleadv1.UsageRequest_DIMENSION_KEY:
			name = sum.GetKey()
		case fairleadv1.UsageRequest_DIMENSION_CHAIN:
			name = sum.GetChain()
		case fairleadv1.UsageRequest_DIMENSION_DAY:
			name = sum.GetDay()
		}
		if name == "" {
			name = "-"
		}
		names = append(names, clip(name, 48))
	}
	return names
}

// usageRow gives a sum's numbers. "~" marks those that hold estimates, and "+" a cost that is not all.
func usageRow(sum *fairleadv1.UsageSum) []string {
	about := ""
	if sum.GetEstimated() > 0 {
		about = "~"
	}
	u := sum.GetUsage()
	cost := about + providers.Money(sum.GetCost().GetNanoUsd()).String()
	switch {
	case sum.GetUnpriced() == 0:
	case sum.GetUnpriced() == sum.GetAttempts():
		cost = "unknown"
	default:
		cost += "+"
	}
	return []string{
		fmt.Sprint(sum.GetAttempts()), fmt.Sprint(sum.GetFailed()), about + fmt.Sprint(u.GetInputTokens()), fmt.Sprint(u.GetCachedInputTokens()),
		about + fmt.Sprint(u.GetOutputTokens()), cost,
	}
}
