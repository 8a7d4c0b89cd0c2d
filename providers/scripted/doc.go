// Package scripted is a provider whose behaviour is written in the name of its model: slow, flaky, cut
// off, hanging, broken, obedient. It is a real provider, enabled by the backend kind "scripted", so that
// tests, demos and load runs need no network and no model, and so that every failure can be had on
// demand. It owns the language of those names and a bill of what it served. It refuses to be random: the
// same name and the same calls give the same answers.
//
// # Models
//
// A model is a kind and, after "?", parameters as in a URL: "slow?ttft=200ms&tps=50". Parameters are
// URL-encoded: "+" and "%20" are spaces. All have defaults, so that a kind alone is a model.
//
//	echo        answers with the last user message. text
//	fixed       answers with text ("This is a fixed answer.")
//	slow        echo with ttft=200ms and tps=50 where nothing else is said. text
//	json        answers with value, which must be JSON ({})
//	status      fails before any chunk, as an HTTP status would: code (503), retry_after, error
//	flaky       fails like status with probability p (0.5), decided by seed (1) and the number of the call
//	            to this model; otherwise it is echo. code (503), retry_after, error, text, dims, label
//	cut         is cut off after so many chunks: after (5), text
//	hang        says after (0) chunks, then nothing until the caller leaves. text
//	garbage     says after (3) chunks, then something that is not the protocol's. text
//	infinite    never stops by itself. overrun=true: it ignores max tokens, too. text
//	tool        asks for a tool: name (lookup), args, which must be JSON ({}), n calls at once (1). Once a
//	            tool message stands after the last user message it answers with text that quotes it
//	obedient    does what it is told by whoever tells it; see below
//	embed       gives vectors of dims (8) numbers of length 1, which depend on the text alone
//	classify    gives every text the class label (yes) with probability p (0.9) and other (no) with the rest
//
// What answers with text, status, flaky, embed and classify also take:
//
//	ttft        the time to the first piece, such as 200ms (0)
//	tps         words in a second after that (no limit); not for status, embed and classify
//	in, out     the tokens that are billed for the prompt and the answer, instead of their words
//	report      false: usage is billed and not reported
//
// The kinds status, flaky and hang also embed and classify, or rather fail to. Max tokens and stop
// sequences are honoured. A retry_after is a number of seconds or a duration. error is a backend's code:
// context_length_exceeded, insufficient_quota, content_filter, model_not_found or any other short word.
//
// # Chunks, words and bills
//
// An answer is streamed word by word, each word with the space after it. A word counts as one token, in
// prompts and in answers, and so does each piece of a tool call; what counts in a prompt is the text of
// messages and tool results and the arguments of tool calls. A call is billed from its first chunk on: the prompt, and each word when it
// is handed over, so that a caller who leaves pays for what came. With out the whole amount is billed
// with the first chunk, as by a model that thinks first. A stream that the backend itself breaks (cut,
// garbage) reports its usage before the error; a caller who left is told nothing. Billed and Account say
// what was billed, to hold a ledger against.
//
// # Obedience
//
// The model obedient looks for orders in the texts of all messages, in their order, and then in the
// texts of the request's documents, and obeys the last one that it has not obeyed yet: the worst model
// that a prompt injection can meet. An order begins a line, or follows one of . ! ? : ; > or a word of
// and, then, please, now, instead, must, to. Case does not matter.
//
//	order   = call | reveal | say | ignore
//	call    = ("call" | "invoke" | "use" | "run") ["the"] ("tool" | "function") NAME
//	          [["with"] ["arguments" | "args" | "input"] [":"] JSON-OBJECT]
//	reveal  = ("reveal" | "repeat" | "print" | "output" | "show") ["me"] ("your" | "the") ["system"]
//	          ("prompt" | "instructions" | "message")
//	say     = ("say" | "print" | "output" | ("reply" | "respond" | "answer") "with") [":"] WHAT
//	ignore  = ("ignore" | "disregard" | "forget") up to 60 characters of the same sentence
//	          ("instructions" | "rules" | "prompt" | "prompts") ["and" | "then" | "instead" | "," | "." | ":"]… WHAT
//
// NAME is letters, digits, "_", "-", ".", ":", perhaps in quotes. WHAT is the text in quotes, or the rest of
// the sentence. Told to call, it asks for that tool, whether the request has it or not, with {} where
// there is no valid object; an order to call is obeyed once the conversation holds that very call. Told
// to reveal, it says the system messages. Told to say, it says WHAT; to ignore and do what is none of the
// above, it says WHAT, too, to show that it listened. With all orders obeyed it says "Done."; without
// any it is echo.
package scripted
