package sqlite_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/auth/keys"
	"fairlead/internal/auth/tenants"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/store/sqlite"
	"fairlead/orchestrator/record"
	"fairlead/providers"
	"fairlead/retrieval"
)

// live keeps something of a tenant in all ways that the store has, with a word that stands nowhere else.
func live(t *testing.T, s *sqlite.Store, tenant, canary string) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
	}
	must(s.TenantInsert(ctx, tenants.Tenant{Name: tenant, Description: canary}))
	must(s.KeyInsert(ctx, keys.Key{ID: "key-" + tenant, Tenant: tenant, Name: canary, Scopes: auth.Chat, Ceiling: label.Internal, CreatedAt: time.Now()}, keys.Hash{1}))
	must(s.KeyRotate(ctx, keys.Key{ID: "new-" + tenant, Tenant: tenant, Name: canary, Replaces: "key-" + tenant, CreatedAt: time.Now()}, keys.Hash{2}, time.Now().Add(time.Hour)))
	for _, name := range []string{"docs", "words"} {
		c := retrieval.Collection{Name: name, Description: canary, Label: label.Public, Embedder: "e", Dimensions: 8, LexicalWeight: 0.5}
		v := [][]float32{{1, 0, 0, 0, 0, 0, 0, 0}}
		if name == "words" {
			c.Dimensions, v = 0, [][]float32{nil}
		}
		must(s.CollectionInsert(ctx, tenant, c))
		must(s.DocumentPut(ctx, tenant,
			retrieval.Document{ID: "d", Collection: name, URI: "u", Label: label.Internal, Text: canary, Passages: 1, Metadata: map[string]any{"k": canary}, Fingerprint: "f"},
			[]retrieval.Passage{{ID: "p", Collection: name, DocumentID: "d", URI: "u", Text: canary, Label: label.Internal}}, v))
	}
	must(s.SessionAppend(ctx, tenant, "s", label.Internal, []providers.Message{providers.Text(providers.User, canary)}))
	must(s.DecisionsAppend(ctx, tenant, []record.Decision{{Tenant: tenant, RunID: canary, Seq: 1, Time: time.Now()}}))
}

// counts gives the number of rows of each table in a file. Left out are those of SQLite itself, and the blocks of
// full-text and vector indexes: their row is whatever their module makes of it, and the words in them are looked for.
func counts(t *testing.T, db *sql.DB) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, table := range tables(t, db, "type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'codes\\__%\\_%' ESCAPE '\\' AND name NOT GLOB 'lexicon_*_*'") {
		var n int
		if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM "`+table+`"`).Scan(&n); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		out[table] = n
	}
	return out
}

func tables(t *testing.T, db *sql.DB, where string) (names []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT name FROM sqlite_schema WHERE "+where)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}

// fillRest puts a row of the tenant into each table with a column tenant that has none of it: tables of which live does
// not know.
func fillRest(t *testing.T, db *sql.DB, tenant string) (all []string) {
	t.Helper()
	all = tables(t, db, "type = 'table' AND EXISTS (SELECT 1 FROM pragma_table_info(sqlite_schema.name) WHERE name = 'tenant')")
	for _, table := range all {
		var n int
		if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM "`+table+`" WHERE tenant = ?`, tenant).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			continue
		}
		rows, err := db.QueryContext(t.Context(), `SELECT name, type FROM pragma_table_info(?) WHERE NOT (pk = 1 AND type = 'INTEGER')`, table)
		if err != nil {
			t.Fatal(err)
		}
		var into, values []string
		for rows.Next() {
			var name, kind string
			if err := rows.Scan(&name, &kind); err != nil {
				t.Fatal(err)
			}
			value := map[string]string{"TEXT": "'x'", "INTEGER": "1", "REAL": "1", "BLOB": "x'00'", "ANY": "1"}[kind]
			if name == "tenant" {
				value = "'" + tenant + "'"
			}
			into, values = append(into, name), append(values, value)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), `INSERT INTO "`+table+`" (`+strings.Join(into, ", ")+") VALUES ("+strings.Join(values, ", ")+")"); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
	}
	return all
}

func TestTenantDeleteLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	defer s.Close()
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	live(t, s, "stays", "zyxstays")
	fillRest(t, db, "stays")
	before := counts(t, db)
	indexes := tables(t, db, "name LIKE 'lexicon%'")
	live(t, s, "gone", "zyxgone")
	owned := fillRest(t, db, "gone")
	if len(owned) < 5 {
		t.Fatalf("%v have a column tenant: the test sees too little", owned)
	}
	for table, n := range counts(t, db) {
		own := strings.HasPrefix(table, "lexicon_") || table == "goose_db_version" // of one collection, and of none
		if before[table] > 0 && n <= before[table] && !own {
			t.Errorf("%s has nothing of the tenant to delete: the test proves nothing", table)
		}
	}
	if err := s.TenantDisable(t.Context(), "gone", time.Now()); err != nil {
		t.Fatal(fault.Cause(err))
	}
	if err := s.TenantDelete(t.Context(), "gone"); err != nil {
		t.Fatal(fault.Cause(err))
	}
	for table, n := range counts(t, db) {
		if n != before[table] {
			t.Errorf("%s has %d rows, and had %d before the tenant came", table, n, before[table])
		}
	}
	for _, table := range owned {
		var n int
		if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM "`+table+`" WHERE tenant = 'gone'`).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s still has %d rows of the tenant, %v", table, n, err)
		}
	}
	if got := tables(t, db, "name LIKE 'lexicon%'"); fmt.Sprint(got) != fmt.Sprint(indexes) {
		t.Errorf("the indexes are %v, and were %v", got, indexes)
	}
	db.Close()
	for { // until no reader of the store itself holds an old snapshot
		if err = s.Sweep(t.Context()); err == nil || fault.CodeOf(err) != fault.Unavailable {
			break
		}
	}
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), "zyxgone") {
		t.Error("the file still holds a word of the tenant")
	}
	if !strings.Contains(string(raw), "zyxstays") {
		t.Error("the file holds no word of the other: the test looks in the wrong place")
	}
}
