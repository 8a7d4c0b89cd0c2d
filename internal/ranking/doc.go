// Package ranking says how good a search is. It owns the loaders of judged collections in TREC and SQuAD form, and the
// benchmark that runs a retrieval.Service over one. It refuses to hold any collection: those are read from a folder. What
// it measures is evals/score's, and the intervals are evals/stat's.
package ranking
