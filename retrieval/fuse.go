package retrieval

import (
	"cmp"
	"slices"
)

// Fuse joins what two legs found by a weighted sum of their scores, each mapped linearly to [0,1] over
// its candidates (min-max normalisation; see Fox and Shaw, "Combination of Multiple Searches", TREC-2,
// 1994, whose CombSUM this is with weights). What a leg did not find has 0 there. When a leg found
// nothing or has no weight, the other decides alone. The weight is that of the words, in [0,1].
//
// Normalised scores are used rather than ranks because a rank forgets by how much the first one won: in
// the table that Anserini publishes for fusion on BEIR the sum of scores beats reciprocal ranks on 27 of 29.
//
// Equal scores are ordered by uri and ordinal, so that a search has one outcome. A Fuser gives the same.
func Fuse(lexical, vector []Hit, weight float64) []Hit {
	switch {
	case len(lexical) == 0:
		weight = 0
	case len(vector) == 0:
		weight = 1
	}
	byID := make(map[string]int, len(lexical)+len(vector))
	out := make([]Hit, 0, len(lexical)+len(vector))
	if weight > 0 {
		norm := normaliser(lexical, func(h *Hit) float64 { return h.LexicalScore })
		for i := range lexical {
			h := lexical[i]
			h.Score = weight * norm(&h)
			byID[h.Passage.ID] = len(out)
			out = append(out, h)
		}
	}
	if weight < 1 {
		norm := normaliser(vector, func(h *Hit) float64 { return h.VectorScore })
		for i := range vector {
			h := vector[i]
			h.Score = (1 - weight) * norm(&h)
			at, both := byID[h.Passage.ID]
			if !both {
				byID[h.Passage.ID] = len(out)
				out = append(out, h)
				continue
			}
			out[at].Score += h.Score
			out[at].VectorRank, out[at].VectorScore = h.VectorRank, h.VectorScore
		}
	}
	slices.SortFunc(out, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Passage.URI, b.Passage.URI),
			cmp.Compare(a.Passage.Ordinal, b.Passage.Ordinal))
	})
	return out
}

// normaliser maps the scores of hits to [0,1]. Where all are equal they are all the best there is.
func normaliser(hits []Hit, score func(*Hit) float64) func(*Hit) float64 {
	if len(hits) == 0 {
		return func(*Hit) float64 { return 0 }
	}
	low, high := score(&hits[0]), score(&hits[0])
	for i := range hits {
		low, high = min(low, score(&hits[i])), max(high, score(&hits[i]))
	}
	if high == low {
		return func(*Hit) float64 { return 1 }
	}
	return func(h *Hit) float64 { return (score(h) - low) / (high - low) }
}
