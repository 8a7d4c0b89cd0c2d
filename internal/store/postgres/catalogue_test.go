package postgres_test

import (
	"net/url"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"fairlead/internal/testdb"
)

// exempt are the exceptions of the schema, each with its reason.
var exempt = []string{
	// Tenants are listed before one is chosen.
	"tenants: policy operator lets all SELECT",
	"decision_tenants: policy operator lets all SELECT",
	// The holder of a key knows its id and not yet its tenant.
	"keys: policy holder lets all SELECT",
	"keys: unique index keys_id_key does not begin with tenant",
	// An index of words is of use only to who may read all of it: these functions read as the owner, and give what is
	// the tenant's. See their migration.
	"words: policy matcher lets the owner SELECT",
	"identifiers: policy matcher lets the owner SELECT",
	"match_words: is not run as who calls it",
	"near_identifiers: is not run as who calls it",
	// What operators decided about targets is of no tenant: it is read and added to by none but them, and changed by nobody.
	"traffic: has no tenant",
	"traffic: its key does not begin with tenant",
	"traffic: no policy of the tenant",
	"traffic: policy operator lets all SELECT",
	"traffic: policy decide lets all write",
	// Says which migrations were run, and of nobody.
	"schema_versions: has no tenant",
	"schema_versions: row level security is not forced",
}

// holes are queries that give what is wrong with the schema, as "table: what". $1 is the role that serves.
var holes = []string{
	`SELECT c.relname || ': has no tenant' FROM pg_class c WHERE c.relnamespace = 'fairlead'::regnamespace AND c.relkind IN ('r', 'p', 'f')
		AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant' AND a.atttypid = 'text'::regtype AND a.attnotnull AND NOT a.attisdropped)`,
	`SELECT c.relname || ': row level security is not forced' FROM pg_class c WHERE c.relnamespace = 'fairlead'::regnamespace
		AND c.relkind IN ('r', 'p', 'f') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)`,
	`SELECT c.relname || ': no policy of the tenant' FROM pg_class c WHERE c.relnamespace = 'fairlead'::regnamespace AND c.relkind IN ('r', 'p', 'f') AND c.relname <> 'schema_versions'
		AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polcmd = '*' AND p.polroles = '{0}'
			AND pg_get_expr(p.polqual, c.oid) = '(tenant = NULLIF(current_setting(''app.tenant''::text, true), ''''::text))'
			AND pg_get_expr(p.polwithcheck, c.oid) = pg_get_expr(p.polqual, c.oid))`,
	`SELECT c.relname || ': policy ' || p.polname || ' lets ' || CASE WHEN p.polroles = ARRAY[c.relowner] THEN 'the owner ' ELSE 'all ' END || CASE p.polcmd WHEN 'r' THEN 'SELECT' ELSE 'write' END
		FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace = 'fairlead'::regnamespace AND p.polname <> 'tenant' AND p.polpermissive`,
	`SELECT c.relname || ': its key does not begin with tenant' FROM pg_class c WHERE c.relnamespace = 'fairlead'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'schema_versions'
		AND NOT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] WHERE i.indrelid = c.oid AND i.indisprimary AND a.attname = 'tenant')`,
	`SELECT c.relname || ': unique index ' || x.relname || ' does not begin with tenant' FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
		LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
		WHERE c.relnamespace = 'fairlead'::regnamespace AND c.relname <> 'schema_versions' AND i.indisunique AND NOT i.indisprimary AND a.attname IS DISTINCT FROM 'tenant'`,
	`SELECT c.relname || ': ' || k.conname || ' does not begin with tenant on both sides' FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
		JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1] JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[1]
		WHERE c.relnamespace = 'fairlead'::regnamespace AND k.contype = 'f' AND (a.attname <> 'tenant' OR b.attname <> 'tenant')`,
	`SELECT c.relname || ': is a view' FROM pg_class c WHERE c.relnamespace = 'fairlead'::regnamespace AND c.relkind IN ('v', 'm')`,
	`SELECT p.proname || ': is not run as who calls it' FROM pg_proc p WHERE p.pronamespace = 'fairlead'::regnamespace AND p.prosecdef`,
	`SELECT p.proname || ': does not say where its tables are' FROM pg_proc p WHERE p.pronamespace = 'fairlead'::regnamespace AND p.prosecdef
		AND NOT EXISTS (SELECT FROM unnest(p.proconfig) o WHERE o = 'search_path=pg_catalog, pg_temp')`,
	`SELECT p.proname || ': anyone may call it' FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
		WHERE p.pronamespace = 'fairlead'::regnamespace AND a.grantee = 0`,
	`SELECT c.relname || ': the role owns it' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relowner = $1::regrole AND n.nspname !~ '^pg_'`,
	`SELECT p.proname || ': the role owns it' FROM pg_proc p WHERE p.proowner = $1::regrole`,
	`SELECT n.nspname || ': the role owns it or may make tables in it' FROM pg_namespace n WHERE n.nspname = 'fairlead'
		AND (n.nspowner = $1::regrole OR has_schema_privilege($1, n.oid, 'CREATE'))`,
	`SELECT c.relname || ': the role may ' || r FROM pg_class c, unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER']) r
		WHERE c.relnamespace = 'fairlead'::regnamespace AND c.relkind IN ('r', 'p') AND has_table_privilege($1, c.oid, r)`,
	`SELECT c.relname || ': the role may set it' FROM pg_sequence q JOIN pg_class c ON c.oid = q.seqrelid WHERE c.relnamespace = 'fairlead'::regnamespace AND has_sequence_privilege($1, q.seqrelid, 'UPDATE')`,
	`SELECT c.relname || ': the role may write it' FROM pg_class c WHERE c.oid = 'fairlead.schema_versions'::regclass AND has_table_privilege($1, c.oid, 'INSERT, UPDATE, DELETE')`,
	`SELECT r.rolname || ': the role passes row level security, or may make or become others' FROM pg_roles r WHERE r.rolname = $1
		AND (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid))`,
}

func findHoles(t *testing.T, conn *pgx.Conn, role string) []string {
	t.Helper()
	var found []string
	for _, q := range holes {
		// Each query is told of the role, also where it does not ask.
		rows, err := conn.Query(t.Context(), "WITH role AS (SELECT $1::text) SELECT h.* FROM ("+q+") h", role)
		if err != nil {
			t.Fatal(err)
		}
		list, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("%v\n%s", err, q)
		}
		found = append(found, list...)
	}
	slices.Sort(found)
	return found
}

func roleOf(t *testing.T, d testdb.Database) string {
	t.Helper()
	u, err := url.Parse(d.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	return u.User.Username()
}

// TestCatalogue holds that no table can be reached past its tenant.
func TestCatalogue(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	want := slices.Sorted(slices.Values(exempt))
	if diff := cmp.Diff(want, findHoles(t, connect(t, d.OwnerURL), roleOf(t, d))); diff != "" {
		t.Errorf("the schema has holes (-want +got):\n%s", diff)
	}
}

// TestCatalogueFindsHoles holds that TestCatalogue sees what it looks for.
func TestCatalogueFindsHoles(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	conn, role := connect(t, d.OwnerURL), roleOf(t, d)
	const good = "tenant = nullif(current_setting('app.tenant', true), '')"
	table := func(columns, policy string) string {
		return "CREATE TABLE hole (" + columns + "); ALTER TABLE hole ENABLE ROW LEVEL SECURITY; ALTER TABLE hole FORCE ROW LEVEL SECURITY; CREATE POLICY tenant ON hole " + policy + ";"
	}
	const columns = "tenant text NOT NULL, id bigint, PRIMARY KEY (tenant, id)"
	const policy = "USING (" + good + ") WITH CHECK (" + good + ")"
	for _, c := range []struct {
		sql  string
		want []string
	}{
		{table(columns, policy), nil},
		{"CREATE TABLE hole (id bigint PRIMARY KEY)", []string{"hole: has no tenant", "hole: its key does not begin with tenant", "hole: no policy of the tenant", "hole: row level security is not forced"}},
		{"CREATE TABLE hole (" + columns + ")", []string{"hole: no policy of the tenant", "hole: row level security is not forced"}},
		{table(columns, policy) + "ALTER TABLE hole NO FORCE ROW LEVEL SECURITY", []string{"hole: row level security is not forced"}},
		{table(columns, policy) + "ALTER TABLE hole DISABLE ROW LEVEL SECURITY", []string{"hole: row level security is not forced"}},
		{table(columns, "USING (true) WITH CHECK ("+good+")"), []string{"hole: no policy of the tenant"}},
		{table(columns, "USING ("+good+") WITH CHECK (true)"), []string{"hole: no policy of the tenant"}},
		{table(columns, "FOR SELECT USING ("+good+")"), []string{"hole: no policy of the tenant"}},
		{table(columns, "USING (tenant = current_setting('app.tenant', true)) WITH CHECK (tenant = current_setting('app.tenant', true))"), []string{"hole: no policy of the tenant"}},
		{table(columns, policy) + "CREATE POLICY more ON hole USING (true)", []string{"hole: policy more lets all write"}},
		{table("tenant text NOT NULL, id bigint PRIMARY KEY", policy), []string{"hole: its key does not begin with tenant"}},
		{table("tenant text NOT NULL, id bigint UNIQUE, PRIMARY KEY (tenant, id)", policy), []string{"hole: unique index hole_id_key does not begin with tenant"}},
		{table(columns+", of text REFERENCES keys (id)", policy), []string{"hole: hole_of_fkey does not begin with tenant on both sides"}},
		{"CREATE VIEW hole AS SELECT * FROM documents", []string{"hole: is a view"}},
		{"CREATE FUNCTION hole() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM documents'", []string{"hole: anyone may call it", "hole: does not say where its tables are", "hole: is not run as who calls it"}},
		{table(columns, policy) + "GRANT TRUNCATE ON hole TO " + role, []string{"hole: the role may TRUNCATE"}},
		{table(columns, policy) + "GRANT TRIGGER, REFERENCES ON hole TO " + role, []string{"hole: the role may REFERENCES", "hole: the role may TRIGGER"}},
		{table(columns, policy) + "ALTER TABLE hole OWNER TO " + role, []string{"hole: the role may REFERENCES", "hole: the role may TRIGGER", "hole: the role may TRUNCATE", "hole: the role owns it", "hole_pkey: the role owns it"}},
		{"GRANT CREATE ON SCHEMA fairlead TO " + role, []string{"fairlead: the role owns it or may make tables in it"}},
		{"GRANT UPDATE ON SEQUENCE passages_id_seq TO " + role, []string{"passages_id_seq: the role may set it"}},
		{"GRANT INSERT ON schema_versions TO " + role, []string{"schema_versions: the role may write it"}},
	} {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), "SET LOCAL search_path = fairlead; "+c.sql); err != nil {
			t.Fatalf("%s: %v", c.sql, err)
		}
		want := slices.Sorted(slices.Values(append(slices.Clone(c.want), exempt...)))
		if diff := cmp.Diff(want, findHoles(t, tx.Conn(), role), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.sql, diff)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
