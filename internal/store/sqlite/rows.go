package sqlite

import (
	"database/sql"
	"time"
)

// each calls fn for every row, closes the rows, and gives the first error of either.
func each(rows *sql.Rows, fn func() error) error {
	defer rows.Close()
	for rows.Next() {
		if err := fn(); err != nil {
			return err
		}
	}
	return rows.Err()
}

// fromMicro reads a time as the tables hold it.
func fromMicro(us int64) time.Time { return time.UnixMicro(us).UTC() }
