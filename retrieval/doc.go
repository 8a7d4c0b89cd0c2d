// Package retrieval holds documents and finds passages in them: read → split → embed → store, and
// search → fuse. It owns the vocabulary (Collection, Document, Passage, Filter, Hit) and the interface
// of the store that it needs. It refuses to know a database, a transport or a model: embedders come
// through providers.Embedder, stores through Store.
//
// # Places
//
// Every passage knows its place in its document's text: bytes, lines, headings, and the page where
// there are pages. The text is what GetDocument gives back. For text, Markdown, CSV and JSON Lines it is
// the file to the byte, so that places are those of the file; for HTML, PDF and DOCX it is the text that
// was read out of the file.
//
// # Content addressing
//
// A document is known by its collection and uri. Its fingerprint is made of its bytes, its title, language, label
// and metadata, and the reader's and splitter's version: the same fingerprint is no work, another one replaces the
// document, its passages and its vectors in one transaction.
//
// # Languages
//
// Each document has a language of its own, by which its words are indexed: as the caller or its metadata says, or as
// its text tells. A search asks in all languages of the collection at once. Package analysis makes the words.
//
// # Search
//
// Words and vectors are searched side by side, each for more candidates than are wanted; their scores are
// mapped to [0,1] and summed with the collection's weight. A search does not die with its embedder: when
// the query cannot be embedded in time it goes on by words alone, and says so.
//
// # Reindexing
//
// Vectors of two models cannot be compared, and the model behind an embedder's name can change. So a collection keeps
// the identity of the model that made its vectors: an embedder of another is refused by Ingest, and a search goes on
// by words alone, until Reindex has made a second set of vectors beside the one that is searched and swapped. The
// store holds the line, too: what was embedded before a swap is not stored, or searched by, after it.
//
// # Labels
//
// A document's label is its own or its collection's, whichever is higher. Every call that touches
// documents takes the caller's ceiling: what is above it is neither found, given, overwritten nor deleted.
// A ceiling that is not set is an error of the program. Only DeleteCollection takes none: whether the
// caller may is decided above.
package retrieval
