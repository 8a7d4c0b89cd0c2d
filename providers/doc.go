// Package providers is the vocabulary of a model call: messages, requests, chunks, usage and errors, and
// the small interfaces that an adapter satisfies. It owns what every backend has in common and the
// questions dispatch asks of an error (Retryable, RetryAfter, Billed). It refuses to know any backend,
// to route, to retry and to hold state.
//
// # Streams
//
// A Generator gives an iter.Seq2[Chunk, error]. Breaking the loop cancels the call, so nothing leaks. A
// stream is complete if and only if it ended without an error; an adapter that ends one without an
// error has yielded a chunk with a Finish and has seen the backend's own mark of the end. A stream that
// was cut, that carried an error or a frame that is not the protocol's ends with an error: a truncated
// answer is never a success. After an error nothing follows.
//
// The conformance suite in providertest is the definition of this contract.
package providers
