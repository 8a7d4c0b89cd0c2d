package postgres

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/pgvector/pgvector-go"

	"fairlead/internal/label"
	"fairlead/internal/store/form"
	"fairlead/retrieval"
	"fairlead/retrieval/analysis"
)

// finding is one search within a transaction: by words, by vector, or by both.
type finding struct {
	store  *Store
	tenant string
	q      retrieval.LegQuery
	doing  string
	c      collection
	// terms are those to look for, each variant for itself. None: the words are left out.
	terms []string
	// unit is the query's vector. Nil: the vectors are left out.
	unit []float32
	// how is the way through the vectors.
	how vectorPlan
}

// outcome is what a finding found.
type outcome struct {
	hits []retrieval.Hit
	// words and vectors are how many candidates each leg had.
	words, vectors int
	// rows is how many passages there were to choose from for the vectors, or -1.
	rows int64
	// pruned says that some passages with words of the query were left out unread, because they could not be among
	// the best; matches is how many there may be.
	pruned  bool
	matches int64
}

// begin finds the collection, and refuses a filter that makes no sense, whether anything is searched or not.
func (s *Store) begin(ctx context.Context, tx pgx.Tx, tenant string, q retrieval.LegQuery, doing string) (*finding, error) {
	f := &finding{store: s, tenant: tenant, q: q, doing: doing}
	var err error
	if f.c, err = find(ctx, tx, tenant, q.Collection, doing); err != nil {
		return nil, err
	}
	var args []any
	_, err = documentsWhere(tenant, f.c, q.MaxLabel, q.Filter, &args, doing)
	return f, err
}

func checkLimit(q retrieval.LegQuery, doing string) error {
	if q.Limit <= 0 {
		return form.BadRequest(doing, "the limit is %d: use 1 or more", q.Limit)
	}
	return nil
}

// seesAll says whether neither the filter nor the labels can leave anything out.
func (f *finding) seesAll() bool { return len(f.q.Filter) == 0 && f.q.MaxLabel >= label.Restricted }

// text prepares the words, and says what the index sees of them and how it is asked.
func (f *finding) text(ctx context.Context, tx pgx.Tx) (seen string, scan retrieval.Scan, err error) {
	scan = retrieval.Scan{Method: "words", Why: "there is nothing to search", Rows: -1}
	terms := analysis.Query(f.q.Text, f.c.languages)
	misspelt := 0
	if f.c.passages > 0 {
		if misspelt, err = f.identifiers(ctx, tx, terms); err != nil {
			return "", scan, err
		}
		for _, t := range terms {
			f.terms = append(f.terms, t.Variants...)
		}
	}
	if len(f.terms) > 0 {
		scan.Why = "the index of words"
	}
	if misspelt > 0 {
		scan.Why += fmt.Sprintf("; %d of the identifiers are not there, so the most similar ones are looked for too", misspelt)
	}
	return analysis.Seen(terms), scan, nil
}

// explain completes the scan of the words by what came out. How many matches there are counts all labels, so only who
// may see these is told.
func (f *finding) explain(o *outcome, scan *retrieval.Scan) {
	switch {
	case !o.pruned:
	case f.q.MaxLabel >= label.Restricted:
		scan.Why += fmt.Sprintf("; of up to %d matches only those that could be among the best were rated", o.matches)
	default:
		scan.Why += "; only those matches that could be among the best were rated"
	}
}

// run asks for both legs, joins them, and fetches the texts, in one statement. Hits are in the given order.
func (f *finding) run(ctx context.Context, tx pgx.Tx, weight float64, order string, top int) (*outcome, error) {
	var known []*int64
	now := f.store.now()
	if len(f.terms) > 0 {
		known = f.store.frequencies.known(f.c, f.terms, now)
	}
	sql, args, err := f.statement(known, weight, order, top)
	if err != nil {
		return nil, err
	}
	out := &outcome{rows: f.how.rows}
	var places []int64
	var counts []float64
	var rows *int64
	read := func(r pgx.Rows) error {
		var err error
		out.hits, err = pgx.CollectRows(r, func(row pgx.CollectableRow) (h retrieval.Hit, err error) {
			h.Passage, err = scanPassage(row, f.q.Collection, &h.LexicalRank, &h.LexicalScore, &h.VectorRank, &h.VectorScore, &h.Score,
				&out.words, &out.vectors, &rows, &places, &counts, &out.matches, &out.pruned)
			return h, err
		})
		return err
	}
	var b pgx.Batch
	if f.how.method == hnsw {
		b.Queue(onlyIndex)
	}
	b.Queue(sql, args...).Query(read)
	if f.how.method == hnsw {
		b.Queue(anyPlan)
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return nil, err
	}
	if rows != nil {
		out.rows = *rows
	}
	f.store.frequencies.learn(f.c, f.terms, places, counts, now)
	return out, nil
}

// complete says whether all was found that the limit asks for, or all there is. Where the index gave up early and the
// rest is not too much, how is changed to compare it, and complete is false.
func (f *finding) complete(ctx context.Context, tx pgx.Tx, o *outcome) (complete, again bool, err error) {
	if f.how.method != hnsw || o.vectors >= f.q.Limit || !f.how.estimated && int64(o.vectors) >= f.how.rows {
		return true, false, nil
	}
	bound := f.store.completeRows()
	rows, more, err := f.count(ctx, tx, bound)
	if err != nil || more || rows > bound {
		return false, false, err
	}
	f.how = vectorPlan{method: exact, why: fmt.Sprintf("all are compared: the index gave up after %d", o.vectors), rows: rows}
	return true, true, nil
}

// statement is the one statement of a search.
func (f *finding) statement(known []*int64, weight float64, order string, top int) (string, []any, error) {
	var args []any
	b := func(value any) string { return bind(&args, value) }
	tenant, coll, ceiling, limit := b(f.tenant), b(f.c.id), b(int16(f.q.MaxLabel)), b(f.q.Limit)
	where, within, chosen := "", "", ""
	if len(f.q.Filter) > 0 {
		var err error
		if where, err = documentsWhere(f.tenant, f.c, f.q.MaxLabel, f.q.Filter, &args, f.doing); err != nil {
			return "", nil, err
		}
		chosen = "chosen AS MATERIALIZED (SELECT d.id, d.passages FROM documents d WHERE " + where + "), "
		within = " AND v.document IN (SELECT x.id FROM chosen x)"
	}
	words := "SELECT 0::smallint AS kind, 0::bigint AS id, 0::float8 AS score WHERE FALSE"
	if len(f.terms) > 0 {
		documents := "NULL"
		if chosen != "" {
			documents = "ARRAY(SELECT x.id FROM chosen x)"
		}
		words = "SELECT m.kind, m.id, m.score FROM match_words(" + coll + ", " + b(f.terms) + "::text[], " + b(known) + "::bigint[], " + b(f.c.passages) + "::bigint, " +
			b(float64(f.c.words)/float64(max(f.c.passages, 1))) + "::float8, " + ceiling + "::smallint, " + documents + "::bigint[], " + limit + "::int) m"
	}
	near, rows := "SELECT 0::bigint AS id, 0::float8 AS score WHERE FALSE", "NULL::bigint"
	if f.unit != nil {
		of := "FROM vectors v WHERE v.tenant = " + tenant + " AND v.collection = " + coll + " AND v.generation = " + b(f.c.generation) + " AND v.label <= " + ceiling
		vector := b(pgvector.NewHalfVector(f.unit))
		if f.how.method == hnsw {
			n := strconv.Itoa(f.c.dimensions)
			distance := "v.embedding::halfvec(" + n + ") <=> " + vector
			if chosen != "" { // asked of one row after the other, as they come from the index
				of += " AND EXISTS (SELECT FROM documents d WHERE d.id = v.document AND " + where + ")"
			}
			near = "SELECT v.passage AS id, " + distance + " AS distance " + of + " AND v.dimensions = " + n + " ORDER BY " + distance + " LIMIT " + limit
		} else {
			// Without the cast there is no index for it.
			near = "SELECT v.passage AS id, v.embedding <=> " + vector + " AS distance " + of + within + " ORDER BY distance, v.passage LIMIT " + limit
			if f.how.rows < 0 {
				rows = f.rows(b, tenant, coll, ceiling, chosen != "")
			}
		}
		// A vector of length zero has no distance, and is nobody's neighbour.
		near = "SELECT x.id, least(greatest(1 - x.distance, -1), 1) AS score FROM (" + near + ") x WHERE x.distance <> 'NaN'"
	}
	// Scores are mapped to [0,1] and summed as retrieval.Fuse does, in the same order, so that they are the same to the
	// last bit.
	const ranked = `SELECT y.id, y.score, row_number() OVER (ORDER BY y.score DESC, y.id) AS rank,
		CASE WHEN y.high = y.low THEN 1 ELSE (y.score - y.low) / (y.high - y.low) END AS norm
		FROM (SELECT x.id, x.score, max(x.score) OVER () AS high, min(x.score) OVER () AS low FROM `
	sql := "WITH " + chosen + "found AS MATERIALIZED (" + words + "), near AS MATERIALIZED (" + near + "), " +
		"l AS MATERIALIZED (" + ranked + "found x WHERE x.kind = 0) y), v AS MATERIALIZED (" + ranked + "near x) y), " +
		"w AS MATERIALIZED (SELECT CASE WHEN NOT EXISTS (SELECT FROM l) THEN 0 WHEN NOT EXISTS (SELECT FROM v) THEN 1 ELSE " + b(weight) + "::float8 END AS weight), " +
		`fused AS MATERIALIZED (SELECT coalesce(l.id, v.id) AS id, coalesce(l.rank, 0) AS lexical_rank, coalesce(l.score, 0) AS lexical_score,
			coalesce(v.rank, 0) AS vector_rank, coalesce(v.score, 0) AS vector_score,
			coalesce(w.weight * l.norm, 0) + coalesce((1 - w.weight) * v.norm, 0) AS score
			FROM l FULL JOIN v ON v.id = l.id CROSS JOIN w)
		SELECT ` + passageColumns + `, f.lexical_rank, f.lexical_score, f.vector_rank, f.vector_score, f.score,
			(SELECT count(*) FROM l), (SELECT count(*) FROM v), ` + rows + `,
			ARRAY(SELECT x.id FROM found x WHERE x.kind = 1 ORDER BY x.id), ARRAY(SELECT x.score FROM found x WHERE x.kind = 1 ORDER BY x.id),
			coalesce((SELECT x.id FROM found x WHERE x.kind = 2), 0), coalesce((SELECT x.score > 0 FROM found x WHERE x.kind = 2), false)
		FROM fused f JOIN passages p ON p.tenant = ` + tenant + ` AND p.id = f.id AND p.collection = ` + coll + `
			JOIN documents d ON d.tenant = p.tenant AND d.id = p.document AND d.label <= ` + ceiling + `
		ORDER BY ` + order + ` LIMIT ` + b(top)
	return sql, args, nil
}

// rows counts what there is to choose from, where it is not known.
func (f *finding) rows(b func(any) string, tenant, coll, ceiling string, filtered bool) string {
	switch {
	case filtered:
		return "(SELECT coalesce(sum(x.passages), 0)::bigint FROM chosen x)"
	case f.seesAll():
		return b(f.c.passages) + "::bigint"
	}
	of := "FROM documents d WHERE d.tenant = " + tenant + " AND d.collection = " + coll + " AND d.label "
	return "CASE WHEN EXISTS (SELECT " + of + "> " + ceiling + ") THEN (SELECT coalesce(sum(d.passages), 0)::bigint " + of + "<= " + ceiling +
		") ELSE " + b(f.c.passages) + "::bigint END"
}
