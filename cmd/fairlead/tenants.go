package main

import "github.com/spf13/cobra"

func (p *program) tenantsCommand() *cobra.Command {
	return &cobra.Command{Use: "tenants", Short: "Make, list, shut out and delete tenants", Args: knownCommand, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
}
