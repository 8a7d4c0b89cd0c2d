package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"fairlead/internal/store/form"
	"fairlead/retrieval"
)

// documentColumns are read from "documents d" by scanDocument.
const documentColumns = `d.doc_id, d.uri, d.title, d.media_type, d.language, d.label, d.metadata, d.content_hash, d.fingerprint,
	d.source_bytes, d.passages, d.created_at, d.updated_at`

func scanDocument(row pgx.CollectableRow, collection string, more ...any) (retrieval.Document, error) {
	d := retrieval.Document{Collection: collection}
	var metadata string
	err := row.Scan(append([]any{&d.ID, &d.URI, &d.Title, &d.MediaType, &d.Language, &d.Label, &metadata, &d.ContentHash, &d.Fingerprint,
		&d.SourceBytes, &d.Passages, &d.CreatedAt, &d.UpdatedAt}, more...)...)
	if err != nil {
		return d, err
	}
	d.CreatedAt, d.UpdatedAt = d.CreatedAt.UTC(), d.UpdatedAt.UTC()
	d.Metadata, err = form.DecodeMetadata(metadata)
	return d, err
}

// collectionID gives the number of a tenant's collection, for what needs no more of it.
func collectionID(ctx context.Context, tx pgx.Tx, tenant, name, doing string) (int64, error) {
	var id int64
	if !form.Text(name) {
		return 0, form.UnknownCollection(doing, name)
	}
	err := tx.QueryRow(ctx, "SELECT id FROM collections WHERE tenant = $1 AND name = $2", tenant, name).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, form.UnknownCollection(doing, name)
	}
	return id, err
}

// byIDOrURI gives the one document of an id or a uri; an id goes before a uri of the same letters.
const byIDOrURI = `d.tenant = $1 AND d.id = coalesce(
	(SELECT x.id FROM documents x WHERE x.tenant = $1 AND x.collection = $2 AND x.doc_id = $3),
	(SELECT x.id FROM documents x WHERE x.tenant = $1 AND x.collection = $2 AND x.uri = $3))`

// DocumentGet gives a document with its text, by id or by uri.
func (s *Store) DocumentGet(ctx context.Context, tenant, collection, idOrURI string) (*retrieval.Document, error) {
	const doing = "reading the document"
	var d retrieval.Document
	err := s.read(ctx, tenant, doing, func(tx pgx.Tx) error {
		id, err := collectionID(ctx, tx, tenant, collection, doing)
		if err != nil {
			return err
		}
		if !form.Text(idOrURI) {
			return form.UnknownDocument(doing)
		}
		rows, err := tx.Query(ctx, "SELECT "+documentColumns+`, t.text FROM documents d
			JOIN document_texts t ON t.tenant = d.tenant AND t.document = d.id WHERE `+byIDOrURI, tenant, id, idOrURI)
		if err != nil {
			return err
		}
		d, err = pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (retrieval.Document, error) {
			var text string
			d, err := scanDocument(row, collection, &text)
			d.Text = text
			return d, err
		})
		if errors.Is(err, pgx.ErrNoRows) {
			return form.UnknownDocument(doing)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &d, nil
}

// DocumentFingerprint gives the fingerprint of a stored document, or "" where there is none.
func (s *Store) DocumentFingerprint(ctx context.Context, tenant, collection, id string) (fingerprint string, passages int, err error) {
	const doing = "looking for the document"
	err = s.read(ctx, tenant, doing, func(tx pgx.Tx) error {
		c, err := collectionID(ctx, tx, tenant, collection, doing)
		if err != nil || !form.Text(id) {
			return err
		}
		err = tx.QueryRow(ctx, "SELECT fingerprint, passages FROM documents WHERE tenant = $1 AND collection = $2 AND doc_id = $3", tenant, c, id).
			Scan(&fingerprint, &passages)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return fingerprint, passages, err
}

// DocumentList gives documents by uri, in the order of its bytes, without their texts, from the first uri
// after `after`. InvalidArgument when limit is not above 0.
func (s *Store) DocumentList(ctx context.Context, tenant, collection, after string, limit int) ([]retrieval.Document, error) {
	const doing = "listing documents"
	if limit <= 0 {
		return nil, form.BadRequest(doing, "the limit is %d: use 1 or more", limit)
	}
	var list []retrieval.Document
	err := s.read(ctx, tenant, doing, func(tx pgx.Tx) error {
		id, err := collectionID(ctx, tx, tenant, collection, doing)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT "+documentColumns+` FROM documents d
			WHERE d.tenant = $1 AND d.collection = $2 AND d.uri > $3 ORDER BY d.uri LIMIT $4`, tenant, id, after, limit)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (retrieval.Document, error) { return scanDocument(row, collection) })
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// DocumentDelete deletes a document, its passages and its vectors.
func (s *Store) DocumentDelete(ctx context.Context, tenant, collection, idOrURI string) error {
	const doing = "deleting the document"
	return s.write(ctx, tenant, doing, func(tx pgx.Tx) error {
		c, err := lock(ctx, tx, tenant, collection, shared, doing)
		if err != nil {
			return err
		}
		if !form.Text(idOrURI) {
			return form.UnknownDocument(doing)
		}
		var id int64
		// With its row held, nobody else changes what hangs on it.
		err = tx.QueryRow(ctx, "SELECT d.id FROM documents d WHERE "+byIDOrURI+" FOR UPDATE", tenant, c.id, idOrURI).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return form.UnknownDocument(doing)
		}
		if err != nil {
			return err
		}
		gone := tally{documents: -1}
		var b pgx.Batch
		queueDeletion(&b, tenant, id, &gone)
		b.Queue("DELETE FROM documents WHERE tenant = $1 AND id = $2", tenant, id)
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return err
		}
		return gone.add(ctx, tx, tenant, c)
	})
}
