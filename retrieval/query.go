package retrieval

import (
	"time"

	"fairlead/internal/label"
)

// Op is a comparison.
type Op string

// The comparisons.
const (
	Equal          Op = "="
	NotEqual       Op = "!="
	Less           Op = "<"
	LessOrEqual    Op = "<="
	Greater        Op = ">"
	GreaterOrEqual Op = ">="
	In             Op = "in"
	Exists         Op = "exists"
)

// Condition is one condition on a metadata field, or on "uri", "title" or "media_type" of the document.
type Condition struct {
	Field string
	Op    Op
	// Value is text, float64, bool; a list of those for In; a bool for Exists.
	Value any
}

// Filter narrows a search. All conditions must hold; an empty filter lets everything through.
type Filter []Condition

// Query asks for passages.
type Query struct {
	Collection string
	Text       string
	// Top is how many passages to find; 0 is 10.
	Top    int
	Filter Filter
	// Label is that of the query itself, which the embedder must be cleared for. Unset: internal.
	Label label.Label
	// MaxLabel is the highest label to return.
	MaxLabel label.Label
	// Explain asks what each leg found.
	Explain bool
	// LexicalWeight is used in place of the collection's: 1 is words alone, 0 vectors alone. Nil: the
	// collection's.
	LexicalWeight *float64
}

// Hit is a passage that was found.
type Hit struct {
	Passage Passage
	// Score is in [0,1] within one search.
	Score float64
	// LexicalRank and VectorRank are places from 1; 0 is not found by that leg.
	LexicalRank, VectorRank int
	// LexicalScore is BM25, more is better. VectorScore is the cosine similarity.
	LexicalScore, VectorScore float64
}

// Found is the outcome of a search, the best hit first.
type Found struct {
	Hits []Hit
	// Exhausted is true when there are fewer hits than asked because there are no more.
	Exhausted bool
	// Incomplete is true when there are fewer hits than asked and there may be more: an index stopped early.
	Incomplete bool
	// Degraded says why the vectors were left out, for a reader. Empty: nothing was.
	Degraded string
	// Explanation is nil unless it was asked for.
	Explanation *Explanation
}

// Explanation says how a search went.
type Explanation struct {
	Fusion        string
	LexicalWeight float64
	// LexicalQuery is the query as the full-text index saw it.
	LexicalQuery            string
	LexicalHits, VectorHits int
	Embedder                string
	// LexicalTime and VectorTime are those of the legs. Where both were one call to the store they are equal.
	LexicalTime, VectorTime time.Duration
	// Lexical and Vector say how each leg went through what is stored. A leg that was not asked has no Method.
	Lexical, Vector Scan
}
