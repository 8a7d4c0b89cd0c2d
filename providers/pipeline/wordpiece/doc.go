// Package wordpiece turns texts into the numbers that models of the BERT family are trained on. It reads the
// tokenizer.json that comes with such a model and does what the tokenizers library of Hugging Face does for it: the
// BERT normaliser and pre-tokeniser, WordPiece (Wu et al. 2016, arXiv:1609.08144; greedy longest match first, as in
// Devlin et al. 2019, arXiv:1810.04805), and the special tokens around the sequence. Its tests hold it to that library.
// Of all 1,112,064 code points 624 are taken otherwise than by tokenizers 0.23.3: marks and signs that Unicode has got
// since 8.0, the version of that library's table.
//
// It refuses every other kind of tokenizer in words when it reads the file, rather than count differently from the
// model: BPE, Unigram, other normalisers, and added tokens that are not special.
//
// Special tokens that a text spells out, such as [SEP], are text here (encode_special_tokens in that library): what a
// caller writes does not end the caller's sequence.
package wordpiece
