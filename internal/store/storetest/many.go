package storetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

const manyDimensions = 32

// fill stores 1,500 passages in 300 documents of three labels. Document i has the metadata
// percent = i % 100 and half = i % 2. It gives the vectors by passage.
func fill(t *testing.T, s Store) (vectors map[string][]float32, of func(id string) (document int, l label.Label)) {
	t.Helper()
	c := collection("docs")
	c.Dimensions = manyDimensions
	mustInsert(t, s, tenant, c)
	r := rand.New(rand.NewPCG(1, 2))
	vectors = map[string][]float32{}
	documents := map[string]int{}
	labels := []label.Label{label.Public, label.Internal, label.Restricted}
	for i := range 300 {
		d := doc{uri: fmt.Sprintf("%03d", i), label: labels[i%3], metadata: map[string]any{"percent": float64(i % 100), "half": float64(i % 2)}}
		for j := range 5 {
			d.texts = append(d.texts, fmt.Sprintf("alpha number %d of %d", j, i))
			v := make([]float32, manyDimensions)
			for k := range v {
				v[k] = float32(r.NormFloat64())
			}
			d.vectors = append(d.vectors, v)
			vectors[passageID(d.uri, j)] = v
			documents[passageID(d.uri, j)] = i
		}
		mustPut(t, s, tenant, "docs", d)
	}
	return vectors, func(id string) (int, label.Label) { return documents[id], labels[documents[id]%3] }
}

// manyPassages holds an approximate index to its promise: of the true nearest ten, nine are found.
func manyPassages(t *testing.T, s Store) {
	vectors, _ := fill(t, s)
	r := rand.New(rand.NewPCG(3, 4))
	found, wanted := 0, 0
	for range 20 {
		q := make([]float32, manyDimensions)
		for i := range q {
			q[i] = float32(r.NormFloat64())
		}
		var ids []string
		for id := range vectors {
			ids = append(ids, id)
		}
		slices.SortFunc(ids, func(a, b string) int {
			if cosine(q, vectors[a]) > cosine(q, vectors[b]) {
				return -1
			}
			return 1
		})
		hits := nearest(t, s, tenant, retrieval.LegQuery{Vector: q, Limit: 10})
		if len(hits) != 10 {
			t.Fatalf("%d hits of 1500 passages, want 10", len(hits))
		}
		for _, h := range hits {
			if slices.Contains(ids[:10], h.Passage.ID) {
				found++
			}
		}
		wanted += 10
	}
	t.Logf("recall of the nearest ten: %d of %d", found, wanted)
	if found*10 < wanted*9 {
		t.Errorf("found %d of the %d nearest, want nine in ten", found, wanted)
	}
}

// rareFilter holds that filters and labels are applied before the limit: where k passages are let through,
// min(k, limit) are found.
func rareFilter(t *testing.T, s Store) {
	vectors, of := fill(t, s)
	query := vectors[passageID("007", 0)]
	filters := map[string]retrieval.Filter{
		"none": nil,
		"1%":   {{Field: "percent", Op: retrieval.Equal, Value: float64(42)}},
		"10%":  {{Field: "percent", Op: retrieval.Less, Value: float64(10)}},
		"half": {{Field: "half", Op: retrieval.Equal, Value: float64(1)}},
		"most": {{Field: "percent", Op: retrieval.NotEqual, Value: float64(42)}},
	}
	passes := map[string]func(i int) bool{
		"none": func(int) bool { return true },
		"1%":   func(i int) bool { return i%100 == 42 },
		"10%":  func(i int) bool { return i%100 < 10 },
		"half": func(i int) bool { return i%2 == 1 },
		"most": func(i int) bool { return i%100 != 42 },
	}
	for name, filter := range filters {
		for _, ceiling := range []label.Label{label.Public, label.Internal, label.Restricted} {
			let := 0
			for id := range vectors {
				if i, l := of(id); passes[name](i) && l <= ceiling {
					let++
				}
			}
			for _, limit := range []int{1, 10, 200, 2000} {
				q := retrieval.LegQuery{Text: "alpha", Vector: query, Limit: limit, Filter: filter, MaxLabel: ceiling}
				for leg, hits := range map[string][]retrieval.Hit{"words": words(t, s, tenant, q), "vector": nearest(t, s, tenant, q)} {
					if want := min(let, limit); len(hits) != want {
						t.Errorf("filter %s, label %v, limit %d: %d by %s, want %d", name, ceiling, limit, len(hits), leg, want)
					}
					for _, h := range hits {
						if i, l := of(h.Passage.ID); !passes[name](i) || l > ceiling || h.Passage.Label != l {
							t.Errorf("filter %s, label %v: %s lets document %d of label %v through", name, ceiling, leg, i, l)
						}
					}
				}
			}
		}
	}
	// What was deleted makes no gap either.
	for i := range 290 {
		if err := s.DocumentDelete(t.Context(), tenant, "docs", fmt.Sprintf("%03d", i)); err != nil {
			t.Fatal(fault.Cause(err))
		}
	}
	q := retrieval.LegQuery{Text: "alpha", Vector: query, Limit: 45}
	if w, n := len(words(t, s, tenant, q)), len(nearest(t, s, tenant, q)); w != 45 || n != 45 {
		t.Errorf("after deletions: %d by words, %d by vector, want 45 of the 50 that are left", w, n)
	}
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	return ab / math.Sqrt(aa*bb)
}
