package extractive

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// What counts how much. Chosen by measuring on the first half of XQuAD (English) and on the documents in
// testdata; TestXQuAD measures on the other half.
const (
	headingShare  = 0.5  // a question's word that stands only in the heading above
	wholeShare    = 0.3  // … more, when the heading is the whole question
	parentShare   = 0.3  // … in a heading above that
	leadShare     = 0.6  // … in the line that a unit hangs on
	nearShare     = 0.4  // … in the sentence before
	nextShare     = 0.15 // … in the sentence after
	titleShare    = 0.25 // … in the document's title
	orderBonus    = 0.12 // two neighbouring words of the question stand together
	answerBonus   = 0.08 // a number for "how many", a name for "who"
	defineBonus   = 0.15 // "X is …" for "what is X?"
	stepBonus     = 0.12 // code or a whole list for "how do I …?"
	groupBonus    = 0.08 // a whole list for any question
	firstBonus    = 0.06 // the first of its section, when the section is about the question
	documentBonus = 0.04 // the document that retrieval found best
	longWords     = 40   // a unit of more words loses
	lightWeight   = 0.35 // a verb that goes with everything
	echoWeight    = 0.3  // a unit that repeats the question
	idfPrior      = 8    // as if there were so many more units, so that few units do not decide
)

// question is what is asked.
type question struct {
	terms []string
	// all is all of the question's words.
	all    string
	follow [][2]int // places in terms of words that stand next to each other
	number bool
	name   bool
	define bool
	steps  bool
}

// The words of four languages that ask for a kind of answer.
var (
	asksNumber = regexp.MustCompile(`(?i)^\W*(?:how (?:many|much|long|old|far|large|big|high|tall|often)|when|(?:in |on |at )?(?:what|which) (?:year|date|day|month|percentage|percent|number|amount)|wie ?viele?|wann|combien|quand|cuánt[oa]s?|cuándo|كم|متى)(?:\s|$)`)
	asksName   = regexp.MustCompile(`(?i)^\W*(?:(?:to |by |for |with )?(?:who|whom|whose)|where|wer|wo|qui|où|quién|dónde|من|أين)(?:\s|$)`)
	asksMean   = regexp.MustCompile(`(?i)^\W*(?:what (?:is|are|does)|define|was (?:ist|sind|bedeutet)|qu'est-ce|qué (?:es|son)|ما (?:هو|هي|معنى))(?:\s|$)`)
	asksHow    = regexp.MustCompile(`(?i)^\W*(?:how (?:do|can|to|should|would|does one)|wie (?:kann|starte|füge|mache|richte|installiere|geht)|comment|cómo|كيف)(?:\s|$)`)
)

func readQuestion(text string) *question {
	q := &question{
		number: asksNumber.MatchString(text), name: asksName.MatchString(text),
		define: asksMean.MatchString(text), steps: asksHow.MatchString(text),
	}
	q.all = " " + strings.Join(tokens(text), " ") + " "
	// The words that ask are not what is asked about: "how long is …".
	all := tokens(text[len(asksNumber.FindString(text)):])
	if len(all) == 0 {
		all = tokens(text)
	}
	last, lastAt := -1, -2
	for at, w := range all {
		if _, stop := stopWords[w]; stop {
			continue
		}
		i := slices.Index(q.terms, w)
		if i < 0 {
			i = len(q.terms)
			q.terms = append(q.terms, w)
		}
		if lastAt == at-1 {
			q.follow = append(q.follow, [2]int{last, i})
		}
		last, lastAt = i, at
	}
	if q.terms == nil { // "Who are you?": all it has are such words
		q.terms = all
	}
	return q
}

// candidate is a unit with what it says about the question.
type candidate struct {
	unit
	words  []string
	length int
	// own says for each term of the question how much the unit's own words speak of it, in [0,1].
	own []float64
	// coverage is the share of the question, by the weight of its terms, that the unit covers with all it
	// hangs on; said is what its own words cover.
	coverage, said float64
	// follows: it has the steps that its heading promises.
	follows bool
	score   float64
}

// ranker scores units against a question.
type ranker struct {
	q      *question
	idf    []float64
	total  float64
	memory map[string][]float64
}

// match says for each term of the question how much the words speak of it, and where each stands.
func (r *ranker) match(words []string) []float64 {
	best := make([]float64, len(r.q.terms))
	for _, w := range words {
		for i, x := range r.likeness(w) {
			best[i] = max(best[i], x)
		}
	}
	return best
}

// likeness compares one word with the question's, once for each word.
func (r *ranker) likeness(w string) []float64 {
	x, ok := r.memory[w]
	if !ok {
		x = make([]float64, len(r.q.terms))
		for i, term := range r.q.terms {
			x[i] = alike(term, w)
		}
		r.memory[w] = x
	}
	return x
}

// rank scores all units. titles has what is known of each document's place.
func rank(q *question, units []unit, texts, titles []string) []*candidate {
	r := &ranker{q: q, idf: make([]float64, len(q.terms)), memory: map[string][]float64{}}
	all := make([]*candidate, len(units))
	df := make([]float64, len(q.terms))
	for i, u := range units {
		c := &candidate{unit: u, words: tokens(texts[u.document][u.start:u.end])}
		c.length = len(strings.Fields(texts[u.document][u.start:u.end]))
		c.own = r.match(c.words)
		for t, x := range c.own {
			df[t] += x
		}
		all[i] = c
	}
	for t := range r.idf {
		n := float64(len(units) + idfPrior)
		r.idf[t] = math.Log(1 + (n-df[t]+0.5)/(df[t]+0.5))
		if _, light := lightWords[q.terms[t]]; light && len(q.terms) > 1 {
			r.idf[t] *= lightWeight
		}
		r.total += r.idf[t]
	}
	about := make([][]float64, len(titles))
	for i, title := range titles {
		about[i] = r.match(tokens(title))
	}
	for _, c := range all {
		r.score(c, all, about[c.document], texts[c.document])
	}
	return all
}

// score sets a candidate's coverage and score.
func (r *ranker) score(c *candidate, all []*candidate, title []float64, text string) {
	heading, parents, lead := r.match(tokens(c.heading)), r.match(tokens(c.parents)), r.match(tokens(c.lead))
	inHeading := 0.0
	for t := range heading {
		inHeading += r.idf[t] * max(heading[t], lead[t]) / r.total
	}
	// A heading that is the whole question says more than one that shares a word with it.
	share := headingShare + wholeShare*inHeading*inHeading
	for t, own := range c.own {
		x := max(share*heading[t], parentShare*parents[t], leadShare*lead[t], titleShare*title[t])
		if c.before >= 0 {
			x = max(x, nearShare*all[c.before].own[t])
		}
		if c.after >= 0 {
			x = max(x, nextShare*all[c.after].own[t])
		}
		c.coverage += r.idf[t] * max(own, x) / r.total
		c.said += r.idf[t] * own / r.total
	}
	c.score = c.coverage + r.bonus(c, text, inHeading)
	if c.length > longWords {
		c.score *= 1 / (1 + float64(c.length-longWords)/200)
	}
	if strings.Count(r.q.all, " ") > 3 && strings.Contains(" "+strings.Join(c.words, " ")+" ", r.q.all) {
		c.score *= echoWeight
	}
	if c.kind == prose && (c.length < 4 || text[c.end-1] == ':') {
		c.score *= 0.7 // torn pieces, and what only leads to something
	}
}

// bonus rewards what looks like an answer. Each is in proportion to how much the unit is about the
// question, so that none makes an answer of what is not.
func (r *ranker) bonus(c *candidate, text string, inHeading float64) float64 {
	sum := 0.0
	if len(r.q.follow) > 0 {
		sum += orderBonus * r.together(c.words)
	}
	quote := text[c.start:c.end]
	if r.q.number && strings.ContainsFunc(quote, unicode.IsDigit) {
		sum += answerBonus
	}
	if r.q.name && r.names(quote) {
		sum += answerBonus
	}
	if r.q.define {
		sum += defineBonus * r.defines(c, quote)
	}
	switch {
	case r.q.steps && c.kind.block():
		sum += stepBonus
		c.follows = inHeading > 0.6
	case c.kind == group:
		sum += groupBonus
	}
	if c.place == 0 && inHeading > 0.5 {
		sum += firstBonus
	}
	sum += documentBonus / float64(1+c.document)
	return sum * c.coverage
}

// together gives the share of the question's neighbouring words that stand close together.
func (r *ranker) together(words []string) float64 {
	found := 0
	for _, pair := range r.q.follow {
		at := -10
		for i, w := range words {
			x := r.likeness(w)
			if x[pair[1]] > 0 && i-at <= 2 && i > at {
				found++
				break
			}
			if x[pair[0]] > 0 {
				at = i
			}
		}
	}
	return float64(found) / float64(len(r.q.follow))
}

// names says whether a quote has a name that the question has not: a word in upper case that does not
// begin the quote. Scripts without case have none.
func (r *ranker) names(quote string) bool {
	for i, w := range strings.Fields(quote) {
		if i > 0 && unicode.IsUpper(firstRune(strings.TrimLeft(w, "\"'(“"))) {
			if t := tokens(w); len(t) > 0 && slices.Max(r.likeness(t[0])) == 0 {
				return true
			}
		}
	}
	return false
}

// reTerm finds a term that is set off at the start of a sentence, as where it is explained.
var reTerm = regexp.MustCompile(`^(?:\pL{1,4}\s+)?(?:\*\*|__|\*|_)[\pL\pN]`)

var isWords = set("is are mean means ist sind heißt bedeutet est sont es son هو هي")

// defines says how much a unit looks as if it told what the question asks about, in [0,1]: it must begin
// with all of it. "A policy is …" does, and so does "A **policy** says …"; a row whose first cell has the
// word does in part, and "A policy says …" a little.
func (r *ranker) defines(c *candidate, quote string) float64 {
	seen := 0
	for _, w := range c.words {
		if slices.Max(r.likeness(w)) >= 0.7 {
			seen++
			continue
		}
		_, is := isWords[w]
		_, stop := stopWords[w]
		switch {
		case seen >= len(r.q.terms) && is:
			return 1
		case seen >= len(r.q.terms) && c.kind == row:
			return 0.6
		case seen >= len(r.q.terms):
			if reTerm.MatchString(quote) {
				return 1
			}
			return 0.3
		case !stop:
			return 0
		}
	}
	return 0
}
