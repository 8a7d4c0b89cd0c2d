package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"

	"fairlead/internal/fault"
	"fairlead/internal/store/form"
	"fairlead/retrieval"
)

// DocumentPut stores a document with its passages and one vector for each passage, in place of what was
// there under its ID: all of it or nothing. CreatedAt of what was there is kept; where nothing was, a zero
// CreatedAt, and always a zero UpdatedAt, is now. InvalidArgument when ids or the URI are empty, the label is
// none, the vectors do not fit the passages and the collection, or a value cannot be stored. AlreadyExists
// when its URI or a passage's id belongs to another document.
func (s *Store) DocumentPut(ctx context.Context, tenant string, d retrieval.Document, passages []retrieval.Passage, vectors [][]float32) error {
	const doing = "storing the document"
	if err := form.CheckDocument(d, passages, doing); err != nil {
		return err
	}
	metadata, fields, err := form.EncodeMetadata(d.Metadata, doing)
	if err != nil {
		return err
	}
	replaced := false
	err = s.write(ctx, doing, func(tx *sql.Tx) error {
		c, err := find(ctx, tx, tenant, d.Collection, doing)
		if err != nil {
			return err
		}
		if err := c.admit(d.EmbeddedBy, d.Collection, doing); err != nil {
			return err
		}
		if c.identity == "" && d.EmbeddedBy != "" {
			if _, err := tx.ExecContext(ctx, "UPDATE collections SET identity = ? WHERE id = ?", d.EmbeddedBy, c.id); err != nil {
				return err
			}
		}
		packed, codes, err := encodeVectors(c.searched(), len(passages), vectors, doing)
		if err != nil {
			return err
		}
		old, err := findDocument(ctx, tx, c, d.ID)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		replaced = err == nil
		p := putter{tx: tx, prepared: s.prepared, c: c, d: d, now: s.now()}
		if err := p.document(ctx, old, metadata, len(passages)); err != nil {
			return err
		}
		if err := p.fields(ctx, fields); err != nil {
			return err
		}
		return p.passages(ctx, passages, packed, codes)
	})
	if replaced && err == nil {
		s.sweepSoon()
	}
	return err
}

// encodeVectors gives what the tables hold of each vector.
func encodeVectors(c set, passages int, vectors [][]float32, doing string) (packed, codes [][]byte, err error) {
	if c.dimensions == 0 {
		for _, v := range vectors {
			if len(v) != 0 {
				return nil, nil, form.BadRequest(doing, "a vector has %d dimensions and the collection has none", len(v))
			}
		}
		return nil, nil, nil // words alone
	}
	if len(vectors) != passages {
		return nil, nil, form.BadRequest(doing, "there are %d vectors for %d passages", len(vectors), passages)
	}
	e := encoderOf(c.dimensions)
	scratch := make([]float32, e.bits)
	packed, codes = make([][]byte, len(vectors)), make([][]byte, len(vectors))
	for i, v := range vectors {
		if len(v) != c.dimensions {
			return nil, nil, form.BadRequest(doing, "a vector has %d dimensions and the collection has %d", len(v), c.dimensions)
		}
		u, ok := form.Unit(v)
		if !ok {
			return nil, nil, form.BadRequest(doing, "a vector holds something that is not a finite number")
		}
		packed[i], codes[i] = pack(u), e.encode(u, scratch)
	}
	return packed, codes, nil
}

// stored is the row of a document that is there.
type stored struct {
	id       int64
	passages int
}

// findDocument gives the row of a document by its id; sql.ErrNoRows when it is not there.
func findDocument(ctx context.Context, tx *sql.Tx, c collection, docID string) (stored, error) {
	var d stored
	err := tx.QueryRowContext(ctx, "SELECT id, passages FROM documents WHERE collection = ? AND doc_id = ?", c.id, docID).
		Scan(&d.id, &d.passages)
	return d, err
}

// putter writes one document in one transaction.
type putter struct {
	tx       *sql.Tx
	prepared map[string]*sql.Stmt
	c        collection
	d        retrieval.Document
	row      int64 // the document's
	now      int64
}

// The statements of every put. They are prepared once: for a document of one passage, preparing them took
// longer than running them.
const (
	insertDocument = `INSERT INTO documents (collection, doc_id, uri, title, media_type, language, label, metadata,
		content_hash, fingerprint, source_bytes, passages, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	updateDocument = `UPDATE documents SET uri = ?, title = ?, media_type = ?, language = ?, label = ?, metadata = ?,
		content_hash = ?, fingerprint = ?, source_bytes = ?, passages = ?, updated_at = ? WHERE id = ?`
	insertText    = "INSERT INTO document_texts (document, text) VALUES (?, ?)"
	insertField   = "INSERT INTO document_fields (document, key, item, collection, kind, value) VALUES (?, ?, ?, ?, ?, ?)"
	insertPassage = `INSERT INTO passages (collection, document, passage_id, ordinal, byte_start, byte_end, line_start, line_end, page, heading, text)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	insertVector = "INSERT INTO vectors (id, embedding) VALUES (?, ?)"
	addCounts    = "UPDATE collections SET documents = documents + ?, passages = passages + ?, deletions = deletions + ? WHERE id = ?"
)

var putStatements = []string{insertDocument, updateDocument, insertText, insertField, insertPassage, insertVector, addCounts}

// exec runs one of putStatements.
func (p *putter) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return p.tx.StmtContext(ctx, p.prepared[query]).ExecContext(ctx, args...)
}

// document writes the row and the text, and takes away what was there.
func (p *putter) document(ctx context.Context, old stored, metadata string, passages int) error {
	created, updated := p.now, p.now
	if !p.d.CreatedAt.IsZero() {
		created = p.d.CreatedAt.UnixMicro()
	}
	if !p.d.UpdatedAt.IsZero() {
		updated = p.d.UpdatedAt.UnixMicro()
	}
	d := p.d
	documents := 0
	if p.row = old.id; old.id != 0 {
		if err := deleteParts(ctx, p.tx, p.c, old.id); err != nil {
			return err
		}
		if _, err := p.exec(ctx, updateDocument,
			d.URI, d.Title, d.MediaType, d.Language, int(d.Label), metadata,
			d.ContentHash, d.Fingerprint, d.SourceBytes, passages, updated, old.id); err != nil {
			return err
		}
	} else {
		documents = 1
		r, err := p.exec(ctx, insertDocument,
			p.c.id, d.ID, d.URI, d.Title, d.MediaType, d.Language, int(d.Label), metadata,
			d.ContentHash, d.Fingerprint, d.SourceBytes, passages, created, updated)
		if err != nil {
			return err
		}
		if p.row, err = r.LastInsertId(); err != nil {
			return err
		}
	}
	if _, err := p.exec(ctx, insertText, p.row, d.Text); err != nil {
		return err
	}
	_, err := p.exec(ctx, addCounts,
		documents, passages-old.passages, 1-documents, p.c.id)
	return err
}

func (p *putter) fields(ctx context.Context, fields []form.Field) error {
	for _, f := range fields {
		if _, err := p.exec(ctx, insertField,
			p.row, f.Key, f.Item, p.c.id, f.Kind, held(f.Value)); err != nil {
			return err
		}
	}
	return nil
}

func (p *putter) passages(ctx context.Context, passages []retrieval.Passage, packed, codes [][]byte) error {
	if len(passages) == 0 {
		return nil
	}
	feed, err := p.tx.PrepareContext(ctx, p.c.feed(false))
	if err != nil {
		return err
	}
	defer feed.Close()
	language := p.d.Language
	title := terms(p.d.Title, language)
	rows := make([]int64, len(passages))
	for i, x := range passages {
		heading, err := encodeHeading(x.Heading)
		if err != nil {
			return err
		}
		r, err := p.exec(ctx, insertPassage, p.c.id, p.row, x.ID, x.Ordinal,
			x.Span.ByteStart, x.Span.ByteEnd, x.Span.LineStart, x.Span.LineEnd, x.Span.Page, heading, x.Text)
		if err != nil {
			return err
		}
		if rows[i], err = r.LastInsertId(); err != nil {
			return err
		}
		if _, err := feed.ExecContext(ctx, rows[i], title, terms(strings.Join(x.Heading, "\n"), language), terms(x.Text, language)); err != nil {
			return err
		}
		if packed == nil {
			continue
		}
		if _, err := p.exec(ctx, insertVector, p.c.searched().base()+rows[i], packed[i]); err != nil {
			return err
		}
	}
	return p.codes(ctx, rows, codes)
}

func (p *putter) codes(ctx context.Context, rows []int64, codes [][]byte) error {
	if codes == nil {
		return nil
	}
	to := p.c.searched()
	insert, err := p.tx.PrepareContext(ctx, to.insertCode())
	if err != nil {
		return err
	}
	defer insert.Close()
	for i, code := range codes {
		if _, err := insert.ExecContext(ctx, to.base()+rows[i], to.partition(), code, int(p.d.Label)); err != nil {
			return err
		}
	}
	return nil
}

// encodeHeading gives the JSON list of a passage's headings.
func encodeHeading(heading []string) (string, error) {
	if len(heading) == 0 {
		return "[]", nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(heading); err != nil {
		return "", fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest, "storing the document: a heading cannot be written as JSON")
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// deleteParts deletes all that belongs to a document but its row. The index is unfed with what it was fed.
func deleteParts(ctx context.Context, tx *sql.Tx, c collection, document int64) error {
	d := indexed{id: document}
	if err := tx.QueryRowContext(ctx, "SELECT title, language FROM documents WHERE id = ?", document).Scan(&d.title, &d.language); err != nil {
		return err
	}
	unfeed, err := tx.PrepareContext(ctx, c.feed(true))
	if err != nil {
		return err
	}
	defer unfeed.Close()
	if err := d.feed(ctx, tx, unfeed); err != nil {
		return err
	}
	if err := c.dropVectors(ctx, tx, "SELECT id FROM passages WHERE document = ?", document); err != nil {
		return err
	}
	deletes := []string{
		"DELETE FROM passages WHERE document = ?",
		"DELETE FROM document_fields WHERE document = ?",
		"DELETE FROM document_texts WHERE document = ?",
	}
	for _, q := range deletes {
		if _, err := tx.ExecContext(ctx, q, document); err != nil {
			return err
		}
	}
	return nil
}
