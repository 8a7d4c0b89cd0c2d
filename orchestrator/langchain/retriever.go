package langchain

import (
	"context"

	"github.com/tmc/langchaingo/schema"

	"fairlead/retrieval"
)

// Retriever is a search as langchaingo's chains know one.
type Retriever struct {
	// Search finds passages, the best first. It has its tenant, collection, filter and label in it.
	Search func(ctx context.Context, query string) ([]retrieval.Hit, error)
}

var _ schema.Retriever = Retriever{}

// The keys of a document's metadata.
const (
	MetaID        = "id"         // string
	MetaURI       = "uri"        // string
	MetaTitle     = "title"      // string
	MetaHeading   = "heading"    // []string, outermost first
	MetaLineStart = "line_start" // int, from 1
	MetaLineEnd   = "line_end"   // int, included
	MetaScore     = "score"      // float64 in [0,1]
	MetaLabel     = "label"      // string
)

// GetRelevantDocuments gives the passages that were found. Errors of Search are passed on as they are.
func (r Retriever) GetRelevantDocuments(ctx context.Context, query string) ([]schema.Document, error) {
	hits, err := r.Search(ctx, query)
	if err != nil {
		return nil, err
	}
	docs := make([]schema.Document, len(hits))
	for i, h := range hits {
		docs[i] = schema.Document{
			PageContent: h.Passage.Text,
			Score:       float32(h.Score),
			Metadata: map[string]any{
				MetaID: h.Passage.ID, MetaURI: h.Passage.URI, MetaTitle: h.Passage.Title, MetaHeading: h.Passage.Heading,
				MetaLineStart: h.Passage.Span.LineStart, MetaLineEnd: h.Passage.Span.LineEnd,
				MetaScore: h.Score, MetaLabel: h.Passage.Label.String(),
			},
		}
	}
	return docs, nil
}
