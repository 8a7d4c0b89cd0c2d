// Package langchain is the only room where langchaingo is used: its chains, memory and text splitters run
// here on our routed models. It owns the translation between its types and those of providers and
// retrieval. It refuses to route, to count money and to know the engine: every model call goes through a
// CallFunc, which the engine gives and which routes, pays and streams.
//
// Langchaingo's provider clients and vector stores are not used.
//
// # What is routed around
//
// Facts about langchaingo v0.1.14, each of which a test here or its source shows:
//
//   - chains.LLMChain makes one human message of the whole prompt (PromptValue.String), so roles, pictures
//     and tool calls would be lost. Here they ride in the Model, and only the text of the last message
//     goes through the chain.
//   - Its prompts are text/template with the functions of sprig, parsed on every call; text that comes
//     from outside must never be one. The prompts here are FormatPrompters that hold no template at all.
//   - outputparser.Simple trims the answer's white space. The parser here does not.
//   - In llms.CallOptions zero means "not set", so a temperature of 0 cannot be asked for; the base request
//     can.
//   - memory.ConversationWindowBuffer cuts by number of messages, so that a window may begin with the
//     result of a tool whose call is gone, and writes the cut window over the stored history. History cuts
//     by whole turns when it reads, and the store keeps everything.
//   - memory.ConversationBuffer saves the user's and the model's message by two calls, the first of which
//     may stand alone. History adds whole turns.
//   - chains.Apply, which runs the map step, goes on calling the model after it has returned an error.
//     Summarize ends those calls and waits for them.
package langchain
