// Package sqlite keeps collections, documents, passages, vectors and sessions in one SQLite file: the
// embedded default, in pure Go. It owns the schema, the SQL and the translation of SQLite's errors into
// faults. It refuses to know models, to embed and to fuse: those are retrieval's.
//
// # Connections
//
// One connection writes, with BEGIN IMMEDIATE; a few others read, each method in one snapshot. The
// journal is a WAL, so that readers and the writer do not wait for each other. A file serves several
// processes on one machine; it must not be on a network file system.
//
// # Words
//
// Each collection has a full-text index of its own, lexicon_N, so that the rarity of a word, and with it
// every score, is that of the collection and says nothing about another tenant's. FTS5 makes no words: it is fed
// the terms that package analysis makes of a passage in its document's language, and asked for those that it makes of
// a query in all languages of the collection. The index is without content: it is unfed with the same terms when the
// passage goes. So a collection keeps which version of package analysis made its index, and Open makes anew
// those of another version, each in a transaction: one that is killed begins again at the next Open.
//
// # Vectors
//
// A vector is kept twice: at full precision in vectors, and as a code of bits in codes_N (sqlite-vec,
// partitioned by collection). A search takes candidates by the Hamming distance of codes, a few times
// more than asked for, and ranks them by the cosine at full precision. Codes are signs after a random
// rotation (see encoder), so the distance estimates the angle for sparse vectors too. Where a collection
// or what a filter leaves of it is small, all of it is ranked at full precision. Filters and labels are
// applied before the limit in every case, so fewer hits than asked means that there are no more.
//
// # Sets of vectors
//
// A passage has a vector in each set of its collection's: the one that is searched and, while a reindex is open,
// the one that it makes. A set has a number that is never given twice, which is part of the rows of its vectors and
// codes, and the collection says which number is searched. So a swap writes three rows, however many passages there
// are (20,000: 5 ms), and a search, which is one snapshot, sees one set or the other. The sweep then deletes the old
// one in short steps. reindexes.up_to, below which every passage has a vector, keeps the search for what is missing
// from stepping over what is done; rows of passages grow, and there is one writer, so nothing comes in below it.
//
// # Deletion
//
// What is deleted or replaced is found no more once the call returns, and is then taken out of the file.
// Rows and vectors are overwritten as they are deleted (secure_delete). The index keeps the words of what
// was deleted until its segments are merged: FTS5 can take them out at once (its secure-delete), but that
// took 114 ms for a document of 20 passages among 20,000, against 1.5 ms. So a sweep merges the indexes that
// had deletions, in short steps between other writes, and then empties the WAL. It comes within a second
// of the deletion, or later where sweeps would take more than a twentieth of the time; a sweep that a
// crash or Close prevented is made up for after Open. Sweep does it at once.
package sqlite
