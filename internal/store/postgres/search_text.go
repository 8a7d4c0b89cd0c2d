package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"fairlead/retrieval"
)

// SearchText finds passages by words, the best first, with LexicalRank and LexicalScore set. Seen is what the index
// was asked for. A text without a word in it finds nothing and is no error. InvalidArgument when the limit is not
// above 0 or the filter makes no sense, DeadlineExceeded after Config.StatementTimeout.
func (s *Store) SearchText(ctx context.Context, tenant string, q retrieval.LegQuery) (*retrieval.Leg, error) {
	const doing = "searching by words"
	if err := checkLimit(q, doing); err != nil {
		return nil, err
	}
	var leg retrieval.Leg
	err := s.read(ctx, tenant, doing, func(tx pgx.Tx) error {
		f, err := s.begin(ctx, tx, tenant, q, doing)
		if err != nil {
			return err
		}
		leg = retrieval.Leg{}
		if leg.Seen, leg.Scan, err = f.text(ctx, tx); err != nil || len(f.terms) == 0 {
			return err
		}
		out, err := f.run(ctx, tx, 1, "f.lexical_rank", q.Limit)
		if err != nil {
			return err
		}
		f.explain(out, &leg.Scan)
		leg.Hits = bare(out.hits)
		return nil
	}, s.searching(q.Limit)...)
	if err != nil {
		return nil, err
	}
	return &leg, nil
}

// bare takes the fused score off the hits of one leg.
func bare(hits []retrieval.Hit) []retrieval.Hit {
	for i := range hits {
		hits[i].Score = 0
	}
	return hits
}
