package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/pressly/goose/v3"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

// grid stores documents of 100 passages each, whose vectors are all different.
func grid(t *testing.T, s *Store, documents int) {
	t.Helper()
	if err := s.CollectionInsert(t.Context(), "t", retrieval.Collection{Name: "docs", Embedder: "one", Dimensions: 16}); err != nil {
		t.Fatal(fault.Cause(err))
	}
	for i := range documents {
		d := retrieval.Document{ID: fmt.Sprint(i), URI: fmt.Sprint(i), Collection: "docs", Label: label.Internal}
		var passages []retrieval.Passage
		var vectors [][]float32
		for j := range 100 {
			passages = append(passages, retrieval.Passage{ID: fmt.Sprint(i, "-", j), Ordinal: j, Text: "text"})
			vectors = append(vectors, gridVector(i*100+j))
		}
		if err := s.DocumentPut(t.Context(), "t", d, passages, vectors); err != nil {
			t.Fatal(fault.Cause(err))
		}
	}
}

func gridVector(n int) []float32 {
	v := make([]float32, 16)
	for i := range v {
		v[i] = float32((n>>i)&1)*2 - 1
	}
	return v
}

func findsGrid(t *testing.T, s *Store, passages int, vector func(n int) []float32) {
	t.Helper()
	for n := 0; n < passages; n += 97 {
		leg, err := s.SearchVector(t.Context(), "t", retrieval.LegQuery{Collection: "docs", Vector: vector(n), Limit: 3, MaxLabel: label.Restricted})
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		if want := fmt.Sprint(n/100, "-", n%100); leg.Hits[0].Passage.ID != want {
			t.Errorf("the nearest to %s is %s", want, leg.Hits[0].Passage.ID)
		}
	}
}

func reindexGrid(t *testing.T, s *Store, to string, vector func(n int) []float32) {
	t.Helper()
	if _, err := s.ReindexBegin(t.Context(), "t", "docs", retrieval.Embedding{Embedder: to, Dimensions: 16}); err != nil {
		t.Fatal(fault.Cause(err))
	}
	for {
		list, err := s.ReindexPending(t.Context(), "t", "docs", 300)
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		if len(list) == 0 {
			return
		}
		var ids []string
		var vectors [][]float32
		for _, p := range list {
			var i, j int
			if _, err := fmt.Sscanf(p.ID, "%d-%d", &i, &j); err != nil {
				t.Fatal(err)
			}
			ids, vectors = append(ids, p.ID), append(vectors, vector(i*100+j))
		}
		if err := s.ReindexPut(t.Context(), "t", "docs", ids, vectors); err != nil {
			t.Fatal(fault.Cause(err))
		}
	}
}

// count gives a number that a query gives.
func count(t *testing.T, s *Store, query string) (n int) {
	t.Helper()
	if err := s.reader.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestSweepTakesOldSets holds that old sets of vectors go, also where their documents go before or between, and that
// they leave no chunk of codes behind.
func TestSweepTakesOldSets(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a.db"))
	const documents = 25
	grid(t, s, documents)
	chunks := count(t, s, "SELECT count(*) FROM codes_1024_chunks")
	turned := func(n int) []float32 { return gridVector(n ^ 0xfff) }
	for round, vector := range []func(int) []float32{turned, gridVector, turned} {
		reindexGrid(t, s, fmt.Sprint("round ", round), vector)
		if round == 1 {
			if err := s.ReindexAbort(t.Context(), "t", "docs"); err != nil {
				t.Fatal(fault.Cause(err))
			}
			reindexGrid(t, s, "round 1", gridVector)
		}
		if err := s.ReindexSwap(t.Context(), "t", "docs"); err != nil {
			t.Fatal(fault.Cause(err))
		}
		if err := s.DocumentDelete(t.Context(), "t", "docs", fmt.Sprint(documents-1-round)); err != nil {
			t.Fatal(fault.Cause(err))
		}
		left := (documents - 1 - round) * 100
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(fault.Cause(err))
		}
		findsGrid(t, s, left, vector)
		for what, query := range map[string]string{
			"vectors": "SELECT count(*) FROM vectors", "codes": "SELECT count(*) FROM codes_1024_rowids",
		} {
			if n := count(t, s, query); n != left {
				t.Errorf("round %d: %d %s, want %d", round, n, what, left)
			}
		}
		if n := count(t, s, "SELECT count(*) FROM old_sets"); n != 0 {
			t.Errorf("round %d: %d old sets", round, n)
		}
		if n := count(t, s, "SELECT count(*) FROM codes_1024_chunks"); n > chunks {
			t.Errorf("round %d: %d chunks of codes, and there were %d at first", round, n, chunks)
		}
	}
}

// TestVectorsOfOlderFiles holds that a file from before there were sets is searched and reindexed as it is.
func TestVectorsOfOlderFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path)
	grid(t, s, 10)
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	before(t, s.writer, dir, 4)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	findsGrid(t, s, 1000, gridVector)
	turned := func(n int) []float32 { return gridVector(n ^ 0xfff) }
	reindexGrid(t, s, "two", turned)
	if err := s.ReindexSwap(t.Context(), "t", "docs"); err != nil {
		t.Fatal(fault.Cause(err))
	}
	findsGrid(t, s, 1000, turned)
}

// before takes a file back to a version of the schema.
func before(t *testing.T, db *sql.DB, dir fs.FS, version int64) {
	t.Helper()
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.DownTo(context.Background(), version); err != nil {
		t.Fatal(err)
	}
	if n := 0; db.QueryRow("SELECT count(*) FROM pragma_table_info('vectors') WHERE name = 'passage'").Scan(&n) != nil || n != 1 {
		t.Fatal("the schema is not the one from before")
	}
}
