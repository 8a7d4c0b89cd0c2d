package retrieval

import (
	"context"
	"math"
	"runtime"
	"time"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval/read"
	"fairlead/retrieval/split"
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
	// EmbedQuery is Embed for the text of a search, which may come again. Nil: Embed does it.
	EmbedQuery func(ctx context.Context, l label.Label, text string) ([][]float32, error)
}

const (
	// UnsetWeight, or any negative number, in place of a collection's LexicalWeight is the default.
	UnsetWeight = -1
	// DefaultLexicalWeight is how much words count against vectors where nothing else is said. It was
	// chosen on the Cranfield collection with the hashing embedder, where 0.7 to 0.9 do alike: see
	// internal/ranking. With an embedding model that knows meaning the vectors deserve more: measure it on
	// questions of one's own.
	DefaultLexicalWeight = 0.8
)

// Config is how a Service works. Zero fields take their defaults.
type Config struct {
	// LexicalWeight is that of collections that state none. Nil: DefaultLexicalWeight.
	LexicalWeight *float64
	// Label is that of collections that state none. Unset: internal.
	Label label.Label
	// Split says how large passages are.
	Split split.Config
	// Read bounds the work on one document.
	Read read.Limits
	// Passages is the most that one document may have. Default 100,000.
	Passages int
	// Batch is how many passages are embedded by one call. Default 64.
	Batch int
	// Parallel is how many documents are read, batches embedded and documents stored at once. Default
	// the number of processors.
	Parallel int
	// Candidates is how many passages each leg of a search gives at least: more for a search that
	// asks for many. Default 64.
	Candidates int
	// QueryTimeout is the most time that embedding a query may take before the search goes on by words
	// alone. With a deadline it is at most half of what is left. Default 5 s.
	QueryTimeout time.Duration
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	set := func(n *int, fallback int) {
		if *n <= 0 {
			*n = fallback
		}
	}
	if c.LexicalWeight == nil {
		c.LexicalWeight = new(float64)
		*c.LexicalWeight = DefaultLexicalWeight
	}
	c.Label = c.Label.Or(label.Internal)
	c.Split = c.Split.WithDefaults()
	set(&c.Passages, 100_000)
	set(&c.Batch, 64)
	set(&c.Parallel, runtime.GOMAXPROCS(0))
	set(&c.Candidates, 64)
	if c.QueryTimeout <= 0 {
		c.QueryTimeout = 5 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Validate says what is wrong with a configuration, as a *fault.Error.
func (c Config) Validate() error {
	if w := c.LexicalWeight; w != nil && !validWeight(*w) {
		return fault.New(fault.InvalidArgument, fault.ReasonBadConfig, "retrieval: the lexical weight is not in [0,1]")
	}
	if c.Label != label.Unset && !c.Label.Valid() {
		return fault.New(fault.InvalidArgument, fault.ReasonBadConfig, "retrieval: the label is not one of the four")
	}
	return c.Split.Validate()
}

func validWeight(w float64) bool { return w >= 0 && w <= 1 && !math.IsNaN(w) }

// Service ingests and searches. It is safe for concurrent use and keeps no state of its own.
type Service struct {
	store     Store
	embedders Embedders
	config    Config
}

// NewService makes a service. The configuration must be valid.
func NewService(store Store, embedders Embedders, c Config) *Service {
	return &Service{store: store, embedders: embedders, config: c.withDefaults()}
}
