package main

import (
	"fmt"

	"github.com/spf13/cobra"

	fairleadv1 "fairlead/gen/fairlead/v1"
)

func (p *program) rollbackModelCommand() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "rollback TARGET", Short: "Send every caller of a target back to its stable version", Args: cobra.ExactArgs(1),
		Long: `Takes a target's canary out of use, on every server of the store within two seconds, also for the next attempts of runs in
progress. It stays so through reloads and restarts until ` + "`fairlead models resume`" + `. Who decided and why is kept for good.`,
		Example: `  fairlead models rollback triage --reason "calls refunds complaints"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := p.connectAdmin(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			resp, err := cl.models.RollbackModel(cmd.Context(), &fairleadv1.RollbackModelRequest{Target: args[0], Reason: reason})
			if err != nil {
				return err
			}
			if p.json {
				return printJSON(p.out, resp)
			}
			fmt.Fprintf(p.out, "%s: rolled back; every caller gets its stable version within two seconds, until `fairlead models resume %s`\n", args[0], args[0])
			return nil
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for those who read the list later")
	return c
}

func (p *program) resumeModelCommand() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "resume TARGET", Short: "Take a rollback back: the configuration says again who gets the canary", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := p.connectAdmin(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			resp, err := cl.models.ResumeModel(cmd.Context(), &fairleadv1.ResumeModelRequest{Target: args[0], Reason: reason})
			if err != nil {
				return err
			}
			if p.json {
				return printJSON(p.out, resp)
			}
			fmt.Fprintf(p.out, "%s: resumed; the same callers as before get its canary\n", args[0])
			return nil
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for those who read the list later")
	return c
}

func (p *program) listRollbacksCommand() *cobra.Command {
	var limit int32
	c := &cobra.Command{
		Use: "rollbacks [TARGET]", Short: "List what was rolled back and resumed, by whom and why", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := p.connectAdmin(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			req := &fairleadv1.ListRollbacksRequest{Limit: limit}
			if len(args) == 1 {
				req.Target = args[0]
			}
			resp, err := cl.models.ListRollbacks(cmd.Context(), req)
			if err != nil {
				return err
			}
			if p.json {
				return printJSON(p.out, resp)
			}
			rows := make([][]string, 0, len(resp.GetRollbacks()))
			for _, d := range resp.GetRollbacks() {
				what := "resumed"
				if d.GetRolledBack() {
					what = "rolled back"
				}
				rows = append(rows, []string{d.GetAt().AsTime().Local().Format(minute), d.GetTarget(), what, d.GetBy(), clip(d.GetReason(), 80)})
			}
			table(p.out, p.style(), []string{"WHEN", "TARGET", "WHAT", "BY", "WHY"}, rows)
			return nil
		},
	}
	c.Flags().Int32Var(&limit, "limit", 0, "how many, the newest first (default 100)")
	return c
}
