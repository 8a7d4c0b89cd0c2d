package main

import "github.com/spf13/cobra"

func (p *program) keysCommand() *cobra.Command {
	return &cobra.Command{Use: "keys", Short: "Make, list, rotate and revoke keys", Args: knownCommand, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
}
