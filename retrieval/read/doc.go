// Package read turns the bytes of a source into text with its blocks: headings, paragraphs, lists,
// tables, code and records, each with its place. It owns the file formats: Markdown, plain text, HTML,
// PDF, DOCX, CSV and JSON Lines. It refuses to know what becomes of the text, and to guess: what it
// cannot read is an error that names the document and says what is wrong with it.
//
// # Places
//
// For Markdown, plain text, CSV and JSON Lines the text is the file to the byte (a byte-order mark
// included, which belongs to no block), so that places are those of the file; a file in UTF-16 is
// converted first. For HTML, PDF and DOCX the text is what was read out of the file.
//
// # Hostile files
//
// Readers work on bytes that anybody may have made. Sizes are capped before and after unpacking, nesting
// is capped before recursion, and loops over a file's own counts are bounded by its size. No reader
// starts a goroutine, and all look at the context between pieces of work.
package read
