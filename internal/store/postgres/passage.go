package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"fairlead/internal/store/form"
	"fairlead/retrieval"
)

// passageColumns are read from "passages p JOIN documents d" by scanPassage.
const passageColumns = `p.passage_id, d.doc_id, d.uri, d.title, d.label, p.ordinal,
	p.byte_start, p.byte_end, p.line_start, p.line_end, p.page, p.heading, p.text`

// scanPassage reads passageColumns, and what comes after them into more.
func scanPassage(row pgx.CollectableRow, collection string, more ...any) (retrieval.Passage, error) {
	p := retrieval.Passage{Collection: collection}
	err := row.Scan(append([]any{&p.ID, &p.DocumentID, &p.URI, &p.Title, &p.Label, &p.Ordinal,
		&p.Span.ByteStart, &p.Span.ByteEnd, &p.Span.LineStart, &p.Span.LineEnd, &p.Span.Page, &p.Heading, &p.Text}, more...)...)
	if len(p.Heading) == 0 {
		p.Heading = nil
	}
	return p, err
}

// PassagesGet gives passages by id, in no order; ids that are not there are left out.
func (s *Store) PassagesGet(ctx context.Context, tenant, collection string, ids []string) ([]retrieval.Passage, error) {
	const doing = "reading passages"
	texts := make([]string, 0, len(ids))
	for _, id := range ids {
		if form.Text(id) { // what is none is nothing's id
			texts = append(texts, id)
		}
	}
	var found []retrieval.Passage
	err := s.read(ctx, tenant, doing, func(tx pgx.Tx) error {
		id, err := collectionID(ctx, tx, tenant, collection, doing)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT "+passageColumns+` FROM passages p JOIN documents d ON d.tenant = p.tenant AND d.id = p.document
			WHERE p.tenant = $1 AND p.collection = $2 AND p.passage_id = ANY ($3::text[])`, tenant, id, texts)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (retrieval.Passage, error) { return scanPassage(row, collection) })
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}
