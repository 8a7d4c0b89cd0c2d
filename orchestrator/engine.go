package orchestrator

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/label"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
	"fairlead/orchestrator/routing/observe"
	"fairlead/prompts"
	"fairlead/providers"
	"fairlead/providers/tokens"
	"fairlead/retrieval"
)

// Target is a routing target with what calls it. Interfaces that it does not satisfy are nil.
type Target struct {
	routing.Target
	Generator providers.Generator
	Embedder  providers.Embedder
	// Classifier tells the class of texts.
	Classifier providers.Classifier
	// Predictor runs a model over tensors. Signature is the way of calling it where a request names none.
	Predictor providers.Predictor
	Signature string
	// Form stands for what becomes of texts before the model and of numbers after it, where that is declared: vectors of
	// two forms cannot be compared. Empty: it is the model's own matter.
	Form string
	// Server is the adapter itself, for what else it can do: providers.Lifecycle, Describer, Warmer, Puller, Prober,
	// Lister and LoadReporter.
	Server any
	// Batch is how calls that come at the same time are made as one. The zero value makes each by itself.
	Batch Batch
	// Cache is how long answers in one piece are kept for the same question of the same tenant. 0: they are not.
	Cache time.Duration
	// Canary is what a share of the callers get in its place, and Shadow what is asked beside it. Nil: nothing is.
	Canary, Shadow *Variant
	// Encoding is the vocabulary that prompts are counted with, as far as it is known. Empty: lengths are
	// estimated from bytes.
	Encoding tokens.Encoding
	// Limiter bounds the calls in flight; the targets of one backend share it. Nil: no bound.
	Limiter *Limiter
	// FirstToken is the most time that a call may take to its first token. 0: no bound but the run's.
	FirstToken time.Duration
	// HealthTimeout is how long the backend is waited for when it is asked how it is. 0: 2 s.
	HealthTimeout time.Duration
	// Lazy says that the backend loads models with the first call, so that one that is not in memory answers all the same,
	// only later.
	Lazy bool
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
	// Qualities expects how well targets would answer a prompt, in place of their own quality. Nil: that one holds.
	Qualities Qualities
	// Features gives what is to be kept of a prompt for the training of such a one, at most a few KiB without its text; nil is
	// nothing. It is asked for steps of up to FeaturesLabel alone, and is safe for concurrent use. Nil: nothing is kept.
	Features func(prompt string) []byte
	// FeaturesLabel is the highest label of prompts of which features are kept. Unset: internal.
	FeaturesLabel label.Label
	// DefaultEmbedder names the target that embeds where nothing else is named.
	DefaultEmbedder string
	// DefaultLabel is the label of requests that state none. Unset: internal.
	DefaultLabel label.Label
	// Languages are those that are told apart where a policy or a chain asks for the locale, ISO 639-1. Empty:
	// locale.Default.
	Languages []string
}

// Services are what an engine works through. They stay when the Config changes.
type Services struct {
	Store    retrieval.Store
	Sessions Sessions
	// Retrieval is how documents are split and searched.
	Retrieval retrieval.Config
	// Observer may be nil.
	Observer Observer
}

// Engine runs chats and chains. It is safe for concurrent use. Make it with New.
type Engine struct {
	services  Services
	retrieval *retrieval.Service
	state     atomic.Pointer[state]
	configure sync.Mutex // one Configure at a time
	retries   *budget
	// hedges has a *budget for each policy that hedges, by name.
	hedges sync.Map
	seen   *observe.Recorder
	// corrections are of our counts of prompts.
	corrections corrections
	// cache keeps answers in one piece.
	cache *cache
	// rolled has the targets of which every caller gets the stable version. Nil: none.
	rolled atomic.Pointer[map[string]bool]
	// shadows are the calls that are made beside those of callers.
	shadows shadows
}

// New makes an engine. The error is a *fault.Error that lists all that is wrong with the Config.
func New(s Services, c Config) (*Engine, error) {
	seen, err := observe.NewRecorder(observe.Config{})
	if err != nil {
		return nil, err
	}
	answers, err := newCache(cacheBytes)
	if err != nil {
		return nil, err
	}
	e := &Engine{services: s, retries: newBudget(retrySaved), seen: seen, cache: answers}
	e.retrieval = retrieval.NewService(s.Store, embedders{e}, s.Retrieval)
	if err := e.Configure(c); err != nil {
		return nil, err
	}
	return e, nil
}

// Configure replaces the configuration at once and as a whole: runs in progress end under the one they
// started with. When the new one is not valid, nothing changes.
func (e *Engine) Configure(c Config) error {
	st, err := newState(c)
	if err != nil {
		return err
	}
	e.configure.Lock()
	defer e.configure.Unlock()
	if old := e.state.Load(); old != nil {
		e.inherit(st, old)
	}
	e.state.Store(st)
	return nil
}

// inherit takes over what was learned of the targets that stay, and forgets the others.
func (e *Engine) inherit(st, old *state) {
	for name, before := range old.every {
		if t := st.every[name]; before.same(t) {
			fresh := t.compared
			t.breaker, t.pausedUntil, t.spent, t.compared, t.said = before.breaker, before.pausedUntil, before.spent, before.compared, before.said
			if t.stable != nil && !old.every[t.Of].same(t.stable) { // its answers were compared with another's
				t.compared = fresh
			}
		} else {
			e.seen.Forget(name)
			e.corrections.forget(name)
		}
		for _, t := range st.every {
			if t.Backend == before.Backend { // calls in progress still take its time
				t.meter = before.meter
			}
		}
	}
}

// Retrieval gives the service that holds documents, with this engine's embedders.
func (e *Engine) Retrieval() *retrieval.Service { return e.retrieval }

// Targets gives the targets by name, with their variants and their state.
func (e *Engine) Targets() []routing.Candidate {
	st := e.state.Load()
	out := make([]routing.Candidate, 0, len(st.every))
	for _, name := range slices.Sorted(maps.Keys(st.every)) {
		t := st.every[name]
		out = append(out, routing.Candidate{Target: &t.Target.Target, State: t.live()})
	}
	snapshot := e.seen.Snapshot(time.Now())
	for i := range out {
		name := out[i].Target.Name
		live := &routing.Live{InFlight: e.seen.InFlight(name)}
		if stats, ok := snapshot.Stats(name); ok {
			live.Attempts, live.ErrorRate, live.Last = stats.Attempts, stats.ErrorRate, stats.Last
			if t := busiest(stats.TTFT[:]); t.Samples > 0 {
				live.TTFT50, live.TTFT95 = t.P50, t.P95
			}
			live.PerToken50 = busiest(stats.PerToken[:]).P50
		}
		live.CostMinute = st.spentOn(name)
		st.every[name].shown(live, time.Now())
		out[i].State.Live = live
	}
	return out
}

// busiest gives the class of prompt lengths that most was seen of.
func busiest(classes []observe.Times) (most observe.Times) {
	for _, t := range classes {
		if t.Samples > most.Samples {
			most = t
		}
	}
	return most
}

// Policies gives the names of the policies, in order.
func (e *Engine) Policies() []string {
	st := e.state.Load()
	names := make([]string, 0, len(st.policies))
	for name := range st.policies {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Chains gives the chains by name.
func (e *Engine) Chains() []*chain.Chain { return slices.Clone(e.state.Load().chainList) }

// Auto gives what the model "auto" means.
func (e *Engine) Auto() string { return e.state.Load().auto }

// target is a Target with what is known of it now.
type target struct {
	Target
	breaker breaker
	spent   *spend
	// pausedUntil is in nanoseconds since 1970; 0 is not paused.
	pausedUntil *atomic.Int64
	// meter is that of the target's backend.
	meter *meter
	// said is what its backend says of it while nobody calls.
	said *standing
	// batcher makes one call of those of several callers. Nil: each is made by itself.
	batcher *batcher
	// generation is the target's own: no other has it, also not after a change of the configuration.
	generation uint64
	// answered is the model and version that the last answer reported. Nil: none did.
	answered atomic.Pointer[string]
	// described is what its backend says of its model.
	described description
	// stable is what this is a variant of; canary and shadow are those of a stable one. Nil: there is none.
	stable, canary, shadow *target
	// compared sums what a shadow gave. Nil for all others.
	compared *compared
}

func newTarget(t Target) *target {
	made := &target{Target: t, breaker: newBreaker(), spent: &spend{}, pausedUntil: new(atomic.Int64), meter: &meter{}, said: &standing{},
		generation: generations.Add(1)}
	made.batcher = newBatcher(made)
	return made
}

// same says whether what was learned of one target holds for the other.
func (t *target) same(other *target) bool {
	return other != nil && t.Backend == other.Backend && t.Kind == other.Kind && t.Model == other.Model && t.Version == other.Version
}

func (t *target) pause(d time.Duration) {
	if d <= 0 {
		return
	}
	for until := time.Now().Add(d).UnixNano(); ; {
		// A longer pause that another call was asked for holds on.
		old := t.pausedUntil.Load()
		if old >= until || t.pausedUntil.CompareAndSwap(old, until) {
			return
		}
	}
}

func (t *target) live() (s routing.State) {
	if ns := t.pausedUntil.Load(); ns != 0 {
		s.PausedUntil = time.Unix(0, ns)
	}
	now := time.Now()
	if wait := t.Limiter.wait(now); wait > 0 && s.PausedUntil.Before(now.Add(wait)) {
		s.PausedUntil = now.Add(wait)
	}
	s.OpenFor, _ = t.breaker.open()
	t.said.live(&s, now)
	return s
}
