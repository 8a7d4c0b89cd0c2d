package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"fairlead/retrieval"
)

var _ retrieval.Fuser = (*Store)(nil)

// SearchFused gives the best top passages by words and by vector in one statement, with Score and what both legs know
// set. It finds what SearchText, SearchVector and retrieval.Fuse find together. Errors are theirs.
func (s *Store) SearchFused(ctx context.Context, tenant string, q retrieval.LegQuery, top int, weight float64) (*retrieval.Fused, error) {
	const doing = "searching by words and by vector"
	if err := checkLimit(q, doing); err != nil {
		return nil, err
	}
	unit, direction, err := unitQuery(q, doing)
	if err != nil {
		return nil, err
	}
	var fused retrieval.Fused
	err = s.read(ctx, tenant, doing, func(tx pgx.Tx) error {
		f, err := s.begin(ctx, tx, tenant, q, doing)
		if err != nil {
			return err
		}
		fused = retrieval.Fused{Vector: retrieval.Leg{Scan: nothing}}
		if err := f.admit(); err != nil {
			return err
		}
		if direction && f.c.passages > 0 {
			f.unit = unit
		}
		if fused.Lexical.Seen, fused.Lexical.Scan, err = f.text(ctx, tx); err != nil || len(f.terms) == 0 && f.unit == nil {
			return err
		}
		out, scan, err := f.both(ctx, tx, weight, "f.score DESC, d.uri, p.ordinal", top)
		if err != nil {
			return err
		}
		f.explain(out, &fused.Lexical.Scan)
		fused.Vector.Scan = scan
		fused.Hits, fused.LexicalHits, fused.VectorHits = out.hits, out.words, out.vectors
		return nil
	}, s.searching(q.Limit)...)
	if err != nil {
		return nil, err
	}
	return &fused, nil
}
