package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"fairlead/internal/fault"
	"fairlead/internal/store/form"
	"fairlead/retrieval"
)

// reindex is the set of vectors that is being made for a collection.
type reindex struct {
	to         retrieval.Embedding
	generation int32
	startedAt  time.Time
}

// findReindex gives the set that is being made, or nil.
func findReindex(ctx context.Context, tx pgx.Tx, tenant string, c collection) (*reindex, error) {
	var generation *int32
	var embedder, identity *string
	var dimensions *int
	var started *time.Time
	err := tx.QueryRow(ctx, `SELECT next_generation, next_embedder, next_identity, next_dimensions, next_started_at FROM collections
		WHERE tenant = $1 AND id = $2`, tenant, c.id).Scan(&generation, &embedder, &identity, &dimensions, &started)
	if err != nil || generation == nil {
		return nil, err
	}
	return &reindex{to: retrieval.Embedding{Embedder: *embedder, Identity: *identity, Dimensions: *dimensions}, generation: *generation, startedAt: started.UTC()}, nil
}

// openReindex is findReindex where there must be one. FailedPrecondition with ReasonReindexing when there is none.
func openReindex(ctx context.Context, tx pgx.Tx, tenant, name string, c collection, doing string) (*reindex, error) {
	r, err := findReindex(ctx, tx, tenant, c)
	if r == nil && err == nil {
		err = fault.New(fault.FailedPrecondition, fault.ReasonReindexing, "%s: %s", doing, retrieval.NoReindex(name))
	}
	return r, err
}

// ReindexBegin opens a second set of vectors beside the one that is searched, for another embedder, or finds the one
// that is open. FailedPrecondition with ReasonReindexing when one for another embedder is open, InvalidArgument when
// the embedding has no name or its vectors no length that can be indexed.
func (s *Store) ReindexBegin(ctx context.Context, tenant, name string, to retrieval.Embedding) (*retrieval.Reindex, error) {
	const doing = "reindexing the collection"
	switch {
	case to.Embedder == "" || !form.Text(to.Embedder) || !form.Text(to.Identity):
		return nil, form.BadRequest(doing, "the embedder has no name, or one that is no text")
	case to.Dimensions < 1 || to.Dimensions > maxDimensions:
		return nil, form.BadRequest(doing, "its vectors have %d dimensions: use from 1 to %d", to.Dimensions, maxDimensions)
	}
	err := s.write(ctx, tenant, doing, func(tx pgx.Tx) error {
		c, err := lock(ctx, tx, tenant, name, alone, doing)
		if err != nil {
			return err
		}
		r, err := findReindex(ctx, tx, tenant, c)
		if err != nil || r != nil && r.to == to {
			return err
		}
		if r != nil {
			return fault.New(fault.FailedPrecondition, fault.ReasonReindexing, "%s: %s", doing, retrieval.OtherReindex(name, r.to))
		}
		// A number above all that there are vectors of: what is left of an old set is never taken for a part of this one.
		_, err = tx.Exec(ctx, `UPDATE collections SET next_embedder = $3, next_identity = $4, next_dimensions = $5, next_started_at = $6,
			next_generation = 1 + greatest(generation, (SELECT max(v.generation) FROM vectors v WHERE v.tenant = $1 AND v.collection = $2))
			WHERE tenant = $1 AND id = $2`, tenant, c.id, to.Embedder, to.Identity, to.Dimensions, s.now())
		return err
	})
	if err != nil {
		return nil, err
	}
	c, err := s.CollectionGet(ctx, tenant, name)
	if err != nil {
		return nil, err
	}
	if c.Reindex == nil {
		return nil, fault.New(fault.FailedPrecondition, fault.ReasonReindexing, "%s: %s", doing, retrieval.NoReindex(name))
	}
	return c.Reindex, nil
}

// ReindexPending gives up to limit passages, with their texts, that have no vector in the second set yet.
// FailedPrecondition when there is no such set.
func (s *Store) ReindexPending(ctx context.Context, tenant, name string, limit int) ([]retrieval.Passage, error) {
	const doing = "looking for passages to reindex"
	if limit <= 0 {
		return nil, form.BadRequest(doing, "the limit is %d: use 1 or more", limit)
	}
	var pending []retrieval.Passage
	err := s.read(ctx, tenant, doing, func(tx pgx.Tx) error {
		c, err := find(ctx, tx, tenant, name, doing)
		if err != nil {
			return err
		}
		r, err := openReindex(ctx, tx, tenant, name, c, doing)
		if err != nil {
			return err
		}
		// Those after the last that has one are found without stepping over all that have. Where these are few, there may
		// be others between.
		for _, which := range []string{
			"p.id > coalesce((SELECT max(v.passage) FROM vectors v WHERE v.tenant = $1 AND v.collection = $2 AND v.generation = $3), 0)",
			withoutVector,
		} {
			rows, err := tx.Query(ctx, "SELECT "+passageColumns+` FROM passages p JOIN documents d ON d.tenant = p.tenant AND d.id = p.document
				WHERE p.tenant = $1 AND p.collection = $2 AND `+which+` ORDER BY p.id LIMIT $4`, tenant, c.id, r.generation, limit)
			if err != nil {
				return err
			}
			pending, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (retrieval.Passage, error) { return scanPassage(row, name) })
			if err != nil || len(pending) == limit {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return pending, nil
}

// withoutVector is true of passages that have no vector of generation $3 of collection $2.
const withoutVector = `NOT EXISTS (SELECT FROM vectors v WHERE v.tenant = $1 AND v.collection = $2 AND v.generation = $3 AND v.passage = p.id)`

// ReindexPut adds vectors to the second set, all or none, by passage id. Passages that are not there any more are left
// out, and those that have one already keep it. FailedPrecondition when there is no such set, InvalidArgument when the
// vectors fit neither it nor the ids.
func (s *Store) ReindexPut(ctx context.Context, tenant, name string, ids []string, vectors [][]float32) error {
	const doing = "storing vectors of the reindex"
	if len(ids) != len(vectors) {
		return form.BadRequest(doing, "there are %d vectors for %d passages", len(vectors), len(ids))
	}
	return s.write(ctx, tenant, doing, func(tx pgx.Tx) error {
		c, err := lock(ctx, tx, tenant, name, shared, doing)
		if err != nil {
			return err
		}
		r, err := openReindex(ctx, tx, tenant, name, c, doing)
		if err != nil {
			return err
		}
		known := make([]string, 0, len(ids))
		flat := make([]float32, 0, len(ids)*r.to.Dimensions)
		seen := make(map[string]bool, len(ids))
		for i, v := range vectors {
			if len(v) != r.to.Dimensions {
				return form.BadRequest(doing, "a vector has %d dimensions and those of the reindex have %d", len(v), r.to.Dimensions)
			}
			unit, ok := form.Unit(v)
			if !ok {
				return form.BadRequest(doing, "a vector holds something that is not a finite number")
			}
			if form.Text(ids[i]) && !seen[ids[i]] { // what is none is nothing's id
				seen[ids[i]] = true
				known, flat = append(known, ids[i]), append(flat, unit...)
			}
		}
		if len(known) == 0 {
			return nil
		}
		// With the documents' rows held, nobody changes or deletes what hangs on them. All that hold several do so in
		// one order.
		if _, err := tx.Exec(ctx, `SELECT FROM documents d WHERE d.tenant = $1 AND d.id IN (SELECT p.document FROM passages p
				WHERE p.tenant = $1 AND p.collection = $2 AND p.passage_id = ANY ($3::text[])) ORDER BY d.id FOR SHARE`, tenant, c.id, known); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO vectors (tenant, collection, generation, passage, document, label, dimensions, embedding)
			SELECT $1, $2, $4, p.id, p.document, d.label, $5::int, (($6::real[])[(x.at::int - 1) * $5::int + 1 : x.at::int * $5::int])::halfvec
			FROM unnest($3::text[]) WITH ORDINALITY x (id, at)
			JOIN passages p ON p.tenant = $1 AND p.collection = $2 AND p.passage_id = x.id
			JOIN documents d ON d.tenant = $1 AND d.id = p.document
			ORDER BY p.id
			ON CONFLICT (tenant, collection, generation, passage) DO NOTHING`, tenant, c.id, known, r.generation, r.to.Dimensions, flat)
		return err
	})
}

// ReindexSwap makes the second set the one that is searched, at once, and then deletes the first. What it could not
// delete, the next reindex of the collection will. FailedPrecondition with ReasonReindexing when there is none, or
// passages have no vector in it.
func (s *Store) ReindexSwap(ctx context.Context, tenant, name string) error {
	const doing = "swapping the collection's vectors"
	err := s.write(ctx, tenant, doing, func(tx pgx.Tx) error {
		c, err := lock(ctx, tx, tenant, name, alone, doing)
		if err != nil {
			return err
		}
		r, err := openReindex(ctx, tx, tenant, name, c, doing)
		if err != nil {
			return err
		}
		var pending int64
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM passages p WHERE p.tenant = $1 AND p.collection = $2 AND "+withoutVector,
			tenant, c.id, r.generation).Scan(&pending); err != nil {
			return err
		}
		if pending > 0 {
			return fault.New(fault.FailedPrecondition, fault.ReasonReindexing, "%s: %s", doing, retrieval.StillPending(name, pending))
		}
		_, err = tx.Exec(ctx, `UPDATE collections SET generation = next_generation, embedder = next_embedder, identity = next_identity,
			dimensions = next_dimensions, `+noNext+` WHERE tenant = $1 AND id = $2`, tenant, c.id)
		return err
	})
	if err == nil {
		_ = s.dropOldSets(ctx, tenant, name) // it is swapped
	}
	return err
}

const noNext = "next_generation = NULL, next_embedder = NULL, next_identity = NULL, next_dimensions = NULL, next_started_at = NULL"

// ReindexAbort deletes the second set. Where there is none it does nothing.
func (s *Store) ReindexAbort(ctx context.Context, tenant, name string) error {
	const doing = "aborting the reindex"
	err := s.write(ctx, tenant, doing, func(tx pgx.Tx) error {
		c, err := lock(ctx, tx, tenant, name, alone, doing)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE collections SET "+noNext+" WHERE tenant = $1 AND id = $2 AND next_generation IS NOT NULL", tenant, c.id)
		return err
	})
	if err == nil {
		_ = s.dropOldSets(ctx, tenant, name) // nobody sees them
	}
	return err
}

// dropVectors is how many vectors of an old set one transaction deletes.
const dropVectors = 5000

// dropOldSets deletes the vectors that are neither searched nor being made. Each step holds the collection, so that no
// set begins or ends meanwhile, and lets writers of documents through. Vectors that one of these is deleting are left
// to it, rather than to wait for each other.
func (s *Store) dropOldSets(ctx context.Context, tenant, name string) error {
	const doing = "deleting the old vectors"
	for {
		var deleted int64
		err := s.write(ctx, tenant, doing, func(tx pgx.Tx) error {
			c, err := lock(ctx, tx, tenant, name, shared, doing)
			if err != nil {
				return err
			}
			r, err := findReindex(ctx, tx, tenant, c)
			if err != nil {
				return err
			}
			keep := []int32{c.generation}
			if r != nil {
				keep = append(keep, r.generation)
			}
			// The least number that is not kept, one range of the index after another.
			var old *int32
			for after := int32(0); old == nil; after++ {
				if err := tx.QueryRow(ctx, "SELECT min(generation) FROM vectors WHERE tenant = $1 AND collection = $2 AND generation >= $3",
					tenant, c.id, after).Scan(&old); err != nil || old == nil {
					return err
				}
				if slices.Contains(keep, *old) {
					after, old = *old, nil
				}
			}
			tag, err := tx.Exec(ctx, `DELETE FROM vectors WHERE tenant = $1 AND collection = $2 AND generation = $3 AND passage = ANY (ARRAY(
				SELECT passage FROM vectors WHERE tenant = $1 AND collection = $2 AND generation = $3 ORDER BY passage LIMIT $4 FOR UPDATE SKIP LOCKED))`,
				tenant, c.id, *old, dropVectors)
			deleted = tag.RowsAffected()
			return err
		})
		if err != nil || deleted == 0 {
			return err
		}
	}
}
