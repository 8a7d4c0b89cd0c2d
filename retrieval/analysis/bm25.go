package analysis

import "math"

// What ranks passages by words: BM25 (Robertson and Zaragoza, "The probabilistic relevance framework", 2009) as
// FTS5 has it, so that another index gives the same numbers. For a passage and the variants v of a query's terms:
//
//	score = Σ IDF(v) · f·(K1+1) / (f + K1·(1 − B + B·D/A))
//	f     = 2.0·(how often v is in the title) + 1.5·(in the headings) + 1.0·(in the text)
//	D     = how many terms title, headings and text have together, each counted each time, without weights
//	A     = the mean of D over all passages of the collection
//	IDF   = ln((N − n + 0.5) / (n + 0.5)), and 1e-6 where that is not above 0
//	N     = how many passages the collection has, n those that have v in any of the three
//
// N, n and A are of the whole collection, whatever a filter or a label leaves out. A variant counts for itself: it
// has its own IDF, and a passage with two variants of a term has both.
const (
	K1 = 1.2
	B  = 0.75

	TitleWeight   = 2.0
	HeadingWeight = 1.5
	TextWeight    = 1.0

	// LeastIDF is what a variant counts that half of the passages have.
	LeastIDF = 1e-6
)

// IDF is how much it says that a passage has a term which n of all passages have.
func IDF(all, n int64) float64 {
	if idf := math.Log((float64(all-n) + 0.5) / (float64(n) + 0.5)); idf > 0 {
		return idf
	}
	return LeastIDF
}

// Score is what one variant adds to the score of a passage: frequency is weighted, length and mean are in terms.
func Score(idf, frequency float64, length, mean float64) float64 {
	return idf * frequency * (K1 + 1) / (frequency + K1*(1-B+B*length/mean))
}
