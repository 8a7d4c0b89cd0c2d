package health

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/providers"
)

const (
	// defaultTimeout is how long an answer is waited for where a Backend does not say.
	defaultTimeout = 2 * time.Second
	// together is how many questions a backend is asked at the same time.
	together = 8
)

// rounds is what there is to ask of a backend, and what it is no more asked for.
type rounds struct {
	backend  Backend
	consumer Consumer
	// models are the targets that are asked about by model and version, and rest those that are as well as the backend.
	models []*model
	rest   []Target
	// model is what the backend is asked for its load of. Empty: it serves several.
	model string

	unprobed, unloaded atomic.Bool // it said that it does not have the signal
	ready              bool        // what the round before found of rest
}

// model is one model and version, with the targets that name it.
type model struct {
	providers.Lifecycle
	name, version string
	targets       []Target
	lazy          bool        // it may be out of memory and ready
	unsupported   atomic.Bool // Lifecycle is of no use: the targets are as well as the backend
	unlisted      atomic.Bool // its versions are not told
	ready         bool
}

func newRounds(b Backend, c Consumer) *rounds {
	if b.Timeout <= 0 {
		b.Timeout = defaultTimeout
	}
	r := &rounds{backend: b, consumer: c, ready: true}
	var names []string
	for _, t := range b.Targets {
		names = append(names, t.Model)
		if t.Lifecycle == nil || t.Model == "" {
			r.rest = append(r.rest, t)
			continue
		}
		i := slices.IndexFunc(r.models, func(m *model) bool { return m.name == t.Model && m.version == t.Version })
		if i < 0 {
			i = len(r.models)
			r.models = append(r.models, &model{Lifecycle: t.Lifecycle, name: t.Model, version: t.Version, ready: true})
		}
		r.models[i].targets = append(r.models[i].targets, t)
		r.models[i].lazy = r.models[i].lazy || t.Lazy
	}
	if slices.Sort(names); len(slices.Compact(names)) == 1 {
		r.model = names[0]
	}
	return r
}

// ask makes one round. worse says that something answered worse than in the round before; err is what the backend as a
// whole answered, where it is known.
func (r *rounds) ask(ctx context.Context) (worse, known bool, err error) {
	var all sync.WaitGroup
	places := make(chan struct{}, together)
	question := func(q func(ctx context.Context)) {
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			ctx, cancel := context.WithTimeout(ctx, r.backend.Timeout)
			defer cancel()
			q(ctx)
		})
	}
	var whole Answer
	probed := r.backend.Prober != nil && !r.unprobed.Load()
	if probed {
		question(func(ctx context.Context) { whole.Err = r.guarded(ctx, "", r.backend.Prober.Probe) })
	}
	var load providers.Load
	var loadErr error
	loads := r.backend.LoadReporter != nil && !r.unloaded.Load()
	if loads {
		question(func(ctx context.Context) {
			loadErr = r.guarded(ctx, r.model, func(ctx context.Context) (err error) {
				load, err = r.backend.LoadReporter.Load(ctx, r.model)
				return err
			})
		})
	}
	answers := make([]Answer, len(r.models))
	versions := make([]string, len(r.models))
	for i, m := range r.models {
		if !m.unsupported.Load() {
			question(func(ctx context.Context) { answers[i], versions[i] = r.stands(ctx, m) })
		}
	}
	all.Wait()
	if ctx.Err() != nil {
		return false, false, nil
	}

	if probed && providers.KindOf(whole.Err) == providers.KindUnsupported {
		r.unprobed.Store(true)
		probed, whole.Err = false, nil
	}
	tell := func(targets []Target, a Answer, was *bool) {
		for _, t := range targets {
			a.Lazy, a.Every = t.Lazy, r.backend.Every
			r.consumer.Probed(t.Name, a)
		}
		worse = worse || *was && !a.Ready()
		*was = a.Ready()
	}
	if known = probed; known {
		err = whole.Err
		tell(r.rest, whole, &r.ready)
	}
	for i, m := range r.models {
		a := answers[i]
		if m.unsupported.Load() {
			if probed {
				tell(m.targets, whole, &m.ready)
			}
			continue
		}
		if probed && whole.Err == nil && providers.KindOf(a.Err) == providers.KindUnavailable { // the backend is there, the model is not
			a = Answer{State: providers.ModelAbsent, Detail: "its backend says that it is not ready"}
		}
		if !probed && (!known || a.Err == nil) { // that one model answers is enough to say that the backend does
			known, err = true, a.Err
		}
		tell(m.targets, a, &m.ready)
		if versions[i] != "" {
			for _, t := range m.targets {
				r.consumer.Resolved(t.Name, versions[i])
			}
		}
	}
	switch {
	case !loads:
	case loadErr == nil:
		if load.At.IsZero() {
			load.At = time.Now()
		}
		r.consumer.Loaded(r.backend.Name, load, r.backend.Every)
	case providers.KindOf(loadErr) == providers.KindUnsupported:
		r.unloaded.Store(true)
	}
	return worse, known, err
}

// stands asks how a model stands, and which version stands behind the one that is named.
func (r *rounds) stands(ctx context.Context, m *model) (a Answer, version string) {
	err := r.guarded(ctx, m.name, func(ctx context.Context) error { return m.Ready(ctx, m.name, m.version) })
	if providers.KindOf(err) == providers.KindUnsupported {
		m.unsupported.Store(true)
		return Answer{}, ""
	}
	if a.Err = err; err == nil {
		a.State = providers.ModelReady
	}
	if m.unlisted.Load() || err == nil && !m.lazy && (m.version == "" || isNumber(m.version)) {
		return judged(a), ""
	}
	// Whether the server is gone or the model is not ready, the versions tell; whether one that is ready is in memory; and
	// to which version a label points.
	var list []providers.ModelVersion
	err = r.guarded(ctx, m.name, func(ctx context.Context) (err error) {
		list, err = m.Versions(ctx, m.name)
		return err
	})
	switch providers.KindOf(err) {
	case providers.KindUnsupported:
		m.unlisted.Store(true)
		return judged(a), ""
	case providers.KindNotFound:
		if a.Err != nil {
			return judged(Answer{Err: err}), ""
		}
	}
	if err != nil {
		return judged(a), ""
	}
	v := named(list, m.version)
	if a.Err == nil {
		if v != nil && m.version != "" && v.Version != m.version {
			version = v.Version
		}
		if v != nil && m.lazy && (v.State == providers.ModelAbsent || v.State == providers.ModelUnloading) {
			a.State, a.Detail = v.State, v.Detail
		}
		return a, version
	}
	a = Answer{State: providers.ModelAbsent}
	if v != nil {
		a.State, a.Detail = v.State, v.Detail
	}
	if a.State == providers.ModelReady { // it has become so since it was asked
		a.Detail = ""
	}
	return a, ""
}

// judged makes an answer of what was said of a model alone: a server that does not know the model is there.
func judged(a Answer) Answer {
	if providers.KindOf(a.Err) == providers.KindNotFound {
		return Answer{State: providers.ModelBroken, Detail: "its backend does not have the model"}
	}
	return a
}

// named finds the version that a number, a label or the lack of both names: then it is one that is ready, or the first.
func named(list []providers.ModelVersion, version string) *providers.ModelVersion {
	var found *providers.ModelVersion
	for i := range list {
		v := &list[i]
		switch {
		case version != "" && v.Version != version && !slices.Contains(v.Labels, version):
		case found == nil || found.State != providers.ModelReady && v.State == providers.ModelReady:
			found = v
		}
	}
	return found
}

func isNumber(version string) bool {
	for _, r := range version {
		if r < '0' || r > '9' {
			return false
		}
	}
	return version != ""
}

// guarded asks a question. An adapter that panics has not answered, and its panic says nothing about its backend.
func (r *rounds) guarded(ctx context.Context, model string, question func(context.Context) error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &providers.Error{Kind: providers.KindUnknown, Backend: r.backend.Name, Model: model, Detail: "its adapter broke down",
				Err: fmt.Errorf("panic with a %T", value)}
		}
	}()
	if err = question(ctx); err == nil {
		return nil
	}
	return providers.AsError(ctx, r.backend.Name, model, err)
}
