package postgres

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"fairlead/internal/auth/tenants"
	"fairlead/internal/store/form"
	"fairlead/orchestrator/usage"
	"fairlead/providers"
)

var _ usage.Store = (*Store)(nil)

// UsageAppend keeps records, of any tenants, with their sums by day: of each tenant all or none. One that is there
// already is left as it is and not summed again; those of a tenant that is not there are left out. InvalidArgument when
// one fails Record.Check, and with ReasonTooLarge when a sum of a day has no room.
func (s *Store) UsageAppend(ctx context.Context, records []usage.Record) error {
	byTenant := map[string][]*usage.Record{}
	for i := range records {
		r := &records[i]
		if err := r.Check(); err != nil {
			return err
		}
		byTenant[r.Tenant] = append(byTenant[r.Tenant], r)
	}
	for tenant, list := range byTenant {
		if err := s.usageAppend(ctx, tenant, list); err != nil {
			return err
		}
	}
	return nil
}

// usageAppend keeps one tenant's records. Two writers take rows in one order, those of usage before those of
// usage_days, so neither waits for one that waits for it.
func (s *Store) usageAppend(ctx context.Context, tenant string, list []*usage.Record) error {
	slices.SortFunc(list, func(a, b *usage.Record) int {
		return cmp.Or(strings.Compare(a.RunID, b.RunID), strings.Compare(a.Step, b.Step), cmp.Compare(a.Attempt, b.Attempt))
	})
	var c usageColumns
	for _, r := range list {
		c.add(r)
	}
	const doing = "recording usage"
	return s.write(ctx, tenant, doing, func(tx pgx.Tx) error {
		// Nothing is kept of a tenant that was deleted, and none is deleted while this goes on.
		if there, err := tx.Exec(ctx, "SELECT FROM tenants WHERE tenant = $1 FOR KEY SHARE", tenant); err != nil || there.RowsAffected() == 0 {
			return err
		}
		_, err := tx.Exec(ctx, `WITH added AS (
				INSERT INTO usage (tenant, run, step, attempt, time, key, chain, target, backend, model,
					input, cached_input, output, reasoning, estimated, cost, cost_known, ttft, duration, failed)
				SELECT $1, u.* FROM unnest($2::text[], $3::text[], $4::integer[], $5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
					$11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::boolean[], $16::bigint[], $17::boolean[], $18::bigint[], $19::bigint[], $20::text[]) u
				ON CONFLICT DO NOTHING
				RETURNING (time AT TIME ZONE 'UTC')::date AS day, key, chain, target, input, cached_input, output, reasoning, estimated, cost, cost_known, duration, failed
			)
			INSERT INTO usage_days AS d (tenant, day, key, chain, target, attempts, failed, input, cached_input, output, reasoning, cost, unpriced, estimated, duration)
			SELECT $1, day, key, chain, target, count(*), count(*) FILTER (WHERE failed <> ''), sum(input), sum(cached_input), sum(output), sum(reasoning),
				sum(cost), count(*) FILTER (WHERE NOT cost_known), count(*) FILTER (WHERE estimated), sum(duration)
			FROM added GROUP BY day, key, chain, target ORDER BY day, key, chain, target
			ON CONFLICT (tenant, day, key, chain, target) DO UPDATE SET
				attempts = d.attempts + excluded.attempts, failed = d.failed + excluded.failed,
				input = d.input + excluded.input, cached_input = d.cached_input + excluded.cached_input,
				output = d.output + excluded.output, reasoning = d.reasoning + excluded.reasoning,
				cost = d.cost + excluded.cost, unpriced = d.unpriced + excluded.unpriced, estimated = d.estimated + excluded.estimated,
				duration = d.duration + excluded.duration`,
			tenant, c.run, c.step, c.attempt, c.time, c.key, c.chain, c.target, c.backend, c.model,
			c.input, c.cached, c.output, c.reasoning, c.estimated, c.cost, c.known, c.ttft, c.duration, c.failed)
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "22003" { // counts are what backends say
			return usage.TooLarge(doing)
		}
		return err
	})
}

// usageColumns are records, a column each.
type usageColumns struct {
	run, step, key, chain, target, backend, model, failed  []string
	attempt                                                []int32
	time                                                   []time.Time
	input, cached, output, reasoning, cost, ttft, duration []int64
	estimated, known                                       []bool
}

func (c *usageColumns) add(r *usage.Record) {
	c.run, c.step, c.attempt = append(c.run, r.RunID), append(c.step, r.Step), append(c.attempt, int32(min(r.Attempt, math.MaxInt32)))
	c.time = append(c.time, r.Time.UTC().Truncate(time.Microsecond)) // down, as all stores do: a day may end in between
	c.key, c.chain = append(c.key, r.Key), append(c.chain, r.Chain)
	c.target, c.backend, c.model = append(c.target, r.Target), append(c.backend, r.Backend), append(c.model, r.Model)
	c.input, c.cached = append(c.input, r.Usage.Input), append(c.cached, r.Usage.CachedInput)
	c.output, c.reasoning = append(c.output, r.Usage.Output), append(c.reasoning, r.Usage.Reasoning)
	c.estimated = append(c.estimated, r.Usage.Estimated)
	c.cost, c.known = append(c.cost, int64(r.Cost)), append(c.known, r.CostKnown)
	c.ttft, c.duration = append(c.ttft, r.TTFT.Microseconds()), append(c.duration, r.Duration.Microseconds())
	c.failed = append(c.failed, r.Failed)
}

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
	var group []string
	for i, d := range q.By {
		dimensions.WriteString(string(d) + ", ") // Check knows it
		group = append(group, strconv.Itoa(i+1))
	}
	query := "SELECT " + dimensions.String()
	for i, column := range []string{"attempts", "failed", "input", "cached_input", "output", "reasoning", "cost", "unpriced", "estimated", "duration"} {
		if i > 0 {
			query += ", "
		}
		query += "coalesce(sum(" + column + "), 0)::text" // a numeric, which may be more than an integer holds
	}
	query += " FROM usage_days WHERE tenant = $1 AND day >= $2 AND day < $3"
	if len(group) > 0 {
		query += " GROUP BY " + strings.Join(group, ", ")
	}
	var out []usage.Sum
	err := s.read(ctx, tenant, doing, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, query, tenant, usage.DayOf(q.From), usage.DayOf(q.Until))
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (usage.Sum, error) { return scanSum(row, q.By, doing) })
		return err
	})
	if err != nil {
		return nil, err
	}
	q.Order(out)
	return out, nil
}

func scanSum(row pgx.Row, by []usage.Dimension, doing string) (sum usage.Sum, err error) {
	into := make([]any, 0, len(by)+10)
	for _, d := range by {
		switch d {
		case usage.ByTarget:
			into = append(into, &sum.Target)
		case usage.ByKey:
			into = append(into, &sum.Key)
		case usage.ByChain:
			into = append(into, &sum.Chain)
		case usage.ByDay:
			into = append(into, &sum.Day)
		}
	}
	var texts [10]string
	for i := range texts {
		into = append(into, &texts[i])
	}
	if err := row.Scan(into...); err != nil {
		return sum, err
	}
	sum.Day = sum.Day.UTC()
	u := &sum.Usage
	for i, to := range []*int64{&sum.Attempts, &sum.Failed, &u.Input, &u.CachedInput, &u.Output, &u.Reasoning, (*int64)(&sum.Cost), &sum.Unpriced, &sum.Estimated} {
		if *to, err = strconv.ParseInt(texts[i], 10, 64); err != nil {
			return sum, usage.TooLarge(doing)
		}
	}
	u.Estimated = sum.Estimated > 0
	took, err := strconv.ParseInt(texts[9], 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		took, err = math.MaxInt64, nil
	}
	sum.Duration = time.Duration(min(took, math.MaxInt64/int64(time.Microsecond))) * time.Microsecond
	return sum, err
}

// usagePage is how many records are read at a time, so that a slow reader holds no transaction open.
const usagePage = 2000

// UsageSince calls yield with a tenant's records from a time on, the oldest first, at most limit; 0 is all. It ends
// with yield's first error.
func (s *Store) UsageSince(ctx context.Context, tenant string, since time.Time, limit int, yield func(*usage.Record) error) error {
	const doing = "reading usage"
	if err := form.CheckTenant(tenant, doing); err != nil {
		return err
	}
	if limit <= 0 {
		limit = math.MaxInt
	}
	last := usage.Record{Time: since.UTC().Truncate(time.Microsecond).Add(-time.Microsecond)} // where a page before the first would have ended
	for first := true; limit > 0; first = false {
		n := min(limit, usagePage)
		page, err := s.usageAfter(ctx, tenant, &last, first, n, doing)
		if err != nil {
			return err
		}
		for i := range page {
			if err := yield(&page[i]); err != nil {
				return err
			}
		}
		if len(page) < n {
			return nil
		}
		last, limit = page[n-1], limit-n
	}
	return nil
}

// usageAfter gives the records after one, or after its time alone.
func (s *Store) usageAfter(ctx context.Context, tenant string, last *usage.Record, timeAlone bool, n int, doing string) ([]usage.Record, error) {
	var page []usage.Record
	err := s.read(ctx, tenant, doing, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT run, step, attempt, time, key, chain, target, backend, model,
				input, cached_input, output, reasoning, estimated, cost, cost_known, ttft, duration, failed
			FROM usage WHERE tenant = $1 AND time >= $2
				AND (time > $2 OR NOT $3 AND (run COLLATE "C", step COLLATE "C", attempt) > ($4, $5, $6))
			ORDER BY time, run COLLATE "C", step COLLATE "C", attempt LIMIT $7`, tenant, last.Time, timeAlone, last.RunID, last.Step, last.Attempt, n)
		if err != nil {
			return err
		}
		page, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (usage.Record, error) {
			r := usage.Record{Tenant: tenant}
			var ttft, duration, cost int64
			err := row.Scan(&r.RunID, &r.Step, &r.Attempt, &r.Time, &r.Key, &r.Chain, &r.Target, &r.Backend, &r.Model,
				&r.Usage.Input, &r.Usage.CachedInput, &r.Usage.Output, &r.Usage.Reasoning, &r.Usage.Estimated, &cost, &r.CostKnown,
				&ttft, &duration, &r.Failed)
			r.Time, r.Cost = r.Time.UTC(), providers.Money(cost)
			r.TTFT, r.Duration = time.Duration(ttft)*time.Microsecond, time.Duration(duration)*time.Microsecond
			return r, err
		})
		return err
	})
	return page, err
}

// usageForgetStep is how many records are deleted in one transaction.
const usageForgetStep = 5000

// UsageForget deletes the records of all tenants that are older than before. Their sums stay.
func (s *Store) UsageForget(ctx context.Context, before time.Time) error {
	return s.eachTenant(ctx, func(t *tenants.Tenant) error { return s.usageForget(ctx, t.Name, before) })
}

func (s *Store) usageForget(ctx context.Context, tenant string, before time.Time) error {
	for deleted := int64(usageForgetStep); deleted == usageForgetStep; {
		if err := s.write(ctx, tenant, "deleting old usage", func(tx pgx.Tx) error {
			// SKIP LOCKED: another server may be deleting the same.
			done, err := tx.Exec(ctx, `DELETE FROM usage WHERE tenant = $1 AND ctid = ANY (ARRAY(
				SELECT ctid FROM usage WHERE tenant = $1 AND time < $2 ORDER BY time LIMIT $3 FOR UPDATE SKIP LOCKED))`, tenant, before, usageForgetStep)
			deleted = done.RowsAffected()
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}
