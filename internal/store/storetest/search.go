package storetest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

var passageTests = map[string]func(t *testing.T, s Store){
	"every field comes out, however it is found": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		in := doc{uri: "a", title: "The title", label: label.Restricted, texts: []string{"first words", "alpha\nbeta"}}
		_, want, _ := in.build("docs")
		want[0].Heading = nil
		want[1].Heading = []string{"Part <1>", `a "quoted" one`, "فصل"}
		want[1].Span.Page = 12
		document, _, vectors := in.build("docs")
		if err := s.DocumentPut(t.Context(), tenant, document, want, vectors); err != nil {
			t.Fatal(fault.Cause(err))
		}
		got, err := s.PassagesGet(t.Context(), tenant, "docs", []string{want[1].ID, "nothing", want[0].ID, want[0].ID})
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		slices.SortFunc(got, func(a, b retrieval.Passage) int { return a.Ordinal - b.Ordinal })
		if diff := cmp.Diff(want, got, approximately); diff != "" {
			t.Errorf("PassagesGet (-want +got):\n%s", diff)
		}
		for leg, hits := range map[string][]retrieval.Hit{
			"words":  words(t, s, tenant, retrieval.LegQuery{Text: "alpha"}),
			"vector": nearest(t, s, tenant, retrieval.LegQuery{Vector: vectors[1], Limit: 1}),
		} {
			if len(hits) != 1 {
				t.Errorf("by %s: %d hits", leg, len(hits))
			} else if diff := cmp.Diff(want[1], hits[0].Passage); diff != "" {
				t.Errorf("by %s (-want +got):\n%s", leg, diff)
			}
		}
	},
	"no ids, no passages": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		for _, ids := range [][]string{nil, {}, {""}, {"' OR '1'='1", `"`, `\`}} {
			if got, err := s.PassagesGet(t.Context(), tenant, "docs", ids); err != nil || len(got) != 0 {
				t.Errorf("PassagesGet(%q) = %d, %v", ids, len(got), err)
			}
		}
	},
}

// queries are texts that an index might take for syntax.
var queries = []string{
	`"`, `""`, `'`, `"unbalanced`, "alpha AND", "AND", "OR OR", "NOT alpha", "NEAR(alpha beta)", "NEAR/3", "title:alpha", "alpha*", "^alpha",
	"{alpha beta}:gamma", "-alpha", "+alpha", "alpha + beta", "(alpha", "alpha)", "a:b:c", "&", "|", "!", "alpha & | !", "alpha:*", "<->", "alpha <-> beta",
	`\`, `alpha\`, `';--`, "x' OR '1'='1", "%", "_", "?", "?1", "$1", ":a", "@a", "alpha\x00beta", "\x00", "\xff\xfe", "alpha\xff", "\u202e", "👨‍👩‍👧‍👦", "٣", "½", "ﬁ",
	strings.Repeat("alpha ", 3000), strings.Repeat("a", 5000), strings.Repeat(`"(`, 500), strings.Repeat("北京", 400),
}

var wordTests = map[string]func(t *testing.T, s Store){
	"any word of the query will do, and more are better": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "both", texts: []string{"the pump and the valve of the engine"}}, doc{uri: "one", texts: []string{"the pump is red and rather heavy"}},
			doc{uri: "none", texts: []string{"nothing of the kind here at all"}})
		hits := words(t, s, tenant, retrieval.LegQuery{Text: "which pump or valve?"})
		wantURIs(t, "pump or valve", hits, "both", "one")
		if len(hits) > 0 && hits[0].Passage.URI != "both" {
			t.Errorf("the best is %s", hits[0].Passage.URI)
		}
		for _, h := range hits {
			if h.LexicalScore <= 0 {
				t.Errorf("%s scores %v, want more than 0", h.Passage.URI, h.LexicalScore)
			}
			if h.VectorRank != 0 || h.VectorScore != 0 {
				t.Errorf("%s has a rank by vector", h.Passage.URI)
			}
		}
	},
	"English words are found in their other forms": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "a", texts: []string{"Connections are CLOSED when idle"}})
		for _, q := range []string{"connection", "connected", "closing", "Idle"} {
			wantURIs(t, q, words(t, s, tenant, retrieval.LegQuery{Text: q}), "a")
		}
	},
	"titles and headings count": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		d := doc{uri: "a", title: "Zebra manual", texts: []string{"plain text"}}
		document, passages, vectors := d.build("docs")
		passages[0].Heading = []string{"Feeding giraffes"}
		if err := s.DocumentPut(t.Context(), tenant, document, passages, vectors); err != nil {
			t.Fatal(fault.Cause(err))
		}
		wantURIs(t, "title", words(t, s, tenant, retrieval.LegQuery{Text: "zebra"}), "a")
		wantURIs(t, "heading", words(t, s, tenant, retrieval.LegQuery{Text: "giraffe"}), "a")
	},
	"a text without a word finds nothing": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "a", texts: []string{"alpha"}})
		for _, q := range []string{"", " ", "?!.,;", "\n\t", "👍"} {
			wantURIs(t, q, words(t, s, tenant, retrieval.LegQuery{Text: q}))
		}
	},
	"stop words alone are words": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "a", texts: []string{"the who"}}, doc{uri: "b", texts: []string{"another band"}})
		leg, err := s.SearchText(t.Context(), tenant, withDefaults(retrieval.LegQuery{Text: "The Who"}))
		if err != nil || leg.Seen == "" {
			t.Errorf("got %+v, %v", leg, err)
		}
	},
	"no text is syntax": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "a", texts: []string{"alpha beta"}}, doc{uri: "b", texts: []string{"gamma"}})
		for _, q := range queries {
			hits := words(t, s, tenant, retrieval.LegQuery{Text: q})
			if has := slices.Contains(strings.FieldsFunc(q, func(r rune) bool { return r < 'a' || r > 'z' }), "alpha"); has && !slices.Contains(uris(hits), "a") {
				t.Errorf("%.40q does not find the document with alpha", q)
			}
			if len(uris(hits)) > 1 && !strings.Contains(q, "gamma") {
				t.Errorf("%.40q finds %v", q, uris(hits))
			}
		}
	},
	"the query as the index saw it": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		leg, err := s.SearchText(t.Context(), tenant, withDefaults(retrieval.LegQuery{Text: "the boundary layer"}))
		if err != nil || !strings.Contains(leg.Seen, "boundar") || !strings.Contains(leg.Seen, "layer") {
			t.Errorf("got %+v, %v", leg, err)
		}
	},
	"other scripts": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs",
			doc{uri: "ar", texts: []string{"الكِتَابُ على الطاولة"}}, doc{uri: "ru", texts: []string{"Привет, мир"}},
			doc{uri: "fr", texts: []string{"un café très français"}}, doc{uri: "el", texts: []string{"Καλημέρα κόσμε"}}, doc{uri: "he", texts: []string{"שָׁלוֹם עולם"}})
		for q, want := range map[string]string{"الكتاب": "ar", "ПРИВЕТ": "ru", "café": "fr", "κόσμε": "el", "עולם": "he"} {
			wantURIs(t, q, words(t, s, tenant, retrieval.LegQuery{Text: q}), want)
		}
	},
	"a limit keeps the best": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		for i := range 12 {
			mustPut(t, s, tenant, "docs", doc{uri: fmt.Sprintf("%02d", i), texts: []string{strings.Repeat("alpha ", i+1) + strings.Repeat("filler ", 12-i)}})
		}
		all := words(t, s, tenant, retrieval.LegQuery{Text: "alpha"})
		some := words(t, s, tenant, retrieval.LegQuery{Text: "alpha", Limit: 5})
		if len(all) != 12 || len(some) != 5 {
			t.Fatalf("%d and %d hits, want 12 and 5", len(all), len(some))
		}
		if diff := cmp.Diff(all[:5], some); diff != "" {
			t.Errorf("the first five of all, and five (-all +five):\n%s", diff)
		}
	},
}

var vectorTests = map[string]func(t *testing.T, s Store){
	"the score is the cosine": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		v := func(x ...float32) []float32 { return append(x, make([]float32, dimensions-len(x))...) }
		mustPut(t, s, tenant, "docs",
			doc{uri: "same", texts: []string{"a"}, vectors: [][]float32{v(300, 400)}},
			doc{uri: "near", texts: []string{"b"}, vectors: [][]float32{v(1)}},
			doc{uri: "across", texts: []string{"c"}, vectors: [][]float32{v(0, 0, 1e-9)}},
			doc{uri: "opposite", texts: []string{"d"}, vectors: [][]float32{v(-3, -4)}},
			doc{uri: "none", texts: []string{"e"}, vectors: [][]float32{v()}})
		want := map[string]float64{"same": 1, "near": 0.6, "across": 0, "opposite": -1, "none": 0}
		for _, scale := range []float32{1, 1e-12, 1e12} {
			hits := nearest(t, s, tenant, retrieval.LegQuery{Vector: v(3*scale, 4*scale)})
			for _, h := range hits {
				if math.Abs(h.VectorScore-want[h.Passage.URI]) > 1e-5 {
					t.Errorf("%s scores %v, want %v", h.Passage.URI, h.VectorScore, want[h.Passage.URI])
				}
				if h.LexicalRank != 0 || h.LexicalScore != 0 {
					t.Errorf("%s has a rank by words", h.Passage.URI)
				}
			}
			if len(hits) < 4 || hits[0].Passage.URI != "same" || hits[1].Passage.URI != "near" {
				t.Errorf("scale %v: found %d, not in order", scale, len(hits))
			}
		}
		if hits := nearest(t, s, tenant, retrieval.LegQuery{Vector: v()}); len(hits) != 0 {
			t.Errorf("the zero vector finds %d", len(hits))
		}
	},
	"lengths may differ between collections": func(t *testing.T, s Store) {
		for _, n := range []int{1, 2, 3, 31, 384, 1536, 3072} {
			c := collection(fmt.Sprint("c", n))
			c.Dimensions = n
			mustInsert(t, s, tenant, c)
			v := make([]float32, n)
			v[n-1] = 1
			mustPut(t, s, tenant, c.Name, doc{uri: "a", texts: []string{"alpha"}, vectors: [][]float32{v}})
			if hits := nearest(t, s, tenant, retrieval.LegQuery{Collection: c.Name, Vector: v}); len(hits) != 1 || math.Abs(hits[0].VectorScore-1) > 1e-5 {
				t.Errorf("%d dimensions: %+v", n, hits)
			}
		}
	},
	"many passages: the nearest are found": manyPassages,
	"a rare filter finds all it should":    rareFilter,
}
