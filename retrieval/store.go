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

	// SearchText finds passages by words, the best first, with LexicalRank and LexicalScore set. It also
	// gives the query as the index saw it. A text without a word in it finds nothing and is no error.
	SearchText(ctx context.Context, tenant string, q LegQuery) (hits []Hit, seen string, err error)
	// SearchVector finds passages by cosine similarity, the best first, with VectorRank and VectorScore
	// set.
	SearchVector(ctx context.Context, tenant string, q LegQuery) ([]Hit, error)
	// PassagesGet gives passages by id, in no order; ids that are not there are left out.
	PassagesGet(ctx context.Context, tenant, collection string, ids []string) ([]Passage, error)
}

// LegQuery is one leg of a search.
type LegQuery struct {
	Collection string
	// Text is for SearchText, Vector for SearchVector.
	Text   string
	Vector []float32
	// Limit is how many hits to give.
	Limit    int
	Filter   Filter
	MaxLabel label.Label
}
