package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/pgvector/pgvector-go"

	"fairlead/internal/fault"
	"fairlead/internal/store/form"
	"fairlead/retrieval"
)

// errNamed says that a collection takes its identity from the document that is being put.
var errNamed = errors.New("the collection has no identity yet")

// DocumentPut stores a document with its passages and one vector for each passage, in place of what was there under
// its ID: all of it or nothing. CreatedAt of what was there is kept; where nothing was, a zero CreatedAt, and always a
// zero UpdatedAt, is now. InvalidArgument when ids or the URI are empty, the label is none, the vectors do not fit the
// passages and the collection, or a value cannot be stored. AlreadyExists when its URI or a passage's id belongs to
// another document. FailedPrecondition with ReasonReindexing when its vectors are not of the collection's model.
func (s *Store) DocumentPut(ctx context.Context, tenant string, d retrieval.Document, passages []retrieval.Passage, vectors [][]float32) error {
	const doing = "storing the document"
	if err := form.CheckDocument(d, passages, doing); err != nil {
		return err
	}
	metadata, fields, err := form.EncodeMetadata(d.Metadata, doing)
	if err != nil {
		return err
	}
	now := s.now()
	if d.CreatedAt.IsZero() {
		d.CreatedAt = now
	}
	if d.UpdatedAt.IsZero() {
		d.UpdatedAt = now
	}
	p := putter{tenant: tenant, d: &d, passages: passages, vectors: vectors, metadata: metadata, fields: fields,
		words: make([]words, len(passages)), identifiers: identifiers(&d, passages), doing: doing}
	for i := range passages {
		if p.words[i], err = wordsOf(&d, &passages[i], doing); err != nil {
			return err
		}
	}
	how := shared
	for {
		err := s.write(ctx, tenant, doing, func(tx pgx.Tx) error { return p.put(ctx, tx, how) })
		if !errors.Is(err, errNamed) {
			return err
		}
		how = alone
	}
}

// putter writes one document. Its methods may run again when a transaction has to.
type putter struct {
	tenant      string
	d           *retrieval.Document
	passages    []retrieval.Passage
	vectors     [][]float32
	metadata    string
	fields      []form.Field
	words       []words  // of each passage
	identifiers []string // in order
	doing       string
}

// put writes in an order that all writers keep, so that none waits for one that waits for it: the collection, the
// document, what hangs on it, the identifiers, and last the counts.
func (p *putter) put(ctx context.Context, tx pgx.Tx, how hold) error {
	c, err := lock(ctx, tx, p.tenant, p.d.Collection, how, p.doing)
	if err != nil {
		return err
	}
	units, err := p.fit(c)
	if err != nil {
		return err
	}
	if by := p.d.EmbeddedBy; by != "" && by != c.identity {
		if c.identity != "" {
			return fault.New(fault.FailedPrecondition, fault.ReasonReindexing,
				"%s: its vectors are of another model than those of collection %q: run fairlead collections reindex", p.doing, p.d.Collection)
		}
		if how != alone {
			return errNamed // to change the row while others share it is to wait for them, and they for us
		}
		if _, err := tx.Exec(ctx, "UPDATE collections SET identity = $3 WHERE tenant = $1 AND id = $2", p.tenant, c.id, by); err != nil {
			return err
		}
	}
	change, document, ids, err := p.document(ctx, tx, c)
	if err != nil {
		return err
	}
	if len(p.passages) > 0 {
		words, err := p.sendPassages(ctx, tx, c, document, ids, units)
		if err != nil {
			return err
		}
		change.passages += int64(len(p.passages))
		change.words += words
	}
	change.collect(document, p.identifiers)
	return change.add(ctx, tx, p.tenant, c)
}

// fit refuses vectors that are not those of the passages and the collection, and gives them at length one.
func (p *putter) fit(c collection) ([][]float32, error) {
	if c.dimensions == 0 {
		for _, v := range p.vectors {
			if len(v) != 0 {
				return nil, form.BadRequest(p.doing, "a vector has %d dimensions and the collection has none", len(v))
			}
		}
		return nil, nil // words alone
	}
	if len(p.vectors) != len(p.passages) {
		return nil, form.BadRequest(p.doing, "there are %d vectors for %d passages", len(p.vectors), len(p.passages))
	}
	units := make([][]float32, len(p.vectors))
	for i, v := range p.vectors {
		if len(v) != c.dimensions {
			return nil, form.BadRequest(p.doing, "a vector has %d dimensions and the collection has %d", len(v), c.dimensions)
		}
		unit, ok := form.Unit(v)
		if !ok {
			return nil, form.BadRequest(p.doing, "a vector holds something that is not a finite number")
		}
		units[i] = unit
	}
	return units, nil
}

const upsertDocument = `INSERT INTO documents (tenant, collection, doc_id, uri, title, media_type, language, label, metadata,
		content_hash, fingerprint, source_bytes, passages, created_at, updated_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
	ON CONFLICT (tenant, collection, doc_id) DO UPDATE SET uri = excluded.uri, title = excluded.title, media_type = excluded.media_type,
		language = excluded.language, label = excluded.label, metadata = excluded.metadata, content_hash = excluded.content_hash,
		fingerprint = excluded.fingerprint, source_bytes = excluded.source_bytes, passages = excluded.passages, updated_at = excluded.updated_at
	RETURNING id, xmax = 0`

// document writes the row, takes away what hung on the one that was there, and gives the numbers of the new passages.
func (p *putter) document(ctx context.Context, tx pgx.Tx, c collection) (change tally, id int64, ids []int64, err error) {
	d := p.d
	isNew := false
	var b pgx.Batch
	// Whoever puts the same document waits here, and then sees what this one wrote. The conflict that is handled below
	// is one of ids: without the wait, who comes second can run into that of the uris first.
	b.Queue("SELECT pg_advisory_xact_lock(hashtextextended($1, $2))", d.ID, c.id)
	b.Queue(upsertDocument, p.tenant, c.id, d.ID, d.URI, d.Title, d.MediaType, d.Language, int16(d.Label), p.metadata,
		d.ContentHash, d.Fingerprint, d.SourceBytes, len(p.passages), micro(d.CreatedAt), micro(d.UpdatedAt)).QueryRow(func(row pgx.Row) error {
		return row.Scan(&id, &isNew)
	})
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return change, 0, nil, err
	}
	b = pgx.Batch{}
	if isNew {
		change.documents = 1
	} else {
		queueDeletion(&b, p.tenant, id, &change)
		b.Queue("DELETE FROM document_texts WHERE tenant = $1 AND document = $2", p.tenant, id)
		b.Queue("DELETE FROM document_fields WHERE tenant = $1 AND document = $2", p.tenant, id)
		b.Queue("DELETE FROM passages WHERE tenant = $1 AND document = $2", p.tenant, id) // and its words and vectors
	}
	b.Queue("INSERT INTO document_texts (tenant, document, text) VALUES ($1, $2, $3)", p.tenant, id, d.Text)
	p.queueFields(&b, c, id)
	if len(p.passages) > 0 {
		b.Queue("SELECT array_agg(nextval('passages_id_seq')) FROM generate_series(1, $1::int)", len(p.passages)).
			QueryRow(func(row pgx.Row) error { return row.Scan(&ids) })
	}
	return change, id, ids, tx.SendBatch(ctx, &b).Close()
}

func (p *putter) queueFields(b *pgx.Batch, c collection, document int64) {
	if len(p.fields) == 0 {
		return
	}
	n := len(p.fields)
	keys, items, kinds, texts, numbers := make([]string, n), make([]int32, n), make([]int16, n), make([]*string, n), make([]*float64, n)
	for i := range p.fields {
		f := &p.fields[i]
		keys[i], items[i], kinds[i] = f.Key, int32(f.Item), int16(f.Kind)
		switch f.Kind {
		case form.String:
			texts[i] = &f.Text
		case form.Number, form.Bool:
			numbers[i] = &f.Number
		}
	}
	b.Queue(`INSERT INTO document_fields (tenant, document, collection, key, item, kind, text, number)
		SELECT $1, $2, $3, f.* FROM unnest($4::text[], $5::int[], $6::smallint[], $7::text[], $8::float8[]) f`,
		p.tenant, document, c.id, keys, items, kinds, texts, numbers)
}

// parcel is how many passages are sent in one statement: it bounds what is in memory twice.
const parcel = 500

// Lists and not COPY, which PostgreSQL refuses under row level security.
const (
	insertPassages = `INSERT INTO passages (tenant, collection, document, id, passage_id, ordinal, byte_start, byte_end, line_start, line_end, page, heading, text) OVERRIDING SYSTEM VALUE
		SELECT $1, $2, $3, x.id, x.passage_id, x.ordinal, x.byte_start, x.byte_end, x.line_start, x.line_end, x.page,
			ARRAY(SELECT json_array_elements_text(x.heading::json)), x.text
		FROM unnest($4::bigint[], $5::text[], $6::int[], $7::int[], $8::int[], $9::int[], $10::int[], $11::int[], $12::text[], $13::text[])
			x (id, passage_id, ordinal, byte_start, byte_end, line_start, line_end, page, heading, text)`
	insertWords = `INSERT INTO words (tenant, collection, document, label, passage, length, lexemes)
		SELECT $1, $2, $3, $4, x.* FROM unnest($5::bigint[], $6::int[], $7::tsvector[]) x`
	insertVectors = `INSERT INTO vectors (tenant, collection, document, label, generation, dimensions, passage, embedding)
		SELECT $1, $2, $3, $4, $5, $6, x.* FROM unnest($7::bigint[], $8::halfvec[]) x`
)

// sendPassages sends the passages with their words and vectors, and says how many words there are.
func (p *putter) sendPassages(ctx context.Context, tx pgx.Tx, c collection, document int64, ids []int64, units [][]float32) (total int64, err error) {
	for from := 0; from < len(ids); from += parcel {
		to := min(from+parcel, len(ids))
		var b pgx.Batch
		if err := p.queuePassages(&b, c, document, ids[from:to], p.passages[from:to]); err != nil {
			return 0, err
		}
		lengths, vectors := make([]int32, 0, to-from), make([]pgtype.TSVector, 0, to-from)
		for i := from; i < to; i++ {
			w := &p.words[i]
			total += int64(w.length)
			lengths, vectors = append(lengths, int32(w.length)), append(vectors, w.of(c))
		}
		label := int16(p.d.Label)
		b.Queue(insertWords, p.tenant, c.id, document, label, ids[from:to], lengths, vectors)
		if units != nil {
			embeddings := make([]pgvector.HalfVector, 0, to-from)
			for _, u := range units[from:to] {
				embeddings = append(embeddings, pgvector.NewHalfVector(u))
			}
			b.Queue(insertVectors, p.tenant, c.id, document, label, c.generation, c.dimensions, ids[from:to], embeddings)
		}
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return 0, err
		}
	}
	return total, nil
}

func (p *putter) queuePassages(b *pgx.Batch, c collection, document int64, ids []int64, passages []retrieval.Passage) error {
	n := len(passages)
	names, headings, texts := make([]string, n), make([]string, n), make([]string, n)
	var numbers [6][]int32
	for i := range passages {
		x := &passages[i]
		heading, err := json.Marshal(append([]string{}, x.Heading...)) // nil would be null
		if err != nil {
			return err
		}
		names[i], headings[i], texts[i] = x.ID, string(heading), x.Text
		for j, v := range []int{x.Ordinal, x.Span.ByteStart, x.Span.ByteEnd, x.Span.LineStart, x.Span.LineEnd, x.Span.Page} {
			numbers[j] = append(numbers[j], int32(v))
		}
	}
	b.Queue(insertPassages, p.tenant, c.id, document, ids, names, numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], headings, texts)
	return nil
}

// slots is how many rows share the counts of a collection.
const slots = 16

// tally is how a write changes what a collection holds.
type tally struct {
	documents, passages, words int64
	// document is the one that has the identifiers now; lost are those that one had.
	document    int64
	identifiers []string
	lost        []string
}

// queueDeletion takes the identifiers and counts the words of a document whose row is held, and which go.
func queueDeletion(b *pgx.Batch, tenant string, document int64, t *tally) {
	b.Queue(`SELECT count(*), coalesce(sum(w.length), 0)::bigint FROM passages p JOIN words w ON w.tenant = p.tenant AND w.passage = p.id
		WHERE p.tenant = $1 AND p.document = $2`, tenant, document).QueryRow(func(row pgx.Row) error {
		var passages, words int64
		err := row.Scan(&passages, &words)
		t.passages, t.words = t.passages-passages, t.words-words
		return err
	})
	b.Queue("DELETE FROM document_identifiers WHERE tenant = $1 AND document = $2 RETURNING identifier", tenant, document).Query(func(rows pgx.Rows) (err error) {
		t.lost, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
}

// collect says which identifiers a document has now.
func (t *tally) collect(document int64, names []string) {
	t.document, t.identifiers = document, names
	has := make(map[string]bool, len(names))
	for _, x := range names {
		has[x] = true
	}
	var lost []string
	for _, x := range t.lost {
		if !has[x] {
			lost = append(lost, x)
		}
	}
	t.lost = lost
}

// add writes it down. An identifier goes with the last document that has it: to tell which that is, nobody may add
// one meanwhile.
func (t *tally) add(ctx context.Context, tx pgx.Tx, tenant string, c collection) error {
	var b pgx.Batch
	switch {
	case len(t.lost) > 0:
		b.Queue("SELECT pg_advisory_xact_lock(-$1::bigint)", c.id)
	case len(t.identifiers) > 0:
		b.Queue("SELECT pg_advisory_xact_lock_shared(-$1::bigint)", c.id)
	}
	if len(t.identifiers) > 0 {
		b.Queue(`INSERT INTO document_identifiers (tenant, document, collection, identifier) SELECT $1, $2, $3, x FROM unnest($4::text[]) x`,
			tenant, t.document, c.id, t.identifiers)
		b.Queue(`INSERT INTO identifiers (tenant, collection, identifier) SELECT $1, $2, x FROM unnest($3::text[]) x ON CONFLICT DO NOTHING`,
			tenant, c.id, t.identifiers)
	}
	if len(t.lost) > 0 {
		b.Queue(`DELETE FROM identifiers i WHERE i.tenant = $1 AND i.collection = $2 AND i.identifier = ANY ($3::text[]) AND NOT EXISTS (
			SELECT FROM document_identifiers d WHERE d.tenant = i.tenant AND d.collection = i.collection AND d.identifier = i.identifier)`,
			tenant, c.id, t.lost)
	}
	b.Queue(`INSERT INTO collection_counts AS n (tenant, collection, slot, documents, passages, words) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (tenant, collection, slot) DO UPDATE SET documents = n.documents + excluded.documents,
			passages = n.passages + excluded.passages, words = n.words + excluded.words`,
		tenant, c.id, int16(rand.IntN(slots)), t.documents, t.passages, t.words)
	return tx.SendBatch(ctx, &b).Close()
}

// micro cuts a time to what a timestamptz holds.
func micro(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
