package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"fairlead/internal/config"
	"fairlead/internal/fault"
	"fairlead/internal/ranking/scale"
	"fairlead/internal/store/postgres"
)

func (p *program) benchScaleCommand() *cobra.Command {
	c := scale.Config{Writers: 4 * runtime.GOMAXPROCS(0)}
	var file, memory string
	cmd := &cobra.Command{
		Use:   "scale",
		Short: "Measure PostgreSQL with many passages of many tenants",
		Long: `Makes tenants up on the PostgreSQL that the configuration names: one with 60 % of the passages, one with 2 %, and the
rest evenly. Measures how fast they are stored, how fast and how well the two find, and whether the large one feels
what another stores around its queries. The tenants are called bench-… and are deleted afterwards. The data are made
up from a seed. The exit status is 1 when recall@10 is below 0.95, or is lowered by more than 0.005 by another tenant.

It keeps the database busy for minutes: do not run it where others are served.`,
		Example: `  fairlead bench scale --passages 10000 --tenants 10
  fairlead bench scale --rebuild --write docs/guides/benchmarks.md`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file != "" {
				if _, err := replaceRegion(file, scaleRegion, ""); err != nil { // before an hour is spent
					return err
				}
			}
			return p.onPostgres(cmd.Context(), func(ctx context.Context, d *config.Database) error {
				if !d.OwnerURL.Set() {
					return &usageError{errors.New("it needs the tables' owner: name it in database.owner_url, or FAIRLEAD_DATABASE_OWNER_URL")}
				}
				m, r, err := p.measureScale(ctx, d, c, memory)
				if err != nil {
					return err
				}
				if err := p.tellScale(m, r, file); err != nil {
					return err
				}
				return r.Check()
			})
		},
	}
	f := cmd.Flags()
	f.IntVar(&c.Passages, "passages", 100_000, "how many passages")
	f.IntVar(&c.Dimensions, "dimensions", 384, "the length of their vectors")
	f.IntVar(&c.Tenants, "tenants", 50, "how many tenants")
	f.IntSliceVar(&c.Clients, "clients", []int{1, 16}, "how many search at once, each of them measured")
	f.IntVar(&c.Queries, "queries", 200, "how many queries each measure takes")
	f.Uint64Var(&c.Seed, "seed", 1, "what the data follow from")
	f.BoolVar(&c.Rebuild, "rebuild", false, "drop the index of nearest neighbours first, which all tenants share, and build it when all is stored")
	f.StringVar(&memory, "memory", "1GB", "memory for the build of the index (maintenance_work_mem)")
	f.StringVar(&file, "write", "", "a file of Markdown whose lines between <!-- scale:begin --> and <!-- scale:end --> are replaced by the outcome")
	return cmd
}

func (p *program) measureScale(ctx context.Context, d *config.Database, c scale.Config, memory string) (_ *machine, _ *scale.Report, err error) {
	served, err := postgres.Open(ctx, postgresConfig(d))
	if err != nil {
		return nil, nil, fmt.Errorf("opening the store %s: %w", d.URL, err)
	}
	defer func() { err = errors.Join(err, served.Close()) }()
	compares := postgresConfig(d)
	compares.ExactRows, compares.Sample, compares.StatementTimeout = 1<<40, -1, 10*time.Minute
	exact, err := postgres.Open(ctx, compares)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, exact.Close()) }()
	server, err := postgres.Describe(ctx, d.OwnerURL.Reveal())
	if err != nil {
		return nil, nil, err
	}
	c.Store, c.Exact = served, exact
	c.Keeper = keeper{owner: d.OwnerURL.Reveal(), dimensions: c.Dimensions, build: postgres.Build{Memory: memory}}
	m := describeMachine(server, memory)
	if !p.json {
		start := time.Now()
		c.Progress = func(text string) {
			fmt.Fprintf(p.err, "%6s  %s\n", time.Since(start).Round(time.Second), text)
		}
	}
	r, err := scale.Run(ctx, c)
	m.LoadAfter = loadAverage()
	return m, r, err
}

// keeper looks after PostgreSQL, and its index for a length of vectors.
type keeper struct {
	owner      string
	dimensions int
	build      postgres.Build
}

// Make implements scale.Keeper.
func (x keeper) Make(ctx context.Context) error {
	_, err := postgres.IndexDimensions(ctx, x.owner, x.dimensions, x.build)
	return err
}

// find gives the index that all tenants share. Nil: there is none.
func (x keeper) find(ctx context.Context) (*postgres.Index, error) {
	list, err := postgres.Indexes(ctx, x.owner)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Dimensions == x.dimensions && list[i].Tenant == "" {
			return &list[i], nil
		}
	}
	return nil, nil
}

// Drop implements scale.Keeper.
func (x keeper) Drop(ctx context.Context) error {
	found, err := x.find(ctx)
	if err != nil || found == nil {
		return err
	}
	return postgres.DropIndex(ctx, x.owner, found.Name)
}

// Bytes implements scale.Keeper.
func (x keeper) Bytes(ctx context.Context) (int64, error) {
	found, err := x.find(ctx)
	switch {
	case err != nil:
		return 0, err
	case found == nil:
		return 0, fault.New(fault.NotFound, fault.ReasonNone, "measuring the index: it is gone")
	}
	return found.Bytes, nil
}

// Settle implements scale.Keeper.
func (x keeper) Settle(ctx context.Context) error { return postgres.Vacuum(ctx, x.owner) }

var _ scale.Keeper = keeper{}

// tellScale writes the outcome into a file, or as JSON or Markdown.
func (p *program) tellScale(m *machine, r *scale.Report, file string) error {
	if file != "" {
		page, err := replaceRegion(file, scaleRegion, m.String()+"\n\n"+r.Markdown())
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, page, 0o644); err != nil { //nolint:gosec // a page of documentation is for all to read
			return fmt.Errorf("writing %s: %w", file, err)
		}
	}
	switch {
	case p.json:
		return json.NewEncoder(p.out).Encode(map[string]any{"machine": m, "report": r})
	case file == "":
		fmt.Fprintf(p.out, "%s\n\n%s\n", m, r.Markdown())
	default:
		fmt.Fprintf(p.out, "%s: written\n", file)
	}
	return nil
}
