package score

import (
	"context"
	"strings"

	"fairlead/internal/locale"
	"fairlead/retrieval/analysis"
)

// Support says whether evidence holds a claim.
type Support interface {
	// Supports says whether the texts together say what the claim says. language is ISO 639-1, or "". An error is a
	// failure to tell.
	Supports(ctx context.Context, claim string, evidence []string, language string) (bool, error)
}

// DefaultThreshold is the share of a claim's words that its evidence must hold.
const DefaultThreshold = 0.6

// Lexical tells support by words: the share of the claim's words, without stop words and by their stems, that stand in
// the evidence must reach Threshold, and every number of the claim must stand there. It finds what is made up, and what
// is cited from the wrong place; it does not see a "not", and it refuses a good paraphrase, or evidence in another
// language than the claim's. A judge sees more and costs more.
type Lexical struct {
	// Threshold is from 0 to 1. Default DefaultThreshold.
	Threshold float64
}

var _ Support = Lexical{}

// Supports compares words.
func (l Lexical) Supports(_ context.Context, claim string, evidence []string, language string) (bool, error) {
	share, numbers := Contained(claim, evidence, language)
	threshold := l.Threshold
	if threshold == 0 {
		threshold = DefaultThreshold
	}
	return numbers && share >= threshold, nil
}

// Contained gives the share of a claim's words that stand in the evidence, by the terms of package analysis, and whether
// all its numbers do. Where the claim has no words the share is 0. An empty language is told from the claim.
func Contained(claim string, evidence []string, language string) (share float64, numbers bool) {
	if language == "" {
		language = locale.Of(claim)
	}
	there := map[string]bool{}
	for _, text := range evidence {
		for _, l := range []string{language, ""} {
			for term := range analysis.Terms(text, l) {
				there[term] = true
			}
		}
	}
	terms := analysis.Query(claim, []string{language, ""})
	if len(terms) == 0 {
		return 0, true
	}
	held := 0
	numbers = true
	for _, t := range terms {
		found := false
		for _, v := range t.Variants {
			found = found || there[v]
		}
		switch {
		case found:
			held++
		case strings.ContainsFunc(strings.Join(t.Variants, ""), func(r rune) bool { return digit(r) >= 0 }):
			numbers = false
		}
	}
	return float64(held) / float64(len(terms)), numbers
}
