package extractive

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// sentences cuts a paragraph into sentences: their first byte and the one after their last, space
// between them left out. It never cuts within `code`, after an abbreviation or an initial, or before a
// word in lower case.
func sentences(text string) iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		start, inCode := 0, false
		for i := 0; i < len(text); {
			r, size := utf8.DecodeRuneInString(text[i:])
			i += size
			switch {
			case r == '`':
				// An odd backquote opens nothing unless another follows.
				inCode = !inCode && strings.IndexByte(text[i:], '`') >= 0
				continue
			case inCode || !strings.ContainsRune(".!?…。！？؟।", r):
				continue
			}
			end := i
			for end < len(text) { // closing quotes and brackets, and more of the same
				c, n := utf8.DecodeRuneInString(text[end:])
				if !strings.ContainsRune("\"'”’»)]*_.!?…」』", c) {
					break
				}
				end += n
			}
			if !ends(text, start, i-size, end, r) {
				continue
			}
			if !yield(start, end) {
				return
			}
			for end < len(text) && isSpace(text[end]) {
				end++
			}
			start, i = end, end
		}
		if start < len(text) {
			yield(start, len(text))
		}
	}
}

// ends says whether the mark r at text[at], with what closes after it up to end, ends the sentence that
// begins at start.
func ends(text string, start, at, end int, r rune) bool {
	if strings.ContainsRune("。！？؟।", r) {
		return true
	}
	if end < len(text) && !isSpace(text[end]) {
		return false
	}
	next := strings.TrimLeft(text[end:], " \t\r\n\"'“‘«([*_>")
	first, _ := utf8.DecodeRuneInString(next)
	if unicode.IsLower(first) && r != '!' && r != '?' {
		return false
	}
	if r != '.' {
		return true
	}
	word := text[start:at]
	if i := strings.LastIndexAny(word, " \t\n("); i >= 0 {
		word = word[i+1:]
	}
	if n := utf8.RuneCountInString(word); n == 1 && unicode.IsLetter(firstRune(word)) && first != utf8.RuneError {
		return false // an initial, or the "z." of "z. B."
	}
	_, short := abbreviations[strings.ToLower(word)]
	return !short
}

// abbreviations are words whose dot ends no sentence.
var abbreviations = set(`e.g i.e etc vs cf al mr mrs ms dr prof st jr sr inc ltd co corp no nos fig figs
	vol pp ca approx dept est gen gov hon rep sen rev sgt capt col lt u.s u.k u.n a.m p.m jan feb mar apr
	jun jul aug sep sept oct nov dec z.b bzw usw d.h u.a ggf evtl nr abs vgl ca`)

func set(words string) map[string]struct{} {
	m := map[string]struct{}{}
	for w := range strings.FieldsSeq(words) {
		m[w] = struct{}{}
	}
	return m
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }
