package postgres_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"fairlead/internal/fault"
	"fairlead/internal/store/postgres"
	"fairlead/internal/testdb"
	"fairlead/retrieval"
)

// as gives a URL for another user.
func as(t *testing.T, base, user, password string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}

// connect opens a connection that ends with the test.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func execute(t *testing.T, conn *pgx.Conn, statement string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// roleName gives the name of a role that is there for one test, whoever makes it.
func roleName(t *testing.T, d testdb.Database) string {
	t.Helper()
	name := "fairlead_test_" + strings.ToLower(rand.Text())
	t.Cleanup(func() {
		ctx := context.Background()
		conn, err := pgx.Connect(ctx, d.OwnerURL)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close(ctx)
		quoted := pgx.Identifier{name}.Sanitize()
		for _, statement := range []string{"REASSIGN OWNED BY " + quoted + " TO CURRENT_USER", "DROP OWNED BY " + quoted, "DROP ROLE " + quoted} {
			var pg *pgconn.PgError
			if _, err := conn.Exec(ctx, statement); err != nil && !(errors.As(err, &pg) && pg.Code == "42704") {
				t.Errorf("%s: %v", statement, err)
			}
		}
	})
	return name
}

func mustMigrate(t *testing.T, owner, app string) *postgres.Migrated {
	t.Helper()
	m, err := postgres.Migrate(t.Context(), owner, app)
	if err != nil {
		t.Fatalf("Migrate: %v", fault.Cause(err))
	}
	return m
}

// wantRefusal checks that an error is a fault of a reason, and that its text says some words.
func wantRefusal(t *testing.T, err error, reason fault.Reason, says ...string) {
	t.Helper()
	f := fault.From(err)
	if err == nil || f.Code != fault.FailedPrecondition || f.Reason != reason {
		t.Fatalf("got %v, want FailedPrecondition %q", fault.Cause(err), reason)
	}
	for _, word := range says {
		if !strings.Contains(f.Text, word) {
			t.Errorf("%q does not say %q", f.Text, word)
		}
	}
}

func TestMigrate(t *testing.T) {
	d := testdb.EmptyPostgres(t)
	role := roleName(t, d)
	app := as(t, d.OwnerURL, role, "secret")
	want := postgres.Migrated{From: 0, To: postgres.Latest(), Role: role, Made: true}
	if diff := cmp.Diff(want, *mustMigrate(t, d.OwnerURL, app)); diff != "" {
		t.Errorf("the first (-want +got):\n%s", diff)
	}
	before := catalog(t, d)
	want.From, want.Made = want.To, false
	if diff := cmp.Diff(want, *mustMigrate(t, d.OwnerURL, app)); diff != "" {
		t.Errorf("the second (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, catalog(t, d)); diff != "" {
		t.Errorf("the second changed the schema:\n%s", diff)
	}
	s := testdb.OpenPostgres(t, d, postgres.Config{URL: app})
	if err := s.CollectionInsert(t.Context(), "acme", retrieval.Collection{Name: "docs", Embedder: "e", Dimensions: 3}); err != nil {
		t.Fatal(fault.Cause(err))
	}
	// What serves may do what it must and no more.
	conn := connect(t, app)
	for _, statement := range []string{
		"CREATE TABLE fairlead.mine ()", "TRUNCATE fairlead.collections", "ALTER TABLE fairlead.collections DISABLE ROW LEVEL SECURITY",
		"INSERT INTO fairlead." + postgres.VersionTable + " (version_id, is_applied) VALUES (9, true)", "DELETE FROM fairlead." + postgres.VersionTable,
		"DROP POLICY tenant ON fairlead.collections", "DROP SCHEMA fairlead CASCADE", "CREATE ROLE mine",
		"SELECT setval(pg_get_serial_sequence('fairlead.collections', 'id'), 1)",
	} {
		_, err := conn.Exec(t.Context(), statement)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "42501" {
			t.Errorf("%s: %v, want that the right is missing", statement, err)
		}
	}
	// And whoever else has a role has nothing.
	stranger := roleName(t, d)
	execute(t, connect(t, d.OwnerURL), "CREATE ROLE "+stranger+" LOGIN PASSWORD 'x'")
	var pg *pgconn.PgError
	if _, err := connect(t, as(t, d.OwnerURL, stranger, "x")).Exec(t.Context(), "SELECT FROM fairlead.collections"); !errors.As(err, &pg) || pg.Code != "42501" {
		t.Errorf("a stranger reads: %v", err)
	}
}

// Whatever tables there are and will be: each is locked, and has the tenant first in its key.
func TestEveryTableHasItsTenant(t *testing.T) {
	conn := connect(t, testdb.PostgresDatabase(t).OwnerURL)
	rows, err := conn.Query(t.Context(), `SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity,
			coalesce((SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
				WHERE i.indrelid = c.oid AND i.indisprimary), ''),
			(SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid AND p.polcmd = '*' AND NOT p.polpermissive IS FALSE)
		FROM pg_class c WHERE c.relnamespace = 'fairlead'::regnamespace AND c.relkind IN ('r', 'p', 'f', 'm', 'v') AND c.relname <> $1`, postgres.VersionTable)
	if err != nil {
		t.Fatal(err)
	}
	var name, key string
	var locked bool
	var policies, tables int
	if _, err := pgx.ForEachRow(rows, []any{&name, &locked, &key, &policies}, func() error {
		tables++
		if name == "traffic" && locked && policies == 0 { // the operators', of no tenant: the catalogue's test says what lets them in
			return nil
		}
		if !locked || key != "tenant" || policies != 1 {
			t.Errorf("table %s: locked: %t, first in its key: %q, policies for all: %d", name, locked, key, policies)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if tables < 10 {
		t.Errorf("there are %d tables", tables)
	}
}

func TestMigrateAtOnce(t *testing.T) {
	d := testdb.EmptyPostgres(t)
	role := roleName(t, d)
	app := as(t, d.OwnerURL, role, "secret")
	const n = 8
	results := make([]*postgres.Migrated, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { results[i], errs[i] = postgres.Migrate(t.Context(), d.OwnerURL, app) })
	}
	wg.Wait()
	worked, made := 0, 0
	for i, m := range results {
		if errs[i] != nil {
			t.Fatalf("one of %d: %v", n, fault.Cause(errs[i]))
		}
		if m.From != m.To {
			worked++
		}
		if m.Made {
			made++
		}
	}
	if worked != 1 || made != 1 {
		t.Errorf("%d did the work and %d made the role, want 1 and 1", worked, made)
	}
}

// Two databases of one server have the same role, and a lock each.
func TestMigrateOneRoleForTwo(t *testing.T) {
	first, second := testdb.EmptyPostgres(t), testdb.EmptyPostgres(t)
	role := roleName(t, first)
	drop := connect(t, second.OwnerURL) // ends after what it drops
	t.Cleanup(func() {
		if _, err := drop.Exec(context.Background(), "DROP OWNED BY "+role); err != nil {
			t.Error(err)
		}
	})
	var wg sync.WaitGroup
	for _, d := range []testdb.Database{first, second} {
		wg.Go(func() {
			if _, err := postgres.Migrate(t.Context(), d.OwnerURL, as(t, d.OwnerURL, role, "secret")); err != nil {
				t.Errorf("Migrate: %v", fault.Cause(err))
			}
		})
	}
	wg.Wait()
}

func TestMigrateWaitsNoLongerThanItsCaller(t *testing.T) {
	d := testdb.EmptyPostgres(t)
	holder := connect(t, d.OwnerURL)
	execute(t, holder, "SELECT pg_advisory_lock($1)", postgres.LockID)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := postgres.Migrate(ctx, d.OwnerURL, d.AppURL)
		done <- err
	}()
	waitFor(t, holder, "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
	cancel()
	if err := <-done; fault.From(err).Code != fault.Canceled {
		t.Errorf("got %v, want Canceled", err)
	}
}

// waitFor asks until a question is answered with yes. Each question is a round trip: it is no busy loop.
func waitFor(t *testing.T, conn *pgx.Conn, question string, args ...any) {
	t.Helper()
	for {
		var yes bool
		if err := conn.QueryRow(t.Context(), question, args...).Scan(&yes); err != nil {
			t.Fatalf("%s: %v", question, err)
		}
		if yes {
			return
		}
	}
}

// An owner that may do little is told, one by one, what another must run for it; what it is told is run as it stands.
func TestMigrateByAnOwnerWithoutRights(t *testing.T) {
	d := testdb.EmptyPostgres(t)
	admin := connect(t, d.OwnerURL)
	owner, role := roleName(t, d), roleName(t, d)
	execute(t, admin, "CREATE ROLE "+owner+" LOGIN PASSWORD 'of the owner'")
	ownerURL, appURL := as(t, d.OwnerURL, owner, "of the owner"), as(t, d.OwnerURL, role, "of the app")
	var ran []string
	for {
		m, err := postgres.Migrate(t.Context(), ownerURL, appURL)
		if err == nil {
			if m.To != postgres.Latest() || m.Made {
				t.Errorf("Migrate = %+v", m)
			}
			break
		}
		wantRefusal(t, err, fault.ReasonBadConfig)
		noPassword(t, err, "of the owner", "of the app")
		_, statement, ok := strings.Cut(fault.From(err).Text, "then migrate again: ")
		if !ok || len(ran) > 5 {
			t.Fatalf("after %q: %q has no statement to run", ran, fault.From(err).Text)
		}
		ran = append(ran, statement)
		execute(t, admin, strings.ReplaceAll(statement, "'...'", "'of the app'"))
	}
	if all := strings.Join(ran, "\n"); len(ran) != 3 && len(ran) != 4 || !strings.Contains(all, "CREATE EXTENSION IF NOT EXISTS vector SCHEMA public") ||
		!strings.Contains(all, "CREATE ROLE") || !strings.Contains(all, "CREATE SCHEMA fairlead AUTHORIZATION") {
		t.Errorf("it was told to run:\n%s", all)
	}
	s := testdb.OpenPostgres(t, d, postgres.Config{URL: appURL})
	if err := s.CollectionInsert(t.Context(), "acme", retrieval.Collection{Name: "docs", Embedder: "e", Dimensions: 3}); err != nil {
		t.Fatal(fault.Cause(err))
	}
	// This owner is no superuser: the lock is forced on it too.
	var n int
	if err := connect(t, ownerURL).QueryRow(t.Context(), "SELECT count(*) FROM fairlead.collections").Scan(&n); err != nil || n != 0 {
		t.Errorf("the owner sees %d collections, %v", n, err)
	}
	_, err := postgres.Open(t.Context(), postgres.Config{URL: ownerURL})
	wantRefusal(t, err, fault.ReasonBadConfig, owner, "owns the tables", "database.owner_url")
}

func TestMigrateRefuses(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	admin := connect(t, d.OwnerURL)
	t.Run("the same user for both", func(t *testing.T) {
		_, err := postgres.Migrate(t.Context(), d.OwnerURL, d.OwnerURL)
		if f := fault.From(err); f == nil || f.Code != fault.InvalidArgument || !strings.Contains(f.Text, "the same user") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a role that passes", func(t *testing.T) {
		role := roleName(t, d)
		execute(t, admin, "CREATE ROLE "+role+" LOGIN BYPASSRLS")
		_, err := postgres.Migrate(t.Context(), d.OwnerURL, as(t, d.OwnerURL, role, ""))
		wantRefusal(t, err, fault.ReasonBadConfig, role, "passes row level security")
	})
	t.Run("a newer schema", func(t *testing.T) {
		execute(t, admin, "INSERT INTO fairlead."+postgres.VersionTable+" (version_id, is_applied) VALUES (9999, true)")
		_, err := postgres.Migrate(t.Context(), d.OwnerURL, d.AppURL)
		wantRefusal(t, err, fault.ReasonBadConfig, "9999", "newer program")
		_, err = postgres.Open(t.Context(), postgres.Config{URL: d.AppURL})
		wantRefusal(t, err, fault.ReasonBadConfig, "9999", "newer program")
	})
}

func TestOpenRefuses(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	admin := connect(t, d.OwnerURL)
	open := func(url string) error {
		s, err := postgres.Open(t.Context(), postgres.Config{URL: url})
		if err == nil {
			s.Close()
		}
		return err
	}
	granted := func(t *testing.T, attributes string) (name, url string) {
		name = roleName(t, d)
		execute(t, admin, "CREATE ROLE "+name+" LOGIN PASSWORD 'x' "+attributes)
		execute(t, admin, "GRANT USAGE ON SCHEMA fairlead TO "+name)
		execute(t, admin, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA fairlead TO "+name)
		return name, as(t, d.OwnerURL, name, "x")
	}
	t.Run("no schema", func(t *testing.T) {
		wantRefusal(t, open(testdb.EmptyPostgres(t).OwnerURL), fault.ReasonSchemaBehind, "fairlead db migrate")
	})
	t.Run("an older schema", func(t *testing.T) {
		defer postgres.Pretend(postgres.Latest() + 1)()
		wantRefusal(t, open(d.AppURL), fault.ReasonSchemaBehind, "fairlead db migrate", fmt.Sprint(postgres.Latest()))
	})
	t.Run("a superuser", func(t *testing.T) {
		wantRefusal(t, open(d.OwnerURL), fault.ReasonBadConfig, "passes row level security")
	})
	t.Run("a role that passes", func(t *testing.T) {
		name, url := granted(t, "BYPASSRLS")
		wantRefusal(t, open(url), fault.ReasonBadConfig, name, "passes row level security")
	})
	t.Run("a role that may become one that passes", func(t *testing.T) {
		passes, _ := granted(t, "BYPASSRLS")
		name, url := granted(t, "NOINHERIT IN ROLE "+passes)
		wantRefusal(t, open(url), fault.ReasonBadConfig, name, "passes row level security")
	})
	t.Run("who owns a table", func(t *testing.T) {
		name, url := granted(t, "")
		if err := open(url); err != nil {
			t.Fatalf("before it owns one: %v", fault.Cause(err))
		}
		execute(t, admin, "ALTER TABLE fairlead.documents OWNER TO "+name)
		wantRefusal(t, open(url), fault.ReasonBadConfig, name, "owns the tables")
		member, memberURL := granted(t, "NOINHERIT IN ROLE "+name)
		wantRefusal(t, open(memberURL), fault.ReasonBadConfig, member, "owns the tables")
		execute(t, admin, "ALTER TABLE fairlead.documents OWNER TO CURRENT_USER")
	})
	t.Run("an open table", func(t *testing.T) {
		for _, change := range []string{"DISABLE ROW LEVEL SECURITY", "NO FORCE ROW LEVEL SECURITY"} {
			execute(t, admin, "ALTER TABLE fairlead.passages "+change)
			wantRefusal(t, open(d.AppURL), fault.ReasonBadConfig, "passages", "ENABLE ROW LEVEL SECURITY")
			execute(t, admin, "ALTER TABLE fairlead.passages ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
		}
		if err := open(d.AppURL); err != nil {
			t.Errorf("closed again: %v", fault.Cause(err))
		}
	})
}

// noPassword checks that no part of an error, not even its causes for the log, tells a password.
func noPassword(t *testing.T, err error, passwords ...string) {
	t.Helper()
	for _, password := range passwords {
		for _, form := range []string{password, url.QueryEscape(password), url.PathEscape(password), url.UserPassword("", password).String()[1:]} {
			if form != "" && (strings.Contains(err.Error(), form) || strings.Contains(fmt.Sprintf("%v %+v", fault.Cause(err), err), form)) {
				t.Errorf("%v tells the password", err)
			}
		}
	}
}

func TestPasswords(t *testing.T) {
	d := testdb.EmptyPostgres(t)
	mustMigrate(t, d.OwnerURL, as(t, d.OwnerURL, roleName(t, d), "plain"))
	admin := connect(t, d.OwnerURL)
	// PostgreSQL writes statements to its log; this is what it has of them.
	execute(t, admin, "CREATE TABLE public.seen (statement text)")
	var asked int
	for name, password := range map[string]string{
		"quotes": `it's "quoted"`, "backslashes": `\back\\slash\'`, "URL": "a:b@c/d?e=f&g#h%41 +", "SQL": `'; DROP SCHEMA fairlead; --`,
		"dollars": `$1 $$ $q$`, "letters": "pässwörd-密码-пароль", "emoji": "🔑 key", "format": "%s%d%!", "long": strings.Repeat("long ", 40),
	} {
		t.Run(name, func(t *testing.T) {
			role := roleName(t, d) + `"it's`
			t.Cleanup(func() {
				for _, statement := range []string{"DROP OWNED BY ", "DROP ROLE "} {
					if _, err := admin.Exec(context.Background(), statement+pgx.Identifier{role}.Sanitize()); err != nil {
						t.Error(err)
					}
				}
			})
			app := as(t, d.OwnerURL, role, password)
			if m := mustMigrate(t, d.OwnerURL, app); !m.Made {
				t.Error("the role was there")
			}
			if err := testdb.OpenPostgres(t, d, postgres.Config{URL: app}).Ping(t.Context()); err != nil {
				t.Errorf("Ping: %v", fault.Cause(err))
			}
			s, err := postgres.Open(t.Context(), postgres.Config{URL: as(t, d.OwnerURL, role, password+"x")})
			if err == nil {
				s.Close()
				return // this server lets anyone in
			}
			asked++
			if f := fault.From(err); f.Code != fault.Unavailable && f.Code != fault.FailedPrecondition && f.Code != fault.Internal {
				t.Errorf("a wrong password: %v", err)
			}
			noPassword(t, err, password)
			// And PostgreSQL itself takes the password as Migrate set it, by its own hashing.
			var stored string
			if err := admin.QueryRow(t.Context(), "SELECT rolpassword FROM pg_authid WHERE rolname = $1", role).Scan(&stored); err != nil || !strings.HasPrefix(stored, "SCRAM-SHA-256$4096:") {
				t.Errorf("stored: %v", err)
			}
		})
	}
	if asked == 0 {
		t.Log("this server asks for no password: a wrong one was not tried")
	}
	for _, bad := range []string{"postgres://u:s3cret pass@%zz/db", "host=h password='s3cret pass port=x", "postgres://u:s3cret%20pass@h:port/db", "postgres://u:s3cret%20pass@h/db?sslmode=nonesuch"} {
		for _, err := range []error{
			func() error { _, err := postgres.Open(t.Context(), postgres.Config{URL: bad}); return err }(),
			func() error { _, err := postgres.Migrate(t.Context(), bad, d.AppURL); return err }(),
			func() error { _, err := postgres.Migrate(t.Context(), d.OwnerURL, bad); return err }(),
		} {
			if f := fault.From(err); err == nil || f.Code != fault.InvalidArgument || f.Reason != fault.ReasonBadConfig {
				t.Errorf("%q: %v", bad, err)
				continue
			}
			noPassword(t, err, "s3cret pass")
		}
	}
}
