package postgres

import (
	"maps"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgtype"

	"fairlead/internal/fault"
	"fairlead/retrieval"
	"fairlead/retrieval/analysis"
)

const (
	// maxPositions is how often a lexeme counts in one passage: PostgreSQL keeps no more.
	maxPositions = 255
	// maxLexemeBytes is PostgreSQL's limit on the lexemes of one passage together.
	maxLexemeBytes = 1<<20 - 1
)

// lexemePrefix is what all lexemes of a collection begin with.
func lexemePrefix(collection int64) string { return strconv.FormatInt(collection, 10) + ":" }

// words are what the index holds of a passage.
type words struct {
	lexemes []pgtype.TSVectorLexeme
	// length is how many terms there are.
	length int
}

// of gives them as a collection has them.
func (w *words) of(c collection) pgtype.TSVector {
	prefix := lexemePrefix(c.id)
	lexemes := slices.Clone(w.lexemes)
	for i := range lexemes {
		lexemes[i].Word = prefix + lexemes[i].Word
	}
	return pgtype.TSVector{Lexemes: lexemes, Valid: true}
}

// wordsOf gives the words of a passage. Positions are no places in the text: there are as many as the term is there,
// with weight A for the title, B for headings and D for the text.
func wordsOf(d *retrieval.Document, p *retrieval.Passage, doing string) (words, error) {
	var w words
	at := map[string]int{}
	add := func(text string, weight pgtype.TSVectorWeight) {
		for term := range analysis.Terms(text, d.Language) {
			w.length++
			i, there := at[term]
			if !there {
				i = len(w.lexemes)
				at[term] = i
				w.lexemes = append(w.lexemes, pgtype.TSVectorLexeme{Word: term})
			}
			x := &w.lexemes[i]
			if n := len(x.Positions); n < maxPositions {
				x.Positions = append(x.Positions, pgtype.TSVectorPosition{Position: uint16(n + 1), Weight: weight})
			}
		}
	}
	add(d.Title, pgtype.TSVectorWeightA)
	for _, h := range p.Heading {
		add(h, pgtype.TSVectorWeightB)
	}
	add(p.Text, pgtype.TSVectorWeightD)
	bytes := 0
	for i := range w.lexemes { // with the longest prefix, its positions and what makes these begin at an even byte
		bytes += 20 + len(w.lexemes[i].Word) + 1 + 2 + 2*len(w.lexemes[i].Positions)
	}
	if bytes > maxLexemeBytes {
		return w, fault.New(fault.InvalidArgument, fault.ReasonTooLarge, "%s: a passage has more words than the index holds of one: split it smaller", doing)
	}
	return w, nil
}

// identifiers gives the different identifiers of a document's passages, in order.
func identifiers(d *retrieval.Document, passages []retrieval.Passage) []string {
	all := map[string]bool{}
	add := func(text string) {
		for _, x := range analysis.Identifiers(text) {
			all[x] = true
		}
	}
	if len(passages) > 0 {
		add(d.Title)
	}
	for i := range passages {
		for _, h := range passages[i].Heading {
			add(h)
		}
		add(passages[i].Text)
	}
	return slices.Sorted(maps.Keys(all))
}
