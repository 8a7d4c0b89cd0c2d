package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"fairlead/retrieval"
	"fairlead/retrieval/analysis"
)

// wordsVersion is what the comment of the table words says: which version of package analysis made them.
const wordsVersion = "made by analysis " + analysis.Version

// rewordBatch is how many documents have their words made anew in one transaction.
const rewordBatch = 50

// reword makes all words anew where another version of package analysis made them. A run that was broken off left
// some made anew; the next makes all of them again.
func (m *migration) reword(ctx context.Context) error {
	s, err := inspect(ctx, m.owner)
	if err != nil || s.words == wordsVersion {
		return translate(ctx, err, m.doing)
	}
	if s.words != "" { // else the table is new
		// The owner may read words whatever the tenant, and nothing else: see 0002_search.sql.
		rows, err := m.conn.Query(ctx, "SELECT DISTINCT tenant FROM "+Schema+".words")
		if err != nil {
			return translate(ctx, err, m.doing)
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return translate(ctx, err, m.doing)
		}
		for _, tenant := range names {
			if err := m.rewordTenant(ctx, tenant, s.searchPath); err != nil {
				return translate(ctx, err, m.doing)
			}
		}
	}
	_, err = m.conn.Exec(ctx, "COMMENT ON TABLE "+Schema+".words IS '"+wordsVersion+"'")
	return translate(ctx, err, m.doing)
}

// as runs fn as a tenant.
func (m *migration) as(ctx context.Context, tenant, searchPath string, fn func(tx pgx.Tx) error) error {
	begin, err := opening(of(tenant), pgx.TxOptions{}, searchPath, nil)
	if err != nil {
		return err
	}
	return pgx.BeginTxFunc(ctx, m.conn, pgx.TxOptions{BeginQuery: begin}, fn)
}

func (m *migration) rewordTenant(ctx context.Context, tenant, searchPath string) error {
	for after, more := int64(0), true; more; {
		err := m.as(ctx, tenant, searchPath, func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, "SELECT id, collection, title, language FROM documents WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3 FOR UPDATE", tenant, after, rewordBatch)
			if err != nil {
				return err
			}
			type row struct {
				ID, Collection  int64
				Title, Language string
			}
			list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
			if err != nil {
				return err
			}
			for _, d := range list {
				after = d.ID
				document := retrieval.Document{Title: d.Title, Language: d.Language}
				if err := m.rewordDocument(ctx, tx, tenant, collection{id: d.Collection}, d.ID, &document); err != nil {
					return err
				}
			}
			more = len(list) == rewordBatch
			return nil
		})
		if err != nil {
			return err
		}
	}
	// The counts are made anew at the end: all in one slot, the others' words gone.
	return m.as(ctx, tenant, searchPath, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `WITH sums AS (SELECT collection, sum(length)::bigint AS words FROM words WHERE tenant = $1 GROUP BY collection),
				first AS (SELECT collection, min(slot) AS slot FROM collection_counts WHERE tenant = $1 GROUP BY collection)
			UPDATE collection_counts n SET words = CASE WHEN n.slot = f.slot THEN s.words ELSE 0 END
			FROM first f JOIN sums s USING (collection) WHERE n.tenant = $1 AND n.collection = f.collection`, tenant)
		return err
	})
}

// rewordDocument makes the words and identifiers of a document anew.
func (m *migration) rewordDocument(ctx context.Context, tx pgx.Tx, tenant string, c collection, id int64, d *retrieval.Document) error {
	rows, err := tx.Query(ctx, "SELECT id, heading, text FROM passages WHERE tenant = $1 AND document = $2 ORDER BY ordinal", tenant, id)
	if err != nil {
		return err
	}
	var ids []int64
	var passages []retrieval.Passage
	var passage int64
	var heading []string
	var text string
	if _, err := pgx.ForEachRow(rows, []any{&passage, &heading, &text}, func() error {
		ids, passages = append(ids, passage), append(passages, retrieval.Passage{Heading: heading, Text: text})
		heading = nil
		return nil
	}); err != nil {
		return err
	}
	lengths, vectors := make([]int32, len(passages)), make([]pgtype.TSVector, len(passages))
	for i := range passages {
		w, err := wordsOf(d, &passages[i], m.doing)
		if err != nil {
			return err
		}
		lengths[i], vectors[i] = int32(w.length), w.of(c)
	}
	var b pgx.Batch
	b.Queue(`UPDATE words w SET length = x.length, lexemes = x.lexemes FROM unnest($2::bigint[], $3::int[], $4::tsvector[]) AS x(passage, length, lexemes)
		WHERE w.tenant = $1 AND w.passage = x.passage`, tenant, ids, lengths, vectors)
	names := identifiers(d, passages)
	b.Queue("DELETE FROM document_identifiers WHERE tenant = $1 AND document = $2", tenant, id)
	b.Queue("INSERT INTO document_identifiers (tenant, document, collection, identifier) SELECT $1, $2, $3, x FROM unnest($4::text[]) x", tenant, id, c.id, names)
	b.Queue("INSERT INTO identifiers (tenant, collection, identifier) SELECT $1, $2, x FROM unnest($3::text[]) x ON CONFLICT DO NOTHING", tenant, c.id, names)
	return tx.SendBatch(ctx, &b).Close()
}
