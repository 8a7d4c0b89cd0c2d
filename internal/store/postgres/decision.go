package postgres

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

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
	n := len(decisions)
	runs, seqs, times := make([]string, n), make([]int64, n), make([]time.Time, n)
	for i := range decisions {
		d := &decisions[i]
		runs[i], seqs[i], times[i] = d.RunID, d.Seq, micro(d.Time)
	}
	return s.write(ctx, tenant, doing, func(tx pgx.Tx) error {
		var b pgx.Batch
		b.Queue("INSERT INTO decision_tenants (tenant) VALUES ($1) ON CONFLICT DO NOTHING", tenant)
		// The order of their keys, so that no two writers wait for each other; ids are in the order that they came in.
		b.Queue(`INSERT INTO decisions (tenant, run, seq, time, body)
			SELECT $1, d.run, d.seq, d.time, d.body FROM unnest($2::text[], $3::bigint[], $4::timestamptz[], $5::text[]) d (run, seq, time, body)
			ORDER BY d.run, d.seq ON CONFLICT (tenant, run, seq) DO NOTHING`, tenant, runs, seqs, times, bodies)
		return tx.SendBatch(ctx, &b).Close()
	})
}

// decisionsPage is how many decisions are read at a time: no transaction is open while a reader thinks.
const decisionsPage = 500

// DecisionsSince calls yield with the tenant's decisions from a time on, the oldest first, at most limit of
// them; 0 is all. It ends with yield's first error. DataLoss when one cannot be read.
func (s *Store) DecisionsSince(ctx context.Context, tenant string, since time.Time, limit int, yield func(*record.Decision) error) error {
	const doing = "reading decisions"
	if limit <= 0 {
		limit = math.MaxInt
	}
	at, id := since, int64(math.MinInt64)
	for limit > 0 {
		size := min(limit, decisionsPage)
		var bodies [][]byte
		err := s.read(ctx, tenant, doing, func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, `SELECT time, id, body FROM decisions WHERE tenant = $1 AND time >= $2 AND (time, id) > ($2, $3)
				ORDER BY time, id LIMIT $4`, tenant, at, id, size)
			if err != nil {
				return err
			}
			for rows.Next() {
				var body []byte
				if err := rows.Scan(&at, &id, &body); err != nil {
					rows.Close()
					return err
				}
				bodies = append(bodies, body)
			}
			return rows.Err()
		})
		if err != nil {
			return err
		}
		for _, body := range bodies {
			d, err := form.DecodeDecision(body, doing)
			if err != nil {
				return err
			}
			if err := yield(d); err != nil {
				return err
			}
		}
		if limit -= len(bodies); len(bodies) < size {
			return nil
		}
	}
	return nil
}

// forgetStep is how many decisions are deleted in one transaction.
const forgetStep = 1000

// DecisionsForget deletes those of all tenants that are older than before, and of each tenant the oldest
// beyond most. Several may do it at once: none waits for another.
func (s *Store) DecisionsForget(ctx context.Context, before time.Time, most int) error {
	const doing = "deleting old decisions"
	var tenants []string
	if err := s.in(ctx, scope{operator: true}, pgx.TxOptions{AccessMode: pgx.ReadOnly}, doing, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT tenant FROM decision_tenants ORDER BY tenant")
		if err != nil {
			return err
		}
		tenants, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	}); err != nil {
		return err
	}
	for _, tenant := range tenants {
		if err := s.forget(ctx, tenant, before, most, doing); err != nil {
			return err
		}
	}
	return nil
}

// forget deletes a tenant's decisions, in steps.
func (s *Store) forget(ctx context.Context, tenant string, before time.Time, most int, doing string) error {
	for {
		var deleted int64
		if err := s.write(ctx, tenant, doing, func(tx pgx.Tx) error {
			// The newest one that goes because there are too many.
			last, lastID := time.Unix(0, 0), int64(math.MinInt64)
			err := tx.QueryRow(ctx, "SELECT time, id FROM decisions WHERE tenant = $1 ORDER BY time DESC, id DESC LIMIT 1 OFFSET $2", tenant, max(most, 0)).Scan(&last, &lastID)
			if err != nil && !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
			done, err := tx.Exec(ctx, `DELETE FROM decisions WHERE tenant = $1 AND (run, seq) IN (
				SELECT run, seq FROM decisions WHERE tenant = $1 AND (time < $2 OR (time, id) <= ($3, $4)) ORDER BY time, id LIMIT $5 FOR UPDATE SKIP LOCKED)`,
				tenant, before, last, lastID, forgetStep)
			deleted = done.RowsAffected()
			return err
		}); err != nil {
			return err
		}
		if deleted < forgetStep {
			return nil
		}
	}
}
