// Package hashing is an embedder that needs no model and no network: it hashes words and pieces of words
// into the numbers of a vector. It owns that one function from text to vector and its identity, which
// changes whenever the function does. It refuses to pretend: it knows no meaning. Two texts are near
// when they share words, word pairs or word pieces, and "car" is as far from "automobile" as from
// "banana". What it is good for: it finds typos, inflections and compounds without a stemmer, in any
// language with or without spaces, in microseconds, and the same on every machine. Beside a full-text
// index it adds tolerance; it does not replace an embedding model.
//
// # The function
//
// Texts are folded: compatibility forms are unified (NFKD), letters lowered, accents and the marks of
// Arabic and Hebrew vowels dropped. A word is a run of letters and digits. Scripts without spaces
// (Han, kana, Thai, Lao, Khmer, Burmese) have no words here, only characters.
//
// Features are words, pairs of neighbouring words, and the pieces of three and four characters of
// each word with its two ends marked; in scripts without spaces one, two and three neighbouring
// characters. A word counts 1 + ln(tf), its pieces share a weight that goes with the word's, words of one
// or two letters and the most common words of some languages count little. Each feature adds its weight
// to one number, with a sign, both taken from its 64-bit hash: signed feature hashing, whose inner
// products are those of the features but for noise (Weinberger, Dasgupta, Langford, Smola and Attenberg,
// "Feature Hashing for Large Scale Multitask Learning", ICML 2009). The noise of a cosine is about
// 1/√dimensions, 0.05 for 384: more dimensions rank better. Vectors have length 1. Sums are made of whole numbers, so that no
// machine rounds them otherwise.
package hashing
