package sqlite

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxTerms is how many different words of a query are asked for: the first ones.
	maxTerms = 64
	// maxTermBytes drops what is no word of a language: it would be found only as a whole.
	maxTermBytes = 128
)

// matchQuery makes an FTS5 query of a text: its different words, any of which may match. Every word is
// quoted and holds letters, digits and marks only, so that nothing of the text is read as syntax. Stop
// words are left out where other words remain. A text without a word gives "".
func matchQuery(text string) string {
	var terms, stops []string
	var run []string // letters of an unspaced script, one after another
	seen := make(map[string]bool)
	add := func(list *[]string, term string) {
		if key := strings.ToLower(term); len(*list) < maxTerms && len(term) <= maxTermBytes && !seen[key] {
			seen[key] = true
			*list = append(*list, term)
		}
	}
	endRun := func() {
		if len(run) == 1 {
			add(&terms, run[0])
		}
		for i := 1; i < len(run); i++ {
			add(&terms, run[i-1]+" "+run[i])
		}
		run = run[:0]
	}
	for word := range strings.FieldsFuncSeq(analyse(text), func(r rune) bool { return !partOfWord(r) }) {
		if r, size := utf8.DecodeRuneInString(word); size == len(word) && unspaced(r) {
			run = append(run, word)
			continue
		}
		endRun()
		if len(terms) == maxTerms {
			break
		}
		if stopWords[strings.ToLower(word)] {
			add(&stops, word)
		} else {
			add(&terms, word)
		}
	}
	endRun()
	if len(terms) == 0 {
		terms = stops
	}
	var b strings.Builder
	for i, t := range terms {
		if i > 0 {
			b.WriteString(" OR ")
		}
		b.WriteString(`"` + t + `"`)
	}
	return b.String()
}

// partOfWord says what the index's tokenizer takes for a part of a word: its categories L*, N*, Co, Mn, Mc.
func partOfWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.In(r, unicode.Mn, unicode.Mc, unicode.Co)
}
