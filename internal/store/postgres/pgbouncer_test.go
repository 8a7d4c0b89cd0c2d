package postgres_test

import (
	"fmt"
	"net/url"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/store/postgres"
	"fairlead/internal/store/storetest"
	"fairlead/internal/testdb"
	"fairlead/providers"
	"fairlead/retrieval"
)

// bounced opens a store through a PgBouncer in transaction mode.
func bounced(t *testing.T, d testdb.Database) *postgres.Store {
	t.Helper()
	return testdb.OpenPostgres(t, d, postgres.Config{URL: testdb.PgBouncer(t, d), PgBouncer: true, Pool: 2 * testdb.PgBouncerPool})
}

func TestSuiteThroughPgBouncer(t *testing.T) {
	through, err := url.Parse(testdb.PgBouncer(t, testdb.Shared(t)))
	if err != nil {
		t.Fatal(err)
	}
	storetest.Run(t, func(t *testing.T) storetest.Store {
		d := testdb.Shared(t)
		app, err := url.Parse(d.AppURL)
		if err != nil {
			t.Fatal(err)
		}
		app.Host = through.Host
		return testdb.OpenPostgres(t, d, postgres.Config{URL: app.String(), PgBouncer: true, Pool: 2 * testdb.PgBouncerPool})
	})
}

// Each server connection is used by all, and none has anything left of the one before: no setting, no statement.
func TestNothingStaysOnAServerConnection(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	through := testdb.PgBouncer(t, d)
	s := testdb.OpenPostgres(t, d, postgres.Config{URL: through, PgBouncer: true, Pool: 2 * testdb.PgBouncerPool})
	var wg sync.WaitGroup
	for i := range 4 * testdb.PgBouncerPool {
		wg.Go(func() {
			tenant := fmt.Sprint("t", i)
			err := s.CollectionInsert(t.Context(), tenant, retrieval.Collection{Name: "docs", Embedder: "e", Dimensions: 3})
			if err == nil {
				_, err = s.CollectionList(t.Context(), tenant)
			}
			if err == nil {
				err = s.SessionAppend(t.Context(), tenant, "s", label.Public, []providers.Message{providers.Text(providers.User, "hello")})
			}
			if err != nil {
				t.Error(fault.Cause(err))
			}
		})
	}
	wg.Wait()
	// As many transactions as there are server connections hold one each.
	type state struct {
		tenant, key, operator, path, timeout string
		rows, prepared                       int
	}
	const look = `SELECT pg_backend_pid(), coalesce(current_setting('app.tenant', true), ''), coalesce(current_setting('app.key', true), ''),
		coalesce(current_setting('app.operator', true), ''), current_setting('search_path'), current_setting('statement_timeout'),
		(SELECT count(*) FROM fairlead.collections), (SELECT count(*) FROM pg_prepared_statements WHERE name <> '')`
	ask := func(conn *pgx.Conn) (pid int, out state) {
		// The simple protocol is what a PgBouncer of any version lets through.
		if err := conn.QueryRow(t.Context(), look, pgx.QueryExecModeSimpleProtocol).
			Scan(&pid, &out.tenant, &out.key, &out.operator, &out.path, &out.timeout, &out.rows, &out.prepared); err != nil {
			t.Fatal(err)
		}
		return pid, out
	}
	_, fresh := ask(connect(t, d.AppURL))
	servers := map[int]bool{}
	for range testdb.PgBouncerPool {
		conn := connect(t, through)
		execute(t, conn, "BEGIN")
		pid, got := ask(conn)
		servers[pid] = true
		if got != fresh {
			t.Errorf("a server connection has %+v, a new one %+v", got, fresh)
		}
	}
	if len(servers) != testdb.PgBouncerPool {
		t.Errorf("%d server connections were looked at, want %d", len(servers), testdb.PgBouncerPool)
	}
}

// What a newer program's migrations add does no harm to one that is running, with or without a PgBouncer: statements
// that it knows by heart are asked anew where they must be.
func TestSchemaChangesUnderAStore(t *testing.T) {
	for name, open := range map[string]func(t *testing.T, d testdb.Database) *postgres.Store{
		"directly": func(t *testing.T, d testdb.Database) *postgres.Store {
			return testdb.OpenPostgres(t, d, postgres.Config{Pool: 1})
		},
		"through PgBouncer": bounced,
	} {
		t.Run(name, func(t *testing.T) {
			d := testdb.PostgresDatabase(t)
			s, admin := open(t, d), connect(t, d.OwnerURL)
			w := &worker{storm: &storm{store: s, tenants: []string{"acme"}, locked: true}, ctx: t.Context(), random: newRandom(), tenant: "acme"}
			all := func(when string) {
				t.Helper()
				for range 3 { // the first may describe, the next know
					for _, op := range operations {
						if err := op.do(w); err != nil {
							if f := fault.From(err); f.Code != fault.NotFound && f.Code != fault.AlreadyExists {
								t.Errorf("%s: %s: %v", when, op.name, fault.Cause(err))
							}
						}
					}
				}
			}
			if err := tenantInsert(w); err != nil {
				t.Fatal(fault.Cause(err))
			}
			w.clean = cleanSettings(t, d)
			w.census = "SELECT 0, " + settings
			all("before")
			before, err := s.CollectionList(t.Context(), "acme")
			if err != nil {
				t.Fatal(fault.Cause(err))
			}
			for _, table := range []string{"collections", "documents", "passages", "sessions", "keys", "usage", "decisions", "vectors", "words"} {
				execute(t, admin, "ALTER TABLE fairlead."+table+" ADD COLUMN added text NOT NULL DEFAULT 'x'")
				execute(t, admin, "CREATE INDEX ON fairlead."+table+" (tenant, added)")
			}
			execute(t, admin, "CREATE TABLE fairlead.added (tenant text)")
			after, err := s.CollectionList(t.Context(), "acme")
			if diff := cmp.Diff(before, after); err != nil || diff != "" {
				t.Errorf("the list is another (-before +after):\n%s%v", diff, err)
			}
			all("after")
		})
	}
}
