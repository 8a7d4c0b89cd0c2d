package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/providers"
	"fairlead/retrieval"
)

var tenantTests = map[string]func(t *testing.T, s Store){
	"what one has the other has not": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "a", texts: []string{"alpha"}})
		ctx := t.Context()
		unknown := func(what string, err error) {
			t.Helper()
			wantFault(t, what, err, fault.NotFound, fault.ReasonUnknownColl)
		}
		_, err := s.CollectionGet(ctx, other, "docs")
		unknown("CollectionGet", err)
		_, err = s.CollectionDelete(ctx, other, "docs")
		unknown("CollectionDelete", err)
		document, passages, vectors := doc{uri: "a", texts: []string{"changed"}}.build("docs")
		unknown("DocumentPut", s.DocumentPut(ctx, other, document, passages, vectors))
		_, err = s.DocumentGet(ctx, other, "docs", "a")
		unknown("DocumentGet", err)
		_, _, err = s.DocumentFingerprint(ctx, other, "docs", id("a"))
		unknown("DocumentFingerprint", err)
		_, err = s.DocumentList(ctx, other, "docs", "", 10)
		unknown("DocumentList", err)
		unknown("DocumentDelete", s.DocumentDelete(ctx, other, "docs", "a"))
		q := withDefaults(retrieval.LegQuery{Text: "alpha", Vector: vectorOf("alpha")})
		_, err = s.SearchText(ctx, other, q)
		unknown("SearchText", err)
		_, err = s.SearchVector(ctx, other, q)
		unknown("SearchVector", err)
		_, err = s.PassagesGet(ctx, other, "docs", []string{passageID("a", 0)})
		unknown("PassagesGet", err)
		if list, err := s.CollectionList(ctx, other); err != nil || len(list) != 0 {
			t.Errorf("CollectionList gives %d, %v", len(list), err)
		}
		wantURIs(t, "the owner", words(t, s, tenant, retrieval.LegQuery{Text: "alpha"}), "a")
	},
	"the same names in two": func(t *testing.T, s Store) {
		ctx := t.Context()
		for _, who := range []string{tenant, other} {
			c := collection("docs")
			c.Description = who
			mustInsert(t, s, who, c)
			mustPut(t, s, who, "docs", doc{uri: "a", title: who, texts: []string{"alpha " + who}, metadata: map[string]any{"owner": who}},
				doc{uri: "b", title: who, texts: []string{"alpha beta " + who}})
		}
		mine := func(who string) {
			t.Helper()
			if c, err := s.CollectionGet(ctx, who, "docs"); err != nil || c.Description != who || c.Documents != 2 || c.Passages != 2 {
				t.Errorf("%s: CollectionGet = %+v, %v", who, c, err)
			}
			if d, err := s.DocumentGet(ctx, who, "docs", id("a")); err != nil || d.Title != who {
				t.Errorf("%s: DocumentGet = %+v, %v", who, d, err)
			}
			list, err := s.DocumentList(ctx, who, "docs", "", 10)
			if err != nil || len(list) != 2 || list[0].Title != who {
				t.Errorf("%s: DocumentList = %+v, %v", who, list, err)
			}
			ps, err := s.PassagesGet(ctx, who, "docs", []string{passageID("a", 0)})
			if err != nil || len(ps) != 1 || ps[0].Title != who {
				t.Errorf("%s: PassagesGet = %+v, %v", who, ps, err)
			}
			q := retrieval.LegQuery{Text: "alpha " + tenant + " " + other, Vector: vectorOf("alpha " + tenant)}
			for leg, hits := range map[string][]retrieval.Hit{"words": words(t, s, who, q), "vector": nearest(t, s, who, q)} {
				if len(hits) != 2 {
					t.Errorf("%s: %d hits by %s", who, len(hits), leg)
				}
				for _, h := range hits {
					if h.Passage.Title != who {
						t.Errorf("%s finds a passage of %s by %s", who, h.Passage.Title, leg)
					}
				}
			}
			q.Filter = filtered("owner", retrieval.Exists, true)
			if hits := words(t, s, who, q); len(hits) != 1 || hits[0].Passage.Title != who {
				t.Errorf("%s: with a filter %+v", who, hits)
			}
		}
		mine(tenant)
		mine(other)
		if err := s.DocumentDelete(ctx, tenant, "docs", "a"); err != nil {
			t.Fatal(fault.Cause(err))
		}
		mine(other)
		if _, err := s.CollectionDelete(ctx, tenant, "docs"); err != nil {
			t.Fatal(fault.Cause(err))
		}
		mine(other)
	},
	"a name is not a pattern": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		for _, who := range []string{"%", "a%", "ACME", "acme ", "acm_", "' OR '1'='1", "*"} {
			_, err := s.CollectionGet(t.Context(), who, "docs")
			wantFault(t, "tenant "+who, err, fault.NotFound, fault.ReasonUnknownColl)
			_, err = s.CollectionGet(t.Context(), tenant, who)
			wantFault(t, "collection "+who, err, fault.NotFound, fault.ReasonUnknownColl)
		}
	},
	"scores do not tell of another's documents": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustInsert(t, s, other, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "a", texts: []string{"alpha beta"}}, doc{uri: "b", texts: []string{"gamma"}}, doc{uri: "c", texts: []string{"delta"}})
		q := retrieval.LegQuery{Text: "alpha gamma"}
		before := words(t, s, tenant, q)
		for range 3 {
			mustPut(t, s, other, "docs", doc{uri: "x", texts: []string{"alpha", "alpha", "alpha and a much longer text that says nothing"}})
		}
		if diff := cmp.Diff(before, words(t, s, tenant, q)); diff != "" {
			t.Errorf("scores changed with another tenant's documents (-before +after):\n%s", diff)
		}
	},
	"sessions": func(t *testing.T, s Store) {
		ctx := t.Context()
		for _, who := range []string{tenant, other} {
			if err := s.SessionAppend(ctx, who, "s", label.Internal, []providers.Message{providers.Text(providers.User, "I am "+who)}); err != nil {
				t.Fatal(fault.Cause(err))
			}
		}
		if err := s.SessionAppend(ctx, other, "s", label.Restricted, []providers.Message{providers.Text(providers.User, "secret")}); err != nil {
			t.Fatal(fault.Cause(err))
		}
		got, err := s.SessionMessages(ctx, tenant, "s", 10)
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		if diff := cmp.Diff([]providers.Message{providers.Text(providers.User, "I am "+tenant)}, got); diff != "" {
			t.Errorf("SessionMessages (-want +got):\n%s", diff)
		}
		if l, err := s.SessionLabel(ctx, tenant, "s"); err != nil || l != label.Internal {
			t.Errorf("SessionLabel = %v, %v", l, err)
		}
	},
}
