package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"fairlead/internal/fault"
)

// translate gives an error as a fault, without a word of what PostgreSQL said to the caller: it may quote content.
func translate(ctx context.Context, err error, doing string) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fault.From(ctx.Err())
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return fault.Wrap(err, fault.Unavailable, fault.ReasonInternal, "%s: the database cannot be reached", doing)
	}
	switch pg.Code {
	case "57014": // statement_timeout; a caller that left is above
		return fault.Wrap(err, fault.DeadlineExceeded, fault.ReasonDeadline, "%s: the database took longer than database.statement_timeout", doing)
	case "40001", "40P01", "55P03":
		return fault.Wrap(err, fault.Unavailable, fault.ReasonInternal, "%s: another writer was in the way: try again", doing)
	case "53100", "53200", "53300":
		return fault.Wrap(err, fault.Unavailable, fault.ReasonInternal, "%s: the database is out of disk, memory or connections", doing)
	case "57P01", "57P02", "57P03", "08000", "08003", "08006", "25006":
		return fault.Wrap(err, fault.Unavailable, fault.ReasonInternal, "%s: the database is going down, starting, or only reads", doing)
	case "23505":
		return fault.Wrap(err, fault.AlreadyExists, fault.ReasonBadRequest, "%s: there is one of that name already", doing)
	case "22021", "22P05": // a character that text cannot hold
		return fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest, "%s: a text holds a character that the database cannot keep", doing)
	case "54000": // a row of an index
		return fault.Wrap(err, fault.InvalidArgument, fault.ReasonTooLarge, "%s: a name, an id or a key is longer than the database can look up", doing)
	case "42501":
		return fault.Wrap(err, fault.Internal, fault.ReasonInternal, "%s: the database refused a row or a right: run fairlead db doctor", doing)
	}
	return fault.Wrap(err, fault.Internal, fault.ReasonInternal, "%s: the database refused it", doing)
}
