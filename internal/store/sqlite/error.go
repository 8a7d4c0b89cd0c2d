package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"fairlead/internal/fault"
)

// translate makes a fault of any error of the driver. It is the one place that knows SQLite's codes.
// doing says what was being done, for the public text; the driver's own text stays a private cause.
func translate(err error, doing string) error {
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.From(err)
	}
	e, ok := errors.AsType[*driver.Error](err)
	if !ok {
		if errors.Is(err, sql.ErrConnDone) || err.Error() == "sql: database is closed" { // unexported there
			return fault.Wrap(err, fault.Unavailable, fault.ReasonDraining, "%s: the database is closed", doing)
		}
		return fault.Wrap(err, fault.Internal, fault.ReasonInternal, "%s: the database failed: see the server's log", doing)
	}
	switch e.Code() & 0xff { // the primary code; the rest is an extension of it
	case codes.SQLITE_BUSY, codes.SQLITE_LOCKED:
		f := fault.Wrap(err, fault.Unavailable, fault.ReasonNone, "%s: the database is busy: try again", doing)
		f.RetryAfter = time.Second
		return f
	case codes.SQLITE_FULL:
		return fault.Wrap(err, fault.Unavailable, fault.ReasonNone, "%s: the disk is full: free some space", doing)
	case codes.SQLITE_IOERR, codes.SQLITE_CANTOPEN, codes.SQLITE_NOMEM, codes.SQLITE_PROTOCOL:
		return fault.Wrap(err, fault.Unavailable, fault.ReasonNone, "%s: the database cannot be read or written: see the server's log", doing)
	case codes.SQLITE_READONLY, codes.SQLITE_PERM, codes.SQLITE_AUTH:
		return fault.Wrap(err, fault.FailedPrecondition, fault.ReasonBadConfig, "%s: the database may not be written: check the file's owner and mode", doing)
	case codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB:
		return fault.Wrap(err, fault.DataLoss, fault.ReasonNone, "%s: the file is damaged or not a database: restore it from a backup", doing)
	case codes.SQLITE_TOOBIG:
		return fault.Wrap(err, fault.InvalidArgument, fault.ReasonTooLarge, "%s: a value is too large for the database", doing)
	case codes.SQLITE_CONSTRAINT:
		if c := e.Code(); c == codes.SQLITE_CONSTRAINT_UNIQUE || c == codes.SQLITE_CONSTRAINT_PRIMARYKEY {
			return fault.Wrap(err, fault.AlreadyExists, fault.ReasonNone, "%s: there is one of that name already", doing)
		}
		return fault.Wrap(err, fault.Internal, fault.ReasonInternal, "%s: the database refused the data: see the server's log", doing)
	case codes.SQLITE_INTERRUPT:
		return fault.Wrap(err, fault.Canceled, fault.ReasonCanceled, "%s: it was interrupted", doing)
	default:
		return fault.Wrap(err, fault.Internal, fault.ReasonInternal, "%s: the database failed: see the server's log", doing)
	}
}
