package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/store/form"
	"fairlead/retrieval"
)

// ReindexBegin opens a second set of vectors beside the one that is searched, for another embedder, or finds the one
// that is open. FailedPrecondition with ReasonReindexing when one for another embedder is open, InvalidArgument when
// the embedding has no name or its vectors no length that can be kept.
func (s *Store) ReindexBegin(ctx context.Context, tenant, name string, to retrieval.Embedding) (*retrieval.Reindex, error) {
	const doing = "reindexing the collection"
	switch {
	case to.Embedder == "":
		return nil, form.BadRequest(doing, "the embedder has no name")
	case to.Dimensions < 1 || to.Dimensions > maxDimensions:
		return nil, form.BadRequest(doing, "its vectors have %d dimensions: use from 1 to %d", to.Dimensions, maxDimensions)
	}
	var r *reindex
	err := s.write(ctx, doing, func(tx *sql.Tx) error {
		c, err := find(ctx, tx, tenant, name, doing)
		if err != nil {
			return err
		}
		if r, err = findReindex(ctx, tx, c); err != nil {
			return err
		}
		if r != nil {
			if r.To != to {
				return fault.New(fault.FailedPrecondition, fault.ReasonReindexing, "%s: %s", doing, retrieval.OtherReindex(name, r.To))
			}
			return nil
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO reindexes (collection, embedder, identity, dimensions, started_at) VALUES (?, ?, ?, ?, ?)",
			c.id, to.Embedder, to.Identity, to.Dimensions, s.now()); err != nil {
			return err
		}
		if r, err = findReindex(ctx, tx, c); err != nil {
			return err
		}
		return r.makeCodes(ctx, tx)
	})
	if err != nil {
		return nil, err
	}
	return &r.Reindex, nil
}

// openReindex gives a collection and its reindex. FailedPrecondition with ReasonReindexing when there is none.
func openReindex(ctx context.Context, tx *sql.Tx, tenant, name, doing string) (collection, *reindex, error) {
	c, err := find(ctx, tx, tenant, name, doing)
	if err != nil {
		return c, nil, err
	}
	r, err := findReindex(ctx, tx, c)
	if r == nil && err == nil {
		err = fault.New(fault.FailedPrecondition, fault.ReasonReindexing, "%s: %s", doing, retrieval.NoReindex(name))
	}
	return c, r, err
}

// withoutVector is true of passages that have no vector in a set. They are read in the order of their rows, so that
// those up to reindex.upTo are stepped over.
const withoutVector = "p.collection = ? AND p.id > ? AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.id = ? + p.id)"

// ReindexPending gives up to limit passages, with their texts, that have no vector in the second set yet, in no order
// that means something. FailedPrecondition when there is no such set.
func (s *Store) ReindexPending(ctx context.Context, tenant, name string, limit int) ([]retrieval.Passage, error) {
	const doing = "looking for passages to reindex"
	if limit <= 0 {
		return nil, form.BadRequest(doing, "the limit is %d: use 1 or more", limit)
	}
	var pending []retrieval.Passage
	err := s.read(ctx, doing, func(tx *sql.Tx) error {
		c, r, err := openReindex(ctx, tx, tenant, name, doing)
		if err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, "SELECT "+passageColumns+` FROM passages p INDEXED BY passages_collection CROSS JOIN documents d ON d.id = p.document
			WHERE `+withoutVector+" ORDER BY p.id LIMIT ?", c.id, r.upTo, r.base(), limit)
		if err != nil {
			return err
		}
		return each(rows, func() error {
			_, p, err := scanPassage(rows, name)
			pending = append(pending, p)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return pending, nil
}

// ReindexPut adds vectors to the second set, all or none, by passage id. Passages that are not there any more are left
// out, and those that have one already keep it. FailedPrecondition when there is no such set, InvalidArgument when the
// vectors fit neither it nor the ids.
func (s *Store) ReindexPut(ctx context.Context, tenant, name string, ids []string, vectors [][]float32) error {
	const doing = "storing vectors of the reindex"
	list, err := json.Marshal(ids)
	if err != nil {
		return form.BadRequest(doing, "the ids cannot be written as JSON")
	}
	return s.write(ctx, doing, func(tx *sql.Tx) error {
		c, r, err := openReindex(ctx, tx, tenant, name, doing)
		if err != nil {
			return err
		}
		packed, codes, err := encodeVectors(r.set, len(ids), vectors, doing)
		if err != nil {
			return err
		}
		type passage struct {
			row   int64
			label label.Label
		}
		passages := make(map[string]passage, len(ids))
		rows, err := tx.QueryContext(ctx, `SELECT p.passage_id, p.id, d.label FROM json_each(?) j
			CROSS JOIN passages p ON p.collection = ? AND p.passage_id = j.value JOIN documents d ON d.id = p.document
			WHERE NOT EXISTS (SELECT 1 FROM vectors v WHERE v.id = ? + p.id)`, string(list), c.id, r.base())
		if err != nil {
			return err
		}
		if err := each(rows, func() error {
			var id string
			var p passage
			err := rows.Scan(&id, &p.row, &p.label)
			passages[id] = p
			return err
		}); err != nil {
			return err
		}
		insert, err := tx.PrepareContext(ctx, r.insertCode())
		if err != nil {
			return err
		}
		defer insert.Close()
		vector := tx.StmtContext(ctx, s.prepared[insertVector])
		for i, id := range ids {
			p, ok := passages[id]
			if !ok {
				continue
			}
			delete(passages, id) // an id may be there twice
			if _, err := vector.ExecContext(ctx, r.base()+p.row, packed[i]); err != nil {
				return err
			}
			if _, err := insert.ExecContext(ctx, r.base()+p.row, r.partition(), codes[i], int(p.label)); err != nil {
				return err
			}
			r.Done++
		}
		_, err = tx.ExecContext(ctx, `UPDATE reindexes SET done = ?, up_to = coalesce(
			(SELECT p.id - 1 FROM passages p INDEXED BY passages_collection WHERE `+withoutVector+` ORDER BY p.id LIMIT 1),
			(SELECT max(p.id) FROM passages p INDEXED BY passages_collection WHERE p.collection = ?), up_to) WHERE vector_set = ?`,
			r.Done, c.id, r.upTo, r.base(), c.id, r.number)
		return err
	})
}

// ReindexSwap makes the second set the one that is searched, at once. The first is deleted by the sweep that follows.
// FailedPrecondition with ReasonReindexing when there is none, or passages have no vector in it.
func (s *Store) ReindexSwap(ctx context.Context, tenant, name string) error {
	const doing = "swapping the collection's vectors"
	err := s.write(ctx, doing, func(tx *sql.Tx) error {
		c, r, err := openReindex(ctx, tx, tenant, name, doing)
		if err != nil {
			return err
		}
		var pending bool
		if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM passages p INDEXED BY passages_collection WHERE "+withoutVector+")",
			c.id, r.upTo, r.base()).Scan(&pending); err != nil {
			return err
		}
		if pending {
			return fault.New(fault.FailedPrecondition, fault.ReasonReindexing, "%s: %s", doing, retrieval.StillPending(name, c.passages-r.Done))
		}
		if err := c.searched().retire(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE collections SET embedder = ?, identity = ?, dimensions = ?, vector_set = ? WHERE id = ?",
			r.To.Embedder, r.To.Identity, r.To.Dimensions, r.number, c.id); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM reindexes WHERE vector_set = ?", r.number)
		return err
	})
	if err == nil {
		s.sweepSoon()
	}
	return err
}

// ReindexAbort takes the second set away, whose vectors are deleted by the sweep that follows. Where there is none it
// does nothing.
func (s *Store) ReindexAbort(ctx context.Context, tenant, name string) error {
	const doing = "aborting the reindex"
	err := s.write(ctx, doing, func(tx *sql.Tx) error {
		c, err := find(ctx, tx, tenant, name, doing)
		if err != nil {
			return err
		}
		r, err := findReindex(ctx, tx, c)
		if err != nil || r == nil {
			return err
		}
		if err := r.retire(ctx, tx); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM reindexes WHERE vector_set = ?", r.number)
		return err
	})
	if err == nil {
		s.sweepSoon()
	}
	return err
}
