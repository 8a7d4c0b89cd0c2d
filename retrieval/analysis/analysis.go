package analysis

import (
	"iter"
	"unicode/utf8"
)

const (
	// Version is of the terms: it changes when some text gives others.
	Version = "1"
	// MaxRunes is how long a term may be. A longer word is cut, a longer identifier is not one.
	MaxRunes = 64
)

// Terms gives the terms of a text in a language, in the order of the text, each as often as it is there. The
// language is an ISO 639-1 code; "" and one that is not known leave words as they are.
func Terms(text, language string) iter.Seq[string] {
	return func(yield func(string) bool) {
		withStemmer(language, func(s *stemmer) {
			scan(normal(text), func(t token) bool { return s.terms(t, yield) })
		})
	}
}

// terms gives the terms of a token.
func (s *stemmer) terms(t token, yield func(string) bool) bool {
	switch t.kind {
	case letter:
		before, size := 0, 0 // the letter before
		for i, r := range t.text {
			n := utf8.RuneLen(r)
			if size > 0 && !yield(t.text[before:i+n]) {
				return false
			}
			if !yield(t.text[i : i+n]) {
				return false
			}
			before, size = i, n
		}
		return true
	case word:
		term := s.term(t.text, false)
		return term == "" || yield(term)
	case camel:
		whole := s.term(t.text, true)
		if term := s.term(t.text, false); term != "" && term != whole && !yield(term) {
			return false
		}
		return whole == "" || yield(whole)
	}
	term := s.term(t.text, true)
	return term == "" || yield(term)
}

// Identifiers gives the different terms of a text that are identifiers, in the order of the text: words that mix
// letters with digits or are written likeThis, and what signs such as those of a_b, a-b, a.b and a/b make of words.
// Numbers alone are none, and neither are those of fewer than 3 runes.
func Identifiers(text string) []string {
	var out []string
	seen := map[string]bool{}
	withStemmer("", func(s *stemmer) {
		scan(normal(text), func(t token) bool {
			if t.kind == name || t.kind == camel {
				if term := s.term(t.text, true); utf8.RuneCountInString(term) >= 3 && !seen[term] {
					seen[term] = true
					out = append(out, term)
				}
			}
			return true
		})
	})
	return out
}

// Stems says whether the words of a language are stemmed.
func Stems(language string) bool { return language == "ar" || stems[language] != nil }
