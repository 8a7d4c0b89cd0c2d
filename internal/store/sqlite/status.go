package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/pressly/goose/v3"

	"fairlead/internal/fault"
)

// SchemaVersion is the version of the schema that this program knows.
var SchemaVersion = sync.OnceValue(func() (version int64) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	for _, file := range files {
		var v int64
		if v, err = goose.NumericComponent(path.Base(file)); err != nil {
			break
		}
		version = max(version, v)
	}
	if err != nil {
		panic(err) // the files are embedded
	}
	return version
})

// Look gives the version of a file's schema, and changes nothing: 0 when the file is not there.
func Look(ctx context.Context, file string) (version int64, err error) {
	const doing = "looking at the database"
	err = peek(ctx, file, doing, func(db *sql.DB) error {
		return db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&version)
	})
	return version, err
}

// Check says what SQLite finds wrong in a file; empty is nothing. It reads all of it.
func Check(ctx context.Context, file string) (wrong string, err error) {
	const doing = "examining the database"
	err = peek(ctx, file, doing, func(db *sql.DB) error {
		rows, err := db.QueryContext(ctx, "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok' UNION ALL SELECT 'table ' || \"table\" || ' refers to a row that is not there' FROM pragma_foreign_key_check LIMIT 5")
		if err != nil {
			return err
		}
		var found []string
		err = each(rows, func() error {
			var text string
			err := rows.Scan(&text)
			found = append(found, text)
			return err
		})
		wrong = strings.Join(found, "; ")
		return err
	})
	return wrong, err
}

// peek opens a file to read it, unless it is not there.
func peek(ctx context.Context, file, doing string, fn func(*sql.DB) error) error {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, fault.ReasonBadConfig, "%s: cannot resolve its path", doing)
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return translate(err, doing)
	}
	defer db.Close()
	return translate(ended(ctx, fn(db)), doing)
}
