package storetest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
	"fairlead/retrieval/analysis"
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
		mustPut(t, s, tenant, "docs", doc{uri: "a", language: "en", texts: []string{"Connections are CLOSED when idle"}})
		for _, q := range []string{"connection", "connected", "closing", "Idle"} {
			wantURIs(t, q, words(t, s, tenant, retrieval.LegQuery{Text: q}), "a")
		}
	},
	"titles and headings count": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		d := doc{uri: "a", title: "Zebra manual", language: "en", texts: []string{"plain text"}}
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
	"languages side by side": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs",
			doc{uri: "de", language: "de", title: "Handbuch", texts: []string{"Alle Urlaubsanträge prüft die Straßenmeisterei", "Die Häuser der Gäste"}},
			doc{uri: "fr", language: "fr", texts: []string{"Pendant l'été, les chevaux et les qualités nationales"}},
			doc{uri: "en", language: "en", texts: []string{"Pumps were connected to John's engines"}},
			doc{uri: "ar", language: "ar", texts: []string{"ذهب الطلاب إلى المدرسة"}},
			doc{uri: "ja", language: "ja", texts: []string{"東京タワーは港区にあります"}},
			doc{uri: "fa", language: "fa", texts: []string{"این کتاب خوب است"}},
			doc{uri: "none", texts: []string{"Nightly pumpings of the werehouse"}})
		for q, want := range map[string]string{
			"Urlaubsantrag": "de", "strassenmeisterei": "de", "Haus eines Gastes": "de", "handbücher": "de",
			"été": "fr", "ETE": "fr", "l’été": "fr", "qualité": "fr", "nationale": "fr",
			"pump": "en", "connection of an engine": "en", "john": "en",
			"المدارس والمدرسة": "ar", "الى المدرسه": "ar", "طلاب": "ar",
			"タワー": "ja", "東京": "ja", "京": "ja", "港区": "ja", "کتاب": "fa",
			"werehouse": "none", "pumpings": "en none", "werehouses": "",
		} {
			wantURIs(t, q, words(t, s, tenant, retrieval.LegQuery{Text: q}), strings.Fields(want)...)
		}
	},
	"a language goes with its document": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		languages := func(what string, want ...string) {
			t.Helper()
			c, err := s.CollectionGet(t.Context(), tenant, "docs")
			if err != nil {
				t.Fatal(fault.Cause(err))
			}
			list, err := s.CollectionList(t.Context(), tenant)
			if err != nil || len(list) != 1 {
				t.Fatal(list, fault.Cause(err))
			}
			for by, got := range map[string][]string{"CollectionGet": c.Languages, "CollectionList": list[0].Languages} {
				if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s: languages by %s (-want +got):\n%s", what, by, diff)
				}
			}
		}
		languages("nothing")
		mustPut(t, s, tenant, "docs", doc{uri: "a", language: "de", texts: []string{"Häuser"}}, doc{uri: "b", texts: []string{"x"}},
			doc{uri: "c", language: "ar", texts: []string{"x"}}, doc{uri: "d", language: "de", texts: []string{"x"}})
		languages("four documents", "", "ar", "de")
		d, err := s.DocumentGet(t.Context(), tenant, "docs", "a")
		if err != nil || d.Language != "de" {
			t.Errorf("DocumentGet: %+v, %v", d, err)
		}
		wantURIs(t, "as German", words(t, s, tenant, retrieval.LegQuery{Text: "haus"}), "a")
		mustPut(t, s, tenant, "docs", doc{uri: "a", language: "en", texts: []string{"Häuser"}})
		wantURIs(t, "as English", words(t, s, tenant, retrieval.LegQuery{Text: "haus"}))
		for _, uri := range []string{"b", "d"} {
			if err := s.DocumentDelete(t.Context(), tenant, "docs", uri); err != nil {
				t.Fatal(fault.Cause(err))
			}
		}
		languages("another language, and some gone", "ar", "en")
	},
	"identifiers are found whole and by part": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs",
			doc{uri: "log", language: "en", texts: []string{"it failed with ERR_CONN_4711, see src/net/dialBackends.go:12"}},
			doc{uri: "other", language: "en", texts: []string{"the error of a conn is 4711 or so, err"}},
			doc{uri: "code", texts: []string{"func getUserName() in v1.2.3 of build-agent-7"}},
			doc{uri: "mail", texts: []string{"ask jane.doe@example.com about C++"}})
		for q, want := range map[string]string{
			"err_conn_4711": "log other", "ERR_CONN_4711": "log other", "dialbackends": "log", "backend": "log", "dialBackends.go": "log",
			"getusername": "code", "username": "", "user": "code", "V1.2.3": "code", "build-agent-7": "code", "agent": "code",
			"jane.doe@example.com": "mail", "example.com": "mail", "doe": "mail", "c++": "mail",
		} {
			hits := words(t, s, tenant, retrieval.LegQuery{Text: q})
			wantURIs(t, q, hits, strings.Fields(want)...)
			if len(hits) > 1 && hits[0].Passage.URI != "log" {
				t.Errorf("%q: the best is %s, not the one with the whole", q, hits[0].Passage.URI)
			}
		}
	},
	"scores are those of BM25": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs",
			doc{uri: "a", title: "pump pump", texts: []string{"a pump and a valve", "nothing here"}},
			doc{uri: "b", title: "engine", texts: []string{"valve valve valve of the engine", "some more", "and more"}})
		// Every passage has the headings "Part" and "of it": three terms. IDF and lengths are of five passages.
		const mean = (2 + 3 + 5 + 2 + 3 + 2 + 1 + 3 + 6 + 1 + 3 + 2 + 1 + 3 + 2) / 5.0
		pump, valve := analysis.IDF(5, 2), analysis.IDF(5, 2)
		want := map[string]float64{
			passageID("a", 0): analysis.Score(pump, 2*analysis.TitleWeight+analysis.TextWeight, 10, mean) + analysis.Score(valve, 1, 10, mean),
			passageID("a", 1): analysis.Score(pump, 2*analysis.TitleWeight, 7, mean),
			passageID("b", 0): analysis.Score(valve, 3, 10, mean),
		}
		hits := words(t, s, tenant, retrieval.LegQuery{Text: "the pump or the valve"})
		if len(hits) != len(want) {
			t.Errorf("%d hits, want %d", len(hits), len(want))
		}
		for _, h := range hits {
			if math.Abs(h.LexicalScore-want[h.Passage.ID]) > 1e-6 {
				t.Errorf("%s scores %v, want %v", h.Passage.ID, h.LexicalScore, want[h.Passage.ID])
			}
		}
	},
	"the query as the index saw it": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		leg, err := s.SearchText(t.Context(), tenant, withDefaults(retrieval.LegQuery{Text: "the boundary layer"}))
		if err != nil || leg.Seen != "boundary layer" {
			t.Errorf("got %+v, %v", leg, err)
		}
		mustPut(t, s, tenant, "docs", doc{uri: "a", language: "en", texts: []string{"x"}}, doc{uri: "b", language: "de", texts: []string{"x"}})
		leg, err = s.SearchText(t.Context(), tenant, withDefaults(retrieval.LegQuery{Text: "the boundary layers of ERR_4711"}))
		if want := "boundary|boundari lay|layer err 4711 err_4711"; err != nil || leg.Seen != want {
			t.Errorf("got %+v, %v, want %q", leg, err, want)
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
				if math.Abs(h.VectorScore-want[h.Passage.URI]) > 1e-3 { // a store may keep vectors at half precision
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
