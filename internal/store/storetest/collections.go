package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

var collectionTests = map[string]func(t *testing.T, s Store){
	"what goes in comes out": func(t *testing.T, s Store) {
		want := retrieval.Collection{Name: "handbook", Description: "O'Brien's \"own\"; DROP TABLE collections; --",
			Label: label.Confidential, Embedder: "hashing@1", Dimensions: 384, LexicalWeight: 0.25,
			CreatedAt: time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC)}
		mustInsert(t, s, tenant, want)
		got, err := s.CollectionGet(t.Context(), tenant, "handbook")
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		if diff := cmp.Diff(&want, got, approximately); diff != "" {
			t.Errorf("CollectionGet (-want +got):\n%s", diff)
		}
	},
	"a zero creation time is now": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		got, err := s.CollectionGet(t.Context(), tenant, "docs")
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		if age := time.Since(got.CreatedAt); age < -time.Minute || age > time.Minute {
			t.Errorf("CreatedAt is %v ago", age)
		}
	},
	"a name is taken once": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		second := collection("docs")
		second.Description = "another"
		wantFault(t, "the second CollectionInsert", s.CollectionInsert(t.Context(), tenant, second), fault.AlreadyExists, fault.ReasonNone)
		got, err := s.CollectionGet(t.Context(), tenant, "docs")
		if err != nil || got.Description != collection("docs").Description {
			t.Errorf("the first is changed: %+v, %v", got, err)
		}
	},
	"a list is in the order of names": func(t *testing.T, s Store) {
		list, err := s.CollectionList(t.Context(), tenant)
		if err != nil || len(list) != 0 {
			t.Errorf("an empty store lists %d, %v", len(list), err)
		}
		for _, name := range []string{"b", "a10", "c.d-e_f", "a9"} {
			mustInsert(t, s, tenant, collection(name))
		}
		mustPut(t, s, tenant, "b", doc{uri: "u", texts: []string{"one", "two"}})
		list, err = s.CollectionList(t.Context(), tenant)
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		var got []string
		for _, c := range list {
			got = append(got, fmt.Sprintf("%s %d %d", c.Name, c.Documents, c.Passages))
		}
		if diff := cmp.Diff([]string{"a10 0 0", "a9 0 0", "b 1 2", "c.d-e_f 0 0"}, got); diff != "" {
			t.Errorf("CollectionList (-want +got):\n%s", diff)
		}
	},
	"counts follow puts, replacements and deletions": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		counts := func(documents, passages int64) {
			t.Helper()
			c, err := s.CollectionGet(t.Context(), tenant, "docs")
			if err != nil || c.Documents != documents || c.Passages != passages {
				t.Errorf("got %+v, %v, want %d documents and %d passages", c, err, documents, passages)
			}
		}
		mustPut(t, s, tenant, "docs", doc{uri: "a", texts: []string{"one", "two", "three"}}, doc{uri: "b", texts: []string{"four"}})
		counts(2, 4)
		mustPut(t, s, tenant, "docs", doc{uri: "a", texts: []string{"five"}})
		counts(2, 2)
		mustPut(t, s, tenant, "docs", doc{uri: "empty"})
		counts(3, 2)
		if err := s.DocumentDelete(t.Context(), tenant, "docs", "a"); err != nil {
			t.Fatal(fault.Cause(err))
		}
		counts(2, 1)
	},
	"a deletion takes all with it": func(t *testing.T, s Store) {
		for _, name := range []string{"docs", "stays"} {
			mustInsert(t, s, tenant, collection(name))
			mustPut(t, s, tenant, name, doc{uri: "a", texts: []string{"alpha beta"}, metadata: map[string]any{"k": "v"}}, doc{uri: "b", texts: []string{"alpha"}})
		}
		n, err := s.CollectionDelete(t.Context(), tenant, "docs")
		if err != nil || n != 2 {
			t.Fatalf("CollectionDelete = %d, %v, want 2", n, err)
		}
		_, err = s.CollectionGet(t.Context(), tenant, "docs")
		wantFault(t, "CollectionGet", err, fault.NotFound, fault.ReasonUnknownColl)
		wantURIs(t, "the other collection", words(t, s, tenant, retrieval.LegQuery{Collection: "stays", Text: "alpha"}), "a", "b")

		// One of the same name starts empty, also with another length of vectors.
		again := collection("docs")
		again.Dimensions = 2 * dimensions
		mustInsert(t, s, tenant, again)
		wantURIs(t, "the new collection by words", words(t, s, tenant, retrieval.LegQuery{Text: "alpha"}))
		wantURIs(t, "the new collection by vector", nearest(t, s, tenant, retrieval.LegQuery{Vector: append(vectorOf("alpha"), vectorOf("alpha")...)}))
		if got, err := s.PassagesGet(t.Context(), tenant, "docs", []string{passageID("a", 0)}); err != nil || len(got) != 0 {
			t.Errorf("PassagesGet gives %d of the old passages, %v", len(got), err)
		}
		if list, err := s.DocumentList(t.Context(), tenant, "docs", "", 10); err != nil || len(list) != 0 {
			t.Errorf("DocumentList gives %d of the old documents, %v", len(list), err)
		}
	},
	"a collection of words alone": func(t *testing.T, s Store) {
		c := collection("docs")
		c.Dimensions = 0
		mustInsert(t, s, tenant, c)
		document, passages, _ := doc{uri: "a", texts: []string{"alpha"}}.build("docs")
		if err := s.DocumentPut(t.Context(), tenant, document, passages, nil); err != nil {
			t.Fatal(fault.Cause(err))
		}
		wantURIs(t, "by words", words(t, s, tenant, retrieval.LegQuery{Text: "alpha"}), "a")
	},
}
