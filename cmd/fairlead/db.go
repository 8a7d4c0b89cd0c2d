package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"fairlead/internal/config"
	"fairlead/internal/store/postgres"
	"fairlead/internal/store/sqlite"
)

func (p *program) dbCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "db",
		Short: "Set up and look after the database",
		Long: `Sets up and looks after the database that the configuration names. A file of SQLite needs nothing of this: it is
made and brought up to date when it is opened. For PostgreSQL, database.owner_url names a user that may make tables and
roles, and database.url the one that serves, which migrate makes.`,
		Args: knownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.dbMigrateCommand(), p.dbStatusCommand(), p.dbVersionCommand(), p.dbDoctorCommand(), p.dbIndexCommand())
	return c
}

// onDatabase gives the configuration's database, for commands that work on it themselves.
func (p *program) onDatabase(ctx context.Context, fn func(ctx context.Context, d *config.Database) error) error {
	if p.server != "" {
		return &usageError{errors.New("db works on the database itself: name it in the configuration, without --server")}
	}
	c, _, _, err := p.load()
	if err != nil {
		return err
	}
	return fn(ctx, &c.Database)
}

// tell writes a value as JSON for scripts, or a line for people.
func (p *program) tell(value any, format string, args ...any) error {
	if p.json {
		return json.NewEncoder(p.out).Encode(value)
	}
	_, err := fmt.Fprintf(p.out, format+"\n", args...)
	return err
}

func (p *program) dbMigrateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Make the schema, or bring it up to date",
		Long: `Makes the schema or brings it up to what this program knows, makes the role that serves where it is not there, and
grants it what it needs. Several may run it at once. When it is killed nothing is half done, and the next run goes on.`,
		Example: `  FAIRLEAD_DATABASE_URL=postgres://fairlead_app:SECRET@db/fairlead \
  FAIRLEAD_DATABASE_OWNER_URL=postgres://fairlead:SECRET@db/fairlead fairlead db migrate`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onDatabase(cmd.Context(), func(ctx context.Context, d *config.Database) error {
				if !d.Postgres() {
					s, err := openDatabase(ctx, d)
					if err != nil {
						return err
					}
					return errors.Join(p.tell(map[string]any{"database": d.URL, "to": sqlite.SchemaVersion()}, "%s: the schema is %d, up to date", d.URL, sqlite.SchemaVersion()), s.Close())
				}
				if !d.OwnerURL.Set() {
					return &usageError{errors.New("migrating needs a user that may make tables: name it in database.owner_url, or FAIRLEAD_DATABASE_OWNER_URL")}
				}
				m, err := postgres.Migrate(ctx, d.OwnerURL.Reveal(), d.URL.Reveal())
				if err != nil {
					return err
				}
				made := "may serve"
				if m.Made {
					made = "was made and may serve"
				}
				what := fmt.Sprintf("the schema was %d and is %d", m.From, m.To)
				if m.From == m.To {
					what = fmt.Sprintf("the schema is %d, up to date", m.To)
				}
				return p.tell(map[string]any{"database": d.URL, "from": m.From, "to": m.To, "role": m.Role, "role_made": m.Made}, "%s: %s; the role %s %s", d.URL, what, m.Role, made)
			})
		},
	}
}

func (p *program) dbStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Say whether the schema is up to date; the exit status is 1 when it is not", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onDatabase(cmd.Context(), func(ctx context.Context, d *config.Database) error {
				version, known, stale, err := p.versions(ctx, d)
				if err != nil {
					return err
				}
				text := "up to date"
				switch {
				case stale:
					text = "up to date, but its index of words is another program's"
				case version == 0:
					text = "not there"
				case version < known:
					text = "behind"
				case version > known:
					text = "newer than this program"
				}
				if err := p.tell(map[string]any{"database": d.URL, "version": version, "known": known, "status": text}, "%s: the schema is %d and this program knows %d: %s", d.URL, version, known, text); err != nil {
					return err
				}
				switch {
				case version < known || stale:
					return errors.New("looking at the database: it must be migrated before this program serves: run fairlead db migrate")
				case version > known:
					return errors.New("looking at the database: this program cannot serve it: use a newer program")
				}
				return nil
			})
		},
	}
}

// versions gives that of the schema and the program's. stale: what the schema holds must be made anew all the same.
func (p *program) versions(ctx context.Context, d *config.Database) (version, known int64, stale bool, err error) {
	if d.Postgres() {
		url := d.URL
		if d.OwnerURL.Set() {
			url = d.OwnerURL
		}
		s, err := postgres.Look(ctx, url.Reveal())
		if err != nil {
			return 0, 0, false, err
		}
		return s.Version, s.Known, s.Stale, nil
	}
	version, err = sqlite.Look(ctx, strings.TrimPrefix(d.URL.Reveal(), "sqlite:"))
	return version, sqlite.SchemaVersion(), false, err
}

func (p *program) dbVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of the schema", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onDatabase(cmd.Context(), func(ctx context.Context, d *config.Database) error {
				version, _, _, err := p.versions(ctx, d)
				if err != nil {
					return err
				}
				return p.tell(map[string]any{"version": version}, "%d", version)
			})
		},
	}
}

func (p *program) dbDoctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Examine the database and say what to do; the exit status is 1 when something is bad",
		Long: `Examines versions with known faults, the role that serves, row level security on every table, missing and invalid
indexes, large collections without an index of vectors, dead rows, whether the indexes fit into memory, and
transactions that have been open for long. It changes nothing.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onDatabase(cmd.Context(), func(ctx context.Context, d *config.Database) error {
				if !d.Postgres() {
					return p.fileDoctor(ctx, d)
				}
				url := d.URL
				if d.OwnerURL.Set() {
					url = d.OwnerURL
				}
				findings, err := postgres.Examine(ctx, url.Reveal(), d.URL.Reveal())
				if err != nil {
					return err
				}
				return p.findings(findings)
			})
		},
	}
}

// fileDoctor examines a file of SQLite.
func (p *program) fileDoctor(ctx context.Context, d *config.Database) error {
	wrong, err := sqlite.Check(ctx, strings.TrimPrefix(d.URL.Reveal(), "sqlite:"))
	if err != nil {
		return err
	}
	findings := []postgres.Finding{{Check: "file", Health: postgres.Fine, Text: "SQLite finds nothing wrong in it"}}
	if wrong != "" {
		findings[0] = postgres.Finding{Check: "file", Health: postgres.Bad, Text: wrong, Advice: "restore it from a backup, or ingest anew"}
	}
	return p.findings(findings)
}

func (p *program) findings(findings []postgres.Finding) error {
	bad := 0
	s := p.style()
	for _, f := range findings {
		if f.Health == postgres.Bad {
			bad++
		}
		if p.json {
			continue
		}
		fmt.Fprintf(p.out, "%-8s %-12s %s\n", f.Health, f.Check, f.Text)
		if f.Advice != "" {
			fmt.Fprintf(p.out, "         %-12s %s\n", "", s.faint(f.Advice))
		}
	}
	if p.json {
		if err := json.NewEncoder(p.out).Encode(map[string]any{"findings": findings}); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("examining the database: %d bad findings: do what stands below each, then examine it again", bad)
	}
	return nil
}
