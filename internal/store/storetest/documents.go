package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

// texts are of every kind that a store could spoil.
var texts = map[string]string{
	"Arabic":        "الكِتَابُ على الطاولة، والقِطَّةُ تحتها",
	"Chinese":       "北京大学位于北京市海淀区。",
	"Emoji":         "a family 👨‍👩‍👧‍👦 and a flag 🏳️‍🌈",
	"combining":     "e\u0301 and é are not the same bytes",
	"quotes":        `O'Brien said "x' OR '1'='1"; DROP TABLE documents; -- \ % _ * ? ^`,
	"line ends":     "one\r\ntwo\rthree\u2028four\n\n",
	"spaces":        "  leading, trailing and \t tab  ",
	"astral":        "𝒜𝓁𝓅𝒽𝒶 𐍈",
	"bidi controls": "abc\u202Edef\u202C \u200Fghi",
	"a long one":    strings.Repeat("All work and no play. ", 5000),
}

var documentTests = map[string]func(t *testing.T, s Store){
	"what goes in comes out, by id and by uri": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		in := doc{uri: "file:///x/O'Brien %20.md", title: "A \"title\"", label: label.Confidential, texts: []string{"alpha", "beta"}, metadata: map[string]any{
			"text": "O'Brien", "number": 1.5, "whole": float64(3), "yes": true, "no": false, "list": []string{"x", "y'z"},
			"empty text": "", "none": []string{}, `odd "key' $.[0] \`: "v", "": "the empty key", "unicode ключ": "значение"}}
		want, passages, vectors := in.build("docs")
		want.CreatedAt = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
		want.UpdatedAt = want.CreatedAt.Add(time.Hour)
		if err := s.DocumentPut(t.Context(), tenant, want, passages, vectors); err != nil {
			t.Fatal(fault.Cause(err))
		}
		for _, key := range []string{want.ID, want.URI} {
			got, err := s.DocumentGet(t.Context(), tenant, "docs", key)
			if err != nil {
				t.Fatalf("DocumentGet(%q): %v", key, fault.Cause(err))
			}
			if diff := cmp.Diff(&want, got, approximately); diff != "" {
				t.Errorf("DocumentGet(%q) (-want +got):\n%s", key, diff)
			}
		}
		print, n, err := s.DocumentFingerprint(t.Context(), tenant, "docs", want.ID)
		if err != nil || print != want.Fingerprint || n != 2 {
			t.Errorf("DocumentFingerprint = %q, %d, %v", print, n, err)
		}
		print, n, err = s.DocumentFingerprint(t.Context(), tenant, "docs", "nothing")
		if err != nil || print != "" || n != 0 {
			t.Errorf("DocumentFingerprint of nothing = %q, %d, %v", print, n, err)
		}
	},
	"texts come out to the byte": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		for name, text := range texts {
			mustPut(t, s, tenant, "docs", doc{uri: name, title: name, texts: []string{text}})
			got, err := s.DocumentGet(t.Context(), tenant, "docs", name)
			if err != nil || got.Text != text {
				t.Errorf("%s: the document's text is not what it was, %v", name, err)
			}
			ps, err := s.PassagesGet(t.Context(), tenant, "docs", []string{passageID(name, 0)})
			if err != nil || len(ps) != 1 || ps[0].Text != text {
				t.Errorf("%s: the passage's text is not what it was, %v", name, err)
			}
		}
	},
	"a put replaces what was there": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		first := doc{uri: "a", title: "zebra", label: label.Public, texts: []string{"alpha", "beta", "gamma"}, metadata: map[string]any{"old": "yes", "both": "old"}}
		document, passages, vectors := first.build("docs")
		document.CreatedAt = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		if err := s.DocumentPut(t.Context(), tenant, document, passages, vectors); err != nil {
			t.Fatal(fault.Cause(err))
		}
		second := doc{uri: "a", title: "lion", label: label.Restricted, texts: []string{"delta"}, metadata: map[string]any{"new": "yes", "both": "new"}}
		mustPut(t, s, tenant, "docs", second)

		want, _, _ := second.build("docs")
		got, err := s.DocumentGet(t.Context(), tenant, "docs", "a")
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		if !got.CreatedAt.Equal(document.CreatedAt) {
			t.Errorf("CreatedAt is %v, want that of what was there", got.CreatedAt)
		}
		if !got.UpdatedAt.After(got.CreatedAt) {
			t.Errorf("UpdatedAt is %v", got.UpdatedAt)
		}
		want.CreatedAt, want.UpdatedAt = got.CreatedAt, got.UpdatedAt
		if diff := cmp.Diff(&want, got, approximately); diff != "" {
			t.Errorf("DocumentGet (-want +got):\n%s", diff)
		}
		for _, gone := range []string{"alpha", "beta", "gamma", "zebra"} {
			wantURIs(t, gone, words(t, s, tenant, retrieval.LegQuery{Text: gone}))
		}
		wantURIs(t, "delta", words(t, s, tenant, retrieval.LegQuery{Text: "delta"}), "a")
		wantURIs(t, "lion", words(t, s, tenant, retrieval.LegQuery{Text: "lion"}), "a")
		if hits := nearest(t, s, tenant, retrieval.LegQuery{Vector: vectorOf("alpha")}); len(hits) != 1 || hits[0].Passage.Text != "delta" {
			t.Errorf("by vector there are %d passages, want the new one alone", len(hits))
		}
		equal := func(key, value string) retrieval.LegQuery {
			return retrieval.LegQuery{Text: "delta", Filter: retrieval.Filter{{Field: key, Op: retrieval.Equal, Value: value}}}
		}
		wantURIs(t, "old=yes", words(t, s, tenant, equal("old", "yes")))
		wantURIs(t, "both=old", words(t, s, tenant, equal("both", "old")))
		wantURIs(t, "both=new", words(t, s, tenant, equal("both", "new")), "a")
		if ps, err := s.PassagesGet(t.Context(), tenant, "docs", []string{passageID("a", 0), passageID("a", 1)}); err != nil || len(ps) != 1 || ps[0].Text != "delta" {
			t.Errorf("PassagesGet = %+v, %v", ps, err)
		}
	},
	"the same put twice is as one": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		d := doc{uri: "a", texts: []string{"alpha", "alpha beta"}, metadata: map[string]any{"k": []string{"v", "v"}}}
		mustPut(t, s, tenant, "docs", d, d, d)
		if hits := words(t, s, tenant, retrieval.LegQuery{Text: "alpha"}); len(hits) != 2 {
			t.Errorf("by words %d hits, want 2", len(hits))
		}
		if hits := nearest(t, s, tenant, retrieval.LegQuery{Vector: vectorOf("alpha")}); len(hits) != 2 {
			t.Errorf("by vector %d hits, want 2", len(hits))
		}
	},
	"a list goes by uri, in pages": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		want := []string{"A", "Z", "a", "a/b", "a0", "b", "é", "文"} // in the order of bytes
		for _, i := range []int{3, 0, 7, 5, 2, 6, 1, 4} {
			mustPut(t, s, tenant, "docs", doc{uri: want[i], texts: []string{"text of " + want[i]}, metadata: map[string]any{"i": float64(i)}})
		}
		for _, size := range []int{1, 3, 8, 100} {
			var got []string
			after := ""
			for {
				page, err := s.DocumentList(t.Context(), tenant, "docs", after, size)
				if err != nil {
					t.Fatal(fault.Cause(err))
				}
				if len(page) > size {
					t.Fatalf("a page of %d for a limit of %d", len(page), size)
				}
				if len(page) == 0 {
					break
				}
				for _, d := range page {
					got = append(got, d.URI)
					if d.Text != "" || d.Passages != 1 || d.Metadata["i"] == nil || d.Collection != "docs" {
						t.Errorf("listed as %+v", d)
					}
				}
				after = page[len(page)-1].URI
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("pages of %d (-want +got):\n%s", size, diff)
			}
		}
	},
	"a deletion by id and by uri": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		for i, key := range []string{id("a"), "b"} {
			mustPut(t, s, tenant, "docs", doc{uri: "a", texts: []string{"alpha one"}}, doc{uri: "b", texts: []string{"alpha two"}}, doc{uri: "c", texts: []string{"alpha three"}})
			if err := s.DocumentDelete(t.Context(), tenant, "docs", key); err != nil {
				t.Fatalf("DocumentDelete(%q): %v", key, fault.Cause(err))
			}
			gone, stays := []string{"a", "b"}[i], []string{"b", "a"}[i]
			_, err := s.DocumentGet(t.Context(), tenant, "docs", gone)
			wantFault(t, "DocumentGet", err, fault.NotFound, fault.ReasonUnknownDocument)
			wantFault(t, "a second DocumentDelete", s.DocumentDelete(t.Context(), tenant, "docs", key), fault.NotFound, fault.ReasonUnknownDocument)
			wantURIs(t, "by words", words(t, s, tenant, retrieval.LegQuery{Text: "alpha"}), stays, "c")
			wantURIs(t, "by vector", nearest(t, s, tenant, retrieval.LegQuery{Vector: vectorOf("alpha one")}), stays, "c")
			if ps, err := s.PassagesGet(t.Context(), tenant, "docs", []string{passageID(gone, 0)}); err != nil || len(ps) != 0 {
				t.Errorf("PassagesGet gives %d, %v", len(ps), err)
			}
		}
	},
	"a document without passages": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "a"})
		got, err := s.DocumentGet(t.Context(), tenant, "docs", "a")
		if err != nil || got.Text != "" || got.Passages != 0 || got.Metadata != nil {
			t.Errorf("DocumentGet = %+v, %v", got, err)
		}
		wantURIs(t, "by vector", nearest(t, s, tenant, retrieval.LegQuery{Vector: vectorOf("x")}))
	},
	"languages": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		want := func(languages ...string) {
			t.Helper()
			c, err := s.CollectionGet(t.Context(), tenant, "docs")
			if err != nil {
				t.Fatal(fault.Cause(err))
			}
			if diff := cmp.Diff(languages, c.Languages, approximately); diff != "" {
				t.Errorf("CollectionGet: languages (-want +got):\n%s", diff)
			}
			list, err := s.CollectionList(t.Context(), tenant)
			if err != nil || len(list) != 1 {
				t.Fatal(len(list), err)
			}
			if diff := cmp.Diff(languages, list[0].Languages, approximately); diff != "" {
				t.Errorf("CollectionList: languages (-want +got):\n%s", diff)
			}
		}
		put := func(uri, language string) {
			t.Helper()
			d, p, v := doc{uri: uri, texts: []string{"alpha"}}.build("docs")
			d.Language = language
			if err := s.DocumentPut(t.Context(), tenant, d, p, v); err != nil {
				t.Fatal(fault.Cause(err))
			}
			if got, err := s.DocumentGet(t.Context(), tenant, "docs", uri); err != nil || got.Language != language {
				t.Errorf("DocumentGet = %+v, %v, want the language %q", got, err, language)
			}
		}
		want()
		put("a", "en")
		put("b", "de")
		put("c", "en")
		want("de", "en")
		put("d", "")
		put("e", "zh")
		want("", "de", "en", "zh")
		put("b", "en") // its language changes
		want("", "en", "zh")
		list, err := s.DocumentList(t.Context(), tenant, "docs", "c", 10)
		if err != nil || len(list) != 2 || list[0].Language != "" || list[1].Language != "zh" {
			t.Errorf("DocumentList = %+v, %v", list, err)
		}
		for _, uri := range []string{"d", "a"} {
			if err := s.DocumentDelete(t.Context(), tenant, "docs", uri); err != nil {
				t.Fatal(fault.Cause(err))
			}
		}
		want("en", "zh")
	},
	"two collections hold the same uri": func(t *testing.T, s Store) {
		for i, name := range []string{"one", "two"} {
			mustInsert(t, s, tenant, collection(name))
			mustPut(t, s, tenant, name, doc{uri: "a", title: name, texts: []string{fmt.Sprint("alpha ", i)}})
		}
		if err := s.DocumentDelete(t.Context(), tenant, "one", "a"); err != nil {
			t.Fatal(fault.Cause(err))
		}
		got, err := s.DocumentGet(t.Context(), tenant, "two", "a")
		if err != nil || got.Title != "two" {
			t.Errorf("the other is %+v, %v", got, err)
		}
		wantURIs(t, "by words", words(t, s, tenant, retrieval.LegQuery{Collection: "two", Text: "alpha"}), "a")
	},
}
