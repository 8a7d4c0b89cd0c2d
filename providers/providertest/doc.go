// Package providertest is the conformance suite of package providers: it defines what an adapter is. An
// adapter is done when Run passes for it.
//
// It owns four things: the stream contract that every Generator keeps, in the process or over a wire;
// the contracts of Embedders and of Classifiers; and, for adapters that speak a known wire dialect, fake servers that speak
// the real format and fail in the ways that real servers, proxies and networks do. It refuses to know
// any adapter: it makes them through the functions of a Harness.
//
// # The stream contract
//
//   - The call starts when the loop starts. A stream that nobody loops over costs nothing.
//   - A stream that ends without an error has yielded a Finish exactly once, with nothing but usage and
//     the model's name after it, and usage at most once.
//   - An error is a *providers.Error, comes last and once.
//   - An ended context always gives KindCanceled or KindTimeout, before the call and between any two
//     chunks up to the one with the Finish, however much of the answer is already there.
//   - Breaking the loop ends the call and leaves nothing running.
//   - The request is not changed, and one Generator serves many goroutines.
//
// # What is the end of a stream
//
// In the OpenAI dialect the end is "data: [DONE]". Compatible servers exist that leave it out, so a
// stream is whole, too, when a chunk had a finish_reason and the body then ended as HTTP says that it
// should (the last chunk of a chunked body, or Content-Length). A body that ends by closing the connection
// proves nothing and is truncated without "[DONE]", and so is any stream without a finish_reason: a "[DONE]"
// alone does not tell why the model stopped. In the Ollama dialect the end is a frame with done: true.
//
// # Goldens
//
// Each testdata/<case>/request.json is one request; want.<dialect>.json is what becomes of it. An adapter's
// tests rewrite the latter with the flag -update, to be read before they are committed.
package providertest
