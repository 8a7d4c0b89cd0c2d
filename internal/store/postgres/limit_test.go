package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/store/postgres"
	"fairlead/internal/testdb"
	"fairlead/retrieval"
)

// TestLimits holds that what PostgreSQL cannot hold is refused in words, and that what it can hold is stored whole.
func TestLimits(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	s := testdb.OpenPostgres(t, d, postgres.Config{})
	if err := s.CollectionInsert(t.Context(), whose, retrieval.Collection{Name: "docs", Dimensions: writtenLength}); err != nil {
		t.Fatal(fault.Cause(err))
	}
	r := rand.New(rand.NewPCG(1, 2))
	noise := func(n int) string { // which does not become shorter by compression
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('!' + r.IntN(90))
		}
		return string(b)
	}
	vector := []float32{1}
	for len(vector) < writtenLength {
		vector = append(vector, 0)
	}
	put := func(d retrieval.Document, texts ...string) error {
		d.Collection, d.Label, d.Metadata = "docs", label.Internal, map[string]any{"version": float64(0)}
		d.Fingerprint = "0"
		var passages []retrieval.Passage
		var vectors [][]float32
		for i, text := range texts {
			passages = append(passages, retrieval.Passage{ID: fmt.Sprint(d.ID[:1], i), Ordinal: i, Text: text})
			vectors = append(vectors, vector)
		}
		return s.DocumentPut(t.Context(), whose, d, passages, vectors)
	}
	var different strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&different, "word%d ", i)
	}
	for what, err := range map[string]error{
		"a uri longer than an index takes": put(retrieval.Document{ID: "u", URI: noise(9000)}),
		"more words than a tsvector holds": put(retrieval.Document{ID: "w", URI: "w"}, "few", different.String()),
	} {
		if f := fault.From(err); err == nil || f.Code != fault.InvalidArgument || f.Reason != fault.ReasonTooLarge {
			t.Errorf("%s: %v", what, fault.Cause(err))
		}
	}
	err := s.CollectionInsert(t.Context(), whose, retrieval.Collection{Name: "long", Dimensions: 4001})
	if fault.CodeOf(err) != fault.InvalidArgument || !strings.Contains(fault.From(err).Text, "use from 0 to 4000") {
		t.Errorf("vectors of 4001: %v", fault.Cause(err))
	}
	// Words of which there are more than PostgreSQL counts, and more passages than go in one statement.
	texts := []string{strings.Repeat("again ", 20_000) + "in version 0 "}
	for i := range 1234 {
		texts = append(texts, fmt.Sprintf("passage %d in version 0 .", i))
	}
	if err := put(retrieval.Document{ID: "m", URI: "m", Title: "again"}, texts...); err != nil {
		t.Fatal(fault.Cause(err))
	}
	checkWhole(t, d)
	c, err := s.CollectionGet(t.Context(), whose, "docs")
	if err != nil || c.Documents != 1 || c.Passages != 1235 {
		t.Errorf("%+v, %v", c, err)
	}
	got, err := s.PassagesGet(t.Context(), whose, "docs", []string{"m0", "m500", "m1234"})
	if err != nil || len(got) != 3 {
		t.Fatal(len(got), fault.Cause(err))
	}
	for _, p := range got {
		if p.Text != texts[p.Ordinal] || p.ID != fmt.Sprint("m", p.Ordinal) {
			t.Errorf("passage %s at %d holds another's text", p.ID, p.Ordinal)
		}
	}
}
