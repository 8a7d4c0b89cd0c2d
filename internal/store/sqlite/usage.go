package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"fairlead/internal/store/form"
	"fairlead/orchestrator/usage"
	"fairlead/providers"
)

var _ usage.Store = (*Store)(nil)

// usageDay is a row of usage_days.
type usageDay struct {
	tenant, key, chain, target string
	day                        int64
}

// sums is a Sum as the tables hold it: its duration is in microseconds.
func sums(s *usage.Sum) []any {
	return []any{&s.Attempts, &s.Failed, &s.Usage.Input, &s.Usage.CachedInput, &s.Usage.Output, &s.Usage.Reasoning, (*int64)(&s.Cost),
		&s.Unpriced, &s.Estimated, (*int64)(&s.Duration)}
}

const sumColumns = "attempts, failed, input, cached_input, output, reasoning, cost, unpriced, estimated, duration"

// UsageAppend keeps records, of any tenants, with their sums by day: here all or none. One that is there already is
// left as it is and not summed again; those of a tenant that is not there are left out. InvalidArgument when one fails Record.Check, and with ReasonTooLarge when a sum
// of a day has no room.
func (s *Store) UsageAppend(ctx context.Context, records []usage.Record) error {
	const doing = "recording usage"
	for i := range records {
		if err := records[i].Check(); err != nil {
			return err
		}
	}
	if len(records) == 0 {
		return nil
	}
	return s.write(ctx, doing, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, `INSERT INTO usage (tenant, run, step, attempt, time, key, chain, target, backend, model,
				input, cached_input, output, reasoning, estimated, cost, cost_known, ttft, duration, failed)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
		if err != nil {
			return err
		}
		defer insert.Close()
		days := map[usageDay]*usage.Sum{}
		there := map[string]bool{}
		for i := range records {
			r := &records[i]
			known, asked := there[r.Tenant]
			if !asked { // nothing is kept of a tenant that was deleted
				if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM tenants WHERE tenant = ?)", r.Tenant).Scan(&known); err != nil {
					return err
				}
				there[r.Tenant] = known
			}
			if !known {
				continue
			}
			done, err := insert.ExecContext(ctx, r.Tenant, r.RunID, r.Step, r.Attempt, r.Time.UnixMicro(), r.Key, r.Chain, r.Target, r.Backend, r.Model,
				r.Usage.Input, r.Usage.CachedInput, r.Usage.Output, r.Usage.Reasoning, r.Usage.Estimated, int64(r.Cost), r.CostKnown,
				r.TTFT.Microseconds(), r.Duration.Microseconds(), r.Failed)
			if err != nil {
				return err
			}
			n, err := done.RowsAffected()
			if err != nil {
				return err
			}
			if n == 0 {
				continue // it is there
			}
			day := usageDay{r.Tenant, r.Key, r.Chain, r.Target, dayNumber(r.Time)}
			if days[day] == nil {
				days[day] = &usage.Sum{}
			}
			counted := *r
			counted.Duration = time.Duration(r.Duration.Microseconds())
			if !days[day].Add(&counted) {
				return usage.TooLarge(doing)
			}
		}
		return addDays(ctx, tx, doing, days)
	})
}

// addDays adds sums to those that are there. SQLite turns a sum that has no room into a float without a word, so it is
// made here.
func addDays(ctx context.Context, tx *sql.Tx, doing string, days map[usageDay]*usage.Sum) error {
	there, err := tx.PrepareContext(ctx, "SELECT "+sumColumns+" FROM usage_days WHERE tenant = ? AND day = ? AND key = ? AND chain = ? AND target = ?")
	if err != nil {
		return err
	}
	defer there.Close()
	put, err := tx.PrepareContext(ctx, "INSERT OR REPLACE INTO usage_days (tenant, day, key, chain, target, "+sumColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return err
	}
	defer put.Close()
	for day, added := range days {
		args := []any{day.tenant, day.day, day.key, day.chain, day.target}
		var sum usage.Sum
		if err := there.QueryRowContext(ctx, args...).Scan(sums(&sum)...); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if !sum.Join(added) {
			return usage.TooLarge(doing)
		}
		if _, err := put.ExecContext(ctx, append(args, sum.Attempts, sum.Failed, sum.Usage.Input, sum.Usage.CachedInput, sum.Usage.Output, sum.Usage.Reasoning,
			int64(sum.Cost), sum.Unpriced, sum.Estimated, int64(sum.Duration))...); err != nil {
			return err
		}
	}
	return nil
}

// fromMicros gives a time in microseconds as a Duration, and the longest where it is longer: 292 years.
func fromMicros(n int64) time.Duration {
	return time.Duration(min(n, math.MaxInt64/1000) * 1000)
}

// dayNumber gives a time's day, in UTC, as days since 1970.
func dayNumber(t time.Time) int64 { return usage.DayOf(t).Unix() / (24 * 60 * 60) }

// UsageSum gives a tenant's sums, by day and then by the other dimensions as they are asked. InvalidArgument with
// ReasonTooLarge where one does not fit.
func (s *Store) UsageSum(ctx context.Context, tenant string, q usage.Query) ([]usage.Sum, error) {
	const doing = "summing usage"
	if err := form.CheckTenant(tenant, doing); err != nil {
		return nil, err
	}
	if err := q.Check(); err != nil {
		return nil, err
	}
	var dimensions strings.Builder
	for _, d := range q.By {
		dimensions.WriteString(string(d) + ", ") // Check knows it
	}
	var out []usage.Sum
	err := s.read(ctx, doing, func(tx *sql.Tx) error {
		// The rows are summed here: where a sum has no room, that must be noticed.
		rows, err := tx.QueryContext(ctx, "SELECT "+dimensions.String()+sumColumns+" FROM usage_days WHERE tenant = ? AND day >= ? AND day < ?",
			tenant, dayNumber(q.From), dayNumber(q.Until))
		if err != nil {
			return err
		}
		places := map[usageDay]int{}
		return each(rows, func() error {
			var row usage.Sum
			var at usageDay
			into := make([]any, 0, len(q.By)+10)
			for _, d := range q.By {
				switch d {
				case usage.ByTarget:
					into = append(into, &at.target)
				case usage.ByKey:
					into = append(into, &at.key)
				case usage.ByChain:
					into = append(into, &at.chain)
				case usage.ByDay:
					into = append(into, &at.day)
				}
			}
			if err := rows.Scan(append(into, sums(&row)...)...); err != nil {
				return err
			}
			i, ok := places[at]
			if !ok {
				i = len(out)
				places[at] = i
				sum := usage.Sum{Target: at.target, Key: at.key, Chain: at.chain}
				if slices.Contains(q.By, usage.ByDay) {
					sum.Day = time.Unix(at.day*24*60*60, 0).UTC()
				}
				out = append(out, sum)
			}
			if !out[i].Join(&row) {
				return usage.TooLarge(doing)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	if len(q.By) == 0 && len(out) == 0 {
		out = make([]usage.Sum, 1)
	}
	for i := range out {
		out[i].Duration = fromMicros(int64(out[i].Duration))
	}
	q.Order(out)
	return out, nil
}

// UsageSince calls yield with a tenant's records from a time on, the oldest first, at most limit; 0 is all. It ends
// with yield's first error.
func (s *Store) UsageSince(ctx context.Context, tenant string, since time.Time, limit int, yield func(*usage.Record) error) error {
	const doing = "reading usage"
	if err := form.CheckTenant(tenant, doing); err != nil {
		return err
	}
	if limit <= 0 {
		limit = -1 // SQLite's word for all
	}
	var stopped error
	err := s.read(ctx, doing, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT run, step, attempt, time, key, chain, target, backend, model,
				input, cached_input, output, reasoning, estimated, cost, cost_known, ttft, duration, failed
			FROM usage WHERE tenant = ? AND time >= ? ORDER BY time, run, step, attempt LIMIT ?`, tenant, since.UnixMicro(), limit)
		if err != nil {
			return err
		}
		return each(rows, func() error {
			r := usage.Record{Tenant: tenant}
			var at, ttft, duration, cost int64
			if err := rows.Scan(&r.RunID, &r.Step, &r.Attempt, &at, &r.Key, &r.Chain, &r.Target, &r.Backend, &r.Model,
				&r.Usage.Input, &r.Usage.CachedInput, &r.Usage.Output, &r.Usage.Reasoning, &r.Usage.Estimated, &cost, &r.CostKnown,
				&ttft, &duration, &r.Failed); err != nil {
				return err
			}
			r.Time, r.Cost = fromMicro(at), providers.Money(cost)
			r.TTFT, r.Duration = time.Duration(ttft)*time.Microsecond, time.Duration(duration)*time.Microsecond
			stopped = yield(&r)
			return stopped
		})
	})
	if stopped != nil {
		return stopped
	}
	return err
}

// UsageForget deletes the records of all tenants that are older than before. Their sums stay.
func (s *Store) UsageForget(ctx context.Context, before time.Time) error {
	const doing = "deleting old usage"
	for {
		var deleted int64
		if err := s.write(ctx, doing, func(tx *sql.Tx) error {
			done, err := tx.ExecContext(ctx, `DELETE FROM usage WHERE (tenant, run, step, attempt) IN
				(SELECT tenant, run, step, attempt FROM usage WHERE time < ? ORDER BY time LIMIT ?)`, before.UnixMicro(), forgetStep)
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
