package analysis

import (
	"slices"
	"unicode"
)

// isArabic says whether a rune is a letter or a mark of Arabic.
func isArabic(r rune) bool {
	return r >= 0x0610 && r <= 0x06FF && (unicode.IsLetter(r) || unicode.IsMark(r))
}

// borrowed are the languages that write with Arabic letters and are not Arabic: its prefixes are none of theirs.
var borrowed = []string{"fa", "ku", "ps", "sd", "ug", "ur"}

// foldArabic makes one letter of those that are written for one another, and drops vowel points and tatweel.
func foldArabic(r rune) (rune, bool) {
	switch {
	case r == 0x0640 || unicode.IsMark(r):
		return 0, false
	case r == 'أ' || r == 'إ' || r == 'آ' || r == 'ٱ':
		return 'ا', true
	case r == 'ى' || r == 'ی': // alef maksura, Persian yeh
		return 'ي', true
	case r == 'ة':
		return 'ه', true
	case r == 'ک': // Persian kaf
		return 'ك', true
	}
	return r, true
}

var (
	arabicArticles = [][]rune{[]rune("وال"), []rune("بال"), []rune("كال"), []rune("فال"), []rune("ال"), []rune("لل")}
	arabicSuffixes = [][]rune{[]rune("ها"), []rune("ان"), []rune("ات"), []rune("ون"), []rune("ين"), []rune("يه"), []rune("ه"), []rune("ي")}
)

// arabic gives the stem of a word in Arabic letters, or the word with its letters folded where the language is not
// Arabic. Marks alone give "".
func arabic(w string, stem bool) string {
	letters := make([]rune, 0, len(w)/2)
	for _, r := range w {
		if isArabic(r) {
			var ok bool
			if r, ok = foldArabic(r); !ok {
				continue
			}
		}
		letters = append(letters, r)
	}
	if stem {
		letters = lightStem(letters)
	}
	return string(letters)
}

// lightStem takes the article and the common endings off a folded Arabic word, if enough of it stays.
func lightStem(w []rune) []rune {
	if len(w) > 3 && w[0] == 'و' {
		w = w[1:]
	}
	for _, p := range arabicArticles {
		if len(w)-len(p) >= 2 && slices.Equal(w[:len(p)], p) {
			w = w[len(p):]
			break
		}
	}
	for _, s := range arabicSuffixes {
		if n := len(w) - len(s); n >= 2 && slices.Equal(w[n:], s) {
			w = w[:n]
		}
	}
	return w
}
