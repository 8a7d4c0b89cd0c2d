// Package openai is the adapter for OpenAI and for every server that speaks its chat completions dialect:
// vLLM, SGLang, TGI, llama.cpp, LM Studio and others. It owns the translation between the vocabulary of
// package providers and that dialect, both ways. It refuses to retry, to route and to follow redirects.
//
// The shapes of the dialect are those of github.com/sashabaranov/go-openai where they can say what has to
// be said. Its client is not used, for reasons that its tests here keep watch over: a stream that was
// cut and one that ended both give io.EOF; its request type cannot say a temperature of 0, an empty tool
// result or a field that it does not know; its answer types fail on fields that we do not need.
//
// Where the program behind the URL is known (Config.Server), it is asked on its own pages, next to "/v1", whether it is there,
// what its models can do and how busy it is. These pages are read with small limits of their own, and metrics by the lines
// that are wanted alone.
//
// What counts as the end of a stream is written in package providertest. A refusal of the model comes as
// text with FinishContentFilter. A finish_reason that we do not know is an error: we could not tell
// whether the answer is whole.
package openai
