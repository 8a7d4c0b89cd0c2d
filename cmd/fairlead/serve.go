package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"reflect"
	"syscall"

	"github.com/spf13/cobra"

	"fairlead/internal/config"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/telemetry"
)

func (p *program) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve the API",
		Long: `Serves Connect, gRPC and gRPC-Web, and the OpenAI dialect under /v1, on one port. Without a configuration file
the built-in default holds: a store in fairlead.db, answers quoted from your documents, and an Ollama or OpenAI that is
found joins by itself. SIGHUP, or a change of the file, loads the configuration again; SIGTERM drains and ends.`,
		Example: `  fairlead serve
  fairlead serve --config fairlead.yaml --set server.listen=127.0.0.1:9000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.serve(cmd.Context()) },
	}
}

func (p *program) serve(ctx context.Context) error {
	a, err := p.open(ctx, openOptions{})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", a.config.Server.Listen)
	if err != nil {
		return errors.Join(listenError(a.config.Server.Listen, err), a.Close())
	}
	a.announce(ln.Addr().String())
	unasked := a.watchHealth()
	watched, measured := a.watch(ctx, p.getenv), a.watchRecall(ctx)
	err = a.server.Serve(ctx, ln)
	watched()
	measured()
	unasked()
	return errors.Join(err, a.Close())
}

// listenError says why an address cannot be listened on, and what to do.
func listenError(address string, err error) error {
	const other = "choose another with --set server.listen=HOST:PORT; port 0 takes a free one"
	var number syscall.Errno
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listening on %s: another program listens there already: %s", address, other)
	case errors.As(err, &number):
		return fmt.Errorf("listening on %s: %s: %s", address, number.Error(), other)
	default:
		return fmt.Errorf("listening on %s: it is not an address of this machine: %s", address, other)
	}
}

// announce logs what serves, where, and which targets there are and why.
func (a *app) announce(address string) {
	scheme := "http"
	if a.config.Server.TLS.Cert != "" {
		scheme = "https"
	}
	a.logger.Info("serving", "address", scheme+"://"+address, "store", a.config.Database.URL, "version", telemetry.ReadBuild(version).Version, "auto", a.engine.Auto())
	if a.access.authenticate == nil {
		level := slog.LevelInfo
		if a.config.Server.AllowUnauthenticated {
			level = slog.LevelWarn
		}
		a.logger.Log(context.Background(), level, "no caller has to prove who it is: whoever reaches the port may do everything; auth.keys or auth.oidc asks for proof")
	}
	for _, w := range a.report.Warnings {
		a.logger.Warn("configuration", "warning", w.String())
	}
	a.fleetLog()
}

func (a *app) fleetLog() {
	for _, t := range a.engine.Targets() {
		a.logger.Info("target", "name", t.Target.Name, "does", t.Target.Does.String(), "clearance", t.Target.Clearance.String(), "why", a.fleet.why[t.Target.Named()])
	}
	for _, note := range a.fleet.notes {
		a.logger.Info(note)
	}
}

// watch reloads the configuration on SIGHUP and when its files change, until the context ends. What it
// gives waits for the end.
func (a *app) watch(ctx context.Context, getenv func(string) string) (wait func()) {
	current := a.config
	a.telemetry.ConfigReloaded(true) // the first load went well, or there would be nothing to watch
	w := config.NewWatcher(a.options, a.config, func(c *config.Config, report *config.Report, err error) {
		if err == nil {
			err = report.Place(a.reload(ctx, c, getenv))
		}
		a.telemetry.ConfigReloaded(err == nil)
		if err != nil {
			text := err.Error()
			if _, ok := errors.AsType[*fault.Error](err); ok {
				text = fault.Cause(err)
			}
			a.logger.Error("the configuration was not taken over: the last good one still serves", "error", text)
			return
		}
		a.logger.Info("configuration taken over")
		if restart := needsRestart(current, c); len(restart) > 0 {
			a.logger.Warn("these settings count from the next start", "settings", restart)
		}
		current = c
		a.fleetLog()
	})
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		if err := w.Run(ctx); err != nil {
			a.logger.Error("the configuration is not watched: send SIGHUP after a change", "error", err)
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		defer signal.Stop(hup)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				w.Trigger()
			}
		}
	}()
	return func() { <-done; <-done }
}

// needsRestart names the parts of a configuration that only a start takes over.
func needsRestart(before, after *config.Config) (parts []string) {
	for name, changed := range map[string]bool{
		"server":    fmt.Sprint(before.Server) != fmt.Sprint(after.Server),
		"database":  before.Database != after.Database,
		"auth":      !reflect.DeepEqual(before.Auth, after.Auth),
		"record":    started(before.Record) != started(after.Record),
		"log":       before.Log != after.Log,
		"telemetry": fmt.Sprint(before.Telemetry) != fmt.Sprint(after.Telemetry),
		"retrieval": before.Retrieval.Split != after.Retrieval.Split || before.Retrieval.LexicalWeight != after.Retrieval.LexicalWeight,
	} {
		if changed {
			parts = append(parts, name)
		}
	}
	return parts
}

// started is what of the record only a start takes over: features are made by the engine, which a reload changes.
func started(r config.Record) config.Record {
	r.Features, r.FeaturesLabel = false, label.Unset
	return r
}
