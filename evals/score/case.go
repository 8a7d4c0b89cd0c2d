package score

import (
	"encoding/json"
	"time"

	"fairlead/internal/label"
	"fairlead/providers"
)

// Case is one question with what is expected of the answer.
type Case struct {
	ID string
	// Input is what the chain is given, by name.
	Input map[string]any
	// Expected is a JSON value: nil, bool, string, a number (float64, an int, or json.Number), []any or map[string]any.
	// Where it is a mapping, each scorer looks at its own key: see the package's doc.
	Expected any
	Tags     []string
	// Label is how sensitive the case is.
	Label label.Label
	// Locale is the language of the question, such as "de" or "pt-BR". Empty: not known.
	Locale string
	// Tools are the functions that were on offer, with their JSON Schemas. Empty: not known.
	Tools []providers.Tool
}

// Outcome is what became of a case.
type Outcome struct {
	// Text is the answer.
	Text string
	// JSON is the answer where it is structured. Empty: it is in Text, if at all.
	JSON json.RawMessage
	// ToolCalls are those of the answer, in its order.
	ToolCalls []providers.ToolCall
	// Passages were shown to the model, in the order of their numbers; the best first. Nil: none were looked for.
	Passages []Passage
	// Citations are those that the engine found in the answer. A mark such as "[2]" in Text is one without them.
	Citations []Citation
	// Baseline is the answer of another system to the same case, for scorers that compare. Empty: there is none.
	Baseline string

	// Target and Policy are the target that answered and the policy that chose it.
	Target string
	Policy string
	// Label is that of all that the run used: at least that of the case. Clearance is what the target may see.
	Label     label.Label
	Clearance label.Label

	// Cost is what the run cost, where CostKnown.
	Cost      providers.Money
	CostKnown bool
	// Latency is from request to the end of the answer. TTFT is to its first text; 0 where that was not measured.
	Latency time.Duration
	TTFT    time.Duration

	// Err is why there is no answer. Nil: there is one.
	Err error
}

// Passage is a piece of a document that was shown to the model.
type Passage struct {
	ID string
	// Document names the whole document, as the judgements of cases do: its URI as a rule.
	Document string
	Text     string
}

// Citation ties a number in the answer to a passage.
type Citation struct {
	// Number is that of the mark, from 1: the passage's place in Outcome.Passages.
	Number int
	// Quote holds the exact words, where the provider told them. Empty: the whole passage is cited.
	Quote string
}
