package locale

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/abadojack/whatlanggo"
)

// Of gives the language of a document by its beginning, ISO 639-1, or "" where it cannot be told. It would rather say
// nothing than be wrong: what is made of a document lasts. In Latin script, it knows the languages whose function words
// it has, and others when they have letters of their own.
//
// Where function words decide, it takes some tens of microseconds; where letters do, up to half a millisecond.
func Of(text string) string {
	text = clip(text, most)
	all, latin, ascii := census(text)
	if 2*latin <= all {
		return letters(text, nil)
	}
	counts, words := map[string]int{}, 0
	for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) }) {
		if words++; len(word) == 1 {
			continue // what an apostrophe cut off is a word of several languages
		}
		for _, code := range function[word] {
			counts[code]++
		}
	}
	best, first, second := leading(counts)
	switch {
	case first >= 2 && first >= 2*second && 5*first >= words:
		return best
	case words < 4:
		return ""
	case first >= 2 && 10*first >= words:
		// Of neighbours, those that have about as many words.
		likely := map[whatlanggo.Lang]bool{}
		for code, n := range counts {
			if 2*n >= first {
				likely[known[code]] = true
			}
		}
		return letters(text, likely)
	case 50*(latin-ascii) < latin:
		return "" // names, codes, or a language that letters would take for another
	}
	code := letters(text, nil)
	if _, ok := counts[code]; ok {
		return "" // its letters, but hardly any of its words
	}
	return code
}

// census counts the letters of a text, those of Latin script and those of ASCII.
func census(text string) (all, latin, ascii int) {
	for _, r := range text {
		switch {
		case r < utf8.RuneSelf:
			if c := r | 0x20; c >= 'a' && c <= 'z' {
				ascii++
				latin++
				all++
			}
		case unicode.IsLetter(r):
			all++
			if r < 0x0250 || r >= 0x1E00 && r < 0x1F00 {
				latin++
			}
		}
	}
	return all, latin, ascii
}

// letters gives the language by the statistics of letters, which take long and need fewer of them. Nil is any.
func letters(text string, likely map[whatlanggo.Lang]bool) string {
	info := whatlanggo.DetectWithOptions(clip(text, most/2), whatlanggo.Options{Whitelist: likely})
	if !info.IsReliable() {
		return ""
	}
	return info.Lang.Iso6391()
}
