// Package ranking says how good a search is. It owns the measures (nDCG, recall, reciprocal rank, average
// precision), their intervals of confidence, the loader of judged collections in TREC form, and the
// benchmark that runs a retrieval.Service over one. It refuses to hold any collection: those are read from
// a folder.
package ranking
