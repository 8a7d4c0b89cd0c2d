package main

import "github.com/spf13/cobra"

func (p *program) usageCommand() *cobra.Command {
	return &cobra.Command{Use: "usage", Short: "Show what was used and what it cost", Args: knownCommand, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
}
