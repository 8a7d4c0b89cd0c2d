package orchestrator

import (
	"time"

	"fairlead/internal/label"
	"fairlead/providers"
	"fairlead/providers/tensor"
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

// ClassifyRequest asks for classes: of texts or of pictures, not of both.
type ClassifyRequest struct {
	Limits
	// Target is the name of one that classifies.
	Target string
	// Texts are texts, or where the target takes records, JSON objects with a number for each feature.
	Texts []string
	// Images are whole files, such as JPEG or PNG.
	Images [][]byte
	// NoCache asks the model although the answer is still known.
	NoCache bool
}

// Classified answers a ClassifyRequest.
type Classified struct {
	// Classification has the classes of each item. Its Usage is without what came from the cache.
	providers.Classification
	Target    string
	Cost      providers.Money
	CostKnown bool
	// Cached is how many of the items were answered from the cache.
	Cached int
}

// EmbedRequest asks for vectors.
type EmbedRequest struct {
	Limits
	// Model is a target's name; empty or "auto" is the engine's default embedder.
	Model      string
	Texts      []string
	Dimensions int
	// NoCache asks the model although the answer is still known.
	NoCache bool
}

// Embedded answers an EmbedRequest. Its Usage is without what came from the cache.
type Embedded struct {
	*providers.Embeddings
	Target    string
	Cost      providers.Money
	CostKnown bool
	// Cached is how many of the texts were answered from the cache.
	Cached int
}

// PredictRequest asks for a model's outputs.
type PredictRequest struct {
	Limits
	// Target is the name of one that predicts.
	Target string
	// Signature is the way of calling the model. Empty: the target's own.
	Signature string
	// Inputs have the names that the model gives them. They are not changed.
	Inputs []tensor.Tensor
	// Outputs are the names of what is wanted. Empty: all.
	Outputs []string
}

// Predicted answers a PredictRequest.
type Predicted struct {
	providers.Prediction
	Target    string
	Cost      providers.Money
	CostKnown bool
}
