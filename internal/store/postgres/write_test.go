package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"fairlead/internal/fault"
	"fairlead/internal/store/postgres"
	"fairlead/internal/testdb"
	"fairlead/retrieval"
)

// TestWriteAfterDeadlock has two transactions wait for each other: PostgreSQL ends one, which is run again.
func TestWriteAfterDeadlock(t *testing.T) {
	s := testdb.Postgres(t)
	for _, name := range []string{"a", "b"} {
		if err := s.CollectionInsert(t.Context(), whose, retrieval.Collection{Name: name}); err != nil {
			t.Fatal(fault.Cause(err))
		}
	}
	var mu sync.Mutex
	runs := 0
	holding := make(chan struct{}, 2)
	both := make(chan struct{})
	go func() {
		<-holding
		<-holding
		close(both)
	}()
	change := func(tx pgx.Tx, name string) error {
		_, err := tx.Exec(t.Context(), "UPDATE collections SET description = description || 'x' WHERE tenant = $1 AND name = $2", whose, name)
		return err
	}
	var wg sync.WaitGroup
	for _, names := range [][2]string{{"a", "b"}, {"b", "a"}} {
		wg.Go(func() {
			first := true
			if err := s.Write(t.Context(), whose, "testing", func(tx pgx.Tx) error {
				mu.Lock()
				runs++
				mu.Unlock()
				if err := change(tx, names[0]); err != nil {
					return err
				}
				if first {
					first = false
					holding <- struct{}{}
					<-both
				}
				return change(tx, names[1])
			}); err != nil {
				t.Errorf("%v: %v", names, fault.Cause(err))
			}
		})
	}
	wg.Wait()
	if runs != 3 {
		t.Errorf("%d runs, want 3: two, and one of them again", runs)
	}
	for _, name := range []string{"a", "b"} {
		if c, err := s.CollectionGet(t.Context(), whose, name); err != nil || c.Description != "xx" {
			t.Errorf("%s is %+v, %v: each changes it once", name, c, err)
		}
	}
}

// TestWriteGivesUp holds that a transaction that always loses is not tried for ever, and others not again.
func TestWriteGivesUp(t *testing.T) {
	s := testdb.Postgres(t)
	for code, want := range map[string]int{"40001": 5, "40P01": 5, "23505": 1, "P0001": 1} {
		runs := 0
		err := s.Write(t.Context(), whose, "testing", func(tx pgx.Tx) error {
			runs++
			_, err := tx.Exec(t.Context(), "DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '"+code+"'; END $$")
			return err
		})
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != code || runs != want {
			t.Errorf("%s: %d runs, want %d: %v", code, runs, want, fault.Cause(err))
		}
		if f := fault.From(err); want > 1 && f.Code != fault.Unavailable || strings.Contains(f.Text, "no") && !strings.Contains(f.Text, "another") {
			t.Errorf("%s: the caller reads %q", code, f.Text)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	runs := 0
	err := s.Write(ctx, whose, "testing", func(tx pgx.Tx) error {
		runs++
		_, err := tx.Exec(ctx, "DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$")
		cancel()
		return err
	})
	if fault.CodeOf(err) != fault.Canceled || runs != 1 {
		t.Errorf("a caller that left: %d runs, %v", runs, fault.Cause(err))
	}
}

// TestDeletionComesThrough has documents come in without a pause, and a deletion of the collection among them: it waits
// for those that are being written, and not for all that come after it.
func TestDeletionComesThrough(t *testing.T) {
	s := testdb.OpenPostgres(t, testdb.PostgresDatabase(t), postgres.Config{Pool: 8})
	if err := s.CollectionInsert(t.Context(), whose, retrieval.Collection{Name: "docs", Dimensions: writtenLength}); err != nil {
		t.Fatal(fault.Cause(err))
	}
	var wg sync.WaitGroup
	started := make(chan struct{}, 100)
	for w := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				d, p, v := written(w, n)
				err := s.DocumentPut(t.Context(), whose, d, p, v)
				if err != nil {
					if fault.ReasonOf(err) != fault.ReasonUnknownColl {
						t.Errorf("DocumentPut: %v", fault.Cause(err))
					}
					return
				}
				select {
				case started <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 8 {
		<-started
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := s.CollectionDelete(ctx, whose, "docs"); err != nil {
		t.Fatalf("CollectionDelete: %v", fault.Cause(err))
	}
	wg.Wait()
}

// TestPutsThatWakeTogether has writers of one new document wait for a transaction that comes to nothing, so that all go
// on in the same moment: none may run into what another just wrote.
func TestPutsThatWakeTogether(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	s := testdb.OpenPostgres(t, d, postgres.Config{Pool: 8})
	if err := s.CollectionInsert(t.Context(), whose, retrieval.Collection{Name: "docs", Dimensions: writtenLength}); err != nil {
		t.Fatal(fault.Cause(err))
	}
	watch := connect(t, d.OwnerURL)
	for round := range 10 {
		document, passages, vectors := written(round, 1)
		var wg sync.WaitGroup
		nothing := errors.New("it comes to nothing")
		err := s.Write(t.Context(), whose, "testing", func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), `INSERT INTO documents (tenant, collection, doc_id, uri, title, media_type, language, label, metadata, content_hash, fingerprint, source_bytes, passages, created_at, updated_at)
				SELECT tenant, id, $1, $2, '', '', '', 1, '{}', '', '', 0, 0, now(), now() FROM collections`, document.ID, document.URI); err != nil {
				return err
			}
			const writers = 5
			for range writers {
				wg.Go(func() {
					if err := s.DocumentPut(t.Context(), whose, document, passages, vectors); err != nil {
						t.Errorf("DocumentPut: %v", fault.Cause(err))
					}
				})
			}
			for waiting := 0; waiting < writers; {
				if err := watch.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
					WHERE NOT l.granted AND a.datname = current_database() AND pg_sleep(0.005) IS NOT NULL`).Scan(&waiting); err != nil {
					return err
				}
			}
			return nothing
		})
		wg.Wait()
		if !errors.Is(err, nothing) {
			t.Fatal(fault.Cause(err))
		}
	}
	checkWhole(t, d)
}
