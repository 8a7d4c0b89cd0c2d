package sqlite

import (
	"context"
	"database/sql"

	"fairlead/orchestrator/traffic"
)

var _ traffic.Store = (*Store)(nil)

const trafficColumns = "target, rolled_back, author, reason, at"

// TrafficDecide keeps a decision.
func (s *Store) TrafficDecide(ctx context.Context, d traffic.Decision) error {
	if err := d.Check(); err != nil {
		return err
	}
	at := s.now()
	if !d.At.IsZero() {
		at = d.At.UnixMicro()
	}
	return s.write(ctx, "deciding about traffic", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO traffic ("+trafficColumns+") VALUES (?, ?, ?, ?, ?)", d.Target, d.RolledBack, d.By, d.Reason, at)
		return err
	})
}

// TrafficState gives what is rolled back, by target.
func (s *Store) TrafficState(ctx context.Context) ([]traffic.Decision, error) {
	return s.decided(ctx, "reading what is rolled back",
		"SELECT "+trafficColumns+" FROM traffic WHERE id IN (SELECT max(id) FROM traffic GROUP BY target) AND rolled_back = 1 ORDER BY target")
}

// TrafficLog gives the newest decisions, the newest first.
func (s *Store) TrafficLog(ctx context.Context, target string, limit int) ([]traffic.Decision, error) {
	return s.decided(ctx, "listing what was rolled back",
		"SELECT "+trafficColumns+" FROM traffic WHERE ?1 = '' OR target = ?1 ORDER BY id DESC LIMIT ?2", target, max(limit, 0))
}

func (s *Store) decided(ctx context.Context, doing, query string, args ...any) (list []traffic.Decision, err error) {
	err = s.read(ctx, doing, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		return each(rows, func() error {
			var d traffic.Decision
			var at int64
			err := rows.Scan(&d.Target, &d.RolledBack, &d.By, &d.Reason, &at)
			d.At = fromMicro(at)
			list = append(list, d)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}
