package main

import (
	"maps"
	"slices"
	"strings"
	"time"

	"fairlead/internal/config"
	"fairlead/orchestrator"
	"fairlead/orchestrator/health"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// askable is a backend that can be asked how it is.
type askable struct {
	// server is the adapter, which does more than one of the interfaces of package providers.
	server any
	health config.Health
	// lazy says that it loads models with the first call.
	lazy bool
}

// The health of what is found without being configured, which is that of the configuration's defaults.
const (
	foundEvery   = 10 * time.Second
	foundTimeout = 2 * time.Second
)

// asks keeps a backend that can be asked how it is. Those inside the process cannot, and of those that speak OpenAI's
// API only the ones whose program is known.
func (f *fleet) asks(name string, b config.Backend, server any) {
	switch b.Kind {
	case config.KindOpenAI:
		if b.Server == "" || b.Server == "none" {
			return
		}
	case config.KindOllama, config.KindTFServing, config.KindOpenInference, config.KindTorchServe:
	default:
		return
	}
	f.asked[name] = askable{server: server, health: b.Health, lazy: loadsByCall(b.Kind)}
}

// loadsByCall says whether backends of a kind may load models with the first call: Ollama does, and some programs that
// speak OpenAI's API, such as LM Studio and the router of llama.cpp.
func loadsByCall(kind string) bool { return kind == config.KindOllama || kind == config.KindOpenAI }

// labels gives, by backend, the versions that targets name by a label, in order.
func labels(c *config.Config) map[string][]string {
	found := map[string]map[string]bool{}
	note := func(backend, version string) {
		if version == "" || strings.Trim(version, "0123456789") == "" {
			return
		}
		if found[backend] == nil {
			found[backend] = map[string]bool{}
		}
		found[backend][version] = true
	}
	for _, t := range c.Targets {
		note(t.Backend, t.Version)
		if t.Canary != nil {
			note(t.Backend, t.Canary.Version)
		}
		if t.Shadow != nil {
			note(t.Backend, t.Shadow.Version)
		}
	}
	out := map[string][]string{}
	for backend, set := range found {
		out[backend] = slices.Sorted(maps.Keys(set))
	}
	return out
}

// backends gives what there is to ask of the backends of an engine's targets.
func (f *fleet) backends(targets []routing.Candidate) []health.Backend {
	byName := map[string]*health.Backend{}
	for _, c := range targets {
		t := c.Target
		a, ok := f.asked[t.Backend]
		if !ok || a.health.Every <= 0 {
			continue
		}
		b := byName[t.Backend]
		if b == nil {
			b = &health.Backend{Name: t.Backend, Every: a.health.Every, Timeout: a.health.Timeout}
			b.Prober, _ = a.server.(providers.Prober)
			b.LoadReporter, _ = a.server.(providers.LoadReporter)
			byName[t.Backend] = b
		}
		life, _ := a.server.(providers.Lifecycle)
		b.Targets = append(b.Targets, health.Target{Name: t.Name, Model: t.Model, Version: t.Version, Lifecycle: life, Lazy: a.lazy})
	}
	out := make([]health.Backend, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, *byName[name])
	}
	return out
}

// listener passes on what backends say of themselves: to the engine, to the metrics and to the log.
type listener struct {
	*orchestrator.Engine
	app *app
	// up says which backends answered the last time. asked alone touches it while they are asked, of one at a time.
	up map[string]bool
}

var _ health.Consumer = (*listener)(nil)

// Loaded implements health.Consumer.
func (l *listener) Loaded(backend string, load providers.Load, every time.Duration) {
	l.Engine.Loaded(backend, load, every)
	l.app.telemetry.BackendWaiting(backend, load.Waiting)
}

// asked is told what a backend as a whole answered.
func (l *listener) asked(backend string, err error) {
	l.app.telemetry.BackendUp(backend, err == nil)
	was, known := l.up[backend]
	l.up[backend] = err == nil
	switch {
	case err != nil && (was || !known):
		l.app.logger.Warn("a backend does not answer when it is asked how it is", "backend", backend, "why", err)
	case err == nil && known && !was:
		l.app.logger.Info("a backend answers again", "backend", backend)
	}
}

// watchHealth asks the backends how they are. What it gives ends that, and waits for the end.
func (a *app) watchHealth() (stop func()) {
	a.heard = &listener{Engine: a.engine, app: a, up: map[string]bool{}}
	a.watcher = health.New(a.heard, a.heard.asked)
	a.watcher.Watch(a.fleet.backends(a.engine.Targets()))
	return a.watcher.Stop
}

// changeFleet lets another fleet take over, while none of the old one is asked how it is: what it answers would be said of
// the new one.
func (a *app) changeFleet(to *fleet) error {
	if a.watcher == nil {
		return a.engine.Configure(to.config)
	}
	a.watcher.Stop()
	err := a.engine.Configure(to.config)
	if err != nil {
		to = a.fleet
	}
	next := to.backends(a.engine.Targets())
	for name := range a.heard.up {
		if !slices.ContainsFunc(next, func(b health.Backend) bool { return b.Name == name }) {
			delete(a.heard.up, name)
			a.telemetry.BackendGone(name)
		}
	}
	a.watcher.Watch(next)
	return err
}
