package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"fairlead/retrieval"
)

// ExplainVector gives PostgreSQL's plan of a search by vector.
func (s *Store) ExplainVector(ctx context.Context, tenant string, q retrieval.LegQuery) (plan string, err error) {
	err = s.read(ctx, tenant, "explaining", func(tx pgx.Tx) error {
		f, err := s.begin(ctx, tx, tenant, q, "explaining")
		if err != nil {
			return err
		}
		if f.unit, _, err = unitQuery(q, "explaining"); err != nil {
			return err
		}
		if f.how, err = f.plan(ctx, tx); err != nil {
			return err
		}
		sql, args, err := f.statement(nil, 0, "f.vector_rank", q.Limit)
		if err != nil {
			return err
		}
		if f.how.method == hnsw {
			if _, err := tx.Exec(ctx, onlyIndex); err != nil {
				return err
			}
		}
		rows, err := tx.Query(ctx, "EXPLAIN "+sql, args...)
		if err != nil {
			return err
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		plan = strings.Join(lines, "\n")
		return err
	}, s.searching(q.Limit)...)
	return plan, err
}

// IndexLock is indexLock.
const IndexLock = int64(indexLock)

// RecallOne is recallOne.
func (s *Store) RecallOne(ctx context.Context, tenant string, q retrieval.LegQuery) (share float64, ok bool, err error) {
	return s.recallOne(ctx, tenant, q)
}
