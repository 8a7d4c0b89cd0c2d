package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"fairlead/orchestrator/traffic"
)

var _ traffic.Store = (*Store)(nil)

const trafficColumns = "target, rolled_back, author, reason, at"

// TrafficDecide keeps a decision.
func (s *Store) TrafficDecide(ctx context.Context, d traffic.Decision) error {
	if err := d.Check(); err != nil {
		return err
	}
	if d.At.IsZero() {
		d.At = s.now()
	}
	return s.in(ctx, scope{operator: true}, pgx.TxOptions{}, "deciding about traffic", func(tx pgx.Tx) error {
		// Of two that decide at once, the one that is numbered last must also be the last to be seen.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(trafficLockID)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO traffic ("+trafficColumns+") VALUES ($1, $2, $3, $4, $5)", d.Target, d.RolledBack, d.By, d.Reason, d.At)
		return err
	}, s.timeout)
}

// trafficLockID is the advisory lock of those who decide.
const trafficLockID = lockID + 2

// TrafficState gives what is rolled back, by target.
func (s *Store) TrafficState(ctx context.Context) ([]traffic.Decision, error) {
	return s.decided(ctx, "reading what is rolled back", `SELECT `+trafficColumns+` FROM (SELECT DISTINCT ON (target) `+trafficColumns+` FROM traffic ORDER BY target, id DESC) t
		WHERE rolled_back ORDER BY target COLLATE "C"`)
}

// TrafficLog gives the newest decisions, the newest first.
func (s *Store) TrafficLog(ctx context.Context, target string, limit int) ([]traffic.Decision, error) {
	return s.decided(ctx, "listing what was rolled back",
		"SELECT "+trafficColumns+" FROM traffic WHERE $1 = '' OR target = $1 ORDER BY id DESC LIMIT $2", target, max(limit, 0))
}

func (s *Store) decided(ctx context.Context, doing, query string, args ...any) (list []traffic.Decision, err error) {
	err = s.in(ctx, scope{operator: true}, pgx.TxOptions{AccessMode: pgx.ReadOnly}, doing, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (traffic.Decision, error) {
			var d traffic.Decision
			err := row.Scan(&d.Target, &d.RolledBack, &d.By, &d.Reason, &d.At)
			d.At = d.At.UTC()
			return d, err
		})
		return err
	}, s.timeout)
	if err != nil {
		return nil, err
	}
	return list, nil
}
