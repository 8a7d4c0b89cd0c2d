// Package learned predicts how well each target would answer a prompt, from what became of other prompts. It owns the
// features of a text, the model and its file, the artefact. It refuses to decide: a prediction takes the place of a target's
// quality in a decision, and nothing else of it. It reads no file and no clock, calls nothing and learns nothing while it
// serves: models are fitted by evals/router, and a model that did not pass its test is refused by Load.
//
// # Features
//
// Words, pairs of neighbouring words, the first four and the last three characters of words, and marks are hashed into
// 65,536 signed counts (Weinberger, Dasgupta, Langford, Smola and Attenberg, "Feature Hashing for Large Scale Multitask
// Learning", ICML 2009), counted as 1 + ln(n), weighed by rarity and brought to length 1. Scripts without spaces have
// characters for words. Beside them stands the shape of the text: 16 stats of its length and make-up that need no
// language, each cut at its quantiles. Of a text of more than 16 KiB the first and the last 8 KiB are read.
//
// # Neighbours
//
// Prompts are remembered by their 32 heaviest features, so that the nearest are found through the features that they share,
// exactly and in microseconds. Codes of signs of dense hashed vectors (256 and 512 bits) were tried first: their noise is as large as
// the cosines between prompts, and routing by such neighbours alone was no better than chance on subjects held out.
//
// # Confidence
//
// An interval is that of the mean score of prompts that were held out in training and predicted alike. The model abstains for a
// prompt that is less near to what was seen than 99 of 100 that were held out, for a target with few outcomes, and where
// the interval is wide. It holds no text of the prompts that it was trained on.
package learned
