package sqlite

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/store/form"
	"fairlead/retrieval"
	"fairlead/retrieval/analysis"
)

func TestMatchQuery(t *testing.T) {
	for text, want := range map[string]string{
		"":                             ``,
		"?!":                           ``,
		`a "quoted" AND NOT b* layers`: `"quoted" OR "quot" OR "not" OR "b" OR "layers" OR "layer"`,
		"ERR_4711 in NEAR(a b, 2)":     `"err" OR "4711" OR "err_4711" OR "near" OR "b" OR "2"`,
	} {
		if got := matchQuery(analysis.Query(text, []string{"", "en"})); got != want {
			t.Errorf("matchQuery(%q) = %s, want %s", text, got, want)
		}
	}
}

// TestTermsComeBackOneToOne holds that FTS5's tokenizer gives back what it is fed.
func TestTermsComeBackOneToOne(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a.db"))
	docs(t, s)
	const text = `ERR_CONN_4711 v1.2.3 a-b-c C:\dir\file.go:12 jane.doe+tag@example.com C++ AT&T#1 1,000.5 北京大学 タワー l'été Straße हिन्दी
		กรุงเทพ שָׁלוֹם والمدارس Καλημέρα Ёлка İstanbul x² ½ Ⅷ 𝔘𝔫𝔦 \U000f0000 e\u0301 don't "quoted" it's`
	put(t, s, "a", text)
	if _, err := s.writer.Exec("CREATE VIRTUAL TABLE seen USING fts5vocab(lexicon_1, 'instance')"); err != nil {
		t.Fatal(err)
	}
	rows, err := s.writer.Query("SELECT term FROM seen WHERE col = 'text' ORDER BY offset")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := each(rows, func() error {
		var term string
		err := rows.Scan(&term)
		got = append(got, term)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Collect(analysis.Terms(text, "")), got); diff != "" {
		t.Errorf("the index holds other terms (-fed +held):\n%s", diff)
	}
}

func TestScriptsWithoutSpacesAndArabicForms(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "a.db"))
	docs(t, s)
	put(t, s, "zh", "北京大学位于北京市海淀区。")
	put(t, s, "ja", "東京タワーは港区にあります")
	put(t, s, "ko", "서울에는 한강이 흐릅니다")
	put(t, s, "th", "กรุงเทพมหานครเป็นเมืองหลวง")
	put(t, s, "ar", "ذهب الطلاب إلى المدرسة")
	for query, want := range map[string]string{
		"海淀": "zh", "大学在哪里": "zh", "区在海淀": "zh", "タワー": "ja", "한강": "ko", "เมือง": "th",
		"مدرسة": "ar", "والمَدْرَسَة": "ar", "الى المدرسه": "ar",
	} {
		leg, err := s.SearchText(t.Context(), "t", retrieval.LegQuery{Collection: "docs", Text: query, Limit: 1, MaxLabel: label.Restricted})
		if err != nil || len(leg.Hits) != 1 || leg.Hits[0].Passage.URI != want {
			t.Errorf("%q finds %+v, %v, want %s", query, leg, err, want)
		}
	}
}

// FuzzSearchText holds that no text is syntax to the index, and that a stored text is found by its own words.
func FuzzSearchText(f *testing.F) {
	s, err := Open(f.Context(), Config{Path: filepath.Join(f.TempDir(), "fuzz.db")})
	if err != nil {
		f.Fatal(fault.Cause(err))
	}
	f.Cleanup(func() { _ = s.Close() })
	if err := s.CollectionInsert(f.Context(), "t", retrieval.Collection{Name: "docs", Dimensions: 0}); err != nil {
		f.Fatal(fault.Cause(err))
	}
	for _, seed := range []string{"", "alpha beta", `"`, `" OR "`, "NEAR(a b, 2)", "title:x*", "a\x00b", "\xff\xfe", "北京大学", "الكتاب", "שָׁלוֹם", "e\u0301", "👨‍👩‍👧", "ก็", "한국어", "\u0345", "ǆ", "½ ²", "\U000E0100x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			t.Skip()
		}
		d := retrieval.Document{ID: "d", URI: "d", Collection: "docs", Label: label.Public, Text: text}
		put := s.DocumentPut(t.Context(), "t", d, []retrieval.Passage{{ID: "p", Text: text}}, nil)
		leg, err := s.SearchText(t.Context(), "t", retrieval.LegQuery{Collection: "docs", Text: text, Limit: 1, MaxLabel: label.Public})
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		if !form.Text(text) { // a query may be anything; what is stored is text
			if fault.CodeOf(put) != fault.InvalidArgument || len(leg.Hits) != 0 {
				t.Errorf("%q is stored: %v, %+v", text, put, leg.Hits)
			}
			return
		}
		if put != nil {
			t.Fatal(fault.Cause(put))
		}
		if hasASCIIWord(text) && len(leg.Hits) != 1 {
			t.Errorf("%q is not found by its own words: %s", text, leg.Seen)
		}
		got, err := s.PassagesGet(t.Context(), "t", "docs", []string{"p"})
		if err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		if got[0].Text != text {
			t.Errorf("%q came back as %q", text, got[0].Text)
		}
		// Taking it out again must leave the index sound.
		if err := s.DocumentDelete(t.Context(), "t", "docs", "d"); err != nil {
			t.Fatal(fault.Cause(err))
		}
		if _, err := s.writer.Exec("INSERT INTO lexicon_1 (lexicon_1) VALUES ('integrity-check')"); err != nil {
			t.Errorf("after %q the index is unsound: %v", text, err)
		}
		var terms int
		if err := s.writer.QueryRow("SELECT count(*) FROM lexicon_1_docsize").Scan(&terms); err != nil || terms != 0 {
			t.Errorf("%d rows are left in the index, %v", terms, err)
		}
	})
}

// hasASCIIWord says whether the text has a word of three ASCII letters or digits that stands alone, so that
// no rule about other scripts is needed to know that it is one.
func hasASCIIWord(text string) bool {
	for w := range strings.FieldsSeq(text) {
		ok := len(w) >= 3 && len(w) <= 20
		for i := range len(w) {
			c := w[i] | 0x20
			ok = ok && (c >= 'a' && c <= 'z')
		}
		if ok {
			return true
		}
	}
	return false
}
