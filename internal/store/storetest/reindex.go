package storetest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

// next is the embedding of most of these tests: as long as the one of collection, so that mixed sets would not show by
// their length.
var next = retrieval.Embedding{Embedder: "other", Identity: "other@2", Dimensions: dimensions}

// axis is a vector along one axis.
func axis(i int) []float32 {
	v := make([]float32, dimensions)
	v[i] = 1
	return v
}

func mustBegin(t *testing.T, s Store, tenant, coll string, to retrieval.Embedding) *retrieval.Reindex {
	t.Helper()
	r, err := s.ReindexBegin(t.Context(), tenant, coll, to)
	if err != nil {
		t.Fatalf("ReindexBegin(%s, %s): %v", tenant, coll, fault.Cause(err))
	}
	return r
}

// pending gives the ids of the passages that wait, sorted.
func pending(t *testing.T, s Store, tenant, coll string) []string {
	t.Helper()
	list, err := s.ReindexPending(t.Context(), tenant, coll, 10_000)
	if err != nil {
		t.Fatalf("ReindexPending(%s, %s): %v", tenant, coll, fault.Cause(err))
	}
	ids := []string{}
	for _, p := range list {
		ids = append(ids, p.ID)
	}
	slices.Sort(ids)
	return ids
}

// embedAll puts a vector for every passage that waits, so many at a time.
func embedAll(ctx context.Context, s Store, tenant, coll string, page int, vector func(p retrieval.Passage) []float32) error {
	for {
		list, err := s.ReindexPending(ctx, tenant, coll, page)
		if err != nil || len(list) == 0 {
			return err
		}
		var ids []string
		var vectors [][]float32
		for _, p := range list {
			ids, vectors = append(ids, p.ID), append(vectors, vector(p))
		}
		if err := s.ReindexPut(ctx, tenant, coll, ids, vectors); err != nil {
			return err
		}
	}
}

func mustEmbedAll(t *testing.T, s Store, tenant, coll string, vector func(p retrieval.Passage) []float32) {
	t.Helper()
	if err := embedAll(t.Context(), s, tenant, coll, 100, vector); err != nil {
		t.Fatal(fault.Cause(err))
	}
}

func mustSwap(t *testing.T, s Store, tenant, coll string) {
	t.Helper()
	if err := s.ReindexSwap(t.Context(), tenant, coll); err != nil {
		t.Fatalf("ReindexSwap(%s, %s): %v", tenant, coll, fault.Cause(err))
	}
}

// wantProgress checks what the collection tells of its reindex, by itself and in a list.
func wantProgress(t *testing.T, s Store, what string, to *retrieval.Embedding, done, total int64) {
	t.Helper()
	c, err := s.CollectionGet(t.Context(), tenant, "docs")
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	list, err := s.CollectionList(t.Context(), tenant)
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	i := slices.IndexFunc(list, func(c retrieval.Collection) bool { return c.Name == "docs" })
	for name, r := range map[string]*retrieval.Reindex{"CollectionGet": c.Reindex, "CollectionList": list[i].Reindex} {
		switch {
		case to == nil && r == nil:
		case to == nil || r == nil:
			t.Errorf("%s: %s tells of the reindex %+v", what, name, r)
		case r.To != *to || r.Done != done || r.Total != total:
			t.Errorf("%s: %s tells %+v, want %+v with %d of %d", what, name, r, *to, done, total)
		case time.Since(r.StartedAt).Abs() > time.Minute:
			t.Errorf("%s: %s says that it began at %v", what, name, r.StartedAt)
		}
	}
}

// first gives the document of the nearest passage.
func first(t *testing.T, s Store, tenant string, vector []float32) string {
	t.Helper()
	hits := nearest(t, s, tenant, retrieval.LegQuery{Vector: vector})
	if len(hits) == 0 {
		return ""
	}
	return hits[0].Passage.URI
}

// turned is two documents whose nearest neighbours change places when they are embedded by turn.
func turned(t *testing.T, s Store, tenant string) {
	t.Helper()
	mustInsert(t, s, tenant, collection("docs"))
	mustPut(t, s, tenant, "docs", doc{uri: "a", texts: []string{"alpha"}, vectors: [][]float32{axis(0)}},
		doc{uri: "b", texts: []string{"beta"}, vectors: [][]float32{axis(1)}})
}

func turn(p retrieval.Passage) []float32 {
	if p.URI == "a" {
		return axis(1)
	}
	return axis(0)
}

var reindexTests = map[string]func(t *testing.T, s Store){
	"a swap changes what is found, at once and whole": func(t *testing.T, s Store) {
		turned(t, s, tenant)
		r := mustBegin(t, s, tenant, "docs", next)
		if r.To != next || r.Done != 0 || r.Total != 2 {
			t.Errorf("ReindexBegin = %+v", r)
		}
		wantProgress(t, s, "after the begin", &next, 0, 2)
		mustEmbedAll(t, s, tenant, "docs", turn)
		wantProgress(t, s, "when all is embedded", &next, 2, 2)
		before, err := s.CollectionGet(t.Context(), tenant, "docs")
		if err != nil || before.Embedder != "hashing@1" || before.Dimensions != dimensions {
			t.Errorf("before the swap the collection is %+v, %v", before, err)
		}
		if got := first(t, s, tenant, axis(0)); got != "a" {
			t.Errorf("before the swap the nearest is %q, want a", got)
		}
		mustSwap(t, s, tenant, "docs")
		if got := first(t, s, tenant, axis(0)); got != "b" {
			t.Errorf("after the swap the nearest is %q, want b", got)
		}
		if hits := nearest(t, s, tenant, retrieval.LegQuery{Vector: axis(0)}); len(hits) != 2 {
			t.Errorf("after the swap there are %d passages, want 2", len(hits))
		}
		wantURIs(t, "by words", words(t, s, tenant, retrieval.LegQuery{Text: "alpha"}), "a")
		after, err := s.CollectionGet(t.Context(), tenant, "docs")
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		want := *before
		want.Embedder, want.Identity, want.Dimensions, want.Reindex = next.Embedder, next.Identity, next.Dimensions, nil
		if diff := cmp.Diff(&want, after); diff != "" {
			t.Errorf("the collection after the swap (-want +got):\n%s", diff)
		}
	},
	"to vectors of another length": func(t *testing.T, s Store) {
		turned(t, s, tenant)
		long := retrieval.Embedding{Embedder: "long", Identity: "long@1", Dimensions: 3 * dimensions}
		mustBegin(t, s, tenant, "docs", long)
		lengthen := func(p retrieval.Passage) []float32 { return append(make([]float32, 2*dimensions), turn(p)...) }
		mustEmbedAll(t, s, tenant, "docs", lengthen)
		if got := first(t, s, tenant, axis(0)); got != "a" {
			t.Errorf("before the swap the nearest is %q, want a", got)
		}
		mustSwap(t, s, tenant, "docs")
		if got := first(t, s, tenant, append(make([]float32, 2*dimensions), axis(0)...)); got != "b" {
			t.Errorf("after the swap the nearest is %q, want b", got)
		}
		_, err := s.SearchVector(t.Context(), tenant, withDefaults(retrieval.LegQuery{Vector: axis(0)}))
		wantFault(t, "a search by the old length", err, fault.InvalidArgument, fault.ReasonNone)
		mustInsert(t, s, tenant, collection("new")) // one of the old length is still possible
		d, p, v := doc{uri: "c", texts: []string{"gamma"}}.build("docs")
		wantFault(t, "a put of the old length", s.DocumentPut(t.Context(), tenant, d, p, v), fault.InvalidArgument, fault.ReasonNone)
		d, p, _ = doc{uri: "c", texts: []string{"gamma"}}.build("docs")
		if err := s.DocumentPut(t.Context(), tenant, d, p, [][]float32{append(make([]float32, 2*dimensions), axis(5)...)}); err != nil {
			t.Error(fault.Cause(err))
		}
	},
	"again and again": func(t *testing.T, s Store) {
		turned(t, s, tenant)
		for round := range 5 {
			to := retrieval.Embedding{Embedder: "e", Identity: fmt.Sprint("e@", round), Dimensions: dimensions}
			mustBegin(t, s, tenant, "docs", to)
			if got := pending(t, s, tenant, "docs"); len(got) != 2 {
				t.Fatalf("round %d: %v wait, want both", round, got)
			}
			mustEmbedAll(t, s, tenant, "docs", func(p retrieval.Passage) []float32 {
				if (p.URI == "a") == (round%2 == 1) {
					return axis(0)
				}
				return axis(1)
			})
			mustSwap(t, s, tenant, "docs")
			want := []string{"b", "a"}[round%2]
			if got := first(t, s, tenant, axis(0)); got != want {
				t.Errorf("round %d: the nearest is %q, want %q", round, got, want)
			}
			if hits := nearest(t, s, tenant, retrieval.LegQuery{Vector: axis(0)}); len(hits) != 2 {
				t.Errorf("round %d: %d passages, want 2", round, len(hits))
			}
		}
	},
	"what waits grows less, and has its text": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "a", title: "A", texts: []string{"one", "two", "three"}, label: label.Confidential}, doc{uri: "b", texts: []string{"four"}})
		mustBegin(t, s, tenant, "docs", next)
		list, err := s.ReindexPending(t.Context(), tenant, "docs", 2)
		if err != nil || len(list) != 2 {
			t.Fatalf("ReindexPending = %d, %v, want 2", len(list), err)
		}
		all, err := s.ReindexPending(t.Context(), tenant, "docs", 100)
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		var ids []string
		for _, p := range all {
			ids = append(ids, p.ID)
		}
		want, err := s.PassagesGet(t.Context(), tenant, "docs", ids)
		if err != nil || len(want) != 4 {
			t.Fatalf("PassagesGet = %d, %v, want 4", len(want), err)
		}
		byID := func(a, b retrieval.Passage) int { return strings.Compare(a.ID, b.ID) }
		slices.SortFunc(all, byID)
		slices.SortFunc(want, byID)
		if diff := cmp.Diff(want, all); diff != "" {
			t.Errorf("ReindexPending (-PassagesGet +got):\n%s", diff)
		}
		// One from the middle, so that what is before it still waits.
		if err := s.ReindexPut(t.Context(), tenant, "docs", []string{passageID("a", 1)}, [][]float32{axis(1)}); err != nil {
			t.Fatal(fault.Cause(err))
		}
		wantWaiting := []string{passageID("a", 0), passageID("a", 2), passageID("b", 0)}
		slices.Sort(wantWaiting)
		if diff := cmp.Diff(wantWaiting, pending(t, s, tenant, "docs")); diff != "" {
			t.Errorf("after one (-want +got):\n%s", diff)
		}
		wantProgress(t, s, "after one", &next, 1, 4)
		mustEmbedAll(t, s, tenant, "docs", func(retrieval.Passage) []float32 { return axis(2) })
		if got := pending(t, s, tenant, "docs"); len(got) != 0 {
			t.Errorf("%v still wait", got)
		}
	},
	"a put takes what fits, and keeps what is there": func(t *testing.T, s Store) {
		turned(t, s, tenant)
		mustBegin(t, s, tenant, "docs", next)
		put := func(ids []string, vectors ...[]float32) error {
			return s.ReindexPut(t.Context(), tenant, "docs", ids, vectors)
		}
		a, b := passageID("a", 0), passageID("b", 0)
		bad := axis(0)
		bad[3] = float32(math.NaN())
		wantFault(t, "too short", put([]string{a, b}, axis(1), axis(0)[:3]), fault.InvalidArgument, fault.ReasonNone)
		wantFault(t, "too long", put([]string{a, b}, axis(1), append(axis(0), 1)), fault.InvalidArgument, fault.ReasonNone)
		wantFault(t, "not finite", put([]string{a, b}, axis(1), bad), fault.InvalidArgument, fault.ReasonNone)
		wantFault(t, "too few", put([]string{a, b}, axis(1)), fault.InvalidArgument, fault.ReasonNone)
		wantProgress(t, s, "after what was refused", &next, 0, 2)
		if err := put(nil); err != nil {
			t.Errorf("nothing: %v", fault.Cause(err))
		}
		// Ids that nobody knows, one of another document's form, and one twice.
		if err := put([]string{"none", "a' OR 1=1 --", a, a}, axis(3), axis(3), axis(1), axis(4)); err != nil {
			t.Fatal(fault.Cause(err))
		}
		wantProgress(t, s, "after a", &next, 1, 2)
		if err := put([]string{a, b}, axis(6), axis(0)); err != nil {
			t.Fatal(fault.Cause(err))
		}
		wantProgress(t, s, "after both", &next, 2, 2)
		mustSwap(t, s, tenant, "docs")
		for _, h := range nearest(t, s, tenant, retrieval.LegQuery{Vector: axis(1)}) {
			if want := map[string]float64{"a": 1, "b": 0}[h.Passage.URI]; math.Abs(h.VectorScore-want) > 1e-3 {
				t.Errorf("%s scores %v, want %v: it did not keep its first vector", h.Passage.URI, h.VectorScore, want)
			}
		}
	},
	"a swap needs a reindex, and all of it": func(t *testing.T, s Store) {
		turned(t, s, tenant)
		ctx := t.Context()
		none := func(what string) {
			t.Helper()
			wantFault(t, what+": swap", s.ReindexSwap(ctx, tenant, "docs"), fault.FailedPrecondition, fault.ReasonReindexing)
			_, err := s.ReindexPending(ctx, tenant, "docs", 10)
			wantFault(t, what+": pending", err, fault.FailedPrecondition, fault.ReasonReindexing)
			wantFault(t, what+": put", s.ReindexPut(ctx, tenant, "docs", []string{passageID("a", 0)}, [][]float32{axis(0)}), fault.FailedPrecondition, fault.ReasonReindexing)
			wantProgress(t, s, what, nil, 0, 0)
		}
		none("before")
		mustBegin(t, s, tenant, "docs", next)
		wantFault(t, "with all pending", s.ReindexSwap(ctx, tenant, "docs"), fault.FailedPrecondition, fault.ReasonReindexing)
		mustEmbedAll(t, s, tenant, "docs", turn)
		mustPut(t, s, tenant, "docs", doc{uri: "c", texts: []string{"gamma"}, vectors: [][]float32{axis(4)}})
		wantFault(t, "with one pending", s.ReindexSwap(ctx, tenant, "docs"), fault.FailedPrecondition, fault.ReasonReindexing)
		if got := first(t, s, tenant, axis(4)); got != "c" {
			t.Errorf("what was stored meanwhile is not found: %q", got)
		}
		mustEmbedAll(t, s, tenant, "docs", turn)
		mustSwap(t, s, tenant, "docs")
		none("after")
	},
	"an empty collection": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustBegin(t, s, tenant, "docs", next)
		mustSwap(t, s, tenant, "docs")
		mustPut(t, s, tenant, "docs", doc{uri: "a", texts: []string{"alpha"}, vectors: [][]float32{axis(0)}})
		if got := first(t, s, tenant, axis(0)); got != "a" {
			t.Errorf("the nearest is %q, want a", got)
		}
	},
	"what is begun is found again, and no other beside it": func(t *testing.T, s Store) {
		turned(t, s, tenant)
		r := mustBegin(t, s, tenant, "docs", next)
		if err := s.ReindexPut(t.Context(), tenant, "docs", []string{passageID("a", 0)}, [][]float32{axis(1)}); err != nil {
			t.Fatal(fault.Cause(err))
		}
		again := mustBegin(t, s, tenant, "docs", next)
		if again.Done != 1 || again.Total != 2 || !again.StartedAt.Equal(r.StartedAt) || again.To != next {
			t.Errorf("begun again it is %+v, and was %+v", again, r)
		}
		for what, change := range map[string]func(e *retrieval.Embedding){
			"another embedder": func(e *retrieval.Embedding) { e.Embedder = "third" },
			"another identity": func(e *retrieval.Embedding) { e.Identity = "other@3" },
			"another length":   func(e *retrieval.Embedding) { e.Dimensions++ },
		} {
			to := next
			change(&to)
			_, err := s.ReindexBegin(t.Context(), tenant, "docs", to)
			wantFault(t, what, err, fault.FailedPrecondition, fault.ReasonReindexing)
		}
		for what, to := range map[string]retrieval.Embedding{
			"no name":   {Identity: "x", Dimensions: 8},
			"no length": {Embedder: "x", Identity: "x"},
			"too long":  {Embedder: "x", Identity: "x", Dimensions: 1 << 20},
		} {
			_, err := s.ReindexBegin(t.Context(), tenant, "docs", to)
			wantFault(t, what, err, fault.InvalidArgument, fault.ReasonNone)
		}
		_, err := s.ReindexPending(t.Context(), tenant, "docs", 0)
		wantFault(t, "a limit of 0", err, fault.InvalidArgument, fault.ReasonNone)
		wantProgress(t, s, "after the refusals", &next, 1, 2)
	},
	"an abort leaves nothing": func(t *testing.T, s Store) {
		turned(t, s, tenant)
		if err := s.ReindexAbort(t.Context(), tenant, "docs"); err != nil {
			t.Errorf("with none open: %v", fault.Cause(err))
		}
		mustBegin(t, s, tenant, "docs", next)
		mustEmbedAll(t, s, tenant, "docs", turn)
		if err := s.ReindexAbort(t.Context(), tenant, "docs"); err != nil {
			t.Fatal(fault.Cause(err))
		}
		wantProgress(t, s, "after the abort", nil, 0, 0)
		if got := first(t, s, tenant, axis(0)); got != "a" {
			t.Errorf("after the abort the nearest is %q, want a", got)
		}
		// Another one begins with nothing, also for the same embedding.
		mustBegin(t, s, tenant, "docs", next)
		wantProgress(t, s, "begun again", &next, 0, 2)
		if got := pending(t, s, tenant, "docs"); len(got) != 2 {
			t.Errorf("begun again, %v wait, want both", got)
		}
		wantFault(t, "swap", s.ReindexSwap(t.Context(), tenant, "docs"), fault.FailedPrecondition, fault.ReasonReindexing)
		mustEmbedAll(t, s, tenant, "docs", turn)
		mustSwap(t, s, tenant, "docs")
		if got := first(t, s, tenant, axis(0)); got != "b" {
			t.Errorf("after the swap the nearest is %q, want b", got)
		}
	},
	"documents come, change and go meanwhile": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "a", texts: []string{"one", "two"}}, doc{uri: "b", texts: []string{"three"}}, doc{uri: "c", texts: []string{"four"}})
		mustBegin(t, s, tenant, "docs", next)
		mustEmbedAll(t, s, tenant, "docs", func(retrieval.Passage) []float32 { return axis(0) })
		if err := s.DocumentDelete(t.Context(), tenant, "docs", "a"); err != nil {
			t.Fatal(fault.Cause(err))
		}
		wantProgress(t, s, "after a deletion", &next, 2, 2)
		// The same text with another title: its passages have the same ids, and what is embedded of them changes.
		mustPut(t, s, tenant, "docs", doc{uri: "b", title: "renamed", texts: []string{"three"}}, doc{uri: "d", texts: []string{"five"}})
		wantProgress(t, s, "after a change and a new one", &next, 1, 3)
		if diff := cmp.Diff(sortedIDs(passageID("b", 0), passageID("d", 0)), pending(t, s, tenant, "docs")); diff != "" {
			t.Errorf("what waits (-want +got):\n%s", diff)
		}
		// What is gone is left out.
		if err := s.ReindexPut(t.Context(), tenant, "docs", []string{passageID("a", 0), passageID("b", 0)}, [][]float32{axis(0), axis(1)}); err != nil {
			t.Fatal(fault.Cause(err))
		}
		wantProgress(t, s, "after a put", &next, 2, 3)
		mustEmbedAll(t, s, tenant, "docs", func(retrieval.Passage) []float32 { return axis(2) })
		mustSwap(t, s, tenant, "docs")
		for uri, axisOf := range map[string]int{"b": 1, "c": 0, "d": 2} {
			if got := first(t, s, tenant, axis(axisOf)); got != uri {
				t.Errorf("the nearest to axis %d is %q, want %q", axisOf, got, uri)
			}
		}
		if hits := nearest(t, s, tenant, retrieval.LegQuery{Vector: axis(0)}); len(hits) != 3 {
			t.Errorf("%d passages, want 3", len(hits))
		}
		if err := s.DocumentDelete(t.Context(), tenant, "docs", "b"); err != nil {
			t.Fatal(fault.Cause(err))
		}
		wantURIs(t, "after a deletion", nearest(t, s, tenant, retrieval.LegQuery{Vector: axis(1)}), "c", "d")
	},
	"a collection goes meanwhile": func(t *testing.T, s Store) {
		turned(t, s, tenant)
		mustBegin(t, s, tenant, "docs", next)
		mustEmbedAll(t, s, tenant, "docs", turn)
		mustSwap(t, s, tenant, "docs")
		mustBegin(t, s, tenant, "docs", retrieval.Embedding{Embedder: "third", Dimensions: dimensions})
		if err := s.ReindexPut(t.Context(), tenant, "docs", []string{passageID("a", 0)}, [][]float32{axis(2)}); err != nil {
			t.Fatal(fault.Cause(err))
		}
		if n, err := s.CollectionDelete(t.Context(), tenant, "docs"); err != nil || n != 2 {
			t.Fatalf("CollectionDelete = %d, %v", n, fault.Cause(err))
		}
		wantFault(t, "put", s.ReindexPut(t.Context(), tenant, "docs", []string{passageID("a", 0)}, [][]float32{axis(2)}), fault.NotFound, fault.ReasonUnknownColl)
		wantFault(t, "swap", s.ReindexSwap(t.Context(), tenant, "docs"), fault.NotFound, fault.ReasonUnknownColl)
		wantFault(t, "abort", s.ReindexAbort(t.Context(), tenant, "docs"), fault.NotFound, fault.ReasonUnknownColl)
		turned(t, s, tenant)
		wantProgress(t, s, "one of the same name", nil, 0, 0)
		if hits := nearest(t, s, tenant, retrieval.LegQuery{Vector: axis(0)}); len(hits) != 2 || hits[0].Passage.URI != "a" {
			t.Errorf("one of the same name finds %v", uris(hits))
		}
	},
	"tenants apart": func(t *testing.T, s Store) {
		ctx := t.Context()
		turned(t, s, tenant)
		unknown := func(what string, err error) {
			t.Helper()
			wantFault(t, what, err, fault.NotFound, fault.ReasonUnknownColl)
		}
		mustBegin(t, s, tenant, "docs", next)
		_, err := s.ReindexBegin(ctx, other, "docs", next)
		unknown("begin", err)
		_, err = s.ReindexPending(ctx, other, "docs", 10)
		unknown("pending", err)
		unknown("put", s.ReindexPut(ctx, other, "docs", []string{passageID("a", 0)}, [][]float32{axis(0)}))
		unknown("swap", s.ReindexSwap(ctx, other, "docs"))
		unknown("abort", s.ReindexAbort(ctx, other, "docs"))
		turned(t, s, other)
		mustBegin(t, s, other, "docs", next)
		mustEmbedAll(t, s, other, "docs", turn)
		mustSwap(t, s, other, "docs")
		wantProgress(t, s, "the one", &next, 0, 2)
		if got := pending(t, s, tenant, "docs"); len(got) != 2 {
			t.Errorf("%v wait, want both", got)
		}
		if one, two := first(t, s, tenant, axis(0)), first(t, s, other, axis(0)); one != "a" || two != "b" {
			t.Errorf("the nearest are %q and %q, want a and b", one, two)
		}
	},
	"vectors of another model are refused": identities,
	"a large collection":                   manyReindexed,
	"beside writers and readers":           reindexedBeside,
}

func sortedIDs(ids ...string) []string {
	slices.Sort(ids)
	return ids
}

func identities(t *testing.T, s Store) {
	mustInsert(t, s, tenant, collection("docs"))
	put := func(uri, identity string) error {
		d, p, v := doc{uri: uri, texts: []string{"alpha " + uri}}.build("docs")
		d.EmbeddedBy = identity
		return s.DocumentPut(t.Context(), tenant, d, p, v)
	}
	identity := func(want string) {
		t.Helper()
		if c, err := s.CollectionGet(t.Context(), tenant, "docs"); err != nil || c.Identity != want {
			t.Errorf("the collection is %+v, %v, want the identity %q", c, err, want)
		}
	}
	ok := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, fault.Cause(err))
		}
	}
	search := func(identity string) error {
		_, err := s.SearchVector(t.Context(), tenant, withDefaults(retrieval.LegQuery{Vector: axis(0), EmbeddedBy: identity}))
		return err
	}
	refused := func(what string, err error) {
		t.Helper()
		wantFault(t, what, err, fault.FailedPrecondition, fault.ReasonReindexing)
	}
	ok("a put by one that does not tell", put("a", ""))
	identity("")
	ok("a search where nothing is known", search("model@1"))
	ok("the first put that tells", put("a", "model@1"))
	identity("model@1")
	ok("a second one", put("b", "model@1"))
	ok("one that does not tell", put("c", ""))
	refused("another model", put("d", "model@2"))
	refused("another model's new version of a document", put("a", "model@2"))
	ok("a search by the model", search("model@1"))
	ok("a search by one that does not tell", search(""))
	refused("a search by another", search("model@2"))
	identity("model@1")
	wantURIs(t, "what was refused", nearest(t, s, tenant, retrieval.LegQuery{Vector: axis(0)}), "a", "b", "c")

	// What was embedded before a swap and is stored after it would be in the wrong set.
	mustBegin(t, s, tenant, "docs", retrieval.Embedding{Embedder: "hashing@1", Identity: "model@2", Dimensions: dimensions})
	ok("meanwhile", put("d", "model@1"))
	refused("by the next, too early", put("e", "model@2"))
	mustEmbedAll(t, s, tenant, "docs", func(retrieval.Passage) []float32 { return axis(1) })
	mustSwap(t, s, tenant, "docs")
	identity("model@2")
	refused("by the old one, too late", put("e", "model@1"))
	refused("a search by the old one", search("model@1"))
	ok("by the new one", put("e", "model@2"))
	ok("a search by the new one", search("model@2"))

	with := collection("with")
	with.Identity = "model@7"
	mustInsert(t, s, tenant, with)
	if c, err := s.CollectionGet(t.Context(), tenant, "with"); err != nil || c.Identity != "model@7" {
		t.Errorf("the collection is %+v, %v", c, err)
	}
}

// manyReindexed is a collection that is searched by an index, where a store has one for it.
func manyReindexed(t *testing.T, s Store) {
	vectors, of := fill(t, s)
	to := retrieval.Embedding{Embedder: "other", Identity: "other@2", Dimensions: manyDimensions}
	mustBegin(t, s, tenant, "docs", to)
	// The vector of a passage becomes that of the one before it.
	moved := map[string][]float32{}
	ids := make([]string, 0, len(vectors))
	for id := range vectors {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for i, id := range ids {
		moved[id] = vectors[ids[(i+len(ids)-1)%len(ids)]]
	}
	found := func(set map[string][]float32, q retrieval.LegQuery) {
		t.Helper()
		for i := 0; i < len(ids); i += 150 {
			document, l := of(ids[i])
			q := q
			q.Vector, q.Limit = set[ids[i]], 5
			if q.MaxLabel != label.Unset && l > q.MaxLabel || q.Filter != nil && document%2 != 1 {
				continue
			}
			if hits := nearest(t, s, tenant, q); len(hits) != 5 || hits[0].Passage.ID != ids[i] {
				t.Errorf("the nearest to the vector of %s are %d, the first %v", ids[i], len(hits), hits[0].Passage.ID)
			}
		}
	}
	queries := []retrieval.LegQuery{{}, {MaxLabel: label.Internal}, {Filter: filtered("half", retrieval.Equal, 1.0)}}
	mustEmbedAll(t, s, tenant, "docs", func(p retrieval.Passage) []float32 { return moved[p.ID] })
	for _, q := range queries {
		found(vectors, q)
	}
	mustSwap(t, s, tenant, "docs")
	for _, q := range queries {
		found(moved, q)
	}
}

// reindexedBeside holds that searches see one set or the other, and that nothing is lost, while documents come and go
// and two reindex at once.
func reindexedBeside(t *testing.T, s Store) {
	made := collection("docs")
	made.Identity = "old"
	mustInsert(t, s, tenant, made)
	// Old vectors are on one axis and new ones on another: a search that sees both would show it.
	on := func(p retrieval.Passage, n int) []float32 {
		v := axis(n)
		v[7] = float32(p.Ordinal) / 100
		return v
	}
	put := func(uri string, texts ...string) error {
		d, ps, v := doc{uri: uri, texts: texts}.build("docs")
		c, err := s.CollectionGet(t.Context(), tenant, "docs")
		if err != nil {
			return err
		}
		for i := range v {
			v[i] = on(ps[i], map[string]int{"old": 0, "new": 1}[c.Identity])
		}
		d.EmbeddedBy = c.Identity
		if err = s.DocumentPut(t.Context(), tenant, d, ps, v); err != nil && fault.ReasonOf(err) == fault.ReasonReindexing {
			return nil // the swap came between
		}
		return err
	}
	for i := range 30 {
		if err := put(fmt.Sprint("stays", i), "one", "two"); err != nil {
			t.Fatal(fault.Cause(err))
		}
	}
	to := retrieval.Embedding{Embedder: "other", Identity: "new", Dimensions: dimensions}
	mustBegin(t, s, tenant, "docs", to)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				leg, err := s.SearchVector(t.Context(), tenant, withDefaults(retrieval.LegQuery{Vector: axis(0), Limit: 1000}))
				if err != nil {
					t.Errorf("searching: %v", fault.Cause(err))
					return
				}
				old := 0
				for _, h := range leg.Hits {
					if h.VectorScore > 0.5 {
						old++
					}
				}
				if old != 0 && old != len(leg.Hits) || len(leg.Hits) < 60 {
					t.Errorf("a search sees %d passages, %d of them of the old set", len(leg.Hits), old)
					return
				}
			}
		})
	}
	// Whoever comes second to the swap finds no reindex.
	over := func(err error) error {
		if c, e := s.CollectionGet(t.Context(), tenant, "docs"); e == nil && c.Identity == "new" {
			return nil
		}
		return err
	}
	side(t, 4, func(who int) error {
		if who < 2 {
			for i := range 15 {
				uri := fmt.Sprint("comes", who, "-", i%4)
				if err := put(uri, "three", "four", fmt.Sprint("five", i)); err != nil {
					return err
				}
				if i%3 == 2 {
					if err := s.DocumentDelete(t.Context(), tenant, "docs", uri); err != nil && fault.CodeOf(err) != fault.NotFound {
						return err
					}
				}
			}
			return nil
		}
		for {
			if err := embedAll(t.Context(), s, tenant, "docs", 7, func(p retrieval.Passage) []float32 { return on(p, 1) }); err != nil {
				return over(err)
			}
			err := s.ReindexSwap(t.Context(), tenant, "docs")
			if err == nil || over(err) == nil {
				return nil
			}
			if fault.ReasonOf(err) != fault.ReasonReindexing {
				return err
			}
		}
	})
	cancel()
	readers.Wait()
	c, err := s.CollectionGet(t.Context(), tenant, "docs")
	if err != nil || c.Identity != "new" || c.Reindex != nil {
		t.Fatalf("the collection is %+v, %v", c, err)
	}
	hits := nearest(t, s, tenant, retrieval.LegQuery{Vector: axis(1), Limit: 1000})
	if int64(len(hits)) != c.Passages {
		t.Errorf("%d of %d passages are found", len(hits), c.Passages)
	}
	for _, h := range hits {
		if h.VectorScore < 0.5 {
			t.Errorf("%s is not of the new set", h.Passage.ID)
		}
	}
}
