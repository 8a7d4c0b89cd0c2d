package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/providers"
	"fairlead/retrieval"
)

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(fault.Cause(err))
		}
	})
	return s
}

// put stores a document with passages of the given texts in the collection "docs" of the tenant "t".
func put(t *testing.T, s *Store, uri string, texts ...string) {
	t.Helper()
	d := retrieval.Document{ID: "id-" + uri, URI: uri, Title: "title of " + uri, Collection: "docs", Label: label.Internal,
		Text: strings.Join(texts, "\n"), Metadata: map[string]any{"note": "note on " + uri}}
	var passages []retrieval.Passage
	var vectors [][]float32
	for i, text := range texts {
		passages = append(passages, retrieval.Passage{ID: fmt.Sprint(uri, i), Heading: []string{"heading of " + uri}, Text: text})
		vectors = append(vectors, []float32{1, float32(i)})
	}
	if err := s.DocumentPut(t.Context(), "t", d, passages, vectors); err != nil {
		t.Fatal(fault.Cause(err))
	}
}

func docs(t *testing.T, s *Store) {
	t.Helper()
	if err := s.CollectionInsert(t.Context(), "t", retrieval.Collection{Name: "docs", Dimensions: 2}); err != nil {
		t.Fatal(fault.Cause(err))
	}
}

// files gives the bytes of the database and of all that lies beside it.
func files(t *testing.T, path string) []byte {
	t.Helper()
	names, err := filepath.Glob(path + "*")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	var all []byte
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

func TestDeletedContentLeavesTheFile(t *testing.T) {
	// Words that share no beginning with others: an index stores what is new of a word.
	secrets := []string{"xylophonist", "quagmirish", "zugzwanged", "uri-kumquat"}
	for name, remove := range map[string]func(s *Store) error{
		"DocumentDelete":   func(s *Store) error { return s.DocumentDelete(t.Context(), "t", "docs", "uri-kumquat") },
		"CollectionDelete": func(s *Store) error { _, err := s.CollectionDelete(t.Context(), "t", "docs"); return err },
		"DocumentPut": func(s *Store) error {
			d := retrieval.Document{ID: "id-uri-kumquat", URI: "plain", Collection: "docs", Label: label.Internal}
			return s.DocumentPut(t.Context(), "t", d, nil, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.db")
			s := open(t, path)
			docs(t, s)
			for i := range 60 {
				put(t, s, fmt.Sprint("other", i), strings.Repeat("some plain words ", 30), "and more of them")
				if i == 30 {
					put(t, s, "uri-kumquat", "the xylophonist", strings.Repeat("a quagmirish place ", 1000)+"zugzwanged")
				}
			}
			if err := s.Sweep(t.Context()); err != nil {
				t.Fatal(fault.Cause(err))
			}
			before := files(t, path)
			for _, secret := range secrets {
				if !bytes.Contains(before, []byte(secret)) {
					t.Fatalf("%q is not to be seen before either: the test sees nothing", secret)
				}
			}
			var d int
			if name == "DocumentPut" {
				if err := s.reader.QueryRow("SELECT count(*) FROM documents WHERE doc_id = 'id-uri-kumquat'").Scan(&d); err != nil || d != 1 {
					t.Fatal(d, err)
				}
			}
			if err := remove(s); err != nil {
				t.Fatal(fault.Cause(err))
			}
			if err := s.Sweep(t.Context()); err != nil {
				t.Fatal(fault.Cause(err))
			}
			after := files(t, path)
			for _, secret := range secrets {
				if name == "DocumentPut" && secret == "uri-kumquat" {
					continue // its id says it, and stays
				}
				// Also without its first letters, which an index page may share with the word before.
				if bytes.Contains(after, []byte(secret[2:])) {
					t.Errorf("%q is still in the file", secret)
				}
			}
		})
	}
}

func TestSweepComesByItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := open(t, path)
	docs(t, s)
	put(t, s, "a", "xylophonist")
	if err := s.DocumentDelete(t.Context(), "t", "docs", "a"); err != nil {
		t.Fatal(fault.Cause(err))
	}
	s.mu.Lock()
	due := s.sweep != nil
	s.mu.Unlock()
	if !due {
		t.Error("no sweep is due after a deletion")
	}
	if err := s.Close(); err != nil { // before the sweep
		t.Fatal(fault.Cause(err))
	}
	s = open(t, path)
	s.mu.Lock()
	due = s.sweep != nil
	s.mu.Unlock()
	if !due {
		t.Error("no sweep is due after Open, though one was prevented")
	}
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(fault.Cause(err))
	}
	if s.unswept() {
		t.Error("something is unswept after a sweep")
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	newer := filepath.Join(dir, "newer.db")
	s := open(t, newer)
	if _, err := s.writer.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, bytes.Repeat([]byte("not a database\n"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		config Config
		code   fault.Code
		text   string
	}{
		"a newer schema":      {Config{Path: newer}, fault.FailedPrecondition, "use a newer program"},
		"what is no database": {Config{Path: text}, fault.DataLoss, "not a database"},
		"a missing folder":    {Config{Path: filepath.Join(dir, "none", "a.db")}, fault.Unavailable, "folder"},
		"a folder":            {Config{Path: dir}, fault.Unavailable, "folder"},
		"negative readers":    {Config{Readers: -1}, fault.InvalidArgument, "readers"},
		"a negative timeout":  {Config{BusyTimeout: -1}, fault.InvalidArgument, "timeout"},
		"a negative cache":    {Config{CacheKiB: -1}, fault.InvalidArgument, "cache"},
	} {
		s, err := Open(t.Context(), c.config)
		if err == nil {
			t.Errorf("%s is opened", name)
			_ = s.Close()
			continue
		}
		if fault.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: got %v %q", name, fault.CodeOf(err), fault.Cause(err))
		}
		if strings.Contains(err.Error(), dir) {
			t.Errorf("%s: the public text tells the path", name)
		}
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd ?x=1&y #é%41.db")
	s := open(t, path)
	docs(t, s)
	put(t, s, "a", "alpha")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	if err := s.Ping(t.Context()); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("Ping of a closed store: %v", err)
	}
	s = open(t, path)
	if d, err := s.DocumentGet(t.Context(), "t", "docs", "a"); err != nil || d.Text != "alpha" {
		t.Errorf("after opening again: %+v, %v", d, err)
	}
}

func TestMemoryIsAFolderThatGoes(t *testing.T) {
	for _, path := range []string{"", ":memory:"} {
		s, err := Open(t.Context(), Config{Path: path})
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		docs(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(s.temp); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the folder is still there: %v", err)
		}
	}
}

func TestManyOpenTheSameNewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			s, err := Open(t.Context(), Config{Path: path})
			if err != nil {
				t.Error(fault.Cause(err))
				return
			}
			if err := s.CollectionInsert(t.Context(), "t", retrieval.Collection{Name: fmt.Sprint("c", i), Dimensions: 2}); err != nil {
				t.Error(fault.Cause(err))
			}
			if err := s.Close(); err != nil {
				t.Error(fault.Cause(err))
			}
		})
	}
	wg.Wait()
	s := open(t, path)
	if list, err := s.CollectionList(t.Context(), "t"); err != nil || len(list) != 4 {
		t.Errorf("%d collections, %v", len(list), err)
	}
}

func TestAnotherProcessWritesForLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s, err := Open(t.Context(), Config{Path: path, BusyTimeout: 1})
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	defer s.Close()
	docs(t, s)
	db, err := sql.Open("sqlite", dsn(path, "immediate", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	err = s.SessionAppend(t.Context(), "t", "s", label.Internal, []providers.Message{providers.Text(providers.User, "x")})
	if f := fault.From(err); f == nil || f.Code != fault.Unavailable || f.RetryAfter == 0 {
		t.Errorf("got %v, want unavailable with a time to retry", fault.Cause(err))
	}
	if _, err := s.CollectionGet(t.Context(), "t", "docs"); err != nil {
		t.Errorf("a reader is held up: %v", fault.Cause(err))
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := s.SessionAppend(t.Context(), "t", "s", label.Internal, nil); err != nil {
		t.Errorf("after it is gone: %v", fault.Cause(err))
	}
}

func TestTheDiskIsFull(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a.db"))
	docs(t, s)
	put(t, s, "a", "alpha")
	var pages int
	if err := s.writer.QueryRow("PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if _, err := s.writer.Exec(fmt.Sprint("PRAGMA max_page_count = ", pages+1)); err != nil {
		t.Fatal(err)
	}
	d := retrieval.Document{ID: "id-a", URI: "a", Collection: "docs", Label: label.Internal, Text: strings.Repeat("x", 1<<20)}
	if err := s.DocumentPut(t.Context(), "t", d, nil, nil); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("DocumentPut: %v", fault.Cause(err))
	}
	if got, err := s.DocumentGet(t.Context(), "t", "docs", "a"); err != nil || got.Text != "alpha" {
		t.Errorf("what was there: %+v, %v", got, err)
	}
}

func TestTranslateKeepsTheDriversTextInside(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a.db"))
	err := s.read(t.Context(), "looking", func(tx *sql.Tx) error {
		_, err := tx.Exec("SELECT hidden FROM nowhere")
		return err
	})
	if f := fault.From(err); f.Code != fault.Internal || strings.Contains(f.Error(), "nowhere") || !strings.Contains(fault.Cause(err), "nowhere") {
		t.Errorf("got %v %q", f.Code, fault.Cause(err))
	}
	err = s.read(t.Context(), "looking", func(tx *sql.Tx) error {
		_, err := tx.Exec("DELETE FROM documents")
		return err
	})
	if fault.CodeOf(err) != fault.FailedPrecondition {
		t.Errorf("a reader may write: %v", fault.Cause(err))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	if _, err := s.CollectionList(ctx, "t"); fault.CodeOf(err) != fault.DeadlineExceeded {
		t.Errorf("a deadline: %v", fault.Cause(err))
	}
}
