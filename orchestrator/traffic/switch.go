package traffic

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"fairlead/internal/fault"
)

// Engine is what routes.
type Engine interface {
	// SetTraffic says of which targets every caller gets the stable version, from now on.
	SetTraffic(rolledBack []string)
	// Canaries gives the names of the targets that have a canary.
	Canaries() []string
	// HasTarget says whether there is a target of a name that callers may use.
	HasTarget(name string) bool
}

// Config says how a Switch works.
type Config struct {
	// Every is the longest time between two looks at the store; each wait is drawn from the last quarter of it, so that
	// servers do not look together. 0: 1 s.
	Every time.Duration
	// Patience is how long one look may take. 0: 1 s.
	Patience time.Duration
	// Logger is told of decisions and of a store that is away. Nil: nobody.
	Logger *slog.Logger
	// Told is called with each target whose rollback came into force here, or ended. Nil: nobody is.
	Told func(target string, rolledBack bool)
}

// Switch keeps an engine in step with the decisions in a store. Make it with New and end it with Close. It is safe for
// concurrent use.
type Switch struct {
	store  Store
	engine Engine
	config Config

	mu sync.Mutex
	// asked numbers the looks at the store, and shown is the number of the one whose answer is in force: an answer that
	// comes late must not undo a newer one.
	asked, shown uint64
	inForce      map[string]Decision
	away         bool

	cancel context.CancelFunc
	done   chan struct{}
}

// New reads what is rolled back, tells the engine, and goes on looking until Close. Where the store cannot be read there
// is no Switch: a server that does not know what was rolled back must not begin.
func New(ctx context.Context, store Store, engine Engine, c Config) (*Switch, error) {
	if c.Every <= 0 {
		c.Every = time.Second
	}
	if c.Patience <= 0 {
		c.Patience = time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Told == nil {
		c.Told = func(string, bool) {}
	}
	s := &Switch{store: store, engine: engine, config: c, inForce: map[string]Decision{}, done: make(chan struct{})}
	if err := s.look(ctx); err != nil {
		return nil, err
	}
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go s.watch(ctx)
	return s, nil
}

// Close ends looking. What is in force stays so. It may be called again.
func (s *Switch) Close() error {
	s.cancel()
	<-s.done
	return nil
}

// watch is the goroutine.
func (s *Switch) watch(ctx context.Context) {
	defer close(s.done)
	for {
		wait := time.NewTimer(s.config.Every - rand.N(s.config.Every/4+1))
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
		looking, cancel := context.WithTimeout(ctx, s.config.Patience)
		err := s.look(looking)
		cancel()
		if ctx.Err() != nil {
			return
		}
		s.tellAway(err)
	}
}

// tellAway logs the first failure, and that it is over.
func (s *Switch) tellAway(err error) {
	s.mu.Lock()
	was := s.away
	s.away = err != nil
	s.mu.Unlock()
	switch {
	case err != nil && !was:
		s.config.Logger.Warn("which targets are rolled back could not be read: what was last known holds", "error", fault.Cause(err))
	case err == nil && was:
		s.config.Logger.Info("which targets are rolled back can be read again")
	}
}

// look reads the store and brings the engine in step.
func (s *Switch) look(ctx context.Context) error {
	s.mu.Lock()
	s.asked++
	number := s.asked
	s.mu.Unlock()
	list, err := s.store.TrafficState(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if number < s.shown {
		return nil
	}
	s.shown = number
	now := make(map[string]Decision, len(list))
	names := make([]string, 0, len(list))
	for _, d := range list {
		now[d.Target] = d
		names = append(names, d.Target)
	}
	s.engine.SetTraffic(names)
	for _, d := range list {
		if _, before := s.inForce[d.Target]; !before {
			s.config.Logger.Info("target rolled back: every caller gets its stable version", "target", d.Target, "by", d.By, "reason", d.Reason, "at", d.At)
			s.config.Told(d.Target, true)
		}
	}
	for target := range s.inForce {
		if _, still := now[target]; !still {
			s.config.Logger.Info("rollback of a target ended: the configuration counts again", "target", target)
			s.config.Told(target, false)
		}
	}
	s.inForce = now
	return nil
}

// Rollback sends every caller of a target back to its stable version: here at once, and wherever else the store is
// looked at within Every and Patience. by says who decides. Doing it again keeps another decision.
func (s *Switch) Rollback(ctx context.Context, by, target, reason string) (Decision, error) {
	const doing = "rolling back"
	if !s.engine.HasTarget(target) {
		return Decision{}, unknown(doing, target)
	}
	if !slices.Contains(s.engine.Canaries(), target) {
		return Decision{}, fault.New(fault.FailedPrecondition, fault.ReasonUnsupported,
			"%s: target %s has no canary, so all its callers get the stable version already: to change that one, change its version in the configuration", doing, target)
	}
	return s.decide(ctx, by, target, true, reason)
}

// Resume takes a rollback back. A target that is gone from the configuration can be resumed too.
func (s *Switch) Resume(ctx context.Context, by, target, reason string) (Decision, error) {
	const doing = "resuming"
	list, err := s.store.TrafficState(ctx)
	switch {
	case err != nil:
		return Decision{}, err
	case slices.ContainsFunc(list, func(d Decision) bool { return d.Target == target }):
		return s.decide(ctx, by, target, false, reason)
	case !s.engine.HasTarget(target):
		return Decision{}, unknown(doing, target)
	}
	return Decision{}, fault.New(fault.FailedPrecondition, fault.ReasonNotAllowed, "%s: target %s is not rolled back, so there is nothing to take back", doing, target)
}

// unknown is the failure for a target that is not there. A variant is decided about by the name of its target.
func unknown(doing, target string) error {
	const text = "%s: there is no target %q"
	if of, _, ok := strings.Cut(target, "@"); ok {
		return fault.New(fault.NotFound, fault.ReasonUnknownTarget, text+": name %s, whose variant that is", doing, target, of)
	}
	return fault.New(fault.NotFound, fault.ReasonUnknownTarget, text+": `fairlead models` lists them", doing, target)
}

// decide keeps a decision and looks at once. The decision holds also when the look fails: the next one sees it.
func (s *Switch) decide(ctx context.Context, by, target string, rolledBack bool, reason string) (Decision, error) {
	d := Decision{Target: target, RolledBack: rolledBack, By: by, Reason: reason, At: time.Now().UTC().Truncate(time.Microsecond)}
	if err := s.store.TrafficDecide(ctx, d); err != nil {
		return Decision{}, err
	}
	s.config.Logger.Info("decided about traffic", "target", d.Target, "rolled_back", d.RolledBack, "by", d.By, "reason", d.Reason)
	looking, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.Patience)
	defer cancel()
	s.tellAway(s.look(looking))
	return d, nil
}

// InForce gives the rollback of a target, as last read; false where there is none.
func (s *Switch) InForce(target string) (Decision, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.inForce[target]
	return d, ok
}

// Log gives the newest decisions, at most limit, the newest first. An empty target is all.
func (s *Switch) Log(ctx context.Context, target string, limit int) ([]Decision, error) {
	return s.store.TrafficLog(ctx, target, limit)
}
