package retrieval

import (
	"context"

	"fairlead/internal/label"
)

// Store keeps collections, documents, passages and vectors. Each method names the tenant: no row of
// another tenant is ever read or written. Errors are *fault.Error: NotFound with ReasonUnknownColl or
// ReasonUnknownDocument where something is not there. internal/store/storetest is the definition.
type Store interface {
	// CollectionInsert makes a collection. AlreadyExists when there is one of that name.
	CollectionInsert(ctx context.Context, tenant string, c Collection) error
	// CollectionGet gives a collection with its counts.
	CollectionGet(ctx context.Context, tenant, name string) (*Collection, error)
	// CollectionList gives all collections by name, with their counts.
	CollectionList(ctx context.Context, tenant string) ([]Collection, error)
	// CollectionDelete deletes a collection and all it holds, and says how many documents went.
	CollectionDelete(ctx context.Context, tenant, name string) (int64, error)

	// DocumentPut stores a document with its passages and one vector for each passage, in place of what
	// was there under its ID: all of it or nothing. CreatedAt of what was there is kept.
	DocumentPut(ctx context.Context, tenant string, d Document, passages []Passage, vectors [][]float32) error
	// DocumentGet gives a document with its text, by id or by uri.
	DocumentGet(ctx context.Context, tenant, collection, idOrURI string) (*Document, error)
	// DocumentFingerprint gives the fingerprint of a stored document, or "" where there is none.
	DocumentFingerprint(ctx context.Context, tenant, collection, id string) (fingerprint string, passages int, err error)
	// DocumentList gives documents by uri, without their texts, from the first uri after `after`.
	DocumentList(ctx context.Context, tenant, collection, after string, limit int) ([]Document, error)
	// DocumentDelete deletes a document, its passages and its vectors.
	DocumentDelete(ctx context.Context, tenant, collection, idOrURI string) error

	// SearchText finds passages by words, the best first, with LexicalRank and LexicalScore set. A text
	// without a word in it finds nothing and is no error.
	SearchText(ctx context.Context, tenant string, q LegQuery) (*Leg, error)
	// SearchVector finds passages by cosine similarity, the best first, with VectorRank and VectorScore
	// set.
	SearchVector(ctx context.Context, tenant string, q LegQuery) (*Leg, error)
	// PassagesGet gives passages by id, in no order; ids that are not there are left out.
	PassagesGet(ctx context.Context, tenant, collection string, ids []string) ([]Passage, error)

	// ReindexBegin opens a second set of vectors beside the one that is searched, for another embedder, or
	// finds the one that is open. FailedPrecondition when one for another embedder is open.
	ReindexBegin(ctx context.Context, tenant, collection string, to Embedding) (*Reindex, error)
	// ReindexPending gives up to limit passages, with their texts, that have no vector in the second set yet.
	ReindexPending(ctx context.Context, tenant, collection string, limit int) ([]Passage, error)
	// ReindexPut adds vectors to the second set, all or none, by passage id. Passages that are not there any
	// more are left out, and those that have one already keep it.
	ReindexPut(ctx context.Context, tenant, collection string, ids []string, vectors [][]float32) error
	// ReindexSwap makes the second set the one that is searched, at once, and deletes the first.
	// FailedPrecondition when there is none, or passages have no vector in it: embed those and swap again.
	ReindexSwap(ctx context.Context, tenant, collection string) error
	// ReindexAbort deletes the second set. Where there is none it does nothing.
	ReindexAbort(ctx context.Context, tenant, collection string) error
}

// Fuser is a Store that does both legs of a search and joins them in one round trip. What it gives is what
// SearchText, SearchVector and the fusion of a Service give.
type Fuser interface {
	// SearchFused gives the best top passages with their texts, with Score and what the legs know set. q.Limit
	// is how many candidates each leg has, weight is that of the words, in (0,1).
	SearchFused(ctx context.Context, tenant string, q LegQuery, top int, weight float64) (*Fused, error)
}

// Fused is the outcome of both legs.
type Fused struct {
	Hits []Hit
	// Lexical and Vector have no hits: LexicalHits and VectorHits say how many candidates there were.
	Lexical, Vector         Leg
	LexicalHits, VectorHits int
}

// Leg is what one leg of a search found.
type Leg struct {
	Hits []Hit
	// Seen is the query as the full-text index saw it. Only of words.
	Seen string
	Scan Scan
}

// Scan says how a leg went through what is stored, and why so.
type Scan struct {
	// Method is "words", "exact", "codes" (candidates by bits, ranked exactly) or "hnsw".
	Method string
	// Why says for a reader why this method was chosen.
	Why string
	// Rows is how many passages there were to choose from, after the filter and labels; an estimate where
	// Estimated. -1: not known.
	Rows      int64
	Estimated bool
	// Incomplete is true when there may be more that match although fewer than the limit were found.
	Incomplete bool
}

// LegQuery is one leg of a search.
type LegQuery struct {
	Collection string
	// Text is for SearchText, Vector for SearchVector.
	Text   string
	Vector []float32
	// EmbeddedBy is the identity of what made Vector. Empty: not told. A collection of another identity refuses
	// it with FailedPrecondition and ReasonReindexing.
	EmbeddedBy string
	// Limit is how many hits to give.
	Limit    int
	Filter   Filter
	MaxLabel label.Label
}
