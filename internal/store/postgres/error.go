package postgres

import (
	"context"
	"errors"
	"net"
	"strconv"
	"syscall"

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
	if c, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		if f := unconnected(c, doing); f != nil {
			return f
		}
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
	case "57P01", "57P02", "57P03", "08000", "08003", "08006", "25006", "08P01": // the last: a PgBouncer without a server
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

// unconnected says why there is no connection, and what to do. Nil: nothing is known that translate does not know.
func unconnected(err *pgconn.ConnectError, doing string) *fault.Error {
	at := net.JoinHostPort(err.Config.Host, strconv.Itoa(int(err.Config.Port)))
	var pg *pgconn.PgError
	var name *net.DNSError
	switch {
	case errors.As(err, &name):
		return fault.Wrap(err, fault.Unavailable, fault.ReasonInternal, "%s: the host %s cannot be found: correct its URL", doing, err.Config.Host)
	case !errors.As(err, &pg) && errors.Is(err, syscall.ECONNREFUSED):
		return fault.Wrap(err, fault.Unavailable, fault.ReasonInternal, "%s: nothing listens on %s: correct its URL, or start PostgreSQL", doing, at)
	case !errors.As(err, &pg) && err.Config.TLSConfig != nil && !errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(err, fault.Unavailable, fault.ReasonInternal,
			"%s: no TLS with %s: see its certificate, and sslmode and sslrootcert in its URL", doing, at)
	case pg == nil:
		return nil
	}
	switch pg.Code {
	case "28P01", "28000":
		return fault.Wrap(err, fault.FailedPrecondition, fault.ReasonBadConfig,
			"%s: %s does not let the user %s in: correct the name and the password in its URL, or pg_hba.conf; fairlead db migrate makes the role of database.url where it is not there",
			doing, at, err.Config.User)
	case "3D000":
		return fault.Wrap(err, fault.FailedPrecondition, fault.ReasonBadConfig,
			"%s: %s has no database %s: correct its URL, or make the database, owned by the user of database.owner_url", doing, at, err.Config.Database)
	case "55000":
		return fault.Wrap(err, fault.Unavailable, fault.ReasonInternal, "%s: the database %s takes no connections now", doing, err.Config.Database)
	case "08P01": // what a PgBouncer says of everything
		return fault.Wrap(err, fault.Unavailable, fault.ReasonInternal,
			"%s: what listens on %s, such as a PgBouncer, gives the user %s no connection to the database %s: correct its URL and that one's users and databases, and see its log",
			doing, at, err.Config.User, err.Config.Database)
	}
	return nil
}
