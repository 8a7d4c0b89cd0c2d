package routing

import (
	"time"

	"fairlead/internal/label"
	"fairlead/providers"
)

// Target is one model on one backend: the unit that Decide chooses between. It does not change while
// the configuration does not.
type Target struct {
	Name    string
	Backend string
	// Kind is the backend's kind, such as "ollama".
	Kind string
	// Model is the model as the backend calls it.
	Model string
	// Version names a model's version, for backends that have them.
	Version string
	Does    providers.Capability
	// Context is the context window in tokens. 0: unknown, and then not a reason to be out.
	Context int
	// Clearance is the highest label that the backend may see.
	Clearance label.Label
	// Price is nil when it is unknown.
	Price *providers.Price
	// Quality is the prior quality in [0,1]. Negative: unknown.
	Quality float64
	// TTFT and PerToken are priors for latency. 0: unknown.
	TTFT, PerToken time.Duration
	// Origin says where the target comes from: "config", "built in" or "found".
	Origin string
}

// State is what is known of a target at the moment of a decision.
type State struct {
	// PausedUntil is set while the backend has asked us to wait.
	PausedUntil time.Time
}

// Candidate is a target with its state.
type Candidate struct {
	Target *Target
	State  State
}
