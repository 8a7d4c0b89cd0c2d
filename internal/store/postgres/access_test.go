package postgres_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"fairlead/internal/auth"
	"fairlead/internal/auth/keys"
	"fairlead/internal/auth/tenants"
	"fairlead/internal/fault"
	"fairlead/internal/store/postgres"
	"fairlead/internal/testdb"
)

// column is one of a table, as the catalogue has it.
type column struct{ name, kind, generated string }

// catalogue gives the tables with a column tenant, and their columns.
func catalogue(t *testing.T, conn *pgx.Conn) map[string][]column {
	t.Helper()
	rows, err := conn.Query(t.Context(), `SELECT c.relname, a.attname, t.typname, a.attidentity::text || a.attgenerated::text
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_type t ON t.oid = a.atttypid
		WHERE c.relnamespace = 'fairlead'::regnamespace AND c.relkind IN ('r', 'p')
		AND EXISTS (SELECT 1 FROM pg_attribute x WHERE x.attrelid = c.oid AND x.attname = 'tenant' AND NOT x.attisdropped)`)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]column{}
	var table string
	var c column
	if _, err := pgx.ForEachRow(rows, []any{&table, &c.name, &c.kind, &c.generated}, func() error {
		out[table] = append(out[table], c)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// some is a value of a type, as SQL. n makes them differ from tenant to tenant where they must.
func some(t *testing.T, kind string, n int) string {
	t.Helper()
	values := map[string]string{
		"text": fmt.Sprintf("'x%d'", n), "int2": "1", "int4": "1", "int8": fmt.Sprint(n), "float8": "1", "numeric": "1", "bool": "true", "timestamptz": "now()",
		"date": "current_date", "bytea": `'\x00'`, "_text": "'{a}'", "tsvector": "'a:1'", "halfvec": "'[1,2]'", "vector": "'[1,2]'", "jsonb": "'{}'", "json": "'{}'",
		"uuid": "gen_random_uuid()", "float4": "1", "_int8": "'{1}'", "_int4": "'{1}'",
	}
	v, ok := values[kind]
	if !ok {
		t.Fatalf("a table of tenants has a column of the type %s, of which this test has no value: add one", kind)
	}
	return v
}

// TestTenantDeleteLeavesNothing puts a row of two tenants into every table that there is with a column tenant, whatever
// else it may be, and deletes one of them.
func TestTenantDeleteLeavesNothing(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	s := testdb.OpenPostgres(t, d, postgres.Config{})
	owner, err := pgx.Connect(t.Context(), d.OwnerURL) // a superuser: row level security hides nothing from it
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(context.Background())
	tables := catalogue(t, owner)
	if len(tables) < 15 {
		t.Fatalf("%d tables: the test sees too little", len(tables))
	}
	names := []string{"gone", "stays"}
	for i, name := range names {
		if err := s.TenantInsert(t.Context(), tenants.Tenant{Name: name}); err != nil {
			t.Fatal(fault.Cause(err))
		}
		for table, columns := range tables {
			if table == "tenants" {
				continue
			}
			var into, values []string
			for _, c := range columns {
				switch {
				case c.generated == "s": // a generated column takes no value
					continue
				case c.name == "tenant":
					values = append(values, "'"+name+"'")
				default:
					values = append(values, some(t, c.kind, i+1))
				}
				into = append(into, c.name)
			}
			// As a replica, foreign keys are not looked at: a row may stand alone.
			for _, statement := range []string{"SET session_replication_role = replica",
				"INSERT INTO fairlead." + table + " (" + strings.Join(into, ", ") + ") OVERRIDING SYSTEM VALUE VALUES (" + strings.Join(values, ", ") + ")",
				"RESET session_replication_role"} {
				if _, err := owner.Exec(t.Context(), statement); err != nil {
					t.Fatalf("%s: %v", statement, err)
				}
			}
		}
	}
	count := func(table, name string) (n int) {
		t.Helper()
		if err := owner.QueryRow(t.Context(), "SELECT count(*) FROM fairlead."+table+" WHERE tenant = $1", name).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for table := range tables {
		for _, name := range names {
			if count(table, name) == 0 {
				t.Fatalf("%s has no row of %s to delete: the test proves nothing", table, name)
			}
		}
	}
	if err := s.TenantDisable(t.Context(), "gone", time.Now()); err != nil {
		t.Fatal(fault.Cause(err))
	}
	if err := s.TenantDelete(t.Context(), "gone"); err != nil {
		t.Fatal(fault.Cause(err))
	}
	for table := range tables {
		if n := count(table, "gone"); n != 0 {
			t.Errorf("%s still has %d rows of the tenant", table, n)
		}
		if n := count(table, "stays"); n == 0 {
			t.Errorf("%s lost the row of another tenant", table)
		}
	}
}

// TestNoSecretIsKept looks for the secrets of keys in all that the database holds.
func TestNoSecretIsKept(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	s := testdb.OpenPostgres(t, d, postgres.Config{})
	pepper := strings.Repeat("p", 32)
	service := keys.New(keys.Config{Store: s, Gate: tenants.NewGate(s, nil), Pepper: func() ([]byte, error) { return []byte(pepper), nil }})
	made, whole, err := service.Create(t.Context(), auth.Local(), keys.Key{Name: "k"})
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	next, nextWhole, _, err := service.Rotate(t.Context(), auth.Local(), auth.LocalTenant, made.ID, time.Hour)
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	owner, err := pgx.Connect(t.Context(), d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(context.Background())
	var dump strings.Builder
	for table := range catalogue(t, owner) {
		rows, err := owner.Query(t.Context(), "SELECT x::text FROM fairlead."+table+" x")
		if err != nil {
			t.Fatal(err)
		}
		list, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		dump.WriteString(strings.Join(list, "\n"))
	}
	if !strings.Contains(dump.String(), made.ID) || !strings.Contains(dump.String(), next.ID) {
		t.Error("the dump has no keys: the test looks in the wrong place")
	}
	for _, secret := range []string{whole, nextWhole} {
		for _, part := range []string{secret[20:], hex.EncodeToString([]byte(secret[20:])), pepper} {
			if strings.Contains(dump.String(), part) {
				t.Error("the database holds a secret")
			}
		}
	}
}
