package storetest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

// fusedTests are for stores that join both legs themselves: what they give is what the legs and retrieval.Fuse give.
var fusedTests = map[string]func(t *testing.T, s Store){
	"as the legs one by one": func(t *testing.T, s Store) {
		f := fuser(t, s)
		r := rand.New(rand.NewPCG(11, 12))
		for round := range 3 {
			name := fmt.Sprint("c", round)
			mustInsert(t, s, tenant, collection(name))
			randomCorpus(t, s, r, name)
			for range 40 {
				q, top, weight := randomQuery(r, name)
				wantFused(t, s, f, q, top, weight)
			}
		}
	},
	"legs that find nothing": func(t *testing.T, s Store) {
		f := fuser(t, s)
		mustInsert(t, s, tenant, collection("docs"))
		q := withDefaults(retrieval.LegQuery{Text: "alpha", Vector: vectorOf("x")})
		wantFused(t, s, f, q, 10, 0.5) // nothing is stored
		mustPut(t, s, tenant, "docs", doc{uri: "b", texts: []string{"alpha", "beta"}}, doc{uri: "a", texts: []string{"alpha", "gamma"}})
		for _, c := range []struct {
			what, text string
			vector     []float32
		}{
			{"both", "alpha", vectorOf("beta")}, {"no word matches", "omega", vectorOf("beta")}, {"no words", "?!", vectorOf("beta")},
			{"no direction", "alpha", make([]float32, dimensions)}, {"neither", "omega", make([]float32, dimensions)},
		} {
			t.Run(c.what, func(t *testing.T) {
				q.Text, q.Vector = c.text, c.vector
				wantFused(t, s, f, q, 10, 0.7)
			})
		}
	},
	"what makes no sense is refused": func(t *testing.T, s Store) {
		f := fuser(t, s)
		mustInsert(t, s, tenant, collection("docs"))
		good := withDefaults(retrieval.LegQuery{Text: "alpha", Vector: vectorOf("alpha")})
		for what, change := range map[string]func(q *retrieval.LegQuery){
			"limit":     func(q *retrieval.LegQuery) { q.Limit = 0 },
			"length":    func(q *retrieval.LegQuery) { q.Vector = q.Vector[1:] },
			"filter":    func(q *retrieval.LegQuery) { q.Filter = filtered("f", "like", "x") },
			"no vector": func(q *retrieval.LegQuery) { q.Vector = nil },
		} {
			q := good
			change(&q)
			_, err := f.SearchFused(t.Context(), tenant, q, 10, 0.5)
			wantFault(t, what, err, fault.InvalidArgument, fault.ReasonBadRequest)
		}
		q := good
		q.Collection = "none"
		_, err := f.SearchFused(t.Context(), tenant, q, 10, 0.5)
		wantFault(t, "no collection", err, fault.NotFound, fault.ReasonUnknownColl)
		_, err = f.SearchFused(t.Context(), other, good, 10, 0.5)
		wantFault(t, "another tenant", err, fault.NotFound, fault.ReasonUnknownColl)
	},
}

func fuser(t *testing.T, s Store) retrieval.Fuser {
	f, ok := s.(retrieval.Fuser)
	if !ok {
		t.Skip("this store leaves joining the legs to the service")
	}
	return f
}

// vocabulary is few words, so that they meet.
var vocabulary = strings.Fields("alpha beta gamma delta epsilon zeta eta theta iota kappa ERR_42 v1.2.3")

func randomText(r *rand.Rand, words int) string {
	var out []string
	for range words {
		out = append(out, vocabulary[min(r.IntN(len(vocabulary)), r.IntN(len(vocabulary)))])
	}
	return strings.Join(out, " ")
}

func randomCorpus(t *testing.T, s Store, r *rand.Rand, name string) {
	t.Helper()
	labels := []label.Label{label.Public, label.Internal, label.Restricted}
	for i := range 30 {
		d := doc{uri: fmt.Sprintf("%02d", i), title: randomText(r, r.IntN(3)), label: labels[r.IntN(3)], metadata: map[string]any{"third": float64(i % 3)}}
		for range 1 + r.IntN(4) {
			d.texts = append(d.texts, randomText(r, 1+r.IntN(12)))
		}
		mustPut(t, s, tenant, name, d)
	}
}

func randomQuery(r *rand.Rand, name string) (q retrieval.LegQuery, top int, weight float64) {
	q = retrieval.LegQuery{Collection: name, Text: randomText(r, r.IntN(5)), Vector: vectorOf(randomText(r, 3)), Limit: 1 + r.IntN(40),
		MaxLabel: []label.Label{label.Public, label.Internal, label.Restricted}[r.IntN(3)]}
	switch r.IntN(6) {
	case 0:
		q.Filter = filtered("third", retrieval.Equal, float64(r.IntN(4))) // 3 lets nothing through
	case 1:
		q.Filter = filtered("uri", retrieval.Less, "10")
	}
	return q, 1 + r.IntN(q.Limit), []float64{0.2, 0.5, 0.8, r.Float64()*0.98 + 0.01}[r.IntN(4)]
}

// wantFused compares what a store joins with what comes of its legs.
func wantFused(t *testing.T, s Store, f retrieval.Fuser, q retrieval.LegQuery, top int, weight float64) {
	t.Helper()
	lexical, err := s.SearchText(t.Context(), tenant, q)
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	vector, err := s.SearchVector(t.Context(), tenant, q)
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	want := retrieval.Fuse(lexical.Hits, vector.Hits, weight)
	want = want[:min(top, len(want))]
	got, err := f.SearchFused(t.Context(), tenant, q, top, weight)
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	if diff := cmp.Diff(want, got.Hits, approximately); diff != "" {
		t.Errorf("%q, %d of %d, weight %v, filter %v, label %v (-legs +fused):\n%s", q.Text, top, q.Limit, weight, q.Filter, q.MaxLabel, diff)
	}
	if len(got.Hits) > 0 && (got.LexicalHits != len(lexical.Hits) || got.VectorHits != len(vector.Hits)) {
		t.Errorf("%d and %d candidates, want %d and %d", got.LexicalHits, got.VectorHits, len(lexical.Hits), len(vector.Hits))
	}
	if got.Lexical.Seen != lexical.Seen {
		t.Errorf("seen as %q, want %q", got.Lexical.Seen, lexical.Seen)
	}
	if diff := cmp.Diff(lexical.Scan, got.Lexical.Scan); diff != "" {
		t.Errorf("words (-leg +fused):\n%s", diff)
	}
	if diff := cmp.Diff(vector.Scan, got.Vector.Scan); diff != "" {
		t.Errorf("vectors (-leg +fused):\n%s", diff)
	}
}
