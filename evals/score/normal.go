package score

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// What a comparison of texts may ignore.
const (
	// IgnoreCase folds upper and lower case, in every script.
	IgnoreCase = "case"
	// IgnoreSpace trims a text and makes every run of white space one space.
	IgnoreSpace = "space"
	// IgnoreForm makes characters that are written in several ways one (Unicode NFC).
	IgnoreForm = "form"
	// IgnorePunctuation drops punctuation and symbols (Unicode P and S).
	IgnorePunctuation = "punctuation"
	// IgnoreArticles drops a, an and the, where the case's locale is English.
	IgnoreArticles = "articles"
)

var ignorable = []string{IgnoreCase, IgnoreSpace, IgnoreForm, IgnorePunctuation, IgnoreArticles}

// Ignore lists what a comparison of texts ignores. Nil: space and form, since neither can be seen.
type Ignore []string

func (g Ignore) check() error {
	for _, what := range g {
		if !slices.Contains(ignorable, what) {
			return fmt.Errorf("nothing named %q can be ignored: use %s", what, strings.Join(ignorable, ", "))
		}
	}
	return nil
}

// normal writes a text so that texts that differ only in what is ignored are equal.
func (g Ignore) normal(text, locale string) string {
	list := []string(g)
	if g == nil {
		list = []string{IgnoreSpace, IgnoreForm}
	}
	if slices.Contains(list, IgnoreForm) {
		text = norm.NFC.String(text)
	}
	if slices.Contains(list, IgnoreCase) {
		text = cases.Fold().String(text)
	}
	if slices.Contains(list, IgnorePunctuation) {
		text = strings.Map(func(r rune) rune {
			if unicode.IsPunct(r) || unicode.IsSymbol(r) {
				return -1
			}
			return r
		}, text)
	}
	if slices.Contains(list, IgnoreArticles) && language(locale) == "en" {
		words := strings.Fields(text)
		text = strings.Join(slices.DeleteFunc(words, isArticle), " ")
	}
	if slices.Contains(list, IgnoreSpace) {
		text = strings.Join(strings.Fields(text), " ")
	}
	if slices.Contains(list, IgnoreForm) {
		text = norm.NFC.String(text) // folding and dropping bring letters together anew
	}
	return text
}

func isArticle(word string) bool {
	switch strings.ToLower(word) {
	case "a", "an", "the":
		return true
	}
	return false
}

// language gives the language of a locale: "pt" of "pt-BR".
func language(locale string) string {
	l, _, _ := strings.Cut(strings.ReplaceAll(locale, "_", "-"), "-")
	return strings.ToLower(l)
}

// tokens cuts a text into words as SQuAD's evaluation does (Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine
// Comprehension of Text", 2016): in lower case, without punctuation, and without articles, which here only English texts
// lose. As in MLQA's (Lewis et al., 2020), punctuation is Unicode's, and in scripts without spaces each letter is a word.
func tokens(text, locale string) []string {
	text = Ignore{IgnoreForm, IgnoreCase, IgnorePunctuation, IgnoreArticles}.normal(text, locale)
	var out []string
	for _, word := range strings.Fields(text) {
		out = append(out, letters(word)...)
	}
	return out
}

// letters parts the letters of scripts without spaces from one another and from the rest of a word.
func letters(word string) []string {
	var out []string
	start := 0
	for i, r := range word {
		if !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) {
			continue
		}
		if unicode.IsMark(r) && len(out) > 0 && start == i { // belongs to the letter before it
			out[len(out)-1] += string(r)
		} else {
			if start < i {
				out = append(out, word[start:i])
			}
			out = append(out, string(r))
		}
		start = i + len(string(r))
	}
	if start < len(word) {
		out = append(out, word[start:])
	}
	return out
}

// runs cuts a text into runs of letters, digits and marks, in lower case: the words of ROUGE, in every script.
func runs(text string) []string {
	text = cases.Fold().String(norm.NFC.String(text))
	var out []string
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) }) {
		out = append(out, letters(word)...)
	}
	return out
}
