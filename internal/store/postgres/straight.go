package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"fairlead/internal/fault"
)

// straight refuses a way to the database on which sessions share the server's connections, as through a PgBouncer in
// transaction mode: a session's lock would stay on a connection that is another's next, and its settings too.
func straight(ctx context.Context, c *pgx.ConnConfig, doing string) error {
	c = c.Copy()
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	one, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return translate(ctx, err, doing)
	}
	defer one.Close(context.WithoutCancel(ctx))
	pid := func(conn *pgx.Conn) (pid int64, err error) {
		err = conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid)
		return pid, err
	}
	first, err := pid(one)
	if err != nil || first == int64(one.PgConn().PID()) {
		return translate(ctx, err, doing)
	}
	// Something stands between, which may still give each session a connection of its own.
	two, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return translate(ctx, err, doing)
	}
	defer two.Close(context.WithoutCancel(ctx))
	if _, err := two.Exec(ctx, "BEGIN"); err != nil {
		return translate(ctx, err, doing)
	}
	other, err := pid(two)
	if err != nil {
		return translate(ctx, err, doing)
	}
	again, err := pid(one) // while the other's transaction holds its connection
	if err != nil {
		return translate(ctx, err, doing)
	}
	if other == first || again != first {
		return fault.New(fault.FailedPrecondition, fault.ReasonBadConfig,
			"%s: database.owner_url leads to a PgBouncer in transaction mode, where locks do not hold: name PostgreSQL itself there", doing)
	}
	return nil
}
