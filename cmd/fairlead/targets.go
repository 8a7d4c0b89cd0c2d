package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	fairleadv1 "fairlead/gen/fairlead/v1"
)

func (p *program) targetsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "targets", Short: "List the targets that routing chooses between", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			resp, err := cl.routing.ListTargets(cmd.Context(), &fairleadv1.ListTargetsRequest{})
			if err != nil {
				return err
			}
			if p.json {
				return printJSON(p.out, resp)
			}
			rows, seen := make([][]string, 0, len(resp.GetTargets())), make([][]string, 0, len(resp.GetTargets()))
			for _, t := range resp.GetTargets() {
				quality, price, window := "unknown", "unknown", "unknown"
				if t.Quality != nil {
					quality = fmt.Sprintf("%.2f", t.GetQuality())
				}
				if pr := t.GetPrice(); pr != nil {
					price = priceText(pr)
				}
				if t.GetContextWindow() > 0 {
					window = fmt.Sprint(t.GetContextWindow())
				}
				rows = append(rows, []string{t.GetName(), t.GetBackend(), t.GetKind(), clip(t.GetModel(), 32), strings.Join(t.GetDoes(), ","),
					labelName(t.GetClearance()), quality, price, window, t.GetOrigin()})
				seen = append(seen, liveRow(t))
			}
			table(p.out, p.style(), []string{"TARGET", "BACKEND", "KIND", "MODEL", "DOES", "CLEARANCE", "QUALITY", "USD PER MILLION", "CONTEXT", "FROM"}, rows)
			fmt.Fprintln(p.out)
			table(p.out, p.style(), []string{"TARGET", "HEALTH", "IN FLIGHT", "FIRST TOKEN P50", "P95", "TOKENS/S", "FAILED", "CALLS SEEN", "COST LAST MINUTE"}, seen)
			if told := serverRows(resp.GetTargets()); len(told) > 0 {
				fmt.Fprintln(p.out)
				table(p.out, p.style(), []string{"TARGET", "ITS SERVER SAYS", "VERSION", "RUNNING+WAITING", "LOADED IN"}, told)
			}
			fmt.Fprintf(p.out, "\npolicies: %s\n", strings.Join(resp.GetPolicies(), ", "))
			return nil
		},
	}
}

// priceText shows a price: for tokens, and for what else is asked.
func priceText(p *fairleadv1.Price) string {
	text := fmt.Sprintf("%g in, %g out", p.GetInputPerMillion(), p.GetOutputPerMillion())
	for _, more := range []struct {
		usd  float64
		what string
	}{{p.GetPerCall(), "call"}, {p.GetPerImage(), "picture"}, {p.GetGpuHour(), "GPU hour"}} {
		if more.usd > 0 {
			text += fmt.Sprintf("; $%g a %s", more.usd, more.what)
		}
	}
	return text
}

// liveRow shows what was seen of a target.
func liveRow(t *fairleadv1.Target) []string {
	s := t.GetState()
	health, p50, p95, rate, failed := s.GetHealth(), "-", "-", "-", "-"
	if s.GetRetryAfterMs() > 0 {
		health += " for " + millis(s.GetRetryAfterMs())
	}
	if s != nil && s.TtftP50Ms != nil {
		p50, p95 = millis(s.GetTtftP50Ms()), millis(s.GetTtftP95Ms())
	}
	if s != nil && s.TokensPerSecond != nil {
		rate = fmt.Sprintf("%.1f", s.GetTokensPerSecond())
	}
	if s.GetAttempts() > 0 {
		failed = fmt.Sprintf("%.1f%%", s.GetErrorRate()*100)
	}
	return []string{t.GetName(), health, fmt.Sprint(s.GetInFlight()), p50, p95, rate, failed, fmt.Sprintf("%.0f", s.GetAttempts()), money(s.GetCostLastMinute())}
}

// serverRows shows what the servers of targets said of them, of those that were asked.
func serverRows(targets []*fairleadv1.Target) (rows [][]string) {
	for _, t := range targets {
		s := t.GetState()
		if s == nil || s.BackendReady == nil && s.GetLoad() == nil && s.LoadMs == nil {
			continue
		}
		says, loaded := "-", "-"
		switch {
		case s.GetDetail() != "":
			says = s.GetDetail()
		case s.BackendReady != nil:
			says = "it would take a call"
		}
		if s.LoadMs != nil {
			loaded = millis(s.GetLoadMs())
		}
		rows = append(rows, []string{t.GetName(), clip(says, 70), dash(s.GetVersion()), busyness(s.GetLoad()), loaded})
	}
	return rows
}

func (p *program) routeCommand() *cobra.Command {
	c := &cobra.Command{Use: "route", Short: "Ask what routing would decide", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	var l limits
	var model string
	var maxTokens int32
	var asJSON bool
	e := &cobra.Command{
		Use:   "explain MESSAGE",
		Short: "Show where a message would go and why, and call nothing",
		Example: `  fairlead route explain "What is our refund policy?" --label confidential
  fairlead route explain hello --model policy/careful --budget 0.001`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := &fairleadv1.ChatRequest{Model: model, Messages: []*fairleadv1.Message{{
				Role: fairleadv1.Role_ROLE_USER, Parts: []*fairleadv1.Part{{Kind: &fairleadv1.Part_Text{Text: strings.Join(args, " ")}}},
			}}}
			var err error
			if req.Label, req.Timeout, req.Budget, err = l.read(); err != nil {
				return err
			}
			if maxTokens > 0 {
				req.Sampling = &fairleadv1.Sampling{MaxTokens: &maxTokens}
			}
			if asJSON {
				req.ResponseFormat = &fairleadv1.ResponseFormat{Kind: fairleadv1.ResponseFormat_KIND_JSON_OBJECT}
			}
			cl, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			resp, err := cl.routing.Explain(cmd.Context(), &fairleadv1.ExplainRequest{Chat: req})
			if err != nil {
				return err
			}
			if p.json {
				return printJSON(p.out, resp)
			}
			plan := resp.GetPlan()
			fmt.Fprintf(p.out, "%s\npolicy %s, label %s, about %d prompt tokens, needs %s\n", p.style().bold(plan.GetSummary()), plan.GetPolicy(),
				labelName(plan.GetLabel()), plan.GetPromptTokens(), strings.Join(plan.GetNeeds(), ", "))
			planTable(p.out, p.style(), plan)
			return nil
		},
	}
	l.flags(e)
	e.Flags().StringVarP(&model, "model", "m", "policy/default", "policy/NAME or a target's name")
	e.Flags().Int32Var(&maxTokens, "max-tokens", 0, "the most tokens of the answer")
	e.Flags().BoolVar(&asJSON, "json-answer", false, "the answer must be JSON")
	c.AddCommand(e)
	return c
}

func (p *program) chainsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "chains", Short: "List the chains and their inputs", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			resp, err := cl.run.ListChains(cmd.Context(), &fairleadv1.ListChainsRequest{})
			if err != nil {
				return err
			}
			if p.json {
				return printJSON(p.out, resp)
			}
			rows := make([][]string, 0, len(resp.GetChains()))
			for _, c := range resp.GetChains() {
				var inputs []string
				for _, in := range c.GetInputs() {
					text := in.GetName() + ": " + in.GetType()
					if in.GetOptional() {
						text += "?"
					}
					inputs = append(inputs, text)
				}
				rows = append(rows, []string{fmt.Sprintf("%s@%d", c.GetName(), c.GetVersion()), strings.Join(inputs, ", "), clip(c.GetDescription(), 70)})
			}
			table(p.out, p.style(), []string{"CHAIN", "INPUT", "WHAT IT DOES"}, rows)
			return nil
		},
	}
}
