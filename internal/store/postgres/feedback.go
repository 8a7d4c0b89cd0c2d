package postgres

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"fairlead/internal/store/form"
	"fairlead/orchestrator/feedback"
	"fairlead/orchestrator/record"
)

var _ feedback.Store = (*Store)(nil)

// DecisionsOfRun gives the decisions of a tenant's run in their order. None: there is no such run, or none any more.
func (s *Store) DecisionsOfRun(ctx context.Context, tenant, run string) (list []record.Decision, err error) {
	const doing = "reading the decisions of a run"
	if !form.Text(run) {
		return nil, nil
	}
	err = s.read(ctx, tenant, doing, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT body FROM decisions WHERE tenant = $1 AND run = $2 ORDER BY seq", tenant, run)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (record.Decision, error) {
			var body []byte
			if err := row.Scan(&body); err != nil {
				return record.Decision{}, err
			}
			d, err := form.DecodeDecision(body, doing)
			if err != nil {
				return record.Decision{}, err
			}
			return *d, nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// FeedbackPut keeps what is said of a decision, in the place of what the same principal said of it before. NotFound with
// ReasonUnknownRun when there is no such decision; ResourceExhausted when others have said most about the run.
func (s *Store) FeedbackPut(ctx context.Context, tenant string, f *feedback.Feedback, most int) error {
	const doing = "keeping feedback"
	if err := form.CheckTenant(tenant, doing); err != nil {
		return err
	}
	if err := f.Check(); err != nil {
		return err
	}
	return s.write(ctx, tenant, doing, func(tx pgx.Tx) error {
		// Who speaks of a run holds its first decision, so that no two count the words of the others at once.
		var first int64
		err := tx.QueryRow(ctx, "SELECT seq FROM decisions WHERE tenant = $1 AND run = $2 ORDER BY seq LIMIT 1 FOR UPDATE", tenant, f.RunID).Scan(&first)
		if errors.Is(err, pgx.ErrNoRows) {
			return feedback.UnknownRun()
		}
		if err != nil {
			return err
		}
		var there bool
		var others int
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM decisions WHERE tenant = $1 AND run = $2 AND seq = $3),
			(SELECT count(*) FROM feedback WHERE tenant = $1 AND run = $2 AND NOT (seq = $3 AND principal = $4))`,
			tenant, f.RunID, f.Seq, f.Principal).Scan(&there, &others); err != nil {
			return err
		}
		switch {
		case !there:
			return feedback.UnknownRun()
		case others >= most:
			return feedback.TooMuch(most)
		}
		_, err = tx.Exec(ctx, `INSERT INTO feedback (tenant, run, seq, principal, step, target, score, reason, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			ON CONFLICT (tenant, run, seq, principal) DO UPDATE SET step = excluded.step, target = excluded.target, score = excluded.score, reason = excluded.reason, at = excluded.at`,
			tenant, f.RunID, f.Seq, f.Principal, f.Step, f.Target, f.Score, f.Reason, micro(f.At))
		return err
	})
}

// RatedSince calls yield with the tenant's decisions from a time on of which something was said, the oldest first, with the
// mean of the scores and how many they are. It ends with yield's first error. DataLoss when one cannot be read.
func (s *Store) RatedSince(ctx context.Context, tenant string, since time.Time, yield func(d *record.Decision, score float64, voices int) error) error {
	const doing = "reading rated decisions"
	type rated struct {
		body   []byte
		score  float64
		voices int
	}
	at, id := since, int64(math.MinInt64)
	for {
		var page []rated
		err := s.read(ctx, tenant, doing, func(tx pgx.Tx) error {
			// Sums of doubles may be a hair beyond the scores that they are of.
			rows, err := tx.Query(ctx, `SELECT d.time, d.id, d.body, least(1, f.score), f.voices FROM decisions d,
				LATERAL (SELECT avg(f.score) AS score, count(*) AS voices FROM feedback f WHERE f.tenant = $1 AND f.run = d.run AND f.seq = d.seq) f
				WHERE d.tenant = $1 AND d.time >= $2 AND (d.time, d.id) > ($2, $3) AND f.voices > 0 ORDER BY d.time, d.id LIMIT $4`, tenant, at, id, decisionsPage)
			if err != nil {
				return err
			}
			for rows.Next() {
				var r rated
				if err := rows.Scan(&at, &id, &r.body, &r.score, &r.voices); err != nil {
					rows.Close()
					return err
				}
				page = append(page, r)
			}
			return rows.Err()
		})
		if err != nil {
			return err
		}
		for _, r := range page {
			d, err := form.DecodeDecision(r.body, doing)
			if err != nil {
				return err
			}
			if err := yield(d, r.score, r.voices); err != nil {
				return err
			}
		}
		if len(page) < decisionsPage {
			return nil
		}
	}
}
