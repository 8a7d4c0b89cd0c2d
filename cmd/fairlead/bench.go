package main

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"fairlead/internal/config"
)

func (p *program) benchCommand() *cobra.Command {
	c := &cobra.Command{Use: "bench", Short: "Measure how well and how fast passages are found", Args: knownCommand, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	c.AddCommand(p.benchRetrievalCommand(), p.benchScaleCommand())
	return c
}

// with gives the program with more settings.
func (p *program) with(settings ...string) *program {
	q := *p
	q.settings = append(slices.Clone(p.settings), settings...)
	return &q
}

// onPostgres gives the configuration's database, for benchmarks of PostgreSQL.
func (p *program) onPostgres(ctx context.Context, fn func(ctx context.Context, d *config.Database) error) error {
	if p.server != "" {
		return &usageError{errors.New("bench works on the database itself: name it in the configuration, without --server")}
	}
	c, _, _, err := p.load()
	if err != nil {
		return err
	}
	if !c.Database.Postgres() {
		return &usageError{errors.New("it needs a PostgreSQL: name it in database.url, or FAIRLEAD_DATABASE_URL")}
	}
	return fn(ctx, &c.Database)
}
