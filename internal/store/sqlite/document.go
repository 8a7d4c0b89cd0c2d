package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"fairlead/internal/store/form"
	"fairlead/retrieval"
)

// documentColumns are read from "documents d" by scanDocument.
const documentColumns = `d.doc_id, d.uri, d.title, d.media_type, d.language, d.label, d.metadata, d.content_hash, d.fingerprint,
	d.source_bytes, d.passages, d.created_at, d.updated_at`

func scanDocument(scan func(...any) error, collection string, more ...any) (retrieval.Document, error) {
	d := retrieval.Document{Collection: collection}
	var metadata string
	var created, updated int64
	err := scan(append([]any{&d.ID, &d.URI, &d.Title, &d.MediaType, &d.Language, &d.Label, &metadata, &d.ContentHash, &d.Fingerprint,
		&d.SourceBytes, &d.Passages, &created, &updated}, more...)...)
	if err != nil {
		return d, err
	}
	d.CreatedAt, d.UpdatedAt = fromMicro(created), fromMicro(updated)
	d.Metadata, err = form.DecodeMetadata(metadata)
	return d, err
}

// resolve gives the row of a document by id or uri; an id goes before a uri of the same letters.
func resolve(ctx context.Context, tx *sql.Tx, c collection, idOrURI, doing string) (stored, error) {
	d, err := findDocument(ctx, tx, c, idOrURI)
	if errors.Is(err, sql.ErrNoRows) {
		err = tx.QueryRowContext(ctx, "SELECT id, passages FROM documents WHERE collection = ? AND uri = ?", c.id, idOrURI).
			Scan(&d.id, &d.passages)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return d, form.UnknownDocument(doing)
	}
	return d, err
}

// DocumentGet gives a document with its text, by id or by uri.
func (s *Store) DocumentGet(ctx context.Context, tenant, collection, idOrURI string) (*retrieval.Document, error) {
	const doing = "reading the document"
	var d retrieval.Document
	err := s.read(ctx, doing, func(tx *sql.Tx) error {
		c, err := find(ctx, tx, tenant, collection, doing)
		if err != nil {
			return err
		}
		row, err := resolve(ctx, tx, c, idOrURI, doing)
		if err != nil {
			return err
		}
		var text string
		d, err = scanDocument(tx.QueryRowContext(ctx, "SELECT "+documentColumns+`, t.text FROM documents d
			JOIN document_texts t ON t.document = d.id WHERE d.id = ?`, row.id).Scan, collection, &text)
		d.Text = text
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
	err = s.read(ctx, doing, func(tx *sql.Tx) error {
		c, err := find(ctx, tx, tenant, collection, doing)
		if err != nil {
			return err
		}
		err = tx.QueryRowContext(ctx, "SELECT fingerprint, passages FROM documents WHERE collection = ? AND doc_id = ?", c.id, id).
			Scan(&fingerprint, &passages)
		if errors.Is(err, sql.ErrNoRows) {
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
	err := s.read(ctx, doing, func(tx *sql.Tx) error {
		c, err := find(ctx, tx, tenant, collection, doing)
		if err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, "SELECT "+documentColumns+` FROM documents d
			WHERE d.collection = ? AND d.uri > ? ORDER BY d.uri LIMIT ?`, c.id, after, limit)
		if err != nil {
			return err
		}
		return each(rows, func() error {
			d, err := scanDocument(rows.Scan, collection)
			list = append(list, d)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// DocumentDelete deletes a document, its passages and its vectors.
func (s *Store) DocumentDelete(ctx context.Context, tenant, collection, idOrURI string) error {
	const doing = "deleting the document"
	err := s.write(ctx, doing, func(tx *sql.Tx) error {
		c, err := find(ctx, tx, tenant, collection, doing)
		if err != nil {
			return err
		}
		d, err := resolve(ctx, tx, c, idOrURI, doing)
		if err != nil {
			return err
		}
		if err := deleteParts(ctx, tx, c, d.id); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM documents WHERE id = ?", d.id); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE collections SET documents = documents - 1, passages = passages - ?, deletions = deletions + 1 WHERE id = ?", d.passages, c.id)
		return err
	})
	if err == nil {
		s.sweepSoon()
	}
	return err
}
