package providers

import (
	"context"
	"time"

	"fairlead/providers/tensor"
)

// Predictor runs a model over tensors.
type Predictor interface {
	// Predict gives the model's outputs. Errors are *Error. The request is not changed and not kept. It may be called by
	// several goroutines at once.
	Predict(ctx context.Context, req *PredictRequest) (*Prediction, error)
}

// PredictRequest asks for a model's outputs.
type PredictRequest struct {
	Model string
	// Version names a version of the model, by number or by label such as "stable". Empty: the backend's default.
	Version string
	// Signature names a way of calling the model, for backends that know several. Empty: the backend's default.
	Signature string
	// Inputs have the names that the model gives them.
	Inputs []tensor.Tensor
	// Outputs are the names of what is wanted. Empty: all.
	Outputs []string
}

// Prediction answers a PredictRequest.
type Prediction struct {
	Outputs []tensor.Tensor
	// Model and Version are what the backend says it used.
	Model, Version string
	Usage          Usage
}

// Output gives an output by name; nil when it is not there.
func (p *Prediction) Output(name string) *tensor.Tensor {
	for i := range p.Outputs {
		if p.Outputs[i].Name == name {
			return &p.Outputs[i]
		}
	}
	return nil
}

// Describer tells what a model takes and gives.
type Describer interface {
	// Describe gives the signatures of a model. Errors are *Error.
	Describe(ctx context.Context, model, version string) (*ModelDescription, error)
}

// ModelDescription is what a backend tells of a model's inputs and outputs.
type ModelDescription struct {
	Model, Version string
	// Signatures are by name; a backend that knows one way calls it "".
	Signatures map[string]Signature
}

// Signature is one way of calling a model.
type Signature struct {
	Inputs, Outputs []Spec
	// Method is "predict", "classify", "regress" or empty where there is none of it.
	Method string
}

// Spec is what a model says of one tensor. A dimension of -1 may have any length. An unknown rank is a nil Shape.
type Spec struct {
	Name  string
	Type  tensor.Type
	Shape []int64
}

// ModelState is how a version of a model stands on a backend.
type ModelState string

// The states.
const (
	ModelLoading   ModelState = "loading"
	ModelReady     ModelState = "ready"
	ModelUnloading ModelState = "unloading"
	ModelAbsent    ModelState = "absent"
	ModelBroken    ModelState = "broken"
)

// ModelVersion is one version of a model on a backend.
type ModelVersion struct {
	Model string
	// Version is its number or name; empty where the backend has one alone. Labels are names that stand for it now.
	Version string
	Labels  []string
	State   ModelState
	// Detail is why, in the adapter's own words. Empty: nothing to add.
	Detail string
	// Bytes is what it takes in memory, or where it is not there, on disk. 0: unknown.
	Bytes int64
	// Expires is when the backend takes it out of memory unless it is called. Zero: it does not say.
	Expires time.Time
}

// Lifecycle tells how models stand on a backend, and readies them.
type Lifecycle interface {
	// Versions gives the versions of a model; of all that the backend tells of when the name is empty. Errors are *Error.
	Versions(ctx context.Context, model string) ([]ModelVersion, error)
	// Ready says whether a version would answer now; nil is yes. Errors are *Error.
	Ready(ctx context.Context, model, version string) error
}

// Warmer loads a model before it is called.
type Warmer interface {
	// Warm returns once the model is in memory. Errors are *Error.
	Warm(ctx context.Context, model, version string) error
}
