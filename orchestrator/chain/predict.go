package chain

// Predict runs a model over tensors. The step's Target is the model. Its result is {outputs: {NAME: nested lists},
// target, version}.
type Predict struct {
	// Inputs are the model's inputs by name.
	Inputs []PredictInput
	// Outputs are the names of what is wanted. Empty: all.
	Outputs []string
	// Signature is the way of calling the model. Empty: the target's own.
	Signature string
}

// PredictInput is one input.
type PredictInput struct {
	Name string
	// Value renders to a number, a text, a truth value, or lists of them, nested as the shape is.
	Value *Template
	// Type is that of the elements. Empty: what the model's own description says.
	Type string
}
