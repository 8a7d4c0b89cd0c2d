package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"fairlead/internal/config"
	"fairlead/internal/fault"
	"fairlead/internal/store"
	"fairlead/internal/store/postgres"
	"fairlead/internal/store/sqlite"
)

// openDatabase opens the store that the configuration names.
func openDatabase(ctx context.Context, d *config.Database) (store.Store, error) {
	if d.Postgres() {
		s, err := postgres.Open(ctx, postgresConfig(d))
		if err != nil {
			return nil, fmt.Errorf("opening the store %s: %w", d.URL, err)
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
	sample := 0
	if d.Vectors.Canary == 0 {
		sample = -1
	}
	return postgres.Config{
		URL: d.URL.Reveal(), Pool: d.Pool, PgBouncer: d.PgBouncer, StatementTimeout: d.Statement,
		Sample: sample, ExactRows: exact, EfSearch: d.Vectors.EfSearch, MaxScanTuples: d.Vectors.MaxScanTuples,
	}
}

// lowRecall is from where on it is worth a warning that an index finds too few of the nearest.
const lowRecall = 0.95

// watchRecall measures what the indexes of vectors find, until the context ends. What it gives waits for the end.
func (a *app) watchRecall(ctx context.Context) (wait func()) {
	s, ok := a.store.(*postgres.Store)
	every := a.config.Database.Vectors.Canary
	if !ok || every <= 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		s.WatchRecall(ctx, every, func(r postgres.Recall) {
			a.telemetry.RecallMeasured(r.Tenant, r.Collection, r.Recall)
			if r.Recall < lowRecall {
				a.logger.Warn("the index of vectors finds too few of the nearest: raise database.vectors.ef_search, or make the tenant an index of its own with fairlead db index make --for",
					"tenant", r.Tenant, "collection", r.Collection, "recall", r.Recall, "queries", r.Queries)
			}
		}, func(err error) { a.logger.Warn("recall could not be measured", "error", fault.Cause(err)) })
	})
	return func() { cancel(); done.Wait() }
}
