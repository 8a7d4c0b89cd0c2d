package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/store/postgres"
	"fairlead/internal/testdb"
	"fairlead/retrieval"
)

// TestFiltersUseIndexes holds that a filter that lets little through does not read every document: row level security
// keeps an index from any operator that is not leakproof, and nothing but the time that it takes would tell.
func TestFiltersUseIndexes(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	s := testdb.OpenPostgres(t, d, postgres.Config{})
	if err := s.CollectionInsert(t.Context(), whose, retrieval.Collection{Name: "docs"}); err != nil {
		t.Fatal(fault.Cause(err))
	}
	conn := connect(t, d.OwnerURL)
	execute(t, conn, "SET search_path = fairlead, public")
	execute(t, conn, `INSERT INTO documents (tenant, collection, doc_id, uri, title, media_type, language, label, metadata, content_hash, fingerprint, source_bytes, passages, created_at, updated_at)
		SELECT c.tenant, c.id, 'd' || i, 'u' || i, 'title ' || i, 'text/plain', 'en', 2, '{}', '', '', 0, 1, now(), now() FROM collections c, generate_series(1, 20000) i`)
	execute(t, conn, `INSERT INTO document_fields (tenant, document, key, item, collection, kind, text) SELECT tenant, id, 'name', -1, collection, 1, 'name of ' || doc_id FROM documents`)
	execute(t, conn, `INSERT INTO document_fields (tenant, document, key, item, collection, kind, number) SELECT tenant, id, 'size', -1, collection, 2, id FROM documents`)
	execute(t, conn, `INSERT INTO document_fields (tenant, document, key, item, collection, kind, number) SELECT tenant, id, 'rare', -1, collection, 3, (id % 5000 = 0)::int FROM documents`)
	execute(t, conn, "VACUUM ANALYZE documents")
	execute(t, conn, "VACUUM ANALYZE document_fields")
	for _, c := range []struct {
		condition retrieval.Condition
		index     string
		column    string
		rows      int64
	}{
		{retrieval.Condition{Field: "name", Op: retrieval.Equal, Value: "name of d777"}, "document_fields_text", "head", 1},
		{retrieval.Condition{Field: "name", Op: retrieval.In, Value: []string{"name of d1", "name of d2", "no"}}, "document_fields_text", "head", 2},
		{retrieval.Condition{Field: "name", Op: retrieval.Less, Value: "name of d10001"}, "document_fields_text", "head", 5},
		{retrieval.Condition{Field: "size", Op: retrieval.Equal, Value: float64(-1)}, "document_fields_number", "number", 0},
		{retrieval.Condition{Field: "size", Op: retrieval.In, Value: []float64{-1, -2}}, "document_fields_number", "number", 0},
		{retrieval.Condition{Field: "size", Op: retrieval.Less, Value: float64(-7)}, "document_fields_number", "number", 0},
		{retrieval.Condition{Field: "rare", Op: retrieval.Equal, Value: true}, "document_fields_number", "number", 4},
		{retrieval.Condition{Field: "uri", Op: retrieval.Equal, Value: "u5"}, "documents_tenant_collection_uri_key", "uri", 1},
		{retrieval.Condition{Field: "uri", Op: retrieval.In, Value: []string{"u5", "u6"}}, "documents_tenant_collection_uri_key", "uri", 2},
	} {
		if err := s.Read(t.Context(), whose, "explaining", func(tx pgx.Tx) error {
			where, args, err := postgres.DocumentsWhere(t.Context(), tx, whose, "docs", label.Restricted, retrieval.Filter{c.condition})
			if err != nil {
				return err
			}
			var rows int64
			if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM documents d WHERE "+where, args...).Scan(&rows); err != nil {
				return err
			}
			if rows != c.rows {
				t.Errorf("%v lets %d through, want %d", c.condition, rows, c.rows)
			}
			lines, err := tx.Query(t.Context(), "EXPLAIN SELECT d.id FROM documents d WHERE "+where, args...)
			if err != nil {
				return err
			}
			plan, err := pgx.CollectRows(lines, pgx.RowTo[string])
			text := strings.Join(plan, "\n")
			looked := slices.ContainsFunc(plan, func(line string) bool {
				return strings.Contains(line, "Index Cond:") && strings.Contains(line, "("+c.column+" ")
			})
			if !looked || !strings.Contains(text, c.index) || strings.Contains(text, "Seq Scan") {
				t.Errorf("%v is not looked up in %s:\n%s", c.condition, c.index, text)
			}
			return err
		}); err != nil {
			t.Fatal(fault.Cause(err))
		}
	}
}
