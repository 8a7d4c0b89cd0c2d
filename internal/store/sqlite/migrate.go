package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"

	"github.com/pressly/goose/v3"

	"fairlead/internal/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to what this program knows, and refuses one that is newer.
func migrate(ctx context.Context, db *sql.DB) error {
	const doing = "opening the database"
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return translate(err, doing)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir)
	if err != nil {
		return translate(ended(ctx, err), doing)
	}
	known := SchemaVersion()
	// Another process may be migrating the same file: each time that this one loses, it finds a version more done.
	for range len(p.ListSources()) + 1 {
		var version int64
		version, err = p.GetDBVersion(ctx)
		if err == nil && version > known {
			return fault.New(fault.FailedPrecondition, fault.ReasonBadConfig,
				"opening the database: its schema is %d and this program knows %d: use a newer program", version, known)
		}
		if err == nil && version < known {
			_, err = p.Up(ctx)
		}
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return translate(ended(ctx, err), doing)
}
