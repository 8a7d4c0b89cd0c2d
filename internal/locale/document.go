package locale

import (
	"strings"
	"unicode"

	"github.com/abadojack/whatlanggo"
)

// Of gives the language of a document by its beginning, ISO 639-1, or "" where it cannot be told. Unlike a Detector
// it knows every language, and it would rather say nothing than be wrong: what is made of a document lasts.
//
// Where function words decide, it takes some tens of microseconds. Where they do not, the letters of a
// text in Latin script take about half a millisecond.
func Of(text string) string {
	text = clip(text, most)
	if whatlanggo.DetectScript(text) != unicode.Latin {
		return letters(text)
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
	}
	code := letters(text)
	if lists[code] && 10*counts[code] < words {
		return "" // its letters, but not its words: names, codes, another language
	}
	return code
}

// letters gives the language by the statistics of letters, which take long and need fewer of them.
func letters(text string) string {
	info := whatlanggo.Detect(clip(text, most/2))
	if !info.IsReliable() {
		return ""
	}
	return info.Lang.Iso6391()
}

// lists says which languages have a list of words.
var lists = func() map[string]bool {
	m := map[string]bool{}
	for code := range words {
		m[code] = true
	}
	return m
}()
