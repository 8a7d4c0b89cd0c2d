// Package scale measures a store with many passages of many tenants: how fast they go in, how fast and how well they
// are found, and whether one tenant feels another. It owns the data, which are made up, and the measures; it refuses to
// know a database, which it is given as a store.
//
// # The data
//
// All of it follows from a seed. A text is words of three kinds: grammar, which an index leaves out; a common vocabulary
// of 30,000 made-up words as unevenly frequent as those of a language (Zipf's law as Mandelbrot has it); and the 200 words
// of its topic, which are drawn from the same vocabulary. A vector has 32 hidden dimensions, as those of embedding models have
// few that count: the place of its topic, that of its document around it, and its own around that. They are mapped to
// the vector's length by a random matrix, with a little noise in every dimension. Topics are the same for all tenants, so
// the neighbours of a passage in an index that all share are mostly those of others: the hard case. A query is a
// passage's place with noise, and words that stand in that passage.
package scale
