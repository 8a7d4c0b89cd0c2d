package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"fairlead/internal/store/form"
	"fairlead/retrieval"
	"fairlead/retrieval/analysis"
)

// weights are those of title, heading and text in BM25: a word above a passage says more than one in it.
var weights = fmt.Sprintf("%g, %g, %g", analysis.TitleWeight, analysis.HeadingWeight, analysis.TextWeight)

// SearchText finds passages by words, the best first, with LexicalRank and LexicalScore set. A text without a word in it finds nothing and is no error.
// InvalidArgument when the limit is not above 0.
func (s *Store) SearchText(ctx context.Context, tenant string, q retrieval.LegQuery) (*retrieval.Leg, error) {
	const doing = "searching by words"
	if q.Limit <= 0 {
		return nil, form.BadRequest(doing, "the limit is %d: use 1 or more", q.Limit)
	}
	leg := &retrieval.Leg{Scan: retrieval.Scan{Method: "words", Why: "the collection's own index of words", Rows: -1}}
	err := s.read(ctx, doing, func(tx *sql.Tx) error {
		c, err := find(ctx, tx, tenant, q.Collection, doing)
		if err != nil {
			return err
		}
		w, err := documentsWhere(c, q.MaxLabel, q.Filter, doing)
		if err != nil {
			return err
		}
		languages, err := c.languages(ctx, tx)
		if err != nil {
			return err
		}
		terms := analysis.Query(q.Text, languages)
		leg.Seen = analysis.Seen(terms)
		if len(terms) == 0 || c.passages == 0 {
			return nil
		}
		ranking, err := match(ctx, tx, c, matchQuery(terms), q, w)
		if err != nil {
			return err
		}
		leg.Hits, err = hits(ctx, tx, q.Collection, ranking, func(h *retrieval.Hit, rank int, score float64) {
			h.LexicalRank, h.LexicalScore = rank, score
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return leg, nil
}

// match asks the index. Looking up each match's document costs as much as the match, so it is done only
// where a filter or the label leaves something out.
func match(ctx context.Context, tx *sql.Tx, c collection, terms string, q retrieval.LegQuery, w *where) ([]scored, error) {
	all, err := seesAll(ctx, tx, c, q)
	if err != nil {
		return nil, err
	}
	lexicon := c.lexicon()
	query := "SELECT rowid, -bm25(" + lexicon + ", " + weights + ") AS score FROM " + lexicon + " WHERE " + lexicon + " MATCH ?"
	args := []any{terms}
	if !all {
		// The plus keeps the condition from FTS5, which would run the match once for every row of the list.
		query += " AND +rowid IN (SELECT p.id FROM documents d JOIN passages p ON p.document = d.id WHERE " + w.sql.String() + ")"
		args = append(args, w.args...)
	}
	rows, err := tx.QueryContext(ctx, query+" ORDER BY score DESC, rowid LIMIT ?", append(args, q.Limit)...)
	if err != nil {
		return nil, err
	}
	var ranking []scored
	err = each(rows, func() error {
		var r scored
		err := rows.Scan(&r.id, &r.score)
		ranking = append(ranking, r)
		return err
	})
	return ranking, err
}
