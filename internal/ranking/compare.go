package ranking

import (
	"context"
	"strings"

	"fairlead/evals/stat"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

// LegDifference is by how much a leg is better in one report than in another, query by query.
type LegDifference struct {
	Name      string        `json:"name"`
	NDCG10    stat.Estimate `json:"ndcg_at_10"`
	Recall100 stat.Estimate `json:"recall_at_100"`
}

// Compare gives, for each leg, by how much a is better than b. Both must be of one dataset: InvalidArgument where they
// are not.
func Compare(a, b *Report, seed uint64) ([]LegDifference, error) {
	if a.Dataset != b.Dataset || a.Queries != b.Queries || len(a.Legs) != len(b.Legs) {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "comparing reports: they are of different data, %s and %s", a.Dataset, b.Dataset)
	}
	out := make([]LegDifference, len(a.Legs))
	for i := range a.Legs {
		x, y := &a.Legs[i], &b.Legs[i]
		out[i] = LegDifference{Name: x.Name, NDCG10: intervals(seed).Difference(x.ndcg, y.ndcg), Recall100: intervals(seed).Difference(x.recall, y.recall)}
	}
	return out, nil
}

// NearestRecall is how many of the nearest 10 passages, as exact finds them by vector alone, other finds as well: the
// mean over a dataset's queries. Both must search the same collection, exact without an index and other with one:
// FailedPrecondition where they do not.
func NearestRecall(ctx context.Context, tenant, collection string, d *Dataset, exact, other *retrieval.Service, seed uint64) (stat.Estimate, error) {
	var values []float64
	for _, q := range d.Queries {
		if strings.TrimSpace(q.Text) == "" {
			continue
		}
		want, err := nearest(ctx, exact, tenant, collection, q.Text, "exact")
		if err != nil {
			return stat.Estimate{}, err
		}
		got, err := nearest(ctx, other, tenant, collection, q.Text, "hnsw")
		if err != nil {
			return stat.Estimate{}, err
		}
		if len(want) == 0 {
			continue // of a query that has no direction nothing is near
		}
		found := 0
		for id := range want {
			if got[id] {
				found++
			}
		}
		values = append(values, float64(found)/float64(len(want)))
	}
	return intervals(seed).Mean(values), nil
}

func nearest(ctx context.Context, s *retrieval.Service, tenant, collection, text, method string) (map[string]bool, error) {
	vectors := 0.0
	found, err := s.Search(ctx, tenant, retrieval.Query{Collection: collection, Text: text, Top: nearDocuments, Explain: true,
		Label: label.Public, MaxLabel: label.Restricted, LexicalWeight: &vectors})
	if err != nil {
		return nil, err
	}
	if found.Degraded != "" {
		return nil, fault.New(fault.Unavailable, fault.ReasonUpstreamDown, "benchmarking: %s", found.Degraded)
	}
	ids := make(map[string]bool, len(found.Hits))
	for _, h := range found.Hits {
		ids[h.Passage.ID] = true
	}
	if m := found.Explanation.Vector.Method; len(ids) > 0 && m != method {
		return nil, fault.New(fault.FailedPrecondition, fault.ReasonNone, "benchmarking: the vectors were searched by %q, not by %q: %s", m, method, found.Explanation.Vector.Why)
	}
	return ids, nil
}
