package extractive

import (
	"cmp"
	"slices"
)

// choose gives the quotes that answer the question, in the order of the documents: the best first, then
// what adds most to it, by maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998). None: the
// documents do not answer.
func (g *Generator) choose(all []*candidate, words int) []*candidate {
	slices.SortStableFunc(all, func(a, b *candidate) int { return cmp.Compare(b.score, a.score) })
	if len(all) == 0 || all[0].coverage < g.minCoverage {
		return nil
	}
	best := all[0]
	chosen := []*candidate{best}
	for words -= best.length; len(chosen) < g.maxQuotes; {
		var next *candidate
		top := 0.0
		for _, c := range all {
			if c.score < relative*best.score {
				break
			}
			if c.length > words || (c.said == 0 && !c.follows) {
				continue
			}
			near := 0.0
			for _, d := range chosen {
				if c.document == d.document && c.start < d.end && d.start < c.end {
					near = 2 // they overlap: never both
				}
				near = max(near, overlap(c.words, d.words))
			}
			if near >= 0.8 {
				continue
			}
			if value := c.score - diversity*near; value > top {
				next, top = c, value
			}
		}
		if next == nil {
			break
		}
		chosen = append(chosen, next)
		words -= next.length
	}
	slices.SortFunc(chosen, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(a.document, b.document), cmp.Compare(a.start, b.start))
	})
	return chosen
}

const (
	// relative is how good a further quote must be, as a share of the best.
	relative = 0.6
	// diversity is what a further quote loses by saying again what is there.
	diversity = 0.4
)

// overlap is the share of the shorter one's words, stop words aside, that the other has, too.
func overlap(a, b []string) float64 {
	if len(a) > len(b) {
		a, b = b, a
	}
	n, same := 0, 0
	for _, w := range a {
		if _, stop := stopWords[w]; stop {
			continue
		}
		n++
		if slices.Contains(b, w) {
			same++
		}
	}
	if n == 0 {
		return 0
	}
	return float64(same) / float64(n)
}
