package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"

	"fairlead/internal/fault"
	"fairlead/internal/store/form"
	"fairlead/retrieval"
)

// passageColumns are read from "passages p JOIN documents d" by scanPassage.
const passageColumns = `p.id, p.passage_id, d.doc_id, d.uri, d.title, d.label, p.ordinal,
	p.byte_start, p.byte_end, p.line_start, p.line_end, p.page, p.heading, p.text`

func scanPassage(rows *sql.Rows, collection string) (id int64, p retrieval.Passage, err error) {
	p.Collection = collection
	var heading string
	if err := rows.Scan(&id, &p.ID, &p.DocumentID, &p.URI, &p.Title, &p.Label, &p.Ordinal,
		&p.Span.ByteStart, &p.Span.ByteEnd, &p.Span.LineStart, &p.Span.LineEnd, &p.Span.Page, &heading, &p.Text); err != nil {
		return 0, p, err
	}
	p.Heading, err = decodeHeading(heading)
	return id, p, err
}

// decodeHeading reads the JSON list of a passage's headings.
func decodeHeading(stored string) (heading []string, err error) {
	if stored == "[]" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(stored), &heading); err != nil {
		return nil, fault.Wrap(err, fault.DataLoss, fault.ReasonNone, "reading a passage: its stored headings are not readable")
	}
	return heading, nil
}

// PassagesGet gives passages by id, in no order; ids that are not there are left out.
func (s *Store) PassagesGet(ctx context.Context, tenant, collection string, ids []string) ([]retrieval.Passage, error) {
	const doing = "reading passages"
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, form.BadRequest(doing, "the ids cannot be written as JSON")
	}
	var found []retrieval.Passage
	err = s.read(ctx, doing, func(tx *sql.Tx) error {
		c, err := find(ctx, tx, tenant, collection, doing)
		if err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, "SELECT "+passageColumns+` FROM passages p JOIN documents d ON d.id = p.document
			WHERE p.collection = ? AND p.passage_id IN (SELECT value FROM json_each(?))`, c.id, string(list))
		if err != nil {
			return err
		}
		return each(rows, func() error {
			_, p, err := scanPassage(rows, collection)
			found = append(found, p)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// scored is a passage's row with a score; more is better.
type scored struct {
	id    int64
	score float64
}

// hits reads the passages of a ranking, in its order, and has fill set each one's rank and score.
func hits(ctx context.Context, tx *sql.Tx, collection string, ranking []scored, fill func(h *retrieval.Hit, rank int, score float64)) ([]retrieval.Hit, error) {
	if len(ranking) == 0 {
		return nil, nil
	}
	ids := make([]int64, len(ranking))
	place := make(map[int64]int, len(ranking))
	for i, r := range ranking {
		ids[i], place[r.id] = r.id, i
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, "SELECT "+passageColumns+` FROM json_each(?) j
		CROSS JOIN passages p ON p.id = j.value JOIN documents d ON d.id = p.document`, string(list))
	if err != nil {
		return nil, err
	}
	out := make([]retrieval.Hit, len(ranking))
	n := 0
	if err := each(rows, func() error {
		id, p, err := scanPassage(rows, collection)
		if err != nil {
			return err
		}
		i := place[id]
		out[i].Passage = p
		fill(&out[i], i+1, ranking[i].score)
		n++
		return nil
	}); err != nil {
		return nil, err
	}
	if n != len(ranking) { // one snapshot: an index names a passage that is not there
		return nil, fault.New(fault.DataLoss, fault.ReasonNone, "searching: an index does not fit the passages: ingest the collection again")
	}
	return out, nil
}
