// Package ollama is the adapter for Ollama's own API. It owns the translation between the vocabulary of
// package providers and that API, both ways. It refuses to retry, to route, to fetch pictures and
// to pull models that nobody asked it to.
//
// The shapes of settings are those of github.com/ollama/ollama/api. Its client is not used: it gives no
// error when a stream is cut, reset or has a line of more than 8 MB, it signs requests with a key from
// the user's home for one host name, and its types pass the schemas of tools and the arguments of
// calls through maps that lose what they do not know and the digits of large numbers.
//
// A stream is whole with a frame of "done": true and a reason. Ollama sends "done" without a reason when
// its own runner was lost, so that is a truncated stream. Left alone, Ollama cuts prompts that are too
// long in silence; this adapter asks it to refuse them (see Config.Truncate). A server cannot be told to
// use a tool: ToolsRequired and ToolsNamed are KindUnsupported.
package ollama
