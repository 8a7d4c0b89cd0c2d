package main

import "github.com/spf13/cobra"

func (p *program) dbCommand() *cobra.Command {
	return &cobra.Command{Use: "db", Short: "Set up and look after the database", Args: knownCommand, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
}
