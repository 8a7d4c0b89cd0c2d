package sqlite

import (
	"context"
	"database/sql"
	"time"

	"fairlead/internal/store/form"
	"fairlead/orchestrator/record"
)

var _ record.Decisions = (*Store)(nil)

// DecisionsAppend keeps decisions of one tenant, all or none. One that is there already stays as it is.
// InvalidArgument when the tenant is none, or a decision names no run or another tenant.
func (s *Store) DecisionsAppend(ctx context.Context, tenant string, decisions []record.Decision) error {
	const doing = "recording decisions"
	bodies, err := form.EncodeDecisions(tenant, decisions, doing)
	if err != nil || len(decisions) == 0 {
		return err
	}
	return s.write(ctx, doing, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, "INSERT INTO decisions (tenant, run, seq, time, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT (tenant, run, seq) DO NOTHING")
		if err != nil {
			return err
		}
		defer insert.Close()
		for i := range decisions {
			d := &decisions[i]
			if _, err := insert.ExecContext(ctx, tenant, d.RunID, d.Seq, d.Time.UnixMicro(), bodies[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// DecisionsSince calls yield with the tenant's decisions from a time on, the oldest first, at most limit of
// them; 0 is all. It ends with yield's first error. DataLoss when one cannot be read.
func (s *Store) DecisionsSince(ctx context.Context, tenant string, since time.Time, limit int, yield func(*record.Decision) error) error {
	const doing = "reading decisions"
	if limit <= 0 {
		limit = -1 // SQLite's word for all
	}
	var stopped error
	err := s.read(ctx, doing, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT body FROM decisions WHERE tenant = ? AND time >= ? ORDER BY time, id LIMIT ?", tenant, since.UnixMicro(), limit)
		if err != nil {
			return err
		}
		return each(rows, func() error {
			var body sql.RawBytes
			if err := rows.Scan(&body); err != nil {
				return err
			}
			d, err := form.DecodeDecision(body, doing)
			if err != nil {
				return err
			}
			stopped = yield(d)
			return stopped
		})
	})
	if stopped != nil {
		return stopped
	}
	return err
}

// forgetStep is how many decisions are deleted in one transaction, for which writers wait.
const forgetStep = 500

// DecisionsForget deletes those of all tenants that are older than before, and of each tenant the oldest
// beyond most.
func (s *Store) DecisionsForget(ctx context.Context, before time.Time, most int) error {
	const doing = "deleting old decisions"
	if err := s.forget(ctx, doing, "SELECT id FROM decisions WHERE time < ? ORDER BY time LIMIT ?", before.UnixMicro()); err != nil {
		return err
	}
	var crowded []string
	if err := s.read(ctx, doing, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT tenant FROM decisions GROUP BY tenant HAVING count(*) > ?", most)
		if err != nil {
			return err
		}
		return each(rows, func() error {
			var tenant string
			err := rows.Scan(&tenant)
			crowded = append(crowded, tenant)
			return err
		})
	}); err != nil {
		return err
	}
	for _, tenant := range crowded {
		if err := s.forget(ctx, doing,
			"SELECT id FROM (SELECT id FROM decisions WHERE tenant = ? ORDER BY time DESC, id DESC LIMIT -1 OFFSET ?) LIMIT ?", tenant, max(most, 0)); err != nil {
			return err
		}
	}
	return nil
}

// forget deletes the decisions that a query gives, in steps. The query's last argument is how many.
func (s *Store) forget(ctx context.Context, doing, query string, args ...any) error {
	for {
		var deleted int64
		if err := s.write(ctx, doing, func(tx *sql.Tx) error {
			done, err := tx.ExecContext(ctx, "DELETE FROM decisions WHERE id IN ("+query+")", append(args[:len(args):len(args)], forgetStep)...)
			if err != nil {
				return err
			}
			deleted, err = done.RowsAffected()
			return err
		}); err != nil {
			return err
		}
		if deleted < forgetStep {
			return nil
		}
	}
}
