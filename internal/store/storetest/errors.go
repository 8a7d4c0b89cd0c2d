package storetest

import (
	"math"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

var errorTests = map[string]func(t *testing.T, s Store){
	"what is not there": func(t *testing.T, s Store) {
		ctx := t.Context()
		d, p, v := doc{uri: "a", texts: []string{"alpha"}}.build("docs")
		q := withDefaults(retrieval.LegQuery{Text: "alpha", Vector: vectorOf("alpha")})
		unknown := func(what string, err error) {
			t.Helper()
			wantFault(t, what, err, fault.NotFound, fault.ReasonUnknownColl)
		}
		_, err := s.CollectionGet(ctx, tenant, "docs")
		unknown("CollectionGet", err)
		_, err = s.CollectionDelete(ctx, tenant, "docs")
		unknown("CollectionDelete", err)
		unknown("DocumentPut", s.DocumentPut(ctx, tenant, d, p, v))
		_, err = s.DocumentGet(ctx, tenant, "docs", "a")
		unknown("DocumentGet", err)
		_, _, err = s.DocumentFingerprint(ctx, tenant, "docs", "a")
		unknown("DocumentFingerprint", err)
		_, err = s.DocumentList(ctx, tenant, "docs", "", 1)
		unknown("DocumentList", err)
		unknown("DocumentDelete", s.DocumentDelete(ctx, tenant, "docs", "a"))
		_, err = s.SearchText(ctx, tenant, q)
		unknown("SearchText", err)
		_, err = s.SearchVector(ctx, tenant, q)
		unknown("SearchVector", err)
		_, err = s.PassagesGet(ctx, tenant, "docs", nil)
		unknown("PassagesGet", err)

		mustInsert(t, s, tenant, collection("docs"))
		_, err = s.DocumentGet(ctx, tenant, "docs", "a")
		wantFault(t, "DocumentGet", err, fault.NotFound, fault.ReasonUnknownDocument)
		wantFault(t, "DocumentDelete", s.DocumentDelete(ctx, tenant, "docs", "a"), fault.NotFound, fault.ReasonUnknownDocument)
	},
	"a collection that makes no sense": func(t *testing.T, s Store) {
		for name, spoil := range map[string]func(c *retrieval.Collection){
			"no name":             func(c *retrieval.Collection) { c.Name = "" },
			"negative dimensions": func(c *retrieval.Collection) { c.Dimensions = -1 },
			"too many dimensions": func(c *retrieval.Collection) { c.Dimensions = 1 << 20 },
			"a label above all":   func(c *retrieval.Collection) { c.Label = label.Restricted + 1 },
			"a weight above 1":    func(c *retrieval.Collection) { c.LexicalWeight = 1.1 },
			"a weight below 0":    func(c *retrieval.Collection) { c.LexicalWeight = -0.1 },
			"a weight of nothing": func(c *retrieval.Collection) { c.LexicalWeight = math.NaN() },
		} {
			c := collection("docs")
			spoil(&c)
			wantFault(t, name, s.CollectionInsert(t.Context(), tenant, c), fault.InvalidArgument, fault.ReasonBadRequest)
		}
		wantFault(t, "no tenant", s.CollectionInsert(t.Context(), "", collection("docs")), fault.InvalidArgument, fault.ReasonBadRequest)
	},
	"a document that makes no sense": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		for name, spoil := range map[string]func(d *retrieval.Document, p []retrieval.Passage, v *[][]float32){
			"no id":                func(d *retrieval.Document, _ []retrieval.Passage, _ *[][]float32) { d.ID = "" },
			"no uri":               func(d *retrieval.Document, _ []retrieval.Passage, _ *[][]float32) { d.URI = "" },
			"no label":             func(d *retrieval.Document, _ []retrieval.Passage, _ *[][]float32) { d.Label = label.Unset },
			"a label above all":    func(d *retrieval.Document, _ []retrieval.Passage, _ *[][]float32) { d.Label = label.Restricted + 1 },
			"a passage without id": func(_ *retrieval.Document, p []retrieval.Passage, _ *[][]float32) { p[1].ID = "" },
			"too few vectors":      func(_ *retrieval.Document, _ []retrieval.Passage, v *[][]float32) { *v = (*v)[:1] },
			"too many vectors":     func(_ *retrieval.Document, _ []retrieval.Passage, v *[][]float32) { *v = append(*v, (*v)[0]) },
			"no vectors":           func(_ *retrieval.Document, _ []retrieval.Passage, v *[][]float32) { *v = nil },
			"metadata of a map": func(d *retrieval.Document, _ []retrieval.Passage, _ *[][]float32) {
				d.Metadata = map[string]any{"k": map[string]any{}}
			},
			"metadata of no number": func(d *retrieval.Document, _ []retrieval.Passage, _ *[][]float32) {
				d.Metadata = map[string]any{"k": math.NaN()}
			},
			"metadata of odd lists": func(d *retrieval.Document, _ []retrieval.Passage, _ *[][]float32) {
				d.Metadata = map[string]any{"k": []any{1.5}}
			},
			"metadata of structures": func(d *retrieval.Document, _ []retrieval.Passage, _ *[][]float32) {
				d.Metadata = map[string]any{"k": struct{}{}}
			},
		} {
			d, p, v := doc{uri: "a", texts: []string{"alpha", "beta"}}.build("docs")
			spoil(&d, p, &v)
			wantFault(t, name, s.DocumentPut(t.Context(), tenant, d, p, v), fault.InvalidArgument, fault.ReasonBadRequest)
		}
		if c, err := s.CollectionGet(t.Context(), tenant, "docs"); err != nil || c.Documents != 0 || c.Passages != 0 {
			t.Errorf("counts are %+v, %v", c, err)
		}
	},
	"a search that makes no sense": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "a", texts: []string{"alpha"}})
		for name, spoil := range map[string]func(q *retrieval.LegQuery){
			"no limit":         func(q *retrieval.LegQuery) { q.Limit = 0 },
			"a negative limit": func(q *retrieval.LegQuery) { q.Limit = -1 },
		} {
			q := withDefaults(retrieval.LegQuery{Text: "alpha", Vector: vectorOf("alpha")})
			spoil(&q)
			_, err := s.SearchText(t.Context(), tenant, q)
			wantFault(t, "SearchText: "+name, err, fault.InvalidArgument, fault.ReasonBadRequest)
			_, err = s.SearchVector(t.Context(), tenant, q)
			wantFault(t, "SearchVector: "+name, err, fault.InvalidArgument, fault.ReasonBadRequest)
		}
		for name, vector := range map[string][]float32{
			"no vector": nil, "too short": make([]float32, dimensions-1), "too long": make([]float32, dimensions+1),
			"not a number": append(make([]float32, dimensions-1), float32(math.NaN())), "infinite": append(make([]float32, dimensions-1), float32(math.Inf(1))),
		} {
			_, err := s.SearchVector(t.Context(), tenant, withDefaults(retrieval.LegQuery{Vector: vector}))
			wantFault(t, "SearchVector: "+name, err, fault.InvalidArgument, fault.ReasonBadRequest)
		}
		_, err := s.DocumentList(t.Context(), tenant, "docs", "", 0)
		wantFault(t, "DocumentList without a limit", err, fault.InvalidArgument, fault.ReasonBadRequest)
	},
}
