package sqlite

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// analyse gives a text as the full-text index is to read it. FTS5's tokenizer then folds case, takes the
// diacritics off Latin letters and stems English words. What it does not know is done here:
//
//   - scripts that do not part words by spaces (Han, kana, Hangul, Thai, …): every letter becomes a word,
//     and matchQuery asks for pairs of them;
//   - Arabic and Hebrew: vowel points and tatweel are dropped, letters that are written in several ways
//     are made one, and Arabic words lose the common prefixes and suffixes (Larkey, Ballesteros and
//     Connell, "Light stemming for Arabic information retrieval", 2007: light10).
//
// A text of ASCII is given back as it is.
func analyse(text string) string {
	i := 0
	for i < len(text) && text[i] < utf8.RuneSelf {
		i++
	}
	if i == len(text) {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + len(text)/2)
	b.WriteString(text[:i])
	var word []rune // Arabic letters in progress
	for _, r := range text[i:] {
		switch {
		case isArabic(r):
			if r, ok := foldArabic(r); ok {
				word = append(word, r)
			}
			continue
		case r >= 0x0591 && r <= 0x05C7: // Hebrew points
			continue
		}
		if word != nil {
			b.WriteString(string(lightStem(word)))
			word = word[:0:0]
		}
		if r < utf8.RuneSelf || !unspaced(r) {
			b.WriteRune(r)
			continue
		}
		b.WriteByte(' ')
		b.WriteRune(r)
		b.WriteByte(' ')
	}
	b.WriteString(string(lightStem(word)))
	return b.String()
}

// unspaced says whether a letter is of a script whose words are not parted by spaces. Hangul is: its words
// are, but carry their particles with them.
func unspaced(r rune) bool {
	return r >= 0x0E00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul,
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

func isArabic(r rune) bool {
	return r >= 0x0610 && r <= 0x06FF && (unicode.IsLetter(r) || unicode.IsMark(r)) || r == 0x0640
}

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

// lightStem takes the article and the common endings off a folded Arabic word, if enough of it stays.
func lightStem(w []rune) []rune {
	if len(w) > 3 && w[0] == 'و' {
		w = w[1:]
	}
	for _, p := range arabicArticles {
		if hasPrefix(w, p) && len(w)-len(p) >= 2 {
			w = w[len(p):]
			break
		}
	}
	for _, s := range arabicSuffixes {
		if len(w)-len(s) >= 2 && string(w[len(w)-len(s):]) == string(s) {
			w = w[:len(w)-len(s)]
		}
	}
	return w
}

func hasPrefix(w, p []rune) bool { return len(w) >= len(p) && string(w[:len(p)]) == string(p) }
