package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/store/postgres"
	"fairlead/internal/testdb"
	"fairlead/retrieval"
)

func TestWordsOfAnotherVersionAreMadeAnew(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	ctx := t.Context()
	s := testdb.OpenPostgres(t, d, postgres.Config{})
	// Not all tenants are in the list of tenants: none has to be.
	for _, tenant := range []string{"acme", "umbrella"} {
		if err := s.CollectionInsert(ctx, tenant, retrieval.Collection{Name: "docs", Label: label.Public}); err != nil {
			t.Fatal(fault.Cause(err))
		}
		for _, id := range []string{"a", "b"} {
			doc := retrieval.Document{ID: id, Collection: "docs", URI: id, Title: "Ferries", Language: "en", Label: label.Public, Text: "x"}
			passages := []retrieval.Passage{{ID: id + "0", Heading: []string{"Timetables"}, Text: "The ferries leave harbours, see ERR_4711."}, {ID: id + "1", Ordinal: 1, Text: "Nothing else."}}
			if err := s.DocumentPut(ctx, tenant, doc, passages, nil); err != nil {
				t.Fatal(fault.Cause(err))
			}
		}
	}
	look := func(s *postgres.Store, tenant string) *retrieval.Leg {
		leg, err := s.SearchText(ctx, tenant, retrieval.LegQuery{Collection: "docs", Text: "harbour timetable ERR_4711", Limit: 10, MaxLabel: label.Restricted})
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		return leg
	}
	before := look(s, "acme")
	if len(before.Hits) != 2 {
		t.Fatalf("%+v", before)
	}
	conn, err := pgx.Connect(ctx, d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(ctx) })
	for _, statement := range []string{
		"COMMENT ON TABLE fairlead.words IS 'made by analysis 0'",
		"UPDATE fairlead.words SET lexemes = '', length = 1",
		"DELETE FROM fairlead.identifiers",
		"DELETE FROM fairlead.document_identifiers",
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	if _, err := postgres.Open(ctx, postgres.Config{URL: d.AppURL}); fault.From(err).Reason != fault.ReasonSchemaBehind {
		t.Errorf("opened with words of another version: %v", err)
	}
	if _, err := postgres.Migrate(ctx, d.OwnerURL, d.AppURL); err != nil {
		t.Fatal(fault.Cause(err))
	}
	again := testdb.OpenPostgres(t, d, postgres.Config{})
	for _, tenant := range []string{"acme", "umbrella"} {
		after := look(again, tenant)
		if len(after.Hits) != 2 || after.Hits[0].LexicalScore != before.Hits[0].LexicalScore {
			t.Errorf("%s: %+v, want as %+v", tenant, after, before)
		}
	}
}
