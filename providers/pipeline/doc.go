// Package pipeline makes classifiers and embedders of models that know nothing but tensors. A Config declares what
// becomes of a text, a picture or a record of numbers before the model, and of the model's numbers after it; New
// compiles it once; Classifier and Embedder run it over any providers.Predictor.
//
// It owns that translation and its checks: what a caller sends is refused as invalid before the model is called, and what
// the model gives is held to its declared form (shape, type, number of labels, finite numbers) before anyone believes
// it. It refuses to know a protocol, to call anything by itself, to route and to retry. It starts no goroutines.
package pipeline
