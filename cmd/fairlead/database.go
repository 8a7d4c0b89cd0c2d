package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fairlead/internal/config"
	"fairlead/internal/store"
	"fairlead/internal/store/postgres"
	"fairlead/internal/store/sqlite"
)

// openDatabase opens the store that the configuration names.
func openDatabase(ctx context.Context, d *config.Database) (store.Store, error) {
	if d.Postgres() {
		s, err := postgres.Open(ctx, postgresConfig(d))
		if err != nil {
			return nil, fmt.Errorf("opening the store %s: %w", d.Name(), err)
		}
		return s, nil
	}
	return openFile(ctx, strings.TrimPrefix(d.URL.Reveal(), "sqlite:"))
}

// openFile opens a store of SQLite, and makes it where it is not there.
func openFile(ctx context.Context, file string) (store.Store, error) {
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
