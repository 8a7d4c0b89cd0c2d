// Package analysis makes terms of texts: what a store indexes of a passage, and what it asks its index for. It owns
// the words, their folding and their stems by language, the stop words and the numbers of BM25, so that every store
// finds and ranks alike. It refuses to know an index, and whose text it is.
//
// # Terms
//
// A word is a run of letters, digits and marks. It becomes a term by four steps: compatible forms are made one
// (ligatures, full-width letters), case is folded, the language's stemmer takes its ending off, and Latin and Greek
// letters lose their diacritics. The stemmers are Snowball's (Porter, "Snowball: a language for stemming algorithms",
// 2001). A text of no language, or of one without a stemmer, keeps its words as they are.
//
//   - Scripts that do not part words by spaces (Han, kana, Hangul, Thai, …) give each letter, and each pair of
//     neighbours. A query asks for the pairs, and for a letter only where it stands alone.
//   - Arabic and Hebrew lose vowel points; letters of Arabic that are written in several ways are made one, and its
//     words lose common prefixes and suffixes (Larkey, Ballesteros and Connell, "Light stemming for Arabic
//     information retrieval", 2007: light10), in every language that is not one of those that borrowed the script.
//   - Identifiers (ERR_CONN_4711, getUserName, v1.2.3, a path, a mail address) give their parts as words, and
//     themselves as one term each that is folded and not stemmed. See Identifiers.
//   - At an apostrophe within a word a single letter is dropped: l'été, John's.
//
// A term holds letters, digits, marks and the signs of Signs, never a space, a quote or a control character, and has
// from 1 to MaxRunes runes. All is linear in the text, whatever is in it.
//
// What is in an index was made by one version of this package: a store keeps Version beside an index and makes it
// anew when that is another.
package analysis
