package retrieval

import (
	"time"

	"fairlead/internal/label"
)

// Collection is a set of documents that are searched together.
type Collection struct {
	Name        string
	Description string
	// Label is the lowest label that its documents have.
	Label label.Label
	// Embedder names the target that embeds its passages, such as "hashing". Only a reindex changes it, and
	// Identity and Dimensions with it.
	Embedder string
	// Identity is of the model behind the embedder. Empty: not known yet; the first document stored with one
	// sets it.
	Identity string
	// Dimensions is the length of its vectors.
	Dimensions int
	// LexicalWeight is how much the words count against the vectors, in [0,1].
	LexicalWeight float64
	CreatedAt     time.Time

	// Documents and Passages are counts, set by the store when it is asked.
	Documents int64
	Passages  int64
	// Languages are those of its documents, ISO 639-1, in order, and "" where one has none. Set by the store.
	Languages []string
	// Reindex is the one in progress, set by the store. Nil: there is none.
	Reindex *Reindex
	// Outdated says that the model behind the embedder is another one now than Identity: a reindex mends it. Set by
	// Service, never by a store.
	Outdated bool
}

// Embedding says what makes vectors. Vectors of two embeddings cannot be compared.
type Embedding struct {
	// Embedder is the target's name, such as "hashing".
	Embedder string
	// Identity is of the model behind it, and changes when its vectors would.
	Identity string
	// Dimensions is the length of the vectors.
	Dimensions int
}

// Reindex is how far the vectors of another embedding are.
type Reindex struct {
	To Embedding
	// Done is how many passages have a vector of it, of Total.
	Done, Total int64
	StartedAt   time.Time
}

// Document is a document as it is stored.
type Document struct {
	// ID is made from the collection and the URI, so it stays when the content changes.
	ID         string
	Collection string
	URI        string
	Title      string
	MediaType  string
	// Language is that of the text, ISO 639-1, such as "de". Empty: none that is known, and then words are
	// indexed as they are.
	Language string
	Label    label.Label
	// Metadata is what filters can ask for: text, float64, bool and lists of text.
	Metadata map[string]any
	// EmbeddedBy is the identity of what made its vectors, when it is put. Empty: not told. A collection of
	// another identity refuses it.
	EmbeddedBy string
	// ContentHash is the SHA-256 of the source's bytes, in hex.
	ContentHash string
	// Fingerprint is the hash of all that the stored passages depend on.
	Fingerprint string
	// SourceBytes is the size of the source.
	SourceBytes int64
	// Text is what spans refer to. Empty in listings.
	Text      string
	Passages  int
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Span is a place within a document's text.
type Span struct {
	// ByteStart and ByteEnd are the bytes [start, end).
	ByteStart, ByteEnd int
	// LineStart and LineEnd are lines from 1, both included.
	LineStart, LineEnd int
	// Page is from 1, or 0 where there are no pages.
	Page int
}

// Passage is a piece of a document with its place in it.
type Passage struct {
	ID         string
	Collection string
	DocumentID string
	// URI, Title and Label are the document's.
	URI   string
	Title string
	Label label.Label
	// Ordinal is the passage's place among those of its document, from 0.
	Ordinal int
	// Heading holds the headings above the passage, outermost first.
	Heading []string
	// Text is the document's text at Span, to the byte.
	Text string
	Span Span
}

// Source is a document to ingest, as it comes.
type Source struct {
	URI string
	// MediaType is told from the URI and the bytes when it is empty.
	MediaType string
	// Title is told from the content when it is empty.
	Title string
	// Language is told from the content when it is empty: ISO 639-1, such as "de".
	Language string
	// Label is at least the collection's. Unset: the one that a stored document of that URI has, else the
	// collection's.
	Label    label.Label
	Metadata map[string]any
	Content  []byte
}

// Status says what became of a document.
type Status string

// What can become of a document.
const (
	Added     Status = "added"
	Unchanged Status = "unchanged"
	Replaced  Status = "replaced"
	Failed    Status = "failed"
)

// Result says what became of one document.
type Result struct {
	URI        string
	DocumentID string
	Status     Status
	Passages   int
	// Err is why it failed, as a *fault.Error.
	Err error
}
