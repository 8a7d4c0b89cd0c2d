package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"fairlead/internal/store/form"
	"fairlead/retrieval"
	"fairlead/retrieval/analysis"
)

// collection is the row that all else hangs on.
type collection struct {
	id         int64
	dimensions int
	passages   int64
	// embedder and identity say what makes its vectors, vectorSet which set of them is searched.
	embedder, identity string
	vectorSet          int64
}

// find gives a tenant's collection.
func find(ctx context.Context, tx *sql.Tx, tenant, name, doing string) (collection, error) {
	var c collection
	err := tx.QueryRowContext(ctx, "SELECT id, dimensions, passages, embedder, identity, vector_set FROM collections WHERE tenant = ? AND name = ?", tenant, name).
		Scan(&c.id, &c.dimensions, &c.passages, &c.embedder, &c.identity, &c.vectorSet)
	if errors.Is(err, sql.ErrNoRows) {
		return c, form.UnknownCollection(doing, name)
	}
	return c, err
}

// CollectionInsert makes a collection with its full-text index. InvalidArgument when its name is empty, its
// dimensions are not from 0 (words only) to 8192, or its label or weight is none.
func (s *Store) CollectionInsert(ctx context.Context, tenant string, c retrieval.Collection) error {
	const doing = "making the collection"
	if err := form.CheckTenant(tenant, doing); err != nil {
		return err
	}
	if err := form.CheckCollection(c, maxDimensions, doing); err != nil {
		return err
	}
	created := s.now()
	if !c.CreatedAt.IsZero() {
		created = c.CreatedAt.UnixMicro()
	}
	return s.write(ctx, doing, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `INSERT INTO collections (tenant, name, description, label, embedder, identity, dimensions, lexical_weight, created_at, analysis)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, tenant, c.Name, c.Description, int(c.Label), c.Embedder, c.Identity, c.Dimensions, c.LexicalWeight, created, analysis.Version)
		if err != nil {
			return err
		}
		id, err := r.LastInsertId()
		if err != nil {
			return err
		}
		return makeTables(ctx, tx, collection{id: id, dimensions: c.Dimensions})
	})
}

// makeTables makes what a collection has for itself, and what it shares with those of its dimensions.
func makeTables(ctx context.Context, tx *sql.Tx, c collection) error {
	if err := c.makeLexicon(ctx, tx); err != nil {
		return err
	}
	return c.searched().makeCodes(ctx, tx)
}

// collectionTables are what scanCollection reads collectionColumns from.
const collectionTables = `collections c LEFT JOIN reindexes r ON r.collection = c.id`

var collectionColumns = `c.name, c.description, c.label, c.embedder, c.identity, c.dimensions, c.lexical_weight, c.created_at, c.documents, c.passages,
	r.embedder, r.identity, r.dimensions, r.started_at, r.done, ` + languagesOf("c.id")

func scanCollection(scan func(...any) error) (retrieval.Collection, error) {
	var c retrieval.Collection
	var created int64
	var languages string
	var embedder, identity sql.NullString
	var nextDimensions, started, done sql.NullInt64
	err := scan(&c.Name, &c.Description, &c.Label, &c.Embedder, &c.Identity, &c.Dimensions, &c.LexicalWeight, &created, &c.Documents, &c.Passages,
		&embedder, &identity, &nextDimensions, &started, &done, &languages)
	if err != nil {
		return c, err
	}
	c.CreatedAt = fromMicro(created)
	c.Reindex = progressOf(embedder, identity, nextDimensions, started, done, c.Passages)
	c.Languages, err = decodeLanguages(languages)
	return c, err
}

// CollectionGet gives a collection with its counts.
func (s *Store) CollectionGet(ctx context.Context, tenant, name string) (*retrieval.Collection, error) {
	const doing = "reading the collection"
	var c retrieval.Collection
	err := s.read(ctx, doing, func(tx *sql.Tx) (err error) {
		c, err = scanCollection(tx.QueryRowContext(ctx, "SELECT "+collectionColumns+" FROM "+collectionTables+" WHERE c.tenant = ? AND c.name = ?", tenant, name).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return form.UnknownCollection(doing, name)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// CollectionList gives all collections by name, with their counts.
func (s *Store) CollectionList(ctx context.Context, tenant string) ([]retrieval.Collection, error) {
	var list []retrieval.Collection
	err := s.read(ctx, "listing collections", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT "+collectionColumns+" FROM "+collectionTables+" WHERE c.tenant = ? ORDER BY c.name", tenant)
		if err != nil {
			return err
		}
		return each(rows, func() error {
			c, err := scanCollection(rows.Scan)
			list = append(list, c)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// CollectionDelete deletes a collection and all it holds, and says how many documents went.
func (s *Store) CollectionDelete(ctx context.Context, tenant, name string) (int64, error) {
	const doing = "deleting the collection"
	var documents int64
	err := s.write(ctx, doing, func(tx *sql.Tx) error {
		c, err := find(ctx, tx, tenant, name, doing)
		if err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, "SELECT documents FROM collections WHERE id = ?", c.id).Scan(&documents); err != nil {
			return err
		}
		return c.remove(ctx, tx)
	})
	if err != nil {
		return 0, err
	}
	s.sweepSoon()
	return documents, nil
}

// remove deletes the collection, all that it holds and its indexes.
func (c collection) remove(ctx context.Context, tx *sql.Tx) error {
	if err := c.dropVectors(ctx, tx, "SELECT id FROM passages WHERE collection = ?", c.id); err != nil {
		return err
	}
	statements := []string{
		"DELETE FROM reindexes WHERE collection = ?",
		"DELETE FROM old_sets WHERE collection = ?",
		"DELETE FROM passages WHERE collection = ?",
		"DELETE FROM document_fields WHERE document IN (SELECT id FROM documents WHERE collection = ?)",
		"DELETE FROM document_texts WHERE document IN (SELECT id FROM documents WHERE collection = ?)",
		"DELETE FROM documents WHERE collection = ?",
		"DELETE FROM collections WHERE id = ?",
	}
	for _, q := range statements {
		if _, err := tx.ExecContext(ctx, q, c.id); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, "DROP TABLE "+c.lexicon())
	return err
}
