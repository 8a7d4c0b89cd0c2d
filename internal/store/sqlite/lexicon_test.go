package sqlite

import (
	"context"
	"database/sql"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
	"fairlead/retrieval/analysis"
)

// oldFile makes a file as programs wrote it before documents had languages: FTS5 made the words.
func oldFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "old.db")
	db, err := sql.Open("sqlite", dsn(path, "immediate", []string{"journal_mode(WAL)"}))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		`INSERT INTO collections (id, tenant, name, description, label, embedder, dimensions, lexical_weight, created_at, documents, passages, deletions)
			VALUES (7, 't', 'docs', '', 1, '', 0, 0.5, 0, 3, 4, 0), (8, 't', 'empty', '', 1, '', 0, 0.5, 0, 0, 0, 0)`,
		`INSERT INTO documents (id, collection, doc_id, uri, title, media_type, label, metadata, content_hash, fingerprint, source_bytes, passages, created_at, updated_at) VALUES
			(1, 7, 'd1', 'en', 'Pumps', 'text/plain', 1, '{}', '', 'f', 0, 2, 0, 0),
			(2, 7, 'd2', 'de', 'Urlaub', 'text/plain', 1, '{}', '', 'f', 0, 1, 0, 0),
			(3, 7, 'd3', 'fr', 'Fiche', 'text/plain', 1, '{"lang":"fr"}', '', 'f', 0, 1, 0, 0)`,
		`INSERT INTO document_texts (document, text) VALUES
			(1, 'The pumps are connected to the valves, and they have been tested.
See ERR_CONN_4711 for what is wrong with them.'),
			(2, 'Die Anträge werden von der Leitung genehmigt, wenn sie nicht zu spät sind.'),
			(3, 'chevaux, qualités')`,
		`INSERT INTO passages (id, collection, document, passage_id, ordinal, byte_start, byte_end, line_start, line_end, page, heading, text) VALUES
			(11, 7, 1, 'p1', 0, 0, 66, 1, 1, 0, '["Testing"]', 'The pumps are connected to the valves, and they have been tested.'),
			(12, 7, 1, 'p2', 1, 67, 113, 2, 2, 0, '[]', 'See ERR_CONN_4711 for what is wrong with them.'),
			(13, 7, 2, 'p3', 0, 0, 75, 1, 1, 0, '[]', 'Die Anträge werden von der Leitung genehmigt, wenn sie nicht zu spät sind.'),
			(14, 7, 3, 'p4', 0, 0, 18, 1, 1, 0, '[]', 'chevaux, qualités')`,
		`CREATE VIRTUAL TABLE lexicon_7 USING fts5(title, heading, text, content='',
			tokenize = "porter unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'")`,
		`CREATE VIRTUAL TABLE lexicon_8 USING fts5(title, heading, text, content='',
			tokenize = "porter unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'")`,
		`INSERT INTO lexicon_7 (rowid, title, heading, text) SELECT p.id, d.title, p.heading, p.text FROM passages p JOIN documents d ON d.id = p.document`,
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func wantFound(t *testing.T, s *Store, queries map[string]string) {
	t.Helper()
	for text, want := range queries {
		leg, err := s.SearchText(t.Context(), "t", retrieval.LegQuery{Collection: "docs", Text: text, Limit: 10, MaxLabel: label.Restricted})
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		got := ""
		for _, h := range leg.Hits {
			got += h.Passage.ID
		}
		if got != want {
			t.Errorf("%q (%s) finds %q, want %q", text, leg.Seen, got, want)
		}
	}
}

var inOldFile = map[string]string{
	"connection": "p1", "valve": "p1", "err_conn_4711": "p2", "4711": "p2", "Antrag": "p3", "Genehmigung": "", "cheval qualité": "p4", "title": "",
	"test": "p1",
}

func TestOldFilesGetTheirWordsAnew(t *testing.T) {
	path := oldFile(t)
	s := open(t, path)
	wantFound(t, s, inOldFile)
	c, err := s.CollectionGet(t.Context(), "t", "docs")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"de", "en", "fr"}, c.Languages); diff != "" {
		t.Errorf("languages (-want +got):\n%s", diff)
	}
	// What was made anew is taken out again without a trace.
	for _, uri := range []string{"en", "de", "fr"} {
		if err := s.DocumentDelete(t.Context(), "t", "docs", uri); err != nil {
			t.Fatal(fault.Cause(err))
		}
	}
	if _, err := s.writer.Exec("INSERT INTO lexicon_7 (lexicon_7) VALUES ('integrity-check')"); err != nil {
		t.Errorf("the index is unsound: %v", err)
	}
	d := retrieval.Document{ID: "new", URI: "new", Collection: "docs", Label: label.Public, Text: "a new one"}
	if err := s.DocumentPut(t.Context(), "t", d, []retrieval.Passage{{ID: "new", Text: d.Text}}, nil); err != nil {
		t.Fatal(fault.Cause(err))
	}
	wantFound(t, s, map[string]string{"new": "new", "pumps": ""})
}

func TestWordsThatAreHalfMadeAreMadeAgain(t *testing.T) {
	path := oldFile(t)
	spoil := func(heading string) {
		db, err := sql.Open("sqlite", dsn(path, "immediate", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec("UPDATE passages SET heading = ? WHERE id = 14", heading); err != nil {
			t.Fatal(err)
		}
	}
	spoil("[")
	if s, err := Open(t.Context(), Config{Path: path}); err == nil {
		_ = s.Close()
		t.Fatal("a file whose headings cannot be read was opened")
	}
	spoil("[]")
	wantFound(t, open(t, path), inOldFile)
}

func TestAnotherAnalysisMakesWordsAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	docs(t, s)
	put(t, s, "a", "alpha")
	// As a program that has another version would leave it: a document of no language stays one, for it was told.
	for _, q := range []string{"UPDATE collections SET analysis = 'another'", "UPDATE documents SET language = ''", "INSERT INTO lexicon_1 (lexicon_1) VALUES ('delete-all')"} {
		if _, err := s.writer.ExecContext(context.Background(), q); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	wantFound(t, s, map[string]string{"alpha": "a0"})
	var version string
	if err := s.writer.QueryRow("SELECT analysis FROM collections").Scan(&version); err != nil || version != analysis.Version {
		t.Errorf("version %q, %v", version, err)
	}
}
