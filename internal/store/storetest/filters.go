package storetest

import (
	"math"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

// injections are values and fields that a store that builds its SQL of them would run.
var injections = []string{
	`3' OR '1'='1`, `' OR 1=1 --`, `x"; DROP TABLE documents; --`, `O'Brien`, `"`, `'`, `\`, `$.a`, `a.b`, `a[0]`, `$`, `%`, `_`, `?`, `?1`, `$1`, `:x`, `''`, `") OR ("1"="1`, "{}", `{"a":1}`, "a,b", " ",
}

func filtered(field string, op retrieval.Op, value any) retrieval.Filter {
	return retrieval.Filter{{Field: field, Op: op, Value: value}}
}

var filterTests = map[string]func(t *testing.T, s Store){
	"every operator on every type": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		for uri, metadata := range map[string]map[string]any{
			"text-a":   {"f": "a"},
			"text-b":   {"f": "b"},
			"text-B":   {"f": "B"},
			"text-10":  {"f": "10"},
			"text-nil": {"f": ""},
			"num-9":    {"f": float64(9)},
			"num-10":   {"f": float64(10)},
			"num-neg":  {"f": -1.5},
			"num-0":    {"f": float64(0)},
			"num-1":    {"f": float64(1)},
			"yes":      {"f": true},
			"no":       {"f": false},
			"list-ab":  {"f": []string{"a", "b"}},
			"list-10":  {"f": []string{"10"}},
			"list-nil": {"f": []string{}},
			"other":    {"g": "a"},
			"nothing":  nil,
		} {
			mustPut(t, s, tenant, "docs", doc{uri: uri, texts: []string{"alpha"}, metadata: metadata})
		}
		there := []string{"text-a", "text-b", "text-B", "text-10", "text-nil", "num-9", "num-10", "num-neg", "num-0", "num-1", "yes", "no", "list-ab", "list-10", "list-nil"}
		but := func(gone ...string) []string {
			var out []string
			for _, u := range there {
				keep := true
				for _, g := range gone {
					keep = keep && g != u
				}
				if keep {
					out = append(out, u)
				}
			}
			return out
		}
		for _, c := range []struct {
			op    retrieval.Op
			value any
			want  []string
		}{
			{retrieval.Equal, "a", []string{"text-a", "list-ab"}},
			{retrieval.Equal, "A", nil},
			{retrieval.Equal, "", []string{"text-nil"}},
			{retrieval.Equal, "10", []string{"text-10", "list-10"}},
			{retrieval.Equal, float64(10), []string{"num-10"}},
			{retrieval.Equal, -1.5, []string{"num-neg"}},
			{retrieval.Equal, float64(1), []string{"num-1"}},
			{retrieval.Equal, true, []string{"yes"}},
			{retrieval.Equal, false, []string{"no"}},
			{retrieval.Equal, "true", nil},
			{retrieval.NotEqual, "a", but("text-a", "list-ab")},
			{retrieval.NotEqual, float64(10), but("num-10")},
			{retrieval.NotEqual, true, but("yes")},
			{retrieval.NotEqual, "zzz", there},
			{retrieval.Less, "b", []string{"text-a", "text-B", "text-10", "text-nil"}},
			{retrieval.LessOrEqual, "b", []string{"text-a", "text-b", "text-B", "text-10", "text-nil"}},
			{retrieval.Greater, "a", []string{"text-b"}},
			{retrieval.GreaterOrEqual, "a", []string{"text-a", "text-b"}},
			{retrieval.Less, float64(10), []string{"num-9", "num-neg", "num-0", "num-1"}},
			{retrieval.LessOrEqual, float64(10), []string{"num-9", "num-10", "num-neg", "num-0", "num-1"}},
			{retrieval.Greater, float64(9), []string{"num-10"}},
			{retrieval.GreaterOrEqual, float64(0), []string{"num-9", "num-10", "num-0", "num-1"}},
			{retrieval.In, []any{"a", float64(9), true}, []string{"text-a", "list-ab", "num-9", "yes"}},
			{retrieval.In, []string{"b", "10"}, []string{"text-b", "text-10", "list-ab", "list-10"}},
			{retrieval.In, []any{float64(10)}, []string{"num-10"}},
			{retrieval.In, []any{}, nil},
			{retrieval.Exists, true, there},
			{retrieval.Exists, false, []string{"other", "nothing"}},
		} {
			q := retrieval.LegQuery{Text: "alpha", Vector: vectorOf("alpha"), Filter: filtered("f", c.op, c.value)}
			want := append([]string(nil), c.want...)
			wantURIs(t, "words: f "+string(c.op), words(t, s, tenant, q), want...)
			wantURIs(t, "vector: f "+string(c.op), nearest(t, s, tenant, q), want...)
		}
	},
	"the document's own fields": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs",
			doc{uri: "a", title: "One", texts: []string{"alpha"}, metadata: map[string]any{"uri": "b", "title": "Two", "media_type": "x"}},
			doc{uri: "b", title: "Two", texts: []string{"alpha"}},
			doc{uri: "c", texts: []string{"alpha"}})
		for _, c := range []struct {
			filter retrieval.Filter
			want   []string
		}{
			{filtered("uri", retrieval.Equal, "b"), []string{"b"}},
			{filtered("uri", retrieval.NotEqual, "b"), []string{"a", "c"}},
			{filtered("uri", retrieval.Greater, "a"), []string{"b", "c"}},
			{filtered("uri", retrieval.LessOrEqual, "b"), []string{"a", "b"}},
			{filtered("uri", retrieval.In, []string{"a", "c", "z"}), []string{"a", "c"}},
			{filtered("uri", retrieval.In, []any{float64(1), true}), nil},
			{filtered("uri", retrieval.Exists, true), []string{"a", "b", "c"}},
			{filtered("uri", retrieval.Equal, float64(1)), nil},
			{filtered("title", retrieval.Equal, "Two"), []string{"b"}},
			{filtered("title", retrieval.Exists, false), []string{"c"}},
			{filtered("title", retrieval.NotEqual, "One"), []string{"b"}},
			{filtered("media_type", retrieval.Equal, "text/plain"), []string{"a", "b", "c"}},
			{filtered("media_type", retrieval.Equal, "x"), nil},
		} {
			q := retrieval.LegQuery{Text: "alpha", Vector: vectorOf("alpha"), Filter: c.filter}
			what := c.filter[0].Field + " " + string(c.filter[0].Op)
			wantURIs(t, "words: "+what, words(t, s, tenant, q), append([]string(nil), c.want...)...)
			wantURIs(t, "vector: "+what, nearest(t, s, tenant, q), append([]string(nil), c.want...)...)
		}
	},
	"all conditions must hold": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs",
			doc{uri: "a", texts: []string{"alpha"}, metadata: map[string]any{"year": float64(2020), "lang": "en", "tags": []string{"x", "y"}}},
			doc{uri: "b", texts: []string{"alpha"}, metadata: map[string]any{"year": float64(2024), "lang": "en", "tags": []string{"x"}}},
			doc{uri: "c", texts: []string{"alpha"}, metadata: map[string]any{"year": float64(2024), "lang": "ar", "tags": []string{"x"}}})
		wantURIs(t, "three conditions", words(t, s, tenant, retrieval.LegQuery{Text: "alpha", Filter: retrieval.Filter{
			{Field: "year", Op: retrieval.Greater, Value: float64(2021)}, {Field: "lang", Op: retrieval.Equal, Value: "en"}, {Field: "tags", Op: retrieval.Equal, Value: "x"}}}), "b")
		wantURIs(t, "two of one field", words(t, s, tenant, retrieval.LegQuery{Text: "alpha", Filter: retrieval.Filter{
			{Field: "tags", Op: retrieval.Equal, Value: "x"}, {Field: "tags", Op: retrieval.Equal, Value: "y"}}}), "a")
		var many retrieval.Filter
		for range 32 {
			many = append(many, retrieval.Condition{Field: "year", Op: retrieval.GreaterOrEqual, Value: float64(2024)})
		}
		wantURIs(t, "32 conditions", words(t, s, tenant, retrieval.LegQuery{Text: "alpha", Filter: many}), "b", "c")
	},
	"nothing of a filter is run": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "plain", texts: []string{"alpha"}, metadata: map[string]any{"f": "v"}})
		for _, bad := range injections {
			for _, f := range []retrieval.Filter{
				filtered("f", retrieval.Equal, bad), filtered("f", retrieval.In, []string{bad}), filtered(bad, retrieval.Equal, "v"),
				filtered(bad, retrieval.Exists, true), filtered("uri", retrieval.Equal, bad), filtered(bad, retrieval.Equal, bad),
			} {
				q := retrieval.LegQuery{Text: "alpha", Vector: vectorOf("alpha"), Filter: f}
				wantURIs(t, "before: "+bad, words(t, s, tenant, q))
				wantURIs(t, "before: "+bad, nearest(t, s, tenant, q))
			}
		}
		for _, bad := range injections {
			mustPut(t, s, tenant, "docs", doc{uri: bad, texts: []string{"alpha"}, metadata: map[string]any{"f": bad, bad: bad}})
		}
		for _, bad := range injections {
			for _, f := range []retrieval.Filter{
				filtered("f", retrieval.Equal, bad), filtered("f", retrieval.In, []string{bad}), filtered(bad, retrieval.Equal, bad),
				filtered(bad, retrieval.Exists, true), filtered("uri", retrieval.Equal, bad),
			} {
				wantURIs(t, bad, words(t, s, tenant, retrieval.LegQuery{Text: "alpha", Filter: f}), bad)
			}
		}
	},
	"a filter that makes no sense is refused": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "a", texts: []string{"alpha"}})
		for _, field := range []string{"f", "uri"} {
			for _, f := range []retrieval.Filter{
				filtered(field, "", "x"), filtered(field, "like", "x"), filtered(field, "= 1 OR 1", "x"), filtered(field, retrieval.Equal, nil),
				filtered(field, retrieval.Equal, []string{"x"}), filtered(field, retrieval.Equal, map[string]any{}), filtered(field, retrieval.Equal, math.NaN()),
				filtered(field, retrieval.Equal, math.Inf(1)), filtered(field, retrieval.Less, true), filtered(field, retrieval.Less, []string{"x"}),
				filtered(field, retrieval.In, "x"), filtered(field, retrieval.In, []any{nil}), filtered(field, retrieval.In, []any{[]any{"x"}}),
				filtered(field, retrieval.Exists, "true"), filtered(field, retrieval.Exists, nil),
			} {
				q := withDefaults(retrieval.LegQuery{Text: "alpha", Vector: vectorOf("alpha"), Filter: f})
				_, err := s.SearchText(t.Context(), tenant, q)
				wantFault(t, "SearchText: "+string(f[0].Op), err, fault.InvalidArgument, fault.ReasonBadRequest)
				_, err = s.SearchVector(t.Context(), tenant, q)
				wantFault(t, "SearchVector: "+string(f[0].Op), err, fault.InvalidArgument, fault.ReasonBadRequest)
			}
		}
		_, err := s.SearchText(t.Context(), tenant, withDefaults(retrieval.LegQuery{Text: "alpha", Filter: filtered("", retrieval.Equal, "x")}))
		wantFault(t, "an empty field", err, fault.InvalidArgument, fault.ReasonBadRequest)
	},
}

var labelTests = map[string]func(t *testing.T, s Store){
	"nothing above the ceiling": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		all := []label.Label{label.Public, label.Internal, label.Confidential, label.Restricted}
		for _, l := range all {
			mustPut(t, s, tenant, "docs", doc{uri: l.String(), label: l, texts: []string{"alpha " + l.String()}})
		}
		for i, ceiling := range all {
			want := label.Names()[:i+1]
			q := retrieval.LegQuery{Text: "alpha", Vector: vectorOf("alpha"), MaxLabel: ceiling}
			wantURIs(t, "words", words(t, s, tenant, q), append([]string(nil), want...)...)
			wantURIs(t, "vector", nearest(t, s, tenant, q), append([]string(nil), want...)...)
		}
	},
	"no ceiling is no clearance": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "a", label: label.Public, texts: []string{"alpha"}})
		q := retrieval.LegQuery{Collection: "docs", Text: "alpha", Vector: vectorOf("alpha"), Limit: 10}
		if leg, err := s.SearchText(t.Context(), tenant, q); err != nil || len(leg.Hits) != 0 {
			t.Errorf("words: %+v, %v", leg, err)
		}
		if leg, err := s.SearchVector(t.Context(), tenant, q); err != nil || len(leg.Hits) != 0 {
			t.Errorf("vector: %+v, %v", leg, err)
		}
	},
	"a label that rises hides the document": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		q := retrieval.LegQuery{Text: "alpha", Vector: vectorOf("alpha"), MaxLabel: label.Internal}
		for _, l := range []label.Label{label.Internal, label.Restricted, label.Public} {
			mustPut(t, s, tenant, "docs", doc{uri: "a", label: l, texts: []string{"alpha"}})
			var want []string
			if l <= label.Internal {
				want = []string{"a"}
			}
			wantURIs(t, "words at "+l.String(), words(t, s, tenant, q), want...)
			wantURIs(t, "vector at "+l.String(), nearest(t, s, tenant, q), want...)
		}
	},
}
