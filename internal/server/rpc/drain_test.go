package rpc_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"connectrpc.com/connect"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"fairlead/internal/auth"
	"fairlead/internal/server"
	"fairlead/orchestrator"
)

func TestDrainLetsRunsEndAndRefusesNewOnes(t *testing.T) {
	entered, release := make(chan struct{}, len(protocols)), make(chan struct{})
	f := start(t, chats(func(context.Context, auth.Principal, orchestrator.ChatRequest) events {
		all := everything("x")
		return func(yield func(orchestrator.Event, error) bool) {
			if !yield(all[0], nil) {
				return
			}
			entered <- struct{}{}
			<-release
			says(nil, all[1:]...)(yield)
		}
	}), func(c *server.Config) { c.Grace = 5 * time.Minute }) // a busy machine may take long over the calls below
	// Connections that are there before the drain, as pooled ones are.
	results := make(chan error, len(protocols))
	for _, p := range protocols {
		next := p.chat
		go func() {
			list, err := drainAll(next(t, f, t.Context(), ask("x")))
			if len(list) != len(everything("x")) && errors.Is(err, io.EOF) {
				err = errors.New("a clean end without all events")
			}
			results <- err
		}()
	}
	for range protocols {
		<-entered
	}
	if n := f.InFlight(); n != len(protocols) {
		t.Errorf("%d in flight", n)
	}
	stopped := make(chan struct{})
	go func() { f.stop(); close(stopped) }()
	health := healthpb.NewHealthClient(dial(t, f))
	for {
		res, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if res.GetStatus() == healthpb.HealthCheckResponse_NOT_SERVING {
			break
		}
	}
	for _, p := range protocols {
		_, err := drainAll(p.chat(t, f, t.Context(), ask("x")))
		code, info := outcome(t, err)
		if code != connect.CodeUnavailable || info.GetReason() != "draining" || !info.GetRetryable() {
			t.Errorf("%s: new call in a drain: %v %v", p.name, err, info)
		}
		var ce *connect.Error
		if errors.As(err, &ce) && ce.Meta().Get("Retry-After") != "1" {
			t.Errorf("%s: Retry-After = %q", p.name, ce.Meta().Get("Retry-After"))
		}
	}
	close(release)
	for range protocols {
		if err := <-results; !errors.Is(err, io.EOF) {
			t.Errorf("a call in flight ended with %v", err)
		}
	}
	<-stopped
	if f.InFlight() != 0 {
		t.Errorf("%d in flight after the drain", f.InFlight())
	}
}

func TestAfterTheGracePeriodRunsEndWithTheReason(t *testing.T) {
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			r, entered, ended := waits(everything("x")[:8]...)
			f := start(t, r, func(c *server.Config) { c.Grace = 20 * time.Millisecond })
			next := p.chat(t, f, t.Context(), ask("x"))
			for range 8 {
				if _, err := next(); err != nil {
					t.Fatal(err)
				}
			}
			stopped := make(chan struct{})
			go func() { f.stop(); close(stopped) }()
			_, err := next()
			code, info := outcome(t, err)
			if code != connect.CodeUnavailable || info.GetReason() != "draining" {
				t.Errorf("end: %v %v", err, info)
			}
			<-entered
			<-ended
			<-stopped
		})
	}
}
