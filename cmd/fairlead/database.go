package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fairlead/internal/auth/keys"
	"fairlead/internal/auth/tenants"
	"fairlead/internal/config"
	"fairlead/internal/store/postgres"
	"fairlead/internal/store/sqlite"
	"fairlead/orchestrator"
	"fairlead/orchestrator/record"
	"fairlead/retrieval"
)

// database is what the program keeps things in.
type database interface {
	retrieval.Store
	orchestrator.Sessions
	record.Decisions
	keys.Store
	tenants.Store
	Ping(ctx context.Context) error
	Close() error
}

// openDatabase opens the store that the configuration names.
func openDatabase(ctx context.Context, d *config.Database) (database, error) {
	if d.Postgres() {
		s, err := postgres.Open(ctx, postgresConfig(d))
		if err != nil {
			return nil, fmt.Errorf("opening the store %s: %w", d.Name(), err)
		}
		if db, ok := any(s).(database); ok {
			return db, nil
		}
		return nil, errors.Join(errors.New("opening the store: not on PostgreSQL yet"), s.Close())
	}
	return openFile(ctx, strings.TrimPrefix(d.URL.Reveal(), "sqlite:"))
}

// openFile opens a store of SQLite, and makes it where it is not there.
func openFile(ctx context.Context, file string) (database, error) {
	if dir := filepath.Dir(file); file != ":memory:" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("making the folder of the store: %w", err)
		}
	}
	s, err := sqlite.Open(ctx, sqlite.Config{Path: file})
	if err != nil {
		return nil, fmt.Errorf("opening the store %s: %w", file, err)
	}
	return s, nil
}

func postgresConfig(d *config.Database) postgres.Config {
	exact := d.Vectors.ExactRows
	if exact == 0 {
		exact = -1 // none, where 0 is the default
	}
	return postgres.Config{
		URL: d.URL.Reveal(), Pool: d.Pool, PgBouncer: d.PgBouncer, StatementTimeout: d.Statement,
		ExactRows: exact, EfSearch: d.Vectors.EfSearch, MaxScanTuples: d.Vectors.MaxScanTuples,
	}
}
