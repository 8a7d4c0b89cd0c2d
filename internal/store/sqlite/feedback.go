package sqlite

import (
	"context"
	"database/sql"
	"time"

	"fairlead/internal/store/form"
	"fairlead/orchestrator/feedback"
	"fairlead/orchestrator/record"
)

var _ feedback.Store = (*Store)(nil)

// DecisionsOfRun gives the decisions of a tenant's run in their order. None: there is no such run, or none any more.
func (s *Store) DecisionsOfRun(ctx context.Context, tenant, run string) (list []record.Decision, err error) {
	const doing = "reading the decisions of a run"
	err = s.read(ctx, doing, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT body FROM decisions WHERE tenant = ? AND run = ? ORDER BY seq", tenant, run)
		if err != nil {
			return err
		}
		return each(rows, func() error {
			var body sql.RawBytes
			if err := rows.Scan(&body); err != nil {
				return err
			}
			d, err := form.DecodeDecision(body, doing)
			if err == nil {
				list = append(list, *d)
			}
			return err
		})
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
	return s.write(ctx, doing, func(tx *sql.Tx) error {
		var there bool
		var others int
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM decisions WHERE tenant = ?1 AND run = ?2 AND seq = ?3),
			(SELECT count(*) FROM feedback WHERE tenant = ?1 AND run = ?2 AND NOT (seq = ?3 AND principal = ?4))`,
			tenant, f.RunID, f.Seq, f.Principal).Scan(&there, &others); err != nil {
			return err
		}
		switch {
		case !there:
			return feedback.UnknownRun()
		case others >= most:
			return feedback.TooMuch(most)
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO feedback (tenant, run, seq, principal, step, target, score, reason, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (tenant, run, seq, principal) DO UPDATE SET step = excluded.step, target = excluded.target, score = excluded.score, reason = excluded.reason, at = excluded.at`,
			tenant, f.RunID, f.Seq, f.Principal, f.Step, f.Target, f.Score, f.Reason, f.At.UnixMicro())
		return err
	})
}

// ratedPage is how many rated decisions are read at a time: no transaction is open while a reader thinks.
const ratedPage = 500

// RatedSince calls yield with the tenant's decisions from a time on of which something was said, the oldest first, with the
// mean of the scores and how many they are. It ends with yield's first error. DataLoss when one cannot be read.
func (s *Store) RatedSince(ctx context.Context, tenant string, since time.Time, yield func(d *record.Decision, score float64, voices int) error) error {
	const doing = "reading rated decisions"
	type rated struct {
		d      *record.Decision
		score  float64
		voices int
	}
	at, id := since.UnixMicro(), int64(0)
	for {
		var page []rated
		err := s.read(ctx, doing, func(tx *sql.Tx) error {
			// Sums of doubles may be a hair beyond the scores that they are of.
			rows, err := tx.QueryContext(ctx, `SELECT d.time, d.id, d.body, min(1, avg(f.score)), count(*) FROM decisions d
				JOIN feedback f ON f.tenant = d.tenant AND f.run = d.run AND f.seq = d.seq
				WHERE d.tenant = ?1 AND d.time >= ?2 AND (d.time, d.id) > (?2, ?3) GROUP BY d.time, d.id ORDER BY d.time, d.id LIMIT ?4`, tenant, at, id, ratedPage)
			if err != nil {
				return err
			}
			return each(rows, func() error {
				var body sql.RawBytes
				var r rated
				if err := rows.Scan(&at, &id, &body, &r.score, &r.voices); err != nil {
					return err
				}
				var err error
				r.d, err = form.DecodeDecision(body, doing)
				page = append(page, r)
				return err
			})
		})
		if err != nil {
			return err
		}
		for _, r := range page {
			if err := yield(r.d, r.score, r.voices); err != nil {
				return err
			}
		}
		if len(page) < ratedPage {
			return nil
		}
	}
}
