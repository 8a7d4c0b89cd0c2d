package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"fairlead/internal/fault"
	"fairlead/internal/store/form"
	"fairlead/retrieval"
	"fairlead/retrieval/analysis"
)

// lexicon is the name of the collection's full-text index. Names of tables cannot be bound, so they are
// made of the row's number alone.
func (c collection) lexicon() string { return fmt.Sprintf("lexicon_%d", c.id) }

// makeLexicon makes the full-text index. It gets terms that are parted by spaces, and its tokenizer must give them
// back one to one: this one takes all beyond ASCII for letters, and of ASCII what it is told.
func (c collection) makeLexicon(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `CREATE VIRTUAL TABLE `+c.lexicon()+` USING fts5(title, heading, text, content='',
		tokenize = "ascii tokenchars '`+analysis.Signs+`'")`)
	return err
}

// feed gives the statement that adds a passage to the index, or takes it out again with what was added: row, title,
// headings, text.
func (c collection) feed(out bool) string {
	if out {
		return "INSERT INTO " + c.lexicon() + " (" + c.lexicon() + ", rowid, title, heading, text) VALUES ('delete', ?, ?, ?, ?)"
	}
	return "INSERT INTO " + c.lexicon() + " (rowid, title, heading, text) VALUES (?, ?, ?, ?)"
}

// terms gives the terms of a text, parted by spaces.
func terms(text, language string) string {
	var b strings.Builder
	b.Grow(len(text) + len(text)/8)
	for term := range analysis.Terms(text, language) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(term)
	}
	return b.String()
}

// headingTerms gives those of headings as the passages have them: a JSON list.
func headingTerms(heading, language string) (string, error) {
	list, err := decodeHeading(heading)
	return terms(strings.Join(list, "\n"), language), err
}

// matchQuery makes an FTS5 query of terms, any of which may match: each variant quoted, so that nothing is syntax.
func matchQuery(query []analysis.Term) string {
	var b strings.Builder
	for _, t := range query {
		for _, v := range t.Variants {
			if b.Len() > 0 {
				b.WriteString(" OR ")
			}
			b.WriteString(`"` + v + `"`)
		}
	}
	return b.String()
}

// languagesOf gives a subquery of the languages in the collection whose id an expression gives, as a JSON list in
// order. It asks an index for one after another, so it takes no longer for more documents.
func languagesOf(id string) string {
	return `(WITH RECURSIVE l (language) AS (SELECT min(language) FROM documents WHERE collection = ` + id + `
		UNION ALL SELECT (SELECT min(language) FROM documents WHERE collection = ` + id + ` AND language > l.language) FROM l WHERE l.language IS NOT NULL)
		SELECT json_group_array(language) FROM l WHERE language IS NOT NULL)`
}

// languages gives the languages of the collection's documents, in order, and "" where one has none.
func (c collection) languages(ctx context.Context, tx *sql.Tx) ([]string, error) {
	var list string
	if err := tx.QueryRowContext(ctx, "SELECT "+languagesOf("?1"), c.id).Scan(&list); err != nil {
		return nil, err
	}
	return decodeLanguages(list)
}

func decodeLanguages(list string) (languages []string, err error) {
	if list == "[]" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(list), &languages); err != nil {
		return nil, fault.Wrap(err, fault.DataLoss, fault.ReasonNone, "reading the collection: the languages of its documents are not readable")
	}
	return languages, nil
}

// makeLexicons makes anew the indexes whose terms another version of package analysis made, each in a transaction.
func (s *Store) makeLexicons(ctx context.Context) error {
	const doing = "making an index of words anew"
	var stale []collection
	rows, err := s.writer.QueryContext(ctx, "SELECT id FROM collections WHERE analysis <> ?", analysis.Version)
	if err != nil {
		return translate(ended(ctx, err), doing)
	}
	if err := each(rows, func() error {
		var c collection
		err := rows.Scan(&c.id)
		stale = append(stale, c)
		return err
	}); err != nil {
		return translate(ended(ctx, err), doing)
	}
	for _, c := range stale {
		if err := s.write(ctx, doing, func(tx *sql.Tx) error { return c.remake(ctx, tx) }); err != nil {
			return err
		}
	}
	return nil
}

// remake makes the index anew, and first tells the languages of documents that came before these were told.
func (c collection) remake(ctx context.Context, tx *sql.Tx) error {
	var made string
	err := tx.QueryRowContext(ctx, "SELECT analysis FROM collections WHERE id = ?", c.id).Scan(&made)
	if errors.Is(err, sql.ErrNoRows) || err == nil && made == analysis.Version {
		return nil // another process deleted it, or was faster
	}
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "DROP TABLE "+c.lexicon()); err != nil {
		return err
	}
	if err := c.makeLexicon(ctx, tx); err != nil {
		return err
	}
	feed, err := tx.PrepareContext(ctx, c.feed(false))
	if err != nil {
		return err
	}
	defer feed.Close()
	for last := int64(0); ; {
		d, err := nextDocument(ctx, tx, c, last)
		if errors.Is(err, sql.ErrNoRows) {
			break
		}
		if err != nil {
			return err
		}
		if last = d.id; made == "" {
			if err := d.tell(ctx, tx); err != nil {
				return err
			}
		}
		if err := d.feed(ctx, tx, feed); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, "UPDATE collections SET analysis = ? WHERE id = ?", analysis.Version, c.id)
	return err
}

// indexed is what the index knows of a document.
type indexed struct {
	id              int64
	title, language string
}

// nextDocument gives the document after a row; sql.ErrNoRows when there is none.
func nextDocument(ctx context.Context, tx *sql.Tx, c collection, after int64) (indexed, error) {
	var d indexed
	err := tx.QueryRowContext(ctx, "SELECT id, title, language FROM documents WHERE collection = ? AND id > ? ORDER BY id LIMIT 1", c.id, after).
		Scan(&d.id, &d.title, &d.language)
	return d, err
}

// tell stores the language of a document that has none.
func (d *indexed) tell(ctx context.Context, tx *sql.Tx) error {
	var text, stored string
	if err := tx.QueryRowContext(ctx, "SELECT substr(t.text, 1, 4000), d.metadata FROM documents d JOIN document_texts t ON t.document = d.id WHERE d.id = ?", d.id).
		Scan(&text, &stored); err != nil {
		return err
	}
	metadata, err := form.DecodeMetadata(stored)
	if err != nil {
		return err
	}
	d.language = retrieval.LanguageOf(d.language, metadata, text)
	_, err = tx.ExecContext(ctx, "UPDATE documents SET language = ? WHERE id = ?", d.language, d.id)
	return err
}

// feed runs a statement of collection.feed for each passage of the document.
func (d *indexed) feed(ctx context.Context, tx *sql.Tx, feed *sql.Stmt) error {
	rows, err := tx.QueryContext(ctx, "SELECT id, heading, text FROM passages WHERE document = ?", d.id)
	if err != nil {
		return err
	}
	type part struct {
		id            int64
		heading, text string
	}
	var parts []part
	if err := each(rows, func() error {
		var p part
		err := rows.Scan(&p.id, &p.heading, &p.text)
		parts = append(parts, p)
		return err
	}); err != nil {
		return err
	}
	title := terms(d.title, d.language)
	for _, p := range parts {
		heading, err := headingTerms(p.heading, d.language)
		if err != nil {
			return err
		}
		if _, err := feed.ExecContext(ctx, p.id, title, heading, terms(p.text, d.language)); err != nil {
			return err
		}
	}
	return nil
}
