// Package tokens counts the tokens of texts and prompts with the vocabularies that OpenAI publishes, which
// come with the program: nothing is fetched. It owns the way from a text to a number; it refuses to give
// token ids, to price anything, and to correct its count by what a backend reports, which is its caller's.
//
// A text is cut into pieces as tiktoken's patterns o200k_base and cl100k_base cut it, and the pieces are
// merged by byte-pair encoding (Sennrich et al., 2016). The patterns are written out as code, since a regular
// expression took most of the time; a fuzz test holds them against the library's. A vocabulary is made at
// its first use (some tens of milliseconds, some 15 MiB), so a program that counts nothing pays nothing.
package tokens
