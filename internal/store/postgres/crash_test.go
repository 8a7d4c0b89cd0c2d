package postgres_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/store/postgres"
	"fairlead/internal/testdb"
	"fairlead/retrieval"
)

// writerVariable holds, in a process that a test starts, the URL of the database that it writes to.
const writerVariable = "FAIRLEAD_TEST_WRITER"

const (
	whose            = "acme"
	writtenDocuments = 40
	writtenLength    = 64
)

// written is document i in some version: how many passages it has, and all that is in it, depend on both.
func written(i, version int) (retrieval.Document, []retrieval.Passage, [][]float32) {
	id := fmt.Sprintf("doc-%d", i)
	d := retrieval.Document{ID: id, Collection: "docs", URI: "file:///" + id, Title: fmt.Sprintf("title v%d", version), Label: label.Internal,
		Fingerprint: fmt.Sprint(version), Language: []string{"", "en", "de"}[i%3], EmbeddedBy: "model-1",
		Metadata: map[string]any{"version": float64(version), "tags": []string{"a", id}}}
	var passages []retrieval.Passage
	var vectors [][]float32
	for j := range 3 + (i+version)%9 {
		text := fmt.Sprintf("passage %d of document %d in version %d speaks of PART_%d_%d and of SHARED_%d", j, i, version, j, version, i%5)
		d.Text += text + "\n"
		passages = append(passages, retrieval.Passage{ID: fmt.Sprintf("%s-%d", id, j), Ordinal: j, Heading: []string{"Part", fmt.Sprint(j)}, Text: text})
		v := make([]float32, writtenLength)
		for k := range v {
			v[k] = float32((i*31+version*17+j*7+k*3)%13) - 6
		}
		vectors = append(vectors, v)
	}
	return d, passages, vectors
}

// broken are queries that find what is not whole, as the owner, who sees all.
var broken = map[string]string{
	"a document with other passages than it says": `SELECT d.doc_id FROM documents d WHERE d.passages <> (SELECT count(*) FROM passages p WHERE p.document = d.id)`,
	"a document without its text":                 `SELECT d.doc_id FROM documents d WHERE NOT EXISTS (SELECT FROM document_texts t WHERE t.document = d.id)`,
	"a document of two versions": `SELECT d.doc_id FROM documents d WHERE (SELECT f.number FROM document_fields f WHERE f.document = d.id AND f.key = 'version') <> d.fingerprint::int
		OR EXISTS (SELECT FROM passages p WHERE p.document = d.id AND p.text !~ (' in version ' || d.fingerprint || ' '))`,
	"a passage without words": `SELECT p.passage_id FROM passages p WHERE NOT EXISTS (SELECT FROM words w WHERE w.passage = p.id AND w.document = p.document AND w.collection = p.collection AND w.length > 0)`,
	"a passage without its one vector": `SELECT p.passage_id FROM passages p JOIN collections c ON c.id = p.collection WHERE 1 <> (SELECT count(*) FROM vectors v
		WHERE v.passage = p.id AND v.document = p.document AND v.generation = c.generation AND v.dimensions = c.dimensions AND vector_dims(v.embedding) = c.dimensions)`,
	"words or vectors of nothing": `SELECT w.passage::text FROM words w WHERE w.passage NOT IN (SELECT id FROM passages) UNION ALL SELECT v.passage::text FROM vectors v WHERE v.passage NOT IN (SELECT id FROM passages)`,
	"counts that are not so": `SELECT c.name FROM collections c LEFT JOIN (SELECT collection, sum(documents) AS documents, sum(passages) AS passages, sum(words) AS words FROM collection_counts GROUP BY 1) n ON n.collection = c.id
		WHERE (coalesce(n.documents, 0), coalesce(n.passages, 0), coalesce(n.words, 0)) <> ((SELECT count(*) FROM documents d WHERE d.collection = c.id),
			(SELECT count(*) FROM passages p WHERE p.collection = c.id), (SELECT coalesce(sum(w.length), 0) FROM words w WHERE w.collection = c.id))`,
	"an identifier of no document":  `SELECT i.identifier FROM identifiers i WHERE NOT EXISTS (SELECT FROM document_identifiers d WHERE d.collection = i.collection AND d.identifier = i.identifier)`,
	"an identifier that is missing": `SELECT d.identifier FROM document_identifiers d WHERE NOT EXISTS (SELECT FROM identifiers i WHERE d.collection = i.collection AND d.identifier = i.identifier)`,
}

// checkWhole holds that nothing is half there.
func checkWhole(t *testing.T, d testdb.Database) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "SET search_path = fairlead, public"); err != nil {
		t.Fatal(err)
	}
	for what, q := range broken {
		rows, err := conn.Query(t.Context(), q)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		list, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if len(list) > 0 {
			t.Errorf("%s: %q", what, list)
		}
	}
}

// TestWriterChild writes and deletes until it is killed.
func TestWriterChild(t *testing.T) {
	u := os.Getenv(writerVariable)
	if u == "" {
		t.Skip("it is for a process that another test starts")
	}
	s := testdb.OpenPostgres(t, testdb.Database{}, postgres.Config{URL: u})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				i := rand.IntN(writtenDocuments)
				d, p, v := written(i, rand.IntN(1000))
				if err := s.DocumentPut(t.Context(), whose, d, p, v); err != nil {
					t.Errorf("DocumentPut: %v", fault.Cause(err))
					return
				}
				fmt.Println("put") // the other process reads it
				if rand.IntN(4) == 0 {
					if err := s.DocumentDelete(t.Context(), whose, "docs", d.ID); err != nil && fault.CodeOf(err) != fault.NotFound {
						t.Errorf("DocumentDelete: %v", fault.Cause(err))
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

// TestKilledWriters kills processes that write with SIGKILL, at any moment, and holds that nothing is half there.
func TestKilledWriters(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	s := testdb.OpenPostgres(t, d, postgres.Config{})
	if err := s.CollectionInsert(t.Context(), whose, retrieval.Collection{Name: "docs", Dimensions: writtenLength, LexicalWeight: 0.5}); err != nil {
		t.Fatal(fault.Cause(err))
	}
	total := 0
	for range 8 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestWriterChild$")
		cmd.Env = append(os.Environ(), writerVariable+"="+d.AppURL)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// After so many puts, a little into the next: reading costs nothing, so where that is is chance.
		var lines []string
		for left, scanner := 1+rand.IntN(30), bufio.NewScanner(out); left > 0 && scanner.Scan(); {
			if lines = append(lines, scanner.Text()); scanner.Text() == "put" {
				left--
				total++
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Errorf("it ended on its own: %v\n%s", err, strings.Join(lines, "\n"))
		}
		err = cmd.Wait()
		if slices.ContainsFunc(lines, func(l string) bool { return l != "put" }) {
			t.Errorf("a writer says more than that it wrote: %v\n%s", err, strings.Join(lines, "\n"))
		}
		checkWhole(t, d)
	}
	t.Logf("%d puts were done before the writers were killed", total)
	// And nothing is in the way of a run to the end.
	want := int64(0)
	for i := range writtenDocuments {
		document, passages, vectors := written(i, 1)
		want += int64(len(passages))
		if err := s.DocumentPut(t.Context(), whose, document, passages, vectors); err != nil {
			t.Fatal(fault.Cause(err))
		}
	}
	checkWhole(t, d)
	c, err := s.CollectionGet(t.Context(), whose, "docs")
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	if diff := cmp.Diff([]any{int64(writtenDocuments), want, []string{"", "de", "en"}, "model-1"}, []any{c.Documents, c.Passages, c.Languages, c.Identity}); diff != "" {
		t.Errorf("after a run to the end (-want +got):\n%s", diff)
	}
}

// TestWritersSideBySide has writers that replace and delete the same documents, and holds that nothing is half there
// while and after.
func TestWritersSideBySide(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	s := testdb.OpenPostgres(t, d, postgres.Config{Pool: 8})
	if err := s.CollectionInsert(t.Context(), whose, retrieval.Collection{Name: "docs", Dimensions: writtenLength, LexicalWeight: 0.5}); err != nil {
		t.Fatal(fault.Cause(err))
	}
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			for n := range 40 {
				document, passages, vectors := written(n%5, w*100+n)
				if err := s.DocumentPut(t.Context(), whose, document, passages, vectors); err != nil {
					t.Errorf("DocumentPut: %v", fault.Cause(err))
				}
				if n%3 == 0 {
					if err := s.DocumentDelete(t.Context(), whose, "docs", document.URI); err != nil && fault.CodeOf(err) != fault.NotFound {
						t.Errorf("DocumentDelete: %v", fault.Cause(err))
					}
				}
			}
		})
	}
	wg.Wait()
	checkWhole(t, d)
	for i := range 5 {
		if err := s.DocumentDelete(t.Context(), whose, "docs", fmt.Sprintf("doc-%d", i)); err != nil && fault.CodeOf(err) != fault.NotFound {
			t.Fatal(fault.Cause(err))
		}
	}
	checkWhole(t, d)
	c, err := s.CollectionGet(t.Context(), whose, "docs")
	if err != nil || c.Documents != 0 || c.Passages != 0 || len(c.Languages) != 0 {
		t.Errorf("of what was deleted is left %+v, %v", c, err)
	}
}

// TestNothingIsLeft holds that no word of what was deleted stays in a table.
func TestNothingIsLeft(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	s := testdb.OpenPostgres(t, d, postgres.Config{})
	conn := connect(t, d.OwnerURL)
	count := func(table string) (n int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM fairlead."+table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	tables := []string{"documents", "document_texts", "document_fields", "passages", "words", "identifiers", "document_identifiers", "vectors"}
	for what, gone := range map[string]func() error{
		"DocumentDelete":   func() error { return s.DocumentDelete(t.Context(), whose, "docs", "doc-0") },
		"CollectionDelete": func() error { _, err := s.CollectionDelete(t.Context(), whose, "docs"); return err },
	} {
		if err := s.CollectionInsert(t.Context(), whose, retrieval.Collection{Name: "docs", Dimensions: writtenLength, LexicalWeight: 0.5}); err != nil && fault.CodeOf(err) != fault.AlreadyExists {
			t.Fatal(fault.Cause(err))
		}
		document, passages, vectors := written(0, 1)
		if err := s.DocumentPut(t.Context(), whose, document, passages, vectors); err != nil {
			t.Fatal(fault.Cause(err))
		}
		for _, table := range tables {
			if count(table) == 0 {
				t.Errorf("nothing is in %s: the test sees too little", table)
			}
		}
		if err := gone(); err != nil {
			t.Fatalf("%s: %v", what, fault.Cause(err))
		}
		for _, table := range tables {
			if n := count(table); n != 0 {
				t.Errorf("%s leaves %d rows of %s", what, n, table)
			}
		}
	}
}
