package analysis

import (
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// MaxTerms is how many terms a query has: the first ones.
	MaxTerms = 64
	// MaxVariants is how many variants the terms of a query have together: the first ones.
	MaxVariants = 256
)

// Term is what a query asks the index for.
type Term struct {
	// Text is the word as it was written, folded and not stemmed.
	Text string
	// Variants are the terms to ask for, one or more: any of them will do. No two terms of a query share one.
	Variants []string
	// Identifier is true when it is one: see Identifiers.
	Identifier bool
}

// Query gives the terms of a query to a collection whose documents are of these languages; "" is among them where one
// has none. A word's variants are its stems in each of the languages. Stop words are left out where other words
// remain. None, when there is no word in the text.
func Query(text string, languages []string) []Term {
	if len(languages) == 0 {
		languages = []string{""}
	}
	q := question{languages: languages, asked: map[string]bool{}}
	stemmers := make([]*stemmer, 0, len(languages))
	var lend func(rest []string)
	lend = func(rest []string) {
		if len(rest) == 0 {
			q.stemmers = stemmers
			q.read(text)
			return
		}
		withStemmer(rest[0], func(s *stemmer) {
			stemmers = append(stemmers, s)
			lend(rest[1:])
		})
	}
	lend(languages)
	return q.terms
}

// Seen gives a query's terms in a form to read: variants are parted by "|".
func Seen(terms []Term) string {
	var b strings.Builder
	for i, t := range terms {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strings.Join(t.Variants, "|"))
	}
	return b.String()
}

// question is a query in progress.
type question struct {
	languages []string
	stemmers  []*stemmer
	stop      map[string]bool
	asked     map[string]bool
	terms     []Term
	variants  int
}

// considered is how many words of a query tell its language.
const considered = 256

func (q *question) read(text string) {
	text = normal(text)
	var words []string
	scan(text, func(t token) bool {
		if t.kind == word {
			words = append(words, q.stemmers[0].term(t.text, true))
		}
		return len(words) < considered
	})
	q.stop = stopWords(words, q.languages)
	scan(text, func(t token) bool { return q.token(t, false) })
	if len(q.terms) == 0 {
		scan(text, func(t token) bool { return q.token(t, true) })
	}
}

// token adds what is asked for a token, and says whether there is room for more.
func (q *question) token(t token, stops bool) bool {
	none := q.stemmers[0]
	switch t.kind {
	case letter:
		first, size := utf8.DecodeRuneInString(t.text)
		if size == len(t.text) {
			return q.add(string(first), false, string(first))
		}
		before := 0
		for i, r := range t.text[size:] {
			pair := t.text[before : size+i+utf8.RuneLen(r)]
			if !q.add(pair, false, pair) {
				return false
			}
			before = size + i
		}
		return true
	case exact, name:
		term := none.term(t.text, true)
		return q.add(term, t.kind == name, term)
	}
	whole := none.term(t.text, true)
	if q.stop[whole] != stops {
		return true
	}
	var variants []string
	if t.kind == camel {
		variants = append(variants, whole)
	}
	for _, s := range q.stemmers {
		variants = append(variants, s.term(t.text, false))
	}
	return q.add(whole, t.kind == camel, variants...)
}

// add adds a term with those of its variants that are not asked for yet.
func (q *question) add(text string, identifier bool, variants ...string) bool {
	fresh := slices.DeleteFunc(slices.Clone(variants), func(v string) bool {
		if v == "" || q.asked[v] {
			return true
		}
		q.asked[v] = true
		return false
	})
	if len(fresh) > MaxVariants-q.variants {
		fresh = fresh[:MaxVariants-q.variants]
	}
	if len(fresh) > 0 {
		q.variants += len(fresh)
		q.terms = append(q.terms, Term{Text: text, Variants: fresh, Identifier: identifier})
	}
	return len(q.terms) < MaxTerms && q.variants < MaxVariants
}
