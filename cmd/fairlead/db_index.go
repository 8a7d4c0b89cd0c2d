package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"fairlead/internal/config"
	"fairlead/internal/store/postgres"
)

func (p *program) dbIndexCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "index",
		Short: "List, make and drop indexes of nearest neighbours",
		Long: `Vectors are searched through one index (HNSW) for each length of vector, which all tenants share. The usual lengths
have theirs from the beginning. A tenant with hundreds of thousands of passages finds more of the nearest, faster, in
an index of its own: make it with --for. Neither making nor dropping stops writers.`,
		Args: knownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.dbIndexListCommand(), p.dbIndexMakeCommand(), p.dbIndexDropCommand())
	return c
}

// asOwner gives the URL of the tables' owner.
func (p *program) asOwner(ctx context.Context, fn func(ctx context.Context, url string) error) error {
	return p.onDatabase(ctx, func(ctx context.Context, d *config.Database) error {
		switch {
		case !d.Postgres():
			return &usageError{errors.New("only PostgreSQL has such indexes: a file of SQLite has what it needs")}
		case !d.OwnerURL.Set():
			return &usageError{errors.New("it needs the tables' owner: name it in database.owner_url, or FAIRLEAD_DATABASE_OWNER_URL")}
		}
		return fn(ctx, d.OwnerURL.Reveal())
	})
}

func (p *program) dbIndexListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the indexes of nearest neighbours", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.asOwner(cmd.Context(), func(ctx context.Context, url string) error {
				list, err := postgres.Indexes(ctx, url)
				if err != nil {
					return err
				}
				if p.json {
					return json.NewEncoder(p.out).Encode(map[string]any{"indexes": list})
				}
				for _, x := range list {
					state := fmt.Sprintf("%.1f MiB", float64(x.Bytes)/(1<<20))
					if !x.Valid {
						state = "not ready: it is being built, or its build was broken off"
					}
					tenant := "all tenants"
					if x.Tenant != "" {
						tenant = "tenant " + x.Tenant
					}
					fmt.Fprintf(p.out, "%-32s %5d dimensions  %-24s %s\n", x.Name, x.Dimensions, tenant, state)
				}
				return nil
			})
		},
	}
}

func (p *program) dbIndexMakeCommand() *cobra.Command {
	var b postgres.Build
	var tenant string
	c := &cobra.Command{
		Use:   "make DIMENSIONS",
		Short: "Make an index of nearest neighbours for vectors of a length",
		Example: `  fairlead db index make 640
  fairlead db index make 384 --for acme --memory 2GB`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dimensions, err := strconv.Atoi(args[0])
			if err != nil {
				return &usageError{fmt.Errorf("reading the dimensions %q: write a number, such as 384", args[0])}
			}
			return p.asOwner(cmd.Context(), func(ctx context.Context, url string) error {
				started := time.Now()
				if isTerminal(p.err) && !p.json {
					b.Progress = func(x postgres.Progress) {
						if x.Total > 0 {
							fmt.Fprintf(p.err, "\r%s: %d %% \033[K", x.Phase, 100*x.Done/x.Total)
						}
					}
					defer fmt.Fprint(p.err, "\r\033[K")
				}
				var made bool
				if tenant != "" {
					made, err = postgres.IndexTenant(ctx, url, tenant, dimensions, b)
				} else {
					made, err = postgres.IndexDimensions(ctx, url, dimensions, b)
				}
				if err != nil {
					return err
				}
				what := "was made in " + time.Since(started).Round(time.Millisecond).String()
				if !made {
					what = "is there already"
				}
				return p.tell(map[string]any{"dimensions": dimensions, "tenant": tenant, "made": made}, "the index for vectors of %d dimensions %s", dimensions, what)
			})
		},
	}
	c.Flags().StringVar(&tenant, "for", "", "the tenant that it is for alone (default: one for all)")
	c.Flags().StringVar(&b.Memory, "memory", "", "memory for the build, such as 2GB: where the graph does not fit into it the build takes many times longer (default: PostgreSQL's maintenance_work_mem)")
	c.Flags().IntVar(&b.Workers, "workers", 0, "how many processes help (default: PostgreSQL's max_parallel_maintenance_workers)")
	c.Flags().IntVar(&b.M, "m", 0, "neighbours of each vector (default 16)")
	c.Flags().IntVar(&b.EfConstruction, "ef-construction", 0, "candidates while it is built (default 64)")
	return c
}

func (p *program) dbIndexDropCommand() *cobra.Command {
	return &cobra.Command{
		Use: "drop NAME", Short: "Drop an index of nearest neighbours", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.asOwner(cmd.Context(), func(ctx context.Context, url string) error {
				if err := postgres.DropIndex(ctx, url, args[0]); err != nil {
					return err
				}
				return p.tell(map[string]any{"dropped": args[0]}, "%s was dropped", args[0])
			})
		},
	}
}
