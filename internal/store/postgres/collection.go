package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"fairlead/internal/store/form"
	"fairlead/retrieval"
)

// maxDimensions is the longest vector: pgvector's limit for an index of halfvec.
const maxDimensions = 4000

// collection is the row that all else hangs on, with what it holds.
type collection struct {
	id int64
	// generation is the set of vectors that is searched, of dimensions made by identity.
	generation int32
	dimensions int
	identity   string
	// documents, passages and words are counts.
	documents, passages, words int64
	// languages are those of its documents, in order.
	languages []string
}

// counts sums the slots of collection c.
const counts = `(SELECT coalesce(sum(n.documents), 0)::bigint AS documents, coalesce(sum(n.passages), 0)::bigint AS passages, coalesce(sum(n.words), 0)::bigint AS words
	FROM collection_counts n WHERE n.tenant = c.tenant AND n.collection = c.id)`

// languages are those of collection c. Each is looked for in the index from the one before: a plain DISTINCT would
// read the whole of it.
const languages = `ARRAY(WITH RECURSIVE l AS (
		(SELECT d.language FROM documents d WHERE d.tenant = c.tenant AND d.collection = c.id ORDER BY d.language LIMIT 1)
		UNION ALL
		SELECT (SELECT d.language FROM documents d WHERE d.tenant = c.tenant AND d.collection = c.id AND d.language > l.language ORDER BY d.language LIMIT 1)
		FROM l WHERE l.language IS NOT NULL
	) SELECT l.language FROM l WHERE l.language IS NOT NULL)`

// find gives a tenant's collection.
func find(ctx context.Context, tx pgx.Tx, tenant, name, doing string) (collection, error) {
	var c collection
	if !form.Text(name) {
		return c, form.UnknownCollection(doing, name)
	}
	err := tx.QueryRow(ctx, "SELECT c.id, c.generation, c.dimensions, c.identity, n.documents, n.passages, n.words, "+languages+
		" FROM collections c CROSS JOIN LATERAL "+counts+" n WHERE c.tenant = $1 AND c.name = $2", tenant, name).
		Scan(&c.id, &c.generation, &c.dimensions, &c.identity, &c.documents, &c.passages, &c.words, &c.languages)
	if errors.Is(err, pgx.ErrNoRows) {
		return c, form.UnknownCollection(doing, name)
	}
	return c, err
}

// hold is how a writer holds a collection until its transaction ends.
type hold struct{ gate, row string }

var (
	// shared is for writers of documents: any number side by side.
	shared = hold{"pg_advisory_xact_lock_shared", "FOR SHARE"}
	// alone is for what changes the collection itself.
	alone = hold{"pg_advisory_xact_lock", "FOR UPDATE"}
)

// lock holds a tenant's collection and gives it without its counts and languages. The gate before the row is there
// for its queue: a row that others share is shared on at once by whoever comes, so that one who wants it alone could
// wait for as long as documents come in.
func lock(ctx context.Context, tx pgx.Tx, tenant, name string, h hold, doing string) (collection, error) {
	var c collection
	if !form.Text(name) {
		return c, form.UnknownCollection(doing, name)
	}
	var b pgx.Batch
	b.Queue("SELECT "+h.gate+"(id) FROM collections WHERE tenant = $1 AND name = $2", tenant, name)
	b.Queue("SELECT id, generation, dimensions, identity FROM collections WHERE tenant = $1 AND name = $2 "+h.row, tenant, name).QueryRow(func(row pgx.Row) error {
		return row.Scan(&c.id, &c.generation, &c.dimensions, &c.identity)
	})
	err := tx.SendBatch(ctx, &b).Close()
	if errors.Is(err, pgx.ErrNoRows) {
		return c, form.UnknownCollection(doing, name)
	}
	return c, err
}

// CollectionInsert makes a collection. InvalidArgument when its name is empty, its dimensions are not from 0 (words
// only) to 4000, which is what pgvector can index, or its label or weight is none.
func (s *Store) CollectionInsert(ctx context.Context, tenant string, c retrieval.Collection) error {
	const doing = "making the collection"
	if err := form.CheckTenant(tenant, doing); err != nil {
		return err
	}
	if err := form.CheckCollection(c, maxDimensions, doing); err != nil {
		return err
	}
	if c.CreatedAt.IsZero() {
		c.CreatedAt = s.now()
	}
	return s.write(ctx, tenant, doing, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO collections (tenant, name, description, label, embedder, identity, dimensions, lexical_weight, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, tenant, c.Name, c.Description, int16(c.Label), c.Embedder, c.Identity, c.Dimensions, c.LexicalWeight, c.CreatedAt)
		return err
	})
}

// collectionQuery reads what scanCollection takes. How far a reindex is, is counted only where there is one.
const collectionQuery = `SELECT c.name, c.description, c.label, c.embedder, c.identity, c.dimensions, c.lexical_weight, c.created_at,
		n.documents, n.passages, ` + languages + `, c.next_embedder, c.next_identity, c.next_dimensions, c.next_started_at,
		CASE WHEN c.next_generation IS NULL THEN 0 ELSE (SELECT count(*) FROM vectors v
			WHERE v.tenant = c.tenant AND v.collection = c.id AND v.generation = c.next_generation) END
	FROM collections c CROSS JOIN LATERAL ` + counts + ` n WHERE c.tenant = $1`

func scanCollection(row pgx.CollectableRow) (retrieval.Collection, error) {
	var c retrieval.Collection
	var embedder, identity *string
	var dimensions *int
	var started *time.Time
	var done int64
	err := row.Scan(&c.Name, &c.Description, &c.Label, &c.Embedder, &c.Identity, &c.Dimensions, &c.LexicalWeight, &c.CreatedAt,
		&c.Documents, &c.Passages, &c.Languages, &embedder, &identity, &dimensions, &started, &done)
	c.CreatedAt = c.CreatedAt.UTC()
	if err == nil && started != nil {
		c.Reindex = &retrieval.Reindex{To: retrieval.Embedding{Embedder: *embedder, Identity: *identity, Dimensions: *dimensions},
			Done: done, Total: c.Passages, StartedAt: started.UTC()}
	}
	return c, err
}

// CollectionGet gives a collection with its counts.
func (s *Store) CollectionGet(ctx context.Context, tenant, name string) (*retrieval.Collection, error) {
	const doing = "reading the collection"
	if !form.Text(name) {
		return nil, form.UnknownCollection(doing, name)
	}
	var c retrieval.Collection
	err := s.read(ctx, tenant, doing, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, collectionQuery+" AND c.name = $2", tenant, name)
		if err != nil {
			return err
		}
		if c, err = pgx.CollectExactlyOneRow(rows, scanCollection); errors.Is(err, pgx.ErrNoRows) {
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
	err := s.read(ctx, tenant, "listing collections", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, collectionQuery+" ORDER BY c.name", tenant)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, scanCollection)
		return err
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
	err := s.write(ctx, tenant, doing, func(tx pgx.Tx) error {
		c, err := lock(ctx, tx, tenant, name, alone, doing)
		if err != nil {
			return err
		}
		deleted, err := tx.Exec(ctx, "DELETE FROM documents WHERE tenant = $1 AND collection = $2", tenant, c.id)
		if err != nil {
			return err
		}
		documents = deleted.RowsAffected()
		_, err = tx.Exec(ctx, "DELETE FROM collections WHERE tenant = $1 AND id = $2", tenant, c.id)
		return err
	})
	if err != nil {
		return 0, err
	}
	return documents, nil
}
