package sqlite

import "strings"

// stopWords are words that say nothing about what a text is about: those of English that carry grammar
// alone, and of Arabic, as analyse leaves them. "not" and the like stay: they can be what is asked for.
var stopWords = func() map[string]bool {
	words := strings.Fields(`
		a about all also am an and any are as at be been being but by can could did do does doing done for from
		had has have having he her here hers him his how i if in into is it its itself just may me might more most
		my of on or our ours shall she should so some such than that the their theirs them then there these they
		this those through to too under until up upon us very was we were what when where which while who whom
		whose why will with would you your yours
		في من على عن إلى هذا هذه ذلك التي الذي ما ماذا متى أين كيف لماذا هل كم كان كانت هو هي أو ثم أن إن قد كل`)
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[analyse(w)] = true
	}
	return m
}()
