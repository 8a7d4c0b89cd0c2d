package postgres_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/store/postgres"
	"fairlead/internal/testdb"
	"fairlead/retrieval"
)

func TestRecallIsMeasuredOnASample(t *testing.T) {
	const dimensions = 256
	s := testdb.OpenPostgres(t, testdb.PostgresDatabase(t), postgres.Config{ExactRows: -1, Sample: 1})
	random := rand.New(rand.NewPCG(1, 2))
	vector := func() []float32 {
		v := make([]float32, dimensions)
		for i := range v {
			v[i] = float32(random.NormFloat64())
		}
		return v
	}
	ctx := t.Context()
	if err := s.CollectionInsert(ctx, "default", retrieval.Collection{Name: "docs", Label: label.Public, Embedder: "e", Dimensions: dimensions}); err != nil {
		t.Fatal(fault.Cause(err))
	}
	d := retrieval.Document{ID: "d", Collection: "docs", URI: "d", Label: label.Internal, Text: "x"}
	var passages []retrieval.Passage
	var vectors [][]float32
	for i := range 600 {
		passages = append(passages, retrieval.Passage{ID: string(rune('a'+i%26)) + string(rune('0'+i/26)), Collection: "docs", DocumentID: "d", URI: "d", Label: label.Internal, Ordinal: i, Text: "x"})
		vectors = append(vectors, vector())
	}
	if err := s.DocumentPut(ctx, "default", d, passages, vectors); err != nil {
		t.Fatal(fault.Cause(err))
	}
	measure := func() (list []postgres.Recall) {
		if err := s.MeasureRecall(ctx, func(r postgres.Recall) { list = append(list, r) }); err != nil {
			t.Fatal(fault.Cause(err))
		}
		return list
	}
	if got := measure(); len(got) != 0 {
		t.Errorf("without a query: %+v", got)
	}
	// The sample is kept beside the searches: search until something is in it.
	for range 500 {
		leg, err := s.SearchVector(ctx, "default", retrieval.LegQuery{Collection: "docs", Vector: vector(), Limit: 10, MaxLabel: label.Restricted})
		if err != nil || leg.Scan.Method != "hnsw" {
			t.Fatalf("%+v, %v", leg, fault.Cause(err))
		}
		if got := measure(); len(got) == 1 {
			r := got[0]
			if r.Tenant != "default" || r.Collection != "docs" || r.Queries < 1 || r.Recall < 0.9 || r.Recall > 1 || math.IsNaN(r.Recall) {
				t.Errorf("%+v", r)
			}
			return
		}
	}
	t.Error("no query was kept")
}

// A collection that goes while recall is measured takes none of the others' figures with it.
func TestRecallOfACollectionThatIsGone(t *testing.T) {
	s := testdb.Postgres(t)
	share, ok, err := s.RecallOne(t.Context(), "default", retrieval.LegQuery{Collection: "gone", Vector: []float32{1}, Limit: 1, MaxLabel: label.Restricted})
	if ok || err != nil {
		t.Errorf("%v, %v, %v", share, ok, fault.Cause(err))
	}
}
