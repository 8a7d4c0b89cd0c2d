package sqlite

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

func TestMatchQuery(t *testing.T) {
	for text, want := range map[string]string{
		"":                               ``,
		"?!":                             ``,
		"The boundary layer, of a wing?": `"boundary" OR "layer" OR "wing"`,
		"what is that":                   `"what" OR "is" OR "that"`,
		"Layer layer LAYER":              `"Layer"`,
		`a "quoted" AND NOT b*`:          `"quoted" OR "not" OR "b"`,
		"x-15 don't":                     `"x" OR "15" OR "don" OR "t"`,
		"北京大学":                           `"北 京" OR "京 大" OR "大 学"`,
		"京":                              `"京"`,
		"在 AI 领域":                        `"在" OR "AI" OR "领 域"`,
		"الكِتَابُ والقطة":               `"كتاب" OR "قط"`,
		"a\x00b":                         `"b"`,
	} {
		if got := matchQuery(text); !strings.EqualFold(got, want) {
			t.Errorf("matchQuery(%q) = %s, want %s", text, got, want)
		}
	}
	if n := strings.Count(matchQuery(strings.Repeat("ab cd ", 3)+manyWords(500)), " OR ") + 1; n != maxTerms {
		t.Errorf("%d terms of 500, want %d", n, maxTerms)
	}
}

func manyWords(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat("x", i%7+1) + string(rune('a'+i%26)) + string(rune('a'+i/26)) + " ")
	}
	return b.String()
}

func TestAnalyse(t *testing.T) {
	for text, want := range map[string]string{
		"Plain ASCII, as it is.":    "Plain ASCII, as it is.",
		"café":                      "café",
		"东京 tower":                  " 东  京  tower",
		"الْمَدْرَسَةُ":             "مدرس",
		"والمدارس":                  "مدارس",
		"إسلام":                     "اسلام",
		"كـــتاب":                   "كتاب",
		"שָׁלוֹם":                   "שלום",
		"mixed العربية and English": "mixed عرب and English",
	} {
		if got := analyse(text); got != want {
			t.Errorf("analyse(%q) = %q, want %q", text, got, want)
		}
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
		if err := s.DocumentPut(t.Context(), "t", d, []retrieval.Passage{{ID: "p", Text: text}}, nil); err != nil {
			t.Fatal(fault.Cause(err))
		}
		leg, err := s.SearchText(t.Context(), "t", retrieval.LegQuery{Collection: "docs", Text: text, Limit: 1, MaxLabel: label.Public})
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		if hasASCIIWord(text) && len(leg.Hits) != 1 {
			t.Errorf("%q is not found by its own words: %s", text, leg.Seen)
		}
		got, err := s.PassagesGet(t.Context(), "t", "docs", []string{"p"})
		if err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		if utf8.ValidString(text) && got[0].Text != text {
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
