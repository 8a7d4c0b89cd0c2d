package main

import (
	"fmt"

	"github.com/spf13/cobra"

	fairleadv1 "fairlead/gen/fairlead/v1"
)

func (p *program) tenantsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "tenants", Short: "Make, list, shut out and delete tenants",
		Long: `A tenant is a customer, a team or whatever else must not see what others have: documents, conversations, keys, usage. On a
server, managing tenants takes a caller with the scope operator.`,
		Args: knownCommand, RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		p.createTenantCommand(),
		&cobra.Command{Use: "list", Short: "List the tenants", Args: cobra.NoArgs, RunE: p.listTenants},
		&cobra.Command{
			Use: "disable NAME", Short: "Shut a tenant's callers out", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return p.disableTenant(cmd, args[0], false) },
		},
		&cobra.Command{
			Use: "enable NAME", Short: "Let a tenant's callers in again", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return p.disableTenant(cmd, args[0], true) },
		},
		p.deleteTenantCommand(),
	)
	return c
}

func (p *program) createTenantCommand() *cobra.Command {
	var description string
	c := &cobra.Command{
		Use: "create NAME", Short: "Make a tenant", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := p.connectAdmin(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			resp, err := cl.admin.CreateTenant(cmd.Context(), &fairleadv1.CreateTenantRequest{Tenant: &fairleadv1.Tenant{Name: args[0], Description: description}})
			if err != nil {
				return err
			}
			if p.json {
				return printJSON(p.out, resp)
			}
			name := resp.GetTenant().GetName()
			fmt.Fprintf(p.out, "%s: made; `fairlead keys create NAME --tenant %s` makes a key for it\n", name, name)
			return nil
		},
	}
	c.Flags().StringVar(&description, "description", "", "what it is")
	return c
}

func (p *program) listTenants(cmd *cobra.Command, _ []string) error {
	cl, err := p.connectAdmin(cmd.Context())
	if err != nil {
		return err
	}
	defer p.done(cl)
	all := &fairleadv1.ListTenantsResponse{}
	for token := ""; ; {
		resp, err := cl.admin.ListTenants(cmd.Context(), &fairleadv1.ListTenantsRequest{PageSize: 1000, PageToken: token})
		if err != nil {
			return err
		}
		all.Tenants = append(all.Tenants, resp.GetTenants()...)
		if token = resp.GetNextPageToken(); token == "" {
			break
		}
	}
	if p.json {
		return printJSON(p.out, all)
	}
	rows := make([][]string, 0, len(all.GetTenants()))
	for _, t := range all.GetTenants() {
		state := "open"
		if t.GetDisabledAt() != nil {
			state = "disabled " + t.GetDisabledAt().AsTime().Local().Format(minute)
		}
		rows = append(rows, []string{t.GetName(), clip(t.GetDescription(), 60), t.GetCreatedAt().AsTime().Local().Format(minute), state})
	}
	table(p.out, p.style(), []string{"TENANT", "DESCRIPTION", "MADE", "STATE"}, rows)
	return nil
}

func (p *program) disableTenant(cmd *cobra.Command, name string, enable bool) error {
	cl, err := p.connectAdmin(cmd.Context())
	if err != nil {
		return err
	}
	defer p.done(cl)
	resp, err := cl.admin.DisableTenant(cmd.Context(), &fairleadv1.DisableTenantRequest{Name: name, Enable: enable})
	if err != nil {
		return err
	}
	if p.json {
		return printJSON(p.out, resp)
	}
	if enable {
		fmt.Fprintf(p.out, "%s: open\n", name)
	} else {
		fmt.Fprintf(p.out, "%s: disabled; its callers are shut out within two seconds, and calls in flight end as they would\n", name)
	}
	return nil
}

func (p *program) deleteTenantCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "delete NAME", Short: "Delete a disabled tenant and everything that is kept of it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				return &usageError{fmt.Errorf("deleting %s cannot be undone: say --yes", args[0])}
			}
			cl, err := p.connectAdmin(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			resp, err := cl.admin.DeleteTenant(cmd.Context(), &fairleadv1.DeleteTenantRequest{Name: args[0]})
			if err != nil {
				return err
			}
			if p.json {
				return printJSON(p.out, resp)
			}
			fmt.Fprintf(p.out, "%s: deleted, with everything that was kept of it\n", args[0])
			return nil
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "really delete")
	return c
}
