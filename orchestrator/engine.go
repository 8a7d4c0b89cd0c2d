package orchestrator

import (
	"context"
	"iter"

	"fairlead/internal/auth"
	"fairlead/internal/label"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
	"fairlead/prompts"
	"fairlead/providers"
	"fairlead/retrieval"
)

// Target is a routing target with what calls it. Interfaces that it does not satisfy are nil.
type Target struct {
	routing.Target
	Generator providers.Generator
	Embedder  providers.Embedder
}

// Sessions remembers conversations. Errors are *fault.Error.
type Sessions interface {
	// SessionMessages gives the last messages of a conversation, at most limit, the oldest first. A
	// conversation that is not there has none.
	SessionMessages(ctx context.Context, tenant, session string, limit int) ([]providers.Message, error)
	// SessionAppend adds messages to the end of a conversation, all or none, and makes it if need be.
	SessionAppend(ctx context.Context, tenant, session string, label label.Label, messages []providers.Message) error
	// SessionLabel gives the highest label that was ever appended. Unset when it is not there.
	SessionLabel(ctx context.Context, tenant, session string) (label.Label, error)
}

// Observer watches runs, for traces and metrics.
type Observer interface {
	// RunStarts gives the context for all calls of the run, a function that is called with each event, in
	// order, and one that is called once at the end with the run's error or nil.
	RunStarts(ctx context.Context, runID, chain string, p auth.Principal) (context.Context, func(*Event), func(error))
}

// Config is what an engine works with. It is validated as a whole before it serves.
type Config struct {
	Targets  []Target
	Policies []routing.Policy
	// Chains and Prompts are checked against each other and against Targets and Policies.
	Chains  []*chain.Chain
	Prompts *prompts.Library
	// DefaultPolicy names the policy of steps that name none.
	DefaultPolicy string
	// Auto is what the model "auto" means: "policy/NAME", "chain/NAME" or a target's name. Empty: the
	// default policy.
	Auto string
	// DefaultEmbedder names the target that embeds where nothing else is named.
	DefaultEmbedder string
	// DefaultLabel is the label of requests that state none. Unset: internal.
	DefaultLabel label.Label
}

// Services are what an engine works through. They stay when the Config changes.
type Services struct {
	Store    retrieval.Store
	Sessions Sessions
	// Observer may be nil.
	Observer Observer
}

// Engine runs chats and chains. It is safe for concurrent use.
type Engine struct{}

// New makes an engine. The error is a *fault.Error that lists all that is wrong with the Config.
func New(s Services, c Config) (*Engine, error) { panic("being written") }

// Configure replaces the configuration at once and as a whole: runs in progress end under the one they
// started with. When the new one is not valid, nothing changes.
func (e *Engine) Configure(c Config) error { panic("being written") }

// Chat answers a conversation. It is a run of one step, or of a chain where the model names one.
func (e *Engine) Chat(ctx context.Context, p auth.Principal, req ChatRequest) iter.Seq2[Event, error] {
	panic("being written")
}

// Run runs a chain.
func (e *Engine) Run(ctx context.Context, p auth.Principal, req RunRequest) iter.Seq2[Event, error] {
	panic("being written")
}

// Explain decides about a chat as Chat would, and calls nothing. The plan may have no eligible target.
func (e *Engine) Explain(ctx context.Context, p auth.Principal, req ChatRequest) (*routing.Plan, error) {
	panic("being written")
}

// Embed makes vectors.
func (e *Engine) Embed(ctx context.Context, p auth.Principal, req EmbedRequest) (*Embedded, error) {
	panic("being written")
}

// Retrieval gives the service that holds documents, with this engine's embedders.
func (e *Engine) Retrieval() *retrieval.Service { panic("being written") }

// Targets gives the targets by name, with their state.
func (e *Engine) Targets() []routing.Candidate { panic("being written") }

// Policies gives the names of the policies.
func (e *Engine) Policies() []string { panic("being written") }

// Chains gives the chains by name.
func (e *Engine) Chains() []*chain.Chain { panic("being written") }

// Auto gives what the model "auto" means.
func (e *Engine) Auto() string { panic("being written") }
