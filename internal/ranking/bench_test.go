package ranking_test

import (
	"testing"

	"fairlead/internal/ranking"
	"fairlead/retrieval"
	"fairlead/retrieval/retrievaltest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestCranfieldFloors holds the default configuration to what full-text search alone reaches there:
// nDCG@10 of 0.377 and recall@100 of 0.728.
func TestCranfieldFloors(t *testing.T) {
	d, err := ranking.Cranfield(retrievaltest.Data(t, "cranfield"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := ranking.Bench(t.Context(), retrievaltest.Service(t, retrieval.Config{}), d, ranking.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d documents (%d failed), %d passages, %.0f passages/s; p50 %s, p95 %s", r.Documents, r.Failed, r.Passages,
		r.IngestRate, r.SearchP50, r.SearchP95)
	for _, l := range r.Legs {
		t.Logf("%-8s nDCG@10 %.4f [%.4f, %.4f]  recall@100 %.4f [%.4f, %.4f]  MRR@10 %.4f  MAP@100 %.4f", l.Name,
			l.NDCG10.Mean, l.NDCG10.Low, l.NDCG10.High, l.Recall100.Mean, l.Recall100.Low, l.Recall100.High, l.MRR10.Mean, l.MAP100.Mean)
	}
	t.Logf("fused over words %+.4f [%+.4f, %+.4f], over vectors %+.4f [%+.4f, %+.4f]", r.OverWords.Mean, r.OverWords.Low,
		r.OverWords.High, r.OverVectors.Mean, r.OverVectors.Low, r.OverVectors.High)
	if r.Queries != 225 || r.Documents < 1398 {
		t.Errorf("%d queries, %d documents", r.Queries, r.Documents)
	}
	fused := r.Legs[2]
	if fused.NDCG10.Mean <= 0.377 {
		t.Errorf("nDCG@10 is %.4f, want above 0.377", fused.NDCG10.Mean)
	}
	if fused.Recall100.Mean <= 0.728 {
		t.Errorf("recall@100 is %.4f, want above 0.728", fused.Recall100.Mean)
	}
}
