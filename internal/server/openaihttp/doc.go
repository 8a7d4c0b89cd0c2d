// Package openaihttp serves the engine in the OpenAI dialect: POST /v1/chat/completions (plain and
// streamed), POST /v1/embeddings, GET /v1/models and GET /v1/models/{id}. It owns the wire form of these
// requests, answers, streams and errors. It refuses to decide anything: it decodes, calls the engine and
// encodes, and everything that a run says comes from the engine's events. It has wire types of its own,
// so that no client library decides what the dialect is.
//
// # Requests
//
// The model is "auto", "policy/NAME", "chain/NAME" or a target's name. Names of fields are matched
// exactly, a field given twice is an error, and null is the same as a field left out. Top-level fields that
// the vocabulary of providers does not have go to providers.Request.Extra as they came; providers.
// MeaningfulExtra says which of them only a backend of this dialect can honour. Fields within messages,
// tools and parts that are not of the dialect are ignored. What cannot be carried back to the caller is
// refused instead of dropped: n other than 1, logprobs, audio, the old functions.
//
// What the dialect has no field for stands in headers: Fairlead-Label (also metadata.label; the higher one
// holds), Fairlead-Session (also metadata.session), Fairlead-Timeout such as "5s", and
// Fairlead-Budget-Usd such as "0.01". The two metadata keys are ours and are not passed on.
//
// # Answers
//
// The answer's model is the target that answered, or "chain/NAME" for a chain. Plain answers have the
// headers Fairlead-Run, Fairlead-Target and Fairlead-Cost-Usd; the last is left out when the price of an
// attempt is not known. The same facts, and more, are in the field "fairlead" of a plain answer and of the last
// chunk of a stream: {run, target, reported_model, cost_usd, cost_incomplete, usage_estimated, label,
// citations}. A citation there has its mark's number, the document's URI, its headings, its lines and, where
// the words are known to the letter, the quote. Marks such as "[1]" in the text are also told as OpenAI's
// annotations (url_citation; indexes count Unicode characters of the text, end excluded) in the message of
// a plain answer and in the delta of a stream's last choice chunk.
//
// For a chain only the run's output is sent. Where nothing of it was streamed, it is one chunk at the end.
// A model's reasoning goes to reasoning_content, for plain chats and not for chains; so do tool calls.
//
// # Streams
//
// The status and the headers wait for the first piece of the answer, so a failure before it is an HTTP
// status with a JSON body, which clients know how to retry. When HoldHeaders has passed without a piece,
// they are sent, so that nothing between here and the client takes the connection for dead; comments
// keep it alive from then on.
//
// A failure after that is a frame {"error": …}; then the connection is broken off, so that the
// body does not end as a whole one does. [DONE] is sent only when the run went well and all of its answer was
// written. Text cannot be withdrawn in this dialect, so streams ask the engine for no restarts.
package openaihttp
