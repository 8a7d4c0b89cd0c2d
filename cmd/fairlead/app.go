package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fairlead/internal/config"
	"fairlead/internal/server"
	"fairlead/internal/server/openaihttp"
	"fairlead/internal/server/rpc"
	"fairlead/internal/store"
	"fairlead/internal/telemetry"
	"fairlead/orchestrator"
	"fairlead/orchestrator/feedback"
	"fairlead/orchestrator/health"
	"fairlead/orchestrator/record"
	"fairlead/orchestrator/traffic"
	"fairlead/orchestrator/usage"
	"fairlead/retrieval"
	"fairlead/retrieval/split"
)

// app is the whole server with all that it stands on, put together from a configuration.
type app struct {
	config    *config.Config
	report    *config.Report
	options   config.Options
	logger    *slog.Logger
	store     store.Store
	access    access
	telemetry *telemetry.Telemetry
	engine    *orchestrator.Engine
	server    *server.Server
	fleet     *fleet
	retired   []retired
	// traffic knows which targets were rolled back.
	traffic *traffic.Switch
	// watcher asks the backends how they are, and heard is told. Nil: nobody asks.
	watcher *health.Watcher
	heard   *listener
	closers []func() error
}

// openOptions say what the command wants differently from the configuration.
type openOptions struct {
	// own is for a command that serves itself alone, on loopback: it logs nothing unless told to, and what the
	// configuration says about the listener and its callers does not count.
	own bool
	// store is the file of a store of SQLite, in place of the configuration's.
	store string
	// tenant is whom a command that serves itself acts as. Empty: the local one.
	tenant string
	// offline is for a command that calls no model: nothing is looked for, and variables of the environment that are not
	// set are no mistake.
	offline bool
	// wrap changes each target before the engine has it, and around is about every handler. Nil: nothing.
	wrap   func(orchestrator.Target) orchestrator.Target
	around func(http.Handler) http.Handler
}

// load reads the configuration that the flags name.
func (p *program) load() (*config.Config, *config.Report, config.Options, error) {
	return p.loadFor(false)
}

// loadFor is load for a command that may call no model; see openOptions.
func (p *program) loadFor(offline bool) (*config.Config, *config.Report, config.Options, error) {
	o := config.Options{Path: p.config, Environ: p.environ, Set: map[string]string{}, Offline: offline}
	for _, s := range p.settings {
		path, text, ok := strings.Cut(s, "=")
		if !ok {
			return nil, nil, o, &usageError{fmt.Errorf("reading --set %q: write path=value, such as server.listen=127.0.0.1:9000", s)}
		}
		o.Set[path] = text
	}
	if p.data != "" {
		o.Set["database.url"] = "sqlite:" + filepath.Join(p.data, "fairlead.db")
	}
	c, report, err := config.Load(o)
	return c, report, o, err
}

// open builds the app. Close it when it is not needed any more.
func (p *program) open(ctx context.Context, o openOptions) (_ *app, err error) {
	if !o.own && p.tenant != "" {
		return nil, &usageError{errors.New("--tenant is for commands that run on their own: a server knows a caller's tenant by its key")}
	}
	a := &app{}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if a.config, a.report, a.options, err = p.loadFor(o.offline); err != nil {
		return nil, err
	}
	if o.offline {
		a.config.Discover = config.Discover{}
	}
	if o.own {
		s := &a.config.Server
		s.TLS, s.Hosts, s.CORSOrigins, s.MaxInFlight, s.DrainDelay = config.TLS{}, nil, nil, 0, 0
	}
	if a.logger, err = p.logger(a.config, o.own); err != nil {
		return nil, err
	}
	if err := a.openStore(ctx, o.store); err != nil {
		return nil, err
	}
	if err := a.openAccess(ctx, o.store, o.tenant); err != nil {
		return nil, err
	}
	if !o.own {
		if err := a.demandProof(); err != nil {
			return nil, err
		}
	}
	if err := a.openTelemetry(ctx); err != nil {
		return nil, err
	}
	if a.fleet, err = muster(ctx, a.telemetry, a.config, p.getenv); err != nil {
		return nil, a.report.Place(err)
	}
	a.closers = append(a.closers, func() error {
		for _, r := range a.retired {
			_ = r.fleet.close() // nobody waits for it
		}
		return a.fleet.close()
	})
	if o.wrap != nil {
		for i := range a.fleet.config.Targets {
			a.fleet.config.Targets[i] = o.wrap(a.fleet.config.Targets[i])
		}
	}
	observer, err := a.observer(o.own)
	if err != nil {
		return nil, err
	}
	a.engine, err = orchestrator.New(orchestrator.Services{
		Store: a.store, Sessions: a.store, Observer: observer,
		Retrieval: retrieval.Config{
			LexicalWeight: &a.config.Retrieval.LexicalWeight,
			Split:         split.Config{TargetBytes: int(a.config.Retrieval.Split.TargetBytes), MaxBytes: int(a.config.Retrieval.Split.MaxBytes)},
		},
	}, a.fleet.config)
	if err != nil {
		return nil, err
	}
	if err := a.openTraffic(ctx); err != nil {
		return nil, err
	}
	return a, a.openServer(o.around)
}

func (p *program) logger(c *config.Config, own bool) (*slog.Logger, error) {
	level := c.Log.Level
	if p.logLevel != "" {
		level = p.logLevel
	} else if own {
		return slog.New(slog.DiscardHandler), nil // what goes wrong, the command tells itself
	}
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, &usageError{fmt.Errorf("reading --log-level %q: use debug, info, warn or error", level)}
	}
	return telemetry.NewLogger(p.err, least, c.Log.Format)
}

// openStore opens a file of SQLite, or what the configuration names where it is empty.
func (a *app) openStore(ctx context.Context, file string) (err error) {
	if file != "" {
		a.store, err = openFile(ctx, file)
	} else {
		a.store, err = openDatabase(ctx, &a.config.Database)
	}
	if err != nil {
		return err
	}
	a.closers = append(a.closers, a.store.Close)
	return nil
}

func (a *app) openTelemetry(ctx context.Context) error {
	t := a.config.Telemetry
	headers := map[string]string{}
	for name, value := range t.OTLP.Headers {
		headers[name] = value.Reveal()
	}
	set, shutdown, err := telemetry.Setup(ctx, telemetry.Config{
		ServiceName: t.ServiceName, SampleRatio: t.SampleRatio, Endpoint: t.OTLP.Endpoint, Headers: headers, Logger: a.logger,
		Build: telemetry.ReadBuild(version),
	})
	if err != nil {
		return err
	}
	a.telemetry = set
	a.closers = append(a.closers, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return shutdown(ctx)
	})
	return nil
}

// observer gives what watches runs: telemetry, and for a server the records of decisions and of usage.
func (a *app) observer(own bool) (orchestrator.Observer, error) {
	all := orchestrator.Observers{a.telemetry.Observer()}
	if own {
		return all, nil
	}
	c := &a.config.Record
	if c.Usage {
		folder, err := a.usageFolder()
		if err != nil {
			return nil, err
		}
		recorder := usage.New(a.store, usage.Config{Keep: c.UsageKeep, Spill: folder, Lost: a.telemetry.UsageLost, Logger: a.logger})
		a.closers = append(a.closers, recorder.Close) // before the store
		all = append(all, recorder)
	}
	if c.Decisions {
		recorder := record.New(a.store, record.Config{Keep: c.Keep, Dropped: a.telemetry.DecisionsDropped, Logger: a.logger})
		a.closers = append(a.closers, recorder.Close)
		all = append(all, recorder)
	}
	return all, nil
}

// feedback gives what takes feedback: nothing where decisions are not recorded.
func (a *app) feedback() *feedback.Service {
	if !a.config.Record.Decisions {
		return feedback.New(nil)
	}
	return feedback.New(a.store)
}

// usageFolder gives the folder of what the database does not take while the server stops, which is made where it is
// not there: when it is needed it is too late. Empty: there is none, because the store itself is gone then.
func (a *app) usageFolder() (string, error) {
	folder := a.config.Record.UsageFolder
	if file, ok := strings.CutPrefix(a.config.Database.URL.Reveal(), "sqlite:"); ok && folder == "" {
		if file == ":memory:" {
			return "", nil
		}
		folder = filepath.Dir(file)
	}
	if folder == "" {
		folder = "."
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("making the folder record.usage_folder: %w", err)
	}
	return folder, nil
}

func (a *app) openServer(around func(http.Handler) http.Handler) error {
	c := a.config.Server
	api, err := rpc.New(rpc.Config{
		Runner: a.engine, Router: a.engine, Inference: a.engine, Collections: a.engine.Retrieval(), Documents: a.engine.Retrieval(),
		Keys: a.access.keys, Tenants: a.store, Usage: a.store, Outcomes: a.store, Models: a.engine, Traffic: a.traffic,
		Feedback: a.feedback(),
		Logger:   a.logger, MaxBody: int64(c.ReadLimit),
	})
	if err != nil {
		return err
	}
	dialect := openaihttp.New(openaihttp.Config{Engine: a.engine, Logger: a.logger, ReadLimit: int64(c.ReadLimit), Outcome: server.SetOutcome})
	mounts := api.Mounts()
	for _, pattern := range openaihttp.Patterns() {
		mounts = append(mounts, server.Mount{Pattern: pattern, Handler: dialect, MaxBody: int64(c.ReadLimit), Refuse: openaihttp.Refuse})
	}
	for i := range mounts {
		if around != nil {
			mounts[i].Handler = around(mounts[i].Handler)
		}
		mounts[i].Handler = a.telemetry.Trace(mounts[i].Pattern, bounded(mounts[i].Handler, c.RequestTimeout))
	}
	var metrics http.Handler
	if a.config.Telemetry.Metrics {
		metrics = a.telemetry.Handler()
	}
	a.server, err = server.New(server.Config{
		Mounts: mounts, Metrics: metrics, Logger: a.logger, Observer: calls{a.telemetry},
		Authenticate:         a.access.authenticate,
		Checks:               []server.Check{{Name: "store", Ready: a.store.Ping}},
		AllowUnauthenticated: c.AllowUnauthenticated, Hosts: c.Hosts, Origins: c.CORSOrigins, TLSCert: c.TLS.Cert, TLSKey: c.TLS.Key,
		MaxBody: int64(c.ReadLimit), MaxInFlight: c.MaxInFlight, ReadHeaderTimeout: c.HeaderTimeout, ReadTimeout: c.ReadTimeout,
		WriteTimeout: c.WriteTimeout, IdleTimeout: c.IdleTimeout, DrainDelay: c.DrainDelay, Grace: c.DrainGrace,
	})
	return err
}

// calls counts the server's calls.
type calls struct{ *telemetry.Telemetry }

// CallStarted counts a call in flight.
func (c calls) CallStarted(string) { c.RequestStarted() }

// CallEnded counts a call by its route, method and status.
func (c calls) CallEnded(call server.Call) {
	c.RequestEnded(call.Route, call.Method, call.Status, call.Duration)
}

// bounded gives each request a deadline. 0: none.
func bounded(h http.Handler, limit time.Duration) http.Handler {
	if limit <= 0 {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), limit)
		defer cancel()
		h.ServeHTTP(w, r.WithContext(ctx))
	})
}

// reload takes over a new configuration: backends, targets, policies, chains and prompts. What only a
// start can change is named in the log.
func (a *app) reload(ctx context.Context, c *config.Config, getenv func(string) string) error {
	fleet, err := muster(ctx, a.telemetry, c, getenv)
	if err != nil {
		return err
	}
	if err := a.changeFleet(fleet); err != nil {
		return errors.Join(err, fleet.close())
	}
	a.retire(a.config.Server.RequestTimeout)
	a.fleet = fleet
	return nil
}

// retire puts the fleet aside, and ends the connections of those whose last calls are over: none lasts longer than a request
// may.
func (a *app) retire(longest time.Duration) {
	a.fleet.closeIdle()
	a.retired = append(a.retired, retired{a.fleet, time.Now()})
	a.retired = slices.DeleteFunc(a.retired, func(r retired) bool {
		over := longest > 0 && time.Since(r.since) > longest
		if over {
			_ = r.fleet.close() // nobody waits for it
		}
		return over
	})
}

// Close gives back what the app holds, the last first. It may be called on an app that is half built.
func (a *app) Close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	a.closers = nil
	return errors.Join(errs...)
}

var _ io.Closer = (*app)(nil)
