// Package locale tells in which language a question is asked, or a document is written. It owns the guess; it refuses to know what
// depends on it, and to guess where little speaks for any language: then it says nothing.
//
// Questions are short, and statistics over letters are unsure of short texts. So it looks for function words
// first (how, wie, combien), of which nearly every question has one, and asks the letters only when those
// decide nothing.
package locale

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/abadojack/whatlanggo"
)

// Default is the languages that are told apart when nothing is said: ISO 639-1.
func Default() []string { return []string{"en", "de", "fr", "es", "ar", "zh"} }

// most is how many characters of a text are looked at.
const most = 1000

// Detector tells languages apart. It is safe for concurrent use. Make it with New.
type Detector struct {
	languages []string
	options   whatlanggo.Options
}

// New makes a detector of some languages, ISO 639-1; none is Default. The error names what it does not know.
func New(languages []string) (*Detector, error) {
	if len(languages) == 0 {
		languages = Default()
	}
	d := &Detector{languages: slices.Clone(languages), options: whatlanggo.Options{Whitelist: map[whatlanggo.Lang]bool{}}}
	for _, code := range languages {
		lang, ok := known[code]
		if !ok {
			return nil, fmt.Errorf("there is no language %q to detect: use ISO 639-1 codes such as en", code)
		}
		d.options.Whitelist[lang] = true
	}
	return d, nil
}

// known is the languages by their codes.
var known = func() map[string]whatlanggo.Lang {
	m := map[string]whatlanggo.Lang{}
	for lang := range whatlanggo.Langs {
		if code := lang.Iso6391(); code != "" {
			m[code] = lang
		}
	}
	return m
}()

// Detect gives the language of a text, or "" where it cannot be told.
func (d *Detector) Detect(text string) string {
	text = clip(text, most)
	if code := d.byWords(text); code != "" {
		return code
	}
	info := whatlanggo.DetectWithOptions(text, d.options)
	code := info.Lang.Iso6391()
	// A language that has a script of its own is told whether it was asked for or not.
	if !info.IsReliable() || !slices.Contains(d.languages, code) {
		return ""
	}
	return code
}

func clip(text string, most int) string {
	n := 0
	for i := range text {
		if n++; n > most {
			return text[:i]
		}
	}
	return text
}

// byWords gives the language that more of the words belong to than to any other, or "".
func (d *Detector) byWords(text string) string {
	counts := map[string]int{}
	for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) }) {
		for _, code := range function[word] {
			if slices.Contains(d.languages, code) {
				counts[code]++
			}
		}
	}
	best, first, second := leading(counts)
	if first == second {
		return ""
	}
	return best
}

// leading gives the language with the most words, how many, and how many the next one has.
func leading(counts map[string]int) (best string, first, second int) {
	for code, n := range counts {
		switch {
		case n > first:
			best, first, second = code, n, first
		case n > second:
			second = n
		}
	}
	return best, first, second
}

var tag = regexp.MustCompile(`^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,4}$`)

// Clean gives a language tag as a caller stated it in the form "de" or "de-AT", or "" when it is none.
func Clean(stated string) string {
	if !tag.MatchString(stated) {
		return ""
	}
	language, rest, _ := strings.Cut(strings.ReplaceAll(stated, "_", "-"), "-")
	if rest == "" {
		return strings.ToLower(language)
	}
	return strings.ToLower(language) + "-" + rest
}
