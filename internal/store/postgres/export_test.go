package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
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

// Unlock makes settings outlive their transactions, as they must never do, until it is undone.
func Unlock() (undo func()) {
	local = "false"
	return func() { local = "true" }
}
