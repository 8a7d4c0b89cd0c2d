package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"fairlead/internal/fault"
	"fairlead/retrieval"
)

// setBits is where the number of a set begins in the rows of its vectors: below it is the passage's row.
const setBits = 40

// set is one set of a collection's vectors.
type set struct {
	number, collection int64
	dimensions         int
}

// base is what is added to a passage's row to give that of its vector and of its code.
func (s set) base() int64 { return s.number << setBits }

// codes is the name of the table of codes that the set shares with others of its length.
func (s set) codes() string { return fmt.Sprintf("codes_%d", codeBits(s.dimensions)) }

// partition is the set's part of that table. The first sets have their collection's number, which is below all bases.
func (s set) partition() int64 {
	if s.number == 0 {
		return s.collection
	}
	return s.base()
}

// makeCodes makes the table of codes where it is not there.
func (s set) makeCodes(ctx context.Context, tx *sql.Tx) error {
	if s.dimensions == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf(
		`CREATE VIRTUAL TABLE IF NOT EXISTS %s USING vec0(collection INTEGER PARTITION KEY, code BIT[%d], label INTEGER)`,
		s.codes(), codeBits(s.dimensions)))
	return err
}

// insertCode gives the statement that adds a code: its row, its partition, the code and the label.
func (s set) insertCode() string {
	return "INSERT INTO " + s.codes() + " (rowid, collection, code, label) VALUES (?, ?, vec_bit(?), ?)"
}

// drop deletes the vectors of some passages, which are told by a query of their rows, and says how many there were.
func (s set) drop(ctx context.Context, tx *sql.Tx, passages string, args ...any) (int64, error) {
	if s.dimensions == 0 {
		return 0, nil
	}
	rows := fmt.Sprintf("(SELECT %d + id FROM (%s))", s.base(), passages)
	if _, err := tx.ExecContext(ctx, "DELETE FROM "+s.codes()+" WHERE rowid IN "+rows, args...); err != nil {
		return 0, err
	}
	r, err := tx.ExecContext(ctx, "DELETE FROM vectors WHERE id IN "+rows, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// searched is the set that is searched.
func (c collection) searched() set {
	return set{number: c.vectorSet, collection: c.id, dimensions: c.dimensions}
}

// dropVectors deletes the vectors of some passages of a collection from all its sets.
func (c collection) dropVectors(ctx context.Context, tx *sql.Tx, passages string, args ...any) error {
	if _, err := c.searched().drop(ctx, tx, passages, args...); err != nil {
		return err
	}
	rows, err := tx.QueryContext(ctx, `SELECT vector_set, dimensions FROM old_sets WHERE collection = ?1
		UNION ALL SELECT vector_set, dimensions FROM reindexes WHERE collection = ?1`, c.id)
	if err != nil {
		return err
	}
	var others []set
	if err := each(rows, func() error {
		o := set{collection: c.id}
		err := rows.Scan(&o.number, &o.dimensions)
		others = append(others, o)
		return err
	}); err != nil {
		return err
	}
	for _, o := range others {
		n, err := o.drop(ctx, tx, passages, args...)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE reindexes SET done = done - ? WHERE vector_set = ?", n, o.number); err != nil {
			return err
		}
	}
	return nil
}

// admit refuses vectors of another model than those that the collection holds. Where either is not known, they are
// taken for the same.
func (c collection) admit(identity, name, doing string) error {
	if identity == "" || c.identity == "" || identity == c.identity {
		return nil
	}
	return fault.New(fault.FailedPrecondition, fault.ReasonReindexing, "%s: %s", doing, retrieval.OtherModel(name, c.embedder))
}

// reindex is a set that is being made.
type reindex struct {
	set
	retrieval.Reindex
	// upTo is a row up to which every passage has a vector.
	upTo int64
}

// findReindex gives the set that is being made, or nil.
func findReindex(ctx context.Context, tx *sql.Tx, c collection) (*reindex, error) {
	r := reindex{set: set{collection: c.id}, Reindex: retrieval.Reindex{Total: c.passages}}
	var started int64
	err := tx.QueryRowContext(ctx, "SELECT vector_set, embedder, identity, dimensions, started_at, done, up_to FROM reindexes WHERE collection = ?", c.id).
		Scan(&r.number, &r.To.Embedder, &r.To.Identity, &r.To.Dimensions, &started, &r.Done, &r.upTo)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	r.dimensions, r.StartedAt = r.To.Dimensions, fromMicro(started)
	return &r, err
}

// retire leaves a set to the sweep.
func (s set) retire(ctx context.Context, tx *sql.Tx) error {
	if s.dimensions == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO old_sets (collection, vector_set, dimensions) VALUES (?, ?, ?)", s.collection, s.number, s.dimensions)
	return err
}

// progressOf makes the progress of a reindex out of what a join with reindexes gives, or nil where there is none.
func progressOf(embedder, identity sql.NullString, dimensions, started, done sql.NullInt64, total int64) *retrieval.Reindex {
	if !embedder.Valid {
		return nil
	}
	return &retrieval.Reindex{
		To:   retrieval.Embedding{Embedder: embedder.String, Identity: identity.String, Dimensions: int(dimensions.Int64)},
		Done: done.Int64, Total: total, StartedAt: time.UnixMicro(started.Int64).UTC(),
	}
}
