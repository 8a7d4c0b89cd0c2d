package providers

import (
	"context"
	"fmt"
	"iter"
	"strings"
)

// Generator answers conversations.
type Generator interface {
	// Generate starts the call when the loop starts and ends it when the loop ends. Errors are *Error.
	// The request is not changed and not kept. It may be called by several goroutines at once.
	Generate(ctx context.Context, req *Request) iter.Seq2[Chunk, error]
}

// Embedder turns texts into vectors.
type Embedder interface {
	// Embed gives one vector for each text. Errors are *Error. It may be called by several goroutines at
	// once.
	Embed(ctx context.Context, req *EmbedRequest) (*Embeddings, error)
}

// Classifier tells the class of texts.
type Classifier interface {
	// Classify gives the classes of each text. Errors are *Error.
	Classify(ctx context.Context, req *ClassifyRequest) (*Classification, error)
}

// Lister tells which models a backend has, for those that can be asked.
type Lister interface {
	// Models gives the models' names, as a Request names them. Errors are *Error.
	Models(ctx context.Context) ([]Model, error)
}

// Model is what a backend tells of one of its models.
type Model struct {
	Name string
	// Does is what the backend says that it can do. 0: it does not say.
	Does Capability
	// Context is the context window in tokens. 0: it does not say.
	Context int
	// Host is where the backend sends calls of this model on to, as an address: it then sees what is sent.
	// Empty: the backend runs the model itself, as far as it says.
	Host string
}

// Capability is a set of things that a target can do.
type Capability uint16

// The capabilities.
const (
	Chat Capability = 1 << iota
	Tools
	JSON
	Vision
	Embed
	Classify
	// Extract is answering from the documents of a request, by quoting them. What does Chat can do it
	// too; what does only Extract cannot chat.
	Extract
	// Predict is running a model over tensors.
	Predict
)

var capabilityNames = [...]string{"chat", "tools", "json", "vision", "embed", "classify", "extract", "predict"}

// CapabilityNames lists the names that may be written in a file.
func CapabilityNames() []string { return append([]string(nil), capabilityNames[:]...) }

// ParseCapability reads one capability's name.
func ParseCapability(s string) (Capability, error) {
	for i, name := range capabilityNames {
		if s == name {
			return 1 << i, nil
		}
	}
	return 0, fmt.Errorf("unknown capability %q: use one of %s", s, strings.Join(capabilityNames[:], ", "))
}

// Has says whether c holds all of needs.
func (c Capability) Has(needs Capability) bool { return c&needs == needs }

// Names gives the names of the capabilities in the set.
func (c Capability) Names() []string {
	var names []string
	for i, name := range capabilityNames {
		if c&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// String gives the names, joined by commas.
func (c Capability) String() string { return strings.Join(c.Names(), ",") }
