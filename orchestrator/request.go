package orchestrator

import (
	"time"

	"fairlead/internal/label"
	"fairlead/providers"
)

// Limits bound a run from outside. They narrow what the chain itself says and never widen it.
type Limits struct {
	// Label is how sensitive the input is. Unset: the engine's default.
	Label label.Label
	// Timeout is the most time the run may take. 0: no limit of its own.
	Timeout time.Duration
	// Budget is the most it may cost. It counts when Limited.
	Budget  providers.Money
	Limited bool
	// Session names a conversation that the engine remembers for the caller's tenant. Empty: none.
	Session string
	// NoRetract says that the caller's protocol cannot withdraw text: "restart" is then as "fail".
	NoRetract bool
	// Whole says that the caller sees nothing before the end: an attempt that fails half way is then followed
	// by the next one whatever the policy says of the midst of a stream, because nothing was seen of it.
	Whole bool
}

// ChatRequest asks for the next turn of a conversation.
type ChatRequest struct {
	Limits
	// Model is "auto", "policy/NAME", "chain/NAME" or a target's name. Empty is "auto".
	Model string
	// Request is the conversation and its settings; its Model is not looked at.
	Request providers.Request
}

// RunRequest names a chain and its input.
type RunRequest struct {
	Limits
	Chain string
	// Input is made of what JSON knows, by the names that the chain declares.
	Input map[string]any
}

// EmbedRequest asks for vectors.
type EmbedRequest struct {
	Limits
	// Model is a target's name; empty or "auto" is the engine's default embedder.
	Model      string
	Texts      []string
	Dimensions int
}

// Embedded answers an EmbedRequest.
type Embedded struct {
	*providers.Embeddings
	Target    string
	Cost      providers.Money
	CostKnown bool
}
