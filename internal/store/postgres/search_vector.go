package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"fairlead/retrieval"
)

// SearchVector finds passages by cosine similarity, the best first, with VectorRank and VectorScore set. Vectors are
// kept at half precision, so scores are true to a thousandth. InvalidArgument when the vector's length is not the
// collection's, it holds something that is not finite, the limit is not above 0 or the filter makes no sense;
// FailedPrecondition with ReasonReindexing when it is of another model; DeadlineExceeded after Config.StatementTimeout.
// The zero vector, which has no direction, finds nothing, and passages with one are not found.
func (s *Store) SearchVector(ctx context.Context, tenant string, q retrieval.LegQuery) (*retrieval.Leg, error) {
	const doing = "searching by vector"
	if err := checkLimit(q, doing); err != nil {
		return nil, err
	}
	unit, direction, err := unitQuery(q, doing)
	if err != nil {
		return nil, err
	}
	var leg retrieval.Leg
	err = s.read(ctx, tenant, doing, func(tx pgx.Tx) error {
		f, err := s.begin(ctx, tx, tenant, q, doing)
		if err != nil {
			return err
		}
		leg = retrieval.Leg{Scan: nothing}
		if err := f.admit(); err != nil || !direction || f.c.passages == 0 {
			return err
		}
		f.unit = unit
		out, scan, err := f.both(ctx, tx, 0, "f.vector_rank", q.Limit)
		if err != nil {
			return err
		}
		leg.Hits, leg.Scan = bare(out.hits), scan
		return nil
	}, s.searching(q.Limit)...)
	if err != nil {
		return nil, err
	}
	return &leg, nil
}

var nothing = retrieval.Scan{Method: exact, Why: "there is nothing to search"}

// both plans the vectors, runs the search and, where an index gave up too early, runs it once more without it. The
// scan is that of the vectors.
func (f *finding) both(ctx context.Context, tx pgx.Tx, weight float64, order string, top int) (*outcome, retrieval.Scan, error) {
	if f.unit == nil {
		out, err := f.run(ctx, tx, weight, order, top)
		return out, nothing, err
	}
	var err error
	if f.how, err = f.plan(ctx, tx); err != nil {
		return nil, nothing, err
	}
	out, err := f.run(ctx, tx, weight, order, top)
	if err != nil {
		return nil, nothing, err
	}
	f.store.canaries.offer(f)
	complete, again, err := f.complete(ctx, tx, out)
	if err == nil && again {
		out, err = f.run(ctx, tx, weight, order, top)
	}
	if err != nil {
		return nil, nothing, err
	}
	scan := f.how.scan()
	scan.Rows, scan.Incomplete = max(out.rows, 0), !complete
	if !complete {
		scan.Why += "; it gave up early, and what it left is too much to compare"
	}
	return out, scan, nil
}
