package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"fairlead/internal/label"
	"fairlead/retrieval"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// What tests in postgres_test reach into: testdb imports this package, so that they cannot be in it.

// Pool is the way around Store.in that nothing but a test has.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// Read is read, and Write write.
func (s *Store) Read(ctx context.Context, tenant, doing string, fn func(tx pgx.Tx) error) error {
	return s.read(ctx, tenant, doing, fn)
}
func (s *Store) Write(ctx context.Context, tenant, doing string, fn func(tx pgx.Tx) error) error {
	return s.write(ctx, tenant, doing, fn)
}

// Verifier is verifier.
var Verifier = verifier

// VersionTable is versionTable, and LockID lockID.
const (
	VersionTable = versionTable
	LockID       = int64(lockID)
)

// Latest is what latest gives.
func Latest() int64 { return latest() }

// Pretend lets the program know another version of the schema, until it is undone.
func Pretend(version int64) (undo func()) {
	was := latest
	latest = func() int64 { return version }
	return func() { latest = was }
}

// Versions are those of the migrations, from the first.
func Versions() (out []int64) {
	for v := range latest() {
		out = append(out, v+1)
	}
	return out
}

// UpTo runs the migrations up to a version, and nothing else that Migrate does.
func UpTo(ctx context.Context, ownerURL string, version int64) error {
	config, err := pgx.ParseConfig(ownerURL)
	if err != nil {
		return err
	}
	for _, statement := range []string{"CREATE EXTENSION IF NOT EXISTS vector SCHEMA public", "CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public", "CREATE SCHEMA IF NOT EXISTS " + Schema} {
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			return err
		}
		if _, err = conn.Exec(ctx, statement); err != nil {
			return err
		}
		conn.Close(ctx)
	}
	config.RuntimeParams["search_path"] = Schema + ", public"
	db := stdlib.OpenDB(*config)
	defer db.Close()
	p, err := goose.NewProvider(goose.DialectPostgres, db, migrationFiles(), goose.WithTableName(Schema+"."+versionTable))
	if err != nil {
		return err
	}
	if _, err = p.GetDBVersion(ctx); err == nil && version > 0 { // the former makes goose's table
		_, err = p.UpTo(ctx, version)
	}
	return err
}

// RollbackWithin sets how long a rollback may take, until it is undone.
func RollbackWithin(d time.Duration) (undo func()) {
	was := rollbackTime
	rollbackTime = d
	return func() { rollbackTime = was }
}

// Unlock makes settings outlive their transactions, as they must never do, until it is undone.
func Unlock() (undo func()) {
	local = "false"
	return func() { local = "true" }
}

// DocumentsWhere is documentsWhere for the collection of a name.
func DocumentsWhere(ctx context.Context, tx pgx.Tx, tenant, name string, ceiling label.Label, f retrieval.Filter) (where string, args []any, err error) {
	c, err := find(ctx, tx, tenant, name, "testing")
	if err != nil {
		return "", nil, err
	}
	where, err = documentsWhere(tenant, c, ceiling, f, &args, "testing")
	return where, args, err
}
