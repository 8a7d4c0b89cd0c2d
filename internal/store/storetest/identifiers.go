package storetest

import (
	"fmt"
	"strings"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

// Forgiving is a store that looks for the most similar identifiers of a collection where it does not have the one
// that is asked for.
type Forgiving interface{ ForgivesIdentifiers() }

var identifierTests = map[string]func(t *testing.T, s Store){
	"one that is nearly right is found": func(t *testing.T, s Store) {
		forgiving(t, s)
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "a", texts: []string{"the gateway answers ERR_CONN_4711 then"}}, doc{uri: "b", texts: []string{"call getUserName first"}},
			doc{uri: "c", texts: []string{"nothing of the kind"}})
		for q, want := range map[string]string{"ERR_CONN_4712": "a", "what is err_con_4711?": "a", "getUsrName": "b"} {
			leg, err := s.SearchText(t.Context(), tenant, withDefaults(retrieval.LegQuery{Text: q}))
			if err != nil {
				t.Fatal(fault.Cause(err))
			}
			wantURIs(t, q, leg.Hits, want)
			if !strings.Contains(leg.Scan.Why, "identifiers") || !strings.Contains(leg.Seen, "|") {
				t.Errorf("%s: seen as %q, and why: %q", q, leg.Seen, leg.Scan.Why)
			}
		}
	},
	"one that is there is not mixed up with another": func(t *testing.T, s Store) {
		forgiving(t, s)
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "a", texts: []string{"ERRCONN4711x"}}, doc{uri: "b", texts: []string{"ERRCONN4712x"}})
		wantURIs(t, "exact", words(t, s, tenant, retrieval.LegQuery{Text: "ERRCONN4711x"}), "a")
	},
	"none of another collection or tenant": func(t *testing.T, s Store) {
		forgiving(t, s)
		mustInsert(t, s, tenant, collection("docs"))
		mustInsert(t, s, tenant, collection("more"))
		mustInsert(t, s, other, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "a", texts: []string{"plain"}})
		mustPut(t, s, tenant, "more", doc{uri: "a", texts: []string{"SECRETCODE42"}})
		mustPut(t, s, other, "docs", doc{uri: "a", texts: []string{"SECRETCODE43"}})
		leg, err := s.SearchText(t.Context(), tenant, withDefaults(retrieval.LegQuery{Text: "SECRETCODE41"}))
		if err != nil || len(leg.Hits) != 0 || strings.Contains(leg.Seen, "42") || strings.Contains(leg.Seen, "43") {
			t.Errorf("%+v, %v", leg, err)
		}
	},
	"few, and only those that may be seen": func(t *testing.T, s Store) {
		forgiving(t, s)
		mustInsert(t, s, tenant, collection("docs"))
		for i := range 12 {
			mustPut(t, s, tenant, "docs", doc{uri: fmt.Sprint(i), texts: []string{fmt.Sprintf("PARTNUMBER%02d", i)}, label: []label.Label{label.Internal, label.Restricted}[i%2]})
		}
		leg, err := s.SearchText(t.Context(), tenant, withDefaults(retrieval.LegQuery{Text: "PARTNUMBER99"}))
		if err != nil || len(leg.Hits) == 0 || len(leg.Hits) > 5 {
			t.Errorf("%d hits of 12 that are alike, %v", len(leg.Hits), err)
		}
		leg, err = s.SearchText(t.Context(), tenant, withDefaults(retrieval.LegQuery{Text: "PARTNUMBER99", MaxLabel: label.Internal}))
		if err != nil || len(leg.Hits) == 0 {
			t.Fatalf("%d hits under a ceiling, %v", len(leg.Hits), err)
		}
		for i := 1; i < 12; i += 2 {
			if strings.Contains(leg.Seen, fmt.Sprintf("%02d", i)) {
				t.Errorf("%q names what stands above the ceiling", leg.Seen)
			}
		}
		// One that is there above the ceiling alone is not there.
		leg, err = s.SearchText(t.Context(), tenant, withDefaults(retrieval.LegQuery{Text: "PARTNUMBER03", MaxLabel: label.Internal}))
		if err != nil || len(leg.Hits) == 0 {
			t.Errorf("%d hits for one above the ceiling, %v", len(leg.Hits), err)
		}
	},
}

func forgiving(t *testing.T, s Store) {
	if _, ok := s.(Forgiving); !ok {
		t.Skip("this store looks for identifiers as they are written")
	}
}
