package orchestrator

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"fairlead/internal/fault"
	"fairlead/orchestrator/health"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// healthTimeout is how long a backend is waited for that is asked how it is, where its targets do not say.
const healthTimeout = 2 * time.Second

// asksTogether is how many questions one backend is asked at the same time for a list.
const asksTogether = 8

// Model is the model behind a target, as its backend tells of it now.
type Model struct {
	Target *routing.Target
	// Ready says whether it would answer now. It counts when Asked.
	Ready, Asked bool
	// Detail is why it is not ready, or why it could not be asked, in our words.
	Detail string
	// Versions are those that the backend has, as far as it tells.
	Versions []providers.ModelVersion
	// Load is how busy the backend says it is. Nil: it does not say.
	Load *providers.Load
	// LoadTime is what loading the model took the last time. 0: not seen.
	LoadTime time.Duration
}

// Models asks the backends of targets for their models, all at once and each for as long as its health timeout. may says
// which targets. One that does not answer is told of as such. They are in the order of their targets' names.
func (e *Engine) Models(ctx context.Context, may func(*routing.Target) bool) []Model {
	st := e.state.Load()
	var of []*target
	for _, name := range slices.Sorted(maps.Keys(st.every)) {
		if t := st.every[name]; may(&t.Target.Target) {
			of = append(of, t)
		}
	}
	out := make([]Model, len(of))
	places := map[string]chan struct{}{}
	var all sync.WaitGroup
	for i, t := range of {
		if places[t.Backend] == nil {
			places[t.Backend] = make(chan struct{}, asksTogether)
		}
		place := places[t.Backend]
		all.Go(func() {
			place <- struct{}{}
			defer func() { <-place }()
			out[i] = t.model(ctx)
		})
	}
	all.Wait()
	return out
}

// model asks the target's backend for its model.
func (t *target) model(ctx context.Context) Model {
	m := Model{Target: &t.Target.Target}
	t.said.mu.Lock()
	m.LoadTime = t.said.load
	t.said.mu.Unlock()
	wait := t.HealthTimeout
	if wait <= 0 {
		wait = healthTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var all sync.WaitGroup
	if reporter, ok := t.Server.(providers.LoadReporter); ok {
		all.Go(func() {
			var l providers.Load
			if inquire(ctx, t, func() (err error) { l, err = reporter.Load(ctx, t.Model); return err }) == nil {
				m.Load = &l
			}
		})
	}
	all.Go(func() { t.stands(ctx, &m) })
	all.Wait()
	return m
}

// stands fills in how the model stands: by what the backend tells of models, else by its list of them, else by whether it
// is there.
func (t *target) stands(ctx context.Context, m *Model) {
	var listed, ready error
	if life, ok := t.Server.(providers.Lifecycle); ok && t.Model != "" {
		var both sync.WaitGroup
		both.Go(func() {
			listed = inquire(ctx, t, func() (err error) { m.Versions, err = life.Versions(ctx, t.Model); return err })
		})
		both.Go(func() { ready = inquire(ctx, t, func() error { return life.Ready(ctx, t.Model, t.Version) }) })
		both.Wait()
		if m.answered(ready) {
			switch v := t.of(m.Versions); {
			case listed != nil:
			case ready != nil:
				m.Detail = t.behind(m.Versions)
			case t.Lazy && v != nil && v.State == providers.ModelAbsent:
				m.Detail = t.behind(m.Versions)
			}
			return
		}
	}
	if lister, ok := t.Server.(providers.Lister); ok && t.Model != "" {
		var list []providers.Model
		err := inquire(ctx, t, func() (err error) { list, err = lister.Models(ctx); return err })
		if m.answered(err) {
			if err == nil && !slices.ContainsFunc(list, func(l providers.Model) bool { return l.Name == t.Model }) {
				// It may know the model by more names than it lists.
				m.Ready, m.Asked, m.Detail = false, false, "its backend does not list the model"
			}
			return
		}
	}
	if prober, ok := t.Server.(providers.Prober); ok && m.answered(inquire(ctx, t, func() error { return prober.Probe(ctx) })) {
		return
	}
	if e, ok := errors.AsType[*providers.Error](ready); ok && (e.Code != "" || e.Status != 0) {
		m.Detail = "its server does not know this call: is the backend's kind right?"
	}
}

// answered takes an answer to whether the model is ready, and says whether it is one.
func (m *Model) answered(err error) bool {
	switch {
	case err == nil:
		m.Ready, m.Asked = true, true
	case providers.KindOf(err) == providers.KindUnsupported:
		return false
	default:
		m.Asked, m.Detail = true, unanswered(err)
	}
	return true
}

// of finds the version that the target names; where it names none, one that is ready before others. Nil: it is not there.
func (t *target) of(list []providers.ModelVersion) (found *providers.ModelVersion) {
	for i := range list {
		v := &list[i]
		switch {
		case t.Version != "" && v.Version != t.Version && !slices.Contains(v.Labels, t.Version):
		case found == nil || found.State != providers.ModelReady && v.State == providers.ModelReady:
			found = v
		}
	}
	return found
}

// behind says how the version stands that the target names, of a model that is not ready or not in memory.
func (t *target) behind(list []providers.ModelVersion) string {
	v := t.of(list)
	switch {
	case v == nil && len(list) > 0:
		return "its backend does not have this version"
	case v == nil || v.State == providers.ModelReady:
		return "it is not ready"
	}
	return notReady(&health.Answer{State: v.State, Detail: v.Detail, Lazy: t.Lazy})
}

// inquire asks an adapter a question about its backend. A panic is a failure. The error is a *providers.Error.
func inquire(ctx context.Context, t *target, question func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = broken(&t.Target.Target, value)
		}
	}()
	if err = question(); err == nil {
		return nil
	}
	return providers.AsError(ctx, t.Backend, t.Model, err)
}

// WarmModel has the backend load a target's model, and gives how long that took. What it took counts in predictions, where
// the model was not in memory before. Errors are *fault.Error.
func (e *Engine) WarmModel(ctx context.Context, target string) (time.Duration, error) {
	t, err := e.every(target)
	if err != nil {
		return 0, err
	}
	warmer, ok := t.Server.(providers.Warmer)
	if !ok {
		return 0, cannot(t, "load models before they are called")
	}
	before := Model{}
	t.stands(ctx, &before)
	v := t.of(before.Versions)
	cold := before.Asked && !before.Ready || v != nil && v.State != providers.ModelReady
	started := time.Now()
	if err := inquire(ctx, t, func() error { return warmer.Warm(ctx, t.Model, t.Version) }); err != nil {
		return 0, refused(t, err, "load models before they are called")
	}
	took := time.Since(started)
	if cold {
		e.LoadTime(t.Name, took)
	}
	t.said.worked()
	return took, nil
}

// PullModel has the backend fetch a target's model, and tells how far it is. An error of told ends it and is given
// back; others are *fault.Error.
func (e *Engine) PullModel(ctx context.Context, target string, told func(providers.Pulled) error) error {
	t, err := e.every(target)
	if err != nil {
		return err
	}
	puller, ok := t.Server.(providers.Puller)
	if !ok {
		return cannot(t, "fetch models")
	}
	var left error
	err = inquire(ctx, t, func() error {
		return puller.Pull(ctx, t.Model, func(p providers.Pulled) error {
			left = told(p)
			return left
		})
	})
	switch {
	case left != nil:
		return left
	case err != nil:
		return refused(t, err, "fetch models")
	}
	return nil
}

// every gives a target by its name, variants included.
func (e *Engine) every(name string) (*target, error) {
	if t := e.state.Load().every[name]; t != nil {
		return t, nil
	}
	return nil, fault.New(fault.NotFound, fault.ReasonUnknownTarget, "there is no target %q", name)
}

// cannot is the failure of asking a backend for what it does not do.
func cannot(t *target, what string) error {
	return fault.New(fault.Unimplemented, fault.ReasonUnsupported, "target %s: its backend %s does not %s", t.Name, t.Backend, what)
}

// refused gives a backend's failure to a caller.
func refused(t *target, err error, what string) error {
	if providers.KindOf(err) == providers.KindUnsupported {
		return cannot(t, what)
	}
	if e, ok := errors.AsType[*providers.Error](err); ok {
		f := e.Fault()
		f.Text = "target " + t.Name + ": " + f.Text
		return f
	}
	return err
}

// VariantOf gives the target that a name of a variant is a variant of; false where the name is no variant's.
func VariantOf(name string) (of string, ok bool) {
	for _, suffix := range []string{canarySuffix, shadowSuffix} {
		if of, ok := strings.CutSuffix(name, suffix); ok {
			return of, true
		}
	}
	return "", false
}
