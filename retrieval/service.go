package retrieval

import (
	"context"

	"fairlead/internal/label"
)

// Embedders finds what embeds.
type Embedders interface {
	// Embedder gives the embedder of a name; the empty name is the default. NotFound with
	// ReasonUnknownTarget when there is none.
	Embedder(name string) (Embedder, error)
}

// Embedder is what embeds a collection's passages and queries.
type Embedder struct {
	// Name is the target's name, which a collection keeps.
	Name string
	// Identity changes when its vectors would: it is part of every document's fingerprint.
	Identity string
	// Embed gives one vector for each text, all of one length. It refuses texts whose label is above the
	// backend's clearance. Errors are *fault.Error.
	Embed func(ctx context.Context, l label.Label, texts []string) ([][]float32, error)
}

// Service ingests and searches.
type Service struct{}
