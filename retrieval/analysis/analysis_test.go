package analysis_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"fairlead/retrieval/analysis"
)

func TestTerms(t *testing.T) {
	for _, c := range []struct{ language, text, want string }{
		{"", "", ""}, {"en", " ?!.,; 👍 ❤️ ' - _ ", ""},
		{"", "The Connections, CLOSED", "the connections closed"},
		{"xx", "The Connections", "the connections"},
		{"en", "The Connections are CLOSED, generalization", "the connect are close general"},
		{"de", "Urlaubsanträge ÜBER die Straßen der Häuser", "urlaubsantrag uber die strass der haus"},
		{"fr", "l'été, L’été: les qualités", "ete ete le qualit"},
		{"en", "John's don't rock'n'roll 'x' o'clock", "john don rock roll x clock"},
		{"es", "canción canciones", "cancion cancion"},
		{"ru", "Ёлка книгами", "елк книг"},
		{"tr", "İstanbul KIZLAR ışık", "istanbul kiz isik"},
		{"el", "ΚΌΣΜΟΣ κόσμος", "κοσμοσ κοσμοσ"},
		{"", "Ａｂｃ ﬁne co\u00adop e\u0301t\u00e9 ﻛﺘﺎﺏ ｶﾞ", "abc fine coop ete كتاب ガ"},
		{"ar", "الْمَدْرَسَةُ والمدارس كـــتاب إسلام ٢٠٢٤", "مدرس مدارس كتاب اسلام 2024"},
		{"en", "say العربية", "say عرب"},
		{"fa", "الکتاب‌ها", "الكتابها"},
		{"he", "שָׁלוֹם בית־ספר", "שלום בית ספר"},
		{"hi", "हिन्दी में", "हिन्दी में"},
		{"ja", "東京タワー, 京。AI", "東 東京 京 京タ タ タワ ワ ワー ー 京 ai"},
		{"ko", "한강 A", "한 한강 강 a"},
		{"en", "ERR_CONN_4711", "err conn 4711 err_conn_4711"},
		{"en", "getUserNames HTTPServer iPhone GmbH", "get user name getusernam getusernames http server httpserver iphon gmbh"},
		{"en", "v1.2.3 mp3 1,000.5 2024-05-01 x²", "v1 2 3 v1.2.3 mp3 1 000 5 1,000.5 2024 05 01 2024-05-01 x²"},
		{"en", "well-known state-of-the-art a-b-c build-7", "well known state of the art state-of-the-art a b c a-b-c build 7 build-7"},
		{"en", "src/netDial.go:12, jane.doe@Example.com.", "src net dial netdial go netdial.go 12 src/netdial.go:12 jane doe jane.doe exampl com example.com jane.doe@example.com"},
		{"en", "std::vector snake__case __init__ C++ C# a#b c+++", "std vector std::vector snake case snake__case init c c++ c c# a b a#b c c++"},
		{"en", "end.Start and/or -x- .5 a. b", "end start end.start and or and/or x 5 a b"},
		{"en", "a\x00b \xff\xfe c", "a b c"},
		{"", strings.Repeat("x", 100), strings.Repeat("x", 64)},
		{"", strings.Repeat("ab_", 40) + "1", strings.Repeat("ab ", 40) + "1"},
	} {
		got := strings.Join(slices.Collect(analysis.Terms(c.text, c.language)), " ")
		if got != c.want {
			t.Errorf("%s %q:\n got %s\nwant %s", c.language, c.text, got, c.want)
		}
	}
}

func TestTermsCanBeStopped(t *testing.T) {
	for _, text := range []string{"a b", "北京大学", "err_4711 x", "getUserName", "a-b-c-d"} {
		n := len(slices.Collect(analysis.Terms(text, "en")))
		for stop := 1; stop <= n; stop++ {
			got := 0
			for range analysis.Terms(text, "en") {
				if got++; got == stop {
					break
				}
			}
			if got != stop {
				t.Errorf("%q: %d terms, want %d", text, got, stop)
			}
		}
	}
}

func TestIdentifiers(t *testing.T) {
	got := analysis.Identifiers("ERR_CONN_4711 in getUserName, v1.2.3 v1.2.3 and well-known a-b-c of src/main.go:7; 42 2024 x1 C++ 3.14 jane@example.com plain Words")
	want := []string{"err_conn_4711", "getusername", "v1.2.3", "a-b-c", "main.go", "src/main.go:7", "c++", "3.14", "example.com", "jane@example.com"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestQuery(t *testing.T) {
	for _, c := range []struct{ languages, text, want string }{
		{"en", "", ""}, {"en", "?!", ""},
		{"en", "The boundary layer, of a wing?", "boundari layer wing"},
		{"", "The boundary layer, of a wing?", "boundary layer wing"},
		{"en", "what is that", "what is that"},
		{"en", "Layer layers LAYER", "layer"},
		{", en", "Layer layers", "layer layers"},
		{", en", "layers Layer", "layers|layer"},
		{"de, en", "Wie beantrage ich die Connections?", "beantrag connection|connect"},
		{"de", "die", "die"},
		{"de, en", "die casting of it", "die casting|cast"},
		{"fr", "Qu'est-ce que l'été ?", "ete"},
		{"ja", "北京大学 京 AI", "北京 京大 大学 京 ai"},
		{"ar", "الكِتَابُ والقطة", "كتاب قط"},
		{"en", "ERR_4711 getUserNames", "err 4711 err_4711 get user name getusernames|getusernam"},
	} {
		languages := strings.Split(c.languages, ", ")
		terms := analysis.Query(c.text, languages)
		if got := analysis.Seen(terms); got != c.want {
			t.Errorf("%s %q: %s, want %s", c.languages, c.text, got, c.want)
		}
	}
	if got := analysis.Query("x", nil); len(got) != 1 || got[0].Text != "x" || got[0].Identifier {
		t.Errorf("of no languages: %+v", got)
	}
	if got := analysis.Query("Err_4711", nil); len(got) != 3 || !got[2].Identifier || got[2].Text != "err_4711" {
		t.Errorf("an identifier: %+v", got)
	}
}

func TestQueriesAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range 1000 {
		b.WriteString(strings.Repeat("x", i%7+1) + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + "ings ")
	}
	all := []string{"", "ar", "da", "de", "en", "es", "fi", "fr", "ga", "hu", "it", "nl", "no", "pt", "ro", "ru", "sv", "ta", "tr"}
	for _, text := range []string{b.String(), strings.Repeat("北京", 1) + "上海広州深圳" + b.String()} {
		for _, languages := range [][]string{{"en"}, all} {
			terms := analysis.Query(text, languages)
			variants, seen := 0, map[string]bool{}
			for _, term := range terms {
				variants += len(term.Variants)
				for _, v := range term.Variants {
					if seen[v] {
						t.Errorf("%q is asked for twice", v)
					}
					seen[v] = true
				}
			}
			if len(terms) == 0 || len(terms) > analysis.MaxTerms || variants > analysis.MaxVariants {
				t.Errorf("%d terms, %d variants", len(terms), variants)
			}
		}
	}
}

// TestWhatIsIndexedIsFound holds that a query asks for terms that the index of the same text has, in each language.
func TestWhatIsIndexedIsFound(t *testing.T) {
	text := "ERR_CONN_4711 getUserName l'été Häuser книгами kitapları 北京大学 タワー والمدارس jane.doe@example.com C++ HTTPServers iPhone ß İI ﬁne"
	for _, language := range []string{"", "ar", "da", "de", "en", "es", "fa", "fi", "fr", "ga", "hu", "it", "nb", "nl", "pt", "ro", "ru", "sv", "ta", "tr"} {
		indexed := slices.Collect(analysis.Terms(text, language))
		for _, languages := range [][]string{{language}, {"", "de", "en", language}} {
			var asked []string
			for _, term := range analysis.Query(text, languages) {
				asked = append(asked, term.Variants...)
				if len(languages) == 1 && !slices.Contains(indexed, term.Variants[0]) && !slices.Contains(indexed, term.Variants[len(term.Variants)-1]) {
					t.Errorf("%s: no variant of %+v is in the index", language, term)
				}
			}
			for _, want := range []string{"err_conn_4711", "getusername", "北京", "タワ", "jane.doe@example.com", "c++"} {
				if !slices.Contains(asked, want) {
					t.Errorf("%s of %v: %q is not asked for", language, languages, want)
				}
			}
		}
	}
}

func FuzzTerms(f *testing.F) {
	for _, seed := range []string{"", "alpha beta", "a\x00b", "\xff\xfe", "北京大学", "الكتاب", "שָׁלוֹם", "e\u0301", "👨‍👩‍👧", "ก็", "한국어", "\u0345", "ǆ", "½ ²", "\U000E0100x",
		"ERR_CONN_4711", "getUTF8Name", "a-b.c/d", "l'été", "C++", "İI", strings.Repeat("a-", 99), strings.Repeat("\u0301", 99), "1,000.5", "’’a’"} {
		f.Add(seed)
	}
	languages := []string{"", "ar", "da", "de", "en", "es", "fa", "fi", "fr", "ga", "hu", "it", "nb", "nl", "pt", "ro", "ru", "sv", "ta", "tr"}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			t.Skip()
		}
		for _, language := range languages {
			n := 0
			for term := range analysis.Terms(text, language) {
				n++
				runes := 0
				for _, r := range term {
					runes++
					if r < utf8.RuneSelf && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(analysis.Signs, r) || unicode.IsUpper(r) && r < 0x0250 {
						t.Errorf("%s: %q in the term %q", language, r, term)
					}
				}
				if term == "" || runes > 2*analysis.MaxRunes || !utf8.ValidString(term) {
					t.Errorf("%s: the term %q", language, term)
				}
			}
			if n > 8*len(text) {
				t.Errorf("%d terms of %d bytes", n, len(text))
			}
			if terms := analysis.Query(text, []string{language}); n > 0 != (len(terms) > 0) {
				t.Errorf("%s: %d terms are indexed, and a query asks for %+v", language, n, terms)
			}
		}
		analysis.Identifiers(text)
	})
}

// BenchmarkHostile reads texts made to be slow: what a byte takes must not grow with the length.
func BenchmarkHostile(b *testing.B) {
	for _, piece := range []string{"a-", "a_b.c/", "aB", "\u0301", "'a", "北", "ا", "x1,", "é", "A", "\u00ad", "ｶﾞ"} {
		for _, n := range []int{4_000, 64_000} {
			text := strings.Repeat(piece, n)
			b.Run(fmt.Sprintf("%q/%d", piece, n), func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					for range analysis.Terms(text, "en") {
					}
				}
			})
		}
	}
}

func BenchmarkTerms(b *testing.B) {
	for name, text := range map[string]string{
		"english": strings.Repeat("The pumps were connected to the engine's valves, and have been tested since 2024 by the same operators. ", 10),
		"french":  strings.Repeat("Les pompes étaient reliées aux vannes de l'unité, et ont été testées en qualité de matériel par les opérateurs. ", 10),
		"chinese": strings.Repeat("北京大学位于北京市海淀区，是中国的一所大学。", 15),
		"code":    strings.Repeat("func getUserName(ctx context.Context) error { return ERR_CONN_4711 } // see src/net/dial.go:12\n", 10),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				for range analysis.Terms(text, name[:2]) {
				}
			}
		})
	}
}
