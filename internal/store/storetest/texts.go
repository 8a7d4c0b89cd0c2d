package storetest

import (
	"strings"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator/record"
	"fairlead/providers"
	"fairlead/retrieval"
)

// notTexts are what a caller may send and not every database keeps to the byte: then none does.
var notTexts = []string{"a\x00b", "\x00", "\xff\xfe", "a\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80"}

var textTests = map[string]func(t *testing.T, s Store){
	"a document that holds what is no text is refused": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "there", texts: []string{"alpha"}})
		for _, bad := range notTexts {
			for where, spoil := range map[string]func(d *retrieval.Document, p []retrieval.Passage){
				"its id":                func(d *retrieval.Document, _ []retrieval.Passage) { d.ID = bad },
				"its uri":               func(d *retrieval.Document, _ []retrieval.Passage) { d.URI = bad },
				"its title":             func(d *retrieval.Document, _ []retrieval.Passage) { d.Title = bad },
				"its media type":        func(d *retrieval.Document, _ []retrieval.Passage) { d.MediaType = bad },
				"its language":          func(d *retrieval.Document, _ []retrieval.Passage) { d.Language = bad },
				"its hash":              func(d *retrieval.Document, _ []retrieval.Passage) { d.ContentHash = bad },
				"its fingerprint":       func(d *retrieval.Document, _ []retrieval.Passage) { d.Fingerprint = bad },
				"its text":              func(d *retrieval.Document, _ []retrieval.Passage) { d.Text = bad },
				"what made its vectors": func(d *retrieval.Document, _ []retrieval.Passage) { d.EmbeddedBy = bad },
				"a key":                 func(d *retrieval.Document, _ []retrieval.Passage) { d.Metadata = map[string]any{bad: "v"} },
				"a value":               func(d *retrieval.Document, _ []retrieval.Passage) { d.Metadata = map[string]any{"k": bad} },
				"an item": func(d *retrieval.Document, _ []retrieval.Passage) {
					d.Metadata = map[string]any{"k": []string{"v", bad}}
				},
				"a passage's id":   func(_ *retrieval.Document, p []retrieval.Passage) { p[1].ID = bad },
				"a passage's text": func(_ *retrieval.Document, p []retrieval.Passage) { p[1].Text = bad },
				"a heading":        func(_ *retrieval.Document, p []retrieval.Passage) { p[1].Heading = []string{"h", bad} },
			} {
				d, p, v := doc{uri: "new", texts: []string{"beta", "gamma"}}.build("docs")
				spoil(&d, p)
				err := s.DocumentPut(t.Context(), tenant, d, p, v)
				wantFault(t, where, err, fault.InvalidArgument, fault.ReasonBadRequest)
				if err != nil && strings.Contains(err.Error(), bad) {
					t.Errorf("%s: the error holds what is no text", where)
				}
			}
		}
		if c, err := s.CollectionGet(t.Context(), tenant, "docs"); err != nil || c.Documents != 1 || c.Passages != 1 {
			t.Errorf("counts are %+v, %v", c, err)
		}
	},
	"what is no text is nothing's name": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "a", texts: []string{"alpha"}})
		ctx := t.Context()
		for _, bad := range notTexts {
			c := collection(bad)
			wantFault(t, "CollectionInsert", s.CollectionInsert(ctx, tenant, c), fault.InvalidArgument, fault.ReasonBadRequest)
			c = collection("more")
			c.Description = bad
			wantFault(t, "CollectionInsert", s.CollectionInsert(ctx, tenant, c), fault.InvalidArgument, fault.ReasonBadRequest)
			_, err := s.CollectionGet(ctx, tenant, bad)
			wantFault(t, "CollectionGet", err, fault.NotFound, fault.ReasonUnknownColl)
			_, err = s.CollectionDelete(ctx, tenant, bad)
			wantFault(t, "CollectionDelete", err, fault.NotFound, fault.ReasonUnknownColl)
			_, err = s.DocumentGet(ctx, tenant, bad, "a")
			wantFault(t, "DocumentGet", err, fault.NotFound, fault.ReasonUnknownColl)
			_, err = s.DocumentGet(ctx, tenant, "docs", bad)
			wantFault(t, "DocumentGet", err, fault.NotFound, fault.ReasonUnknownDocument)
			wantFault(t, "DocumentDelete", s.DocumentDelete(ctx, tenant, "docs", bad), fault.NotFound, fault.ReasonUnknownDocument)
			if print, n, err := s.DocumentFingerprint(ctx, tenant, "docs", bad); err != nil || print != "" || n != 0 {
				t.Errorf("DocumentFingerprint = %q, %d, %v", print, n, err)
			}
			if ps, err := s.PassagesGet(ctx, tenant, "docs", []string{bad, passageID("a", 0)}); err != nil || len(ps) != 1 {
				t.Errorf("PassagesGet gives %d, %v", len(ps), err)
			}
			if m, err := s.SessionMessages(ctx, tenant, bad, 10); err != nil || len(m) != 0 {
				t.Errorf("SessionMessages gives %d, %v", len(m), err)
			}
			if l, err := s.SessionLabel(ctx, tenant, bad); err != nil || l != label.Unset {
				t.Errorf("SessionLabel = %v, %v", l, err)
			}
			m := []providers.Message{providers.Text(providers.User, "x")}
			wantFault(t, "SessionAppend", s.SessionAppend(ctx, tenant, bad, label.Internal, m), fault.InvalidArgument, fault.ReasonBadRequest)
			wantFault(t, "DecisionsAppend", s.DecisionsAppend(ctx, tenant, []record.Decision{decision(tenant, bad, 1, 0)}), fault.InvalidArgument, fault.ReasonBadRequest)
		}
	},
	"a filter with what is no text is refused": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "a", texts: []string{"alpha"}, metadata: map[string]any{"f": "v"}})
		for _, bad := range notTexts {
			for _, f := range []retrieval.Filter{
				filtered("f", retrieval.Equal, bad), filtered("f", retrieval.NotEqual, bad), filtered("f", retrieval.Less, bad), filtered("f", retrieval.In, []string{"v", bad}),
				filtered("uri", retrieval.Equal, bad), filtered("title", retrieval.In, []string{bad}), filtered(bad, retrieval.Exists, true), filtered(bad, retrieval.Equal, "v"),
			} {
				q := withDefaults(retrieval.LegQuery{Text: "alpha", Vector: vectorOf("alpha"), Filter: f})
				_, err := s.SearchText(t.Context(), tenant, q)
				wantFault(t, "SearchText", err, fault.InvalidArgument, fault.ReasonBadRequest)
				_, err = s.SearchVector(t.Context(), tenant, q)
				wantFault(t, "SearchVector", err, fault.InvalidArgument, fault.ReasonBadRequest)
			}
		}
	},
	"a message may hold anything": func(t *testing.T, s Store) {
		in := []providers.Message{providers.Text(providers.User, "a\x00b"), providers.Text(providers.Assistant, "\u0000 \u2028 \\u0000")}
		mustAppend(t, s, "s", label.Internal, in...)
		wantMessages(t, s, "s", 10, in...)
	},
	"long texts in metadata": func(t *testing.T, s Store) {
		// They differ only far from their beginnings, in letters of several bytes.
		long := func(end string) string { return strings.Repeat("ключ", 900) + end }
		mustInsert(t, s, tenant, collection("docs"))
		for _, end := range []string{"", "a", "b", "bb"} {
			mustPut(t, s, tenant, "docs", doc{uri: "ends " + end, title: long(end), texts: []string{"alpha"}, metadata: map[string]any{"f": long(end), "l": []string{"x", long(end)}}})
		}
		mustPut(t, s, tenant, "docs", doc{uri: "short", title: "ключ", texts: []string{"alpha"}, metadata: map[string]any{"f": "ключ", "l": []string{"ключ"}}})
		for _, field := range []string{"f", "title"} {
			for _, c := range []struct {
				op    retrieval.Op
				value any
				want  []string
			}{
				{retrieval.Equal, long("b"), []string{"ends b"}},
				{retrieval.Equal, long("c"), nil},
				{retrieval.NotEqual, long("b"), []string{"ends ", "ends a", "ends bb", "short"}},
				{retrieval.Less, long("b"), []string{"ends ", "ends a", "short"}},
				{retrieval.LessOrEqual, long("b"), []string{"ends ", "ends a", "ends b", "short"}},
				{retrieval.Greater, long("a"), []string{"ends b", "ends bb"}},
				{retrieval.GreaterOrEqual, long("b"), []string{"ends b", "ends bb"}},
				{retrieval.Greater, "ключ", []string{"ends ", "ends a", "ends b", "ends bb"}},
				{retrieval.In, []string{long("a"), long("bb"), "zzz"}, []string{"ends a", "ends bb"}},
			} {
				q := retrieval.LegQuery{Text: "alpha", Vector: vectorOf("alpha"), Filter: filtered(field, c.op, c.value)}
				wantURIs(t, "words: "+field+" "+string(c.op), words(t, s, tenant, q), append([]string(nil), c.want...)...)
				wantURIs(t, "vector: "+field+" "+string(c.op), nearest(t, s, tenant, q), append([]string(nil), c.want...)...)
			}
		}
		wantURIs(t, "an item", words(t, s, tenant, retrieval.LegQuery{Text: "alpha", Filter: filtered("l", retrieval.Equal, long("a"))}), "ends a")
	},
}
