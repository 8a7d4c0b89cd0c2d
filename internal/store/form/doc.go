// Package form holds what is the same in every database: which documents, filters and texts are taken, how metadata
// and messages are written, and the words in which something is refused. It owns those forms; it refuses to know a
// database.
package form
