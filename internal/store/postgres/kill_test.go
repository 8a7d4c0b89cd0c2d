package postgres_test

import (
	"bytes"
	"context"
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
	"fairlead/internal/store/postgres"
	"fairlead/internal/testdb"
)

// childVariable holds, in a process that a test starts, the URLs of the owner and of the role that serves.
const childVariable = "FAIRLEAD_TEST_MIGRATE"

// TestMigrateChild is what such a process runs.
func TestMigrateChild(t *testing.T) {
	owner, app, ok := strings.Cut(os.Getenv(childVariable), " ")
	if !ok {
		t.Skip("it is for a process that another test starts")
	}
	m, err := postgres.Migrate(t.Context(), owner, app)
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	if m.From != m.To {
		t.Log("did the work")
	}
}

func child(t *testing.T, owner, app string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestMigrateChild$", "-test.v")
	cmd.Env = append(os.Environ(), childVariable+"="+owner+" "+app)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, &out
}

func TestMigrateByProcessesAtOnce(t *testing.T) {
	d := testdb.EmptyPostgres(t)
	app := as(t, d.OwnerURL, roleName(t, d), "secret")
	const n = 5
	var outs [n]*bytes.Buffer
	var errs [n]error
	var wg sync.WaitGroup
	for i := range n {
		var cmd *exec.Cmd
		cmd, outs[i] = child(t, d.OwnerURL, app)
		wg.Go(func() { errs[i] = cmd.Wait() })
	}
	wg.Wait()
	worked := 0
	for i, out := range outs {
		if errs[i] != nil {
			t.Errorf("one of %d: %v\n%s", n, errs[i], out)
		}
		worked += strings.Count(out.String(), "did the work")
	}
	if worked != 1 {
		t.Errorf("%d did the work", worked)
	}
}

// catalog is all that the migrations make, as text to compare.
func catalog(t *testing.T, d testdb.Database) []string {
	t.Helper()
	rows, err := connect(t, d.OwnerURL).Query(t.Context(), `
		SELECT 'table ' || c.relname || ' ' || c.relkind::text || ' ' || c.relrowsecurity || ' ' || c.relforcerowsecurity FROM pg_class c WHERE c.relnamespace = to_regnamespace('fairlead')
		UNION ALL SELECT 'column ' || c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || a.attstorage::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
			WHERE c.relnamespace = to_regnamespace('fairlead') AND a.attnum > 0 AND c.relkind = 'r'
		UNION ALL SELECT 'index ' || pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = to_regnamespace('fairlead')
		UNION ALL SELECT 'constraint ' || c.conname || ' ' || pg_get_constraintdef(c.oid) FROM pg_constraint c WHERE c.connamespace = to_regnamespace('fairlead')
		UNION ALL SELECT 'policy ' || tablename || ' ' || policyname || ' ' || cmd || ' ' || coalesce(qual, '') || ' ' || coalesce(with_check, '') FROM pg_policies WHERE schemaname = 'fairlead'
		UNION ALL SELECT 'function ' || p.proname || ' ' || md5(p.prosrc) FROM pg_proc p WHERE p.pronamespace = to_regnamespace('fairlead')
		ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A migration is killed with SIGKILL in the middle of a statement, at many of its statements, and the next makes of
// what it left the same as if nothing had happened.
func TestMigrateKilled(t *testing.T) {
	// What may be there: nothing, goose's own table, and what each migration makes.
	empty := testdb.EmptyPostgres(t)
	whole := [][]string{catalog(t, empty)}
	for _, version := range append([]int64{0}, postgres.Versions()...) {
		if err := postgres.UpTo(t.Context(), empty.OwnerURL, version); err != nil {
			t.Fatal(err)
		}
		whole = append(whole, catalog(t, empty))
	}
	if diff := cmp.Diff(whole[len(whole)-1], catalog(t, testdb.PostgresDatabase(t))); diff != "" {
		t.Fatalf("Migrate made another schema than its migrations:\n%s", diff)
	}
	// How many statements there are to stop at.
	d := testdb.EmptyPostgres(t)
	admin := connect(t, d.OwnerURL)
	stopAt(t, admin, -1)
	app := as(t, d.OwnerURL, roleName(t, d), "secret")
	mustMigrate(t, d.OwnerURL, app)
	var statements int
	if err := admin.QueryRow(t.Context(), "SELECT last_value FROM public.steps").Scan(&statements); err != nil || statements < 40 {
		t.Fatalf("%d statements, %v", statements, err)
	}
	places := []int{1, 2, statements}
	random := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		places = append(places, 3+random.IntN(statements-3))
	}
	for _, place := range places {
		killed(t, place, whole)
	}
	t.Logf("killed at statements %v of %d", places, statements)
}

const gate = 4711

// stopAt lets the n-th statement that changes the schema wait for a lock. Sequences count on when a transaction ends.
func stopAt(t *testing.T, admin *pgx.Conn, n int) {
	t.Helper()
	execute(t, admin, `CREATE SEQUENCE public.steps; CREATE TABLE public.stop (at bigint)`)
	execute(t, admin, `INSERT INTO public.stop VALUES ($1)`, n)
	execute(t, admin, `CREATE FUNCTION public.step() RETURNS event_trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF nextval('public.steps') = (SELECT at FROM public.stop) THEN
				PERFORM pg_advisory_xact_lock(4711);
			END IF;
		END $$`)
	execute(t, admin, `CREATE EVENT TRIGGER step ON ddl_command_start EXECUTE FUNCTION public.step()`)
}

func killed(t *testing.T, place int, whole [][]string) {
	t.Helper()
	d := testdb.EmptyPostgres(t)
	admin := connect(t, d.OwnerURL)
	stopAt(t, admin, place)
	execute(t, admin, "SELECT pg_advisory_lock($1)", gate)
	app := as(t, d.OwnerURL, roleName(t, d), "secret")
	cmd, out := child(t, d.OwnerURL, app)
	defer func() {
		if t.Failed() {
			t.Logf("at statement %d, the process said: %s", place, out)
		}
	}()
	waitFor(t, admin, "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())", gate)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the process ended well")
	}
	// Its session goes on with the statement. The next to migrate is there before it ends.
	var next error
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, next = postgres.Migrate(context.WithoutCancel(t.Context()), d.OwnerURL, app)
	}()
	waitFor(t, admin, "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND wait_event_type = 'Lock' AND query LIKE 'SELECT pg_advisory_lock%'")
	got := catalog(t, d)
	if !slices.ContainsFunc(whole, func(w []string) bool { return slices.Equal(w, got) }) {
		t.Errorf("at statement %d: it left something half done:\n%s", place, strings.Join(got, "\n"))
	}
	execute(t, admin, "SELECT pg_advisory_unlock($1)", gate)
	<-done
	if next != nil {
		t.Fatalf("at statement %d: migrating again: %v", place, fault.Cause(next))
	}
	if diff := cmp.Diff(whole[len(whole)-1], catalog(t, d)); diff != "" {
		t.Errorf("at statement %d: the schema is another (-want +got):\n%s", place, diff)
	}
	execute(t, admin, "DROP EVENT TRIGGER step") // roles are dropped when the test ends
	if err := testdb.OpenPostgres(t, d, postgres.Config{URL: app}).Ping(t.Context()); err != nil {
		t.Errorf("at statement %d: %v", place, fault.Cause(err))
	}
}
