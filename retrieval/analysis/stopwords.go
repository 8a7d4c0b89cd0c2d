package analysis

import "strings"

// stopLists are words that say nothing about what a text is about: those that carry grammar alone. "not" and the
// like stay: they can be what is asked for.
var stopLists = map[string]map[string]bool{
	"en": list(`a about all also am an and any are as at be been being but by can could did do does doing done for from had
has have having he her here hers him his how i if in into is it its itself just may me might more most my of on or our ours shall she
should so some such than that the their theirs them then there these they this those through to too under until up upon us very was we
were what when where which while who whom whose why will with would you your yours`),
	"ar": list(`في من على عن إلى هذا هذه ذلك التي الذي ما ماذا متى أين كيف لماذا هل كم كان كانت هو هي أو ثم أن إن قد كل`),
}

func list(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[finish(string(lower(nil, normal(w), false)), false)] = true
	}
	return m
}

// stopWords gives those of the languages.
func stopWords(_ string, languages []string) map[string]bool {
	all := map[string]bool{}
	for _, l := range []string{"en", "ar"} {
		for w := range stopLists[l] {
			all[w] = true
		}
	}
	return all
}
