package postgres_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"fairlead/internal/fault"
	"fairlead/internal/store/postgres"
	"fairlead/internal/testdb"
)

// findings gives what the doctor finds, by check; of several the gravest.
func findings(t *testing.T, d testdb.Database, url string) map[string]postgres.Finding {
	t.Helper()
	list, err := postgres.Examine(t.Context(), url, d.AppURL)
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	out := map[string]postgres.Finding{}
	grave := map[postgres.Health]int{postgres.Fine: 0, postgres.Warn: 1, postgres.Bad: 2}
	for _, f := range list {
		if had, ok := out[f.Check]; !ok || grave[f.Health] > grave[had.Health] {
			out[f.Check] = f
		}
		if (f.Health == postgres.Fine) != (f.Advice == "") {
			t.Errorf("%+v: advice goes with what is wrong", f)
		}
	}
	return out
}

func TestDoctorFindsAFreshDatabaseFine(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	for name, url := range map[string]string{"owner": d.OwnerURL, "app": d.AppURL} {
		t.Run(name, func(t *testing.T) {
			for check, f := range findings(t, d, url) {
				// The versions of the machine that tests run on are what they are.
				if f.Health != postgres.Fine && check != "pgvector" && check != "postgresql" {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

func TestDoctorFindsWhatIsWrong(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	conn, err := pgx.Connect(t.Context(), d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) })
	for _, statement := range []string{
		"ALTER TABLE fairlead.sessions DISABLE ROW LEVEL SECURITY",
		"ALTER TABLE fairlead.usage NO FORCE ROW LEVEL SECURITY",
		"DROP POLICY tenant ON fairlead.decisions",
		"CREATE POLICY tenant ON fairlead.decisions USING (tenant = nullif(current_setting('app.tenant', true), '')) WITH CHECK (true)",
		"CREATE POLICY anyone ON fairlead.traffic FOR UPDATE USING (true)",
		"DROP INDEX fairlead.documents_label",
		"UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'fairlead.usage_time'::regclass",
		"SELECT set_config('app.tenant', 'acme', false)",
		`INSERT INTO fairlead.tenants VALUES ('acme', '', now())`,
		`INSERT INTO fairlead.collections (tenant, name, description, label, lexical_weight, created_at, embedder, identity, dimensions) VALUES ('acme', 'big', '', 1, 0.5, now(), 'e', 'e', 17)`,
		`INSERT INTO fairlead.collection_counts SELECT tenant, id, 0, 1, 60000, 1 FROM fairlead.collections WHERE tenant = 'acme'`,
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	list, err := postgres.Examine(t.Context(), d.OwnerURL, d.AppURL)
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	var text strings.Builder
	for _, f := range list {
		text.WriteString(string(f.Health) + " " + f.Check + " " + f.Text + "\n")
	}
	for _, want := range []string{
		"bad tenants table sessions: row level security is off",
		"bad tenants table usage: row level security is not forced",
		"bad tenants table decisions: no policy compares the tenant for reading and writing",
		"bad tenants table traffic: a policy lets in others than operators, or lets them change what was decided",
		"bad indexes index documents_label is not there",
		"bad indexes index usage_time is not valid",
		"warning vectors collection big of tenant acme has 60000 passages and no index for 17 dimensions",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not found in:\n%s", want, text.String())
		}
	}
}

func TestDoctorOnAnEmptyDatabase(t *testing.T) {
	d := testdb.EmptyPostgres(t)
	found := findings(t, d, d.OwnerURL)
	if f := found["schema"]; f.Health != postgres.Bad || !strings.Contains(f.Advice, "db migrate") {
		t.Errorf("%+v", f)
	}
}
