// Package tfservingtest is a server with the API of TensorFlow Serving, over gRPC and over REST, for tests. Its models are
// real: small logistic regressions over hashed n-grams, trained in the process, with predictions, classifications and
// regressions that differ from text to text. It owns their training, the two APIs, versions and labels, and the ways in which
// such servers fail. It refuses to be used for anything but tests.
package tfservingtest
