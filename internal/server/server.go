package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
)

const (
	// cutWait is how long canceled calls have to say so to their callers.
	cutWait = 2 * time.Second
	// closeWait is how long connections have to be closed in good order.
	closeWait = 2 * time.Second
)

// Server serves one port. Make it with New.
type Server struct {
	config      Config
	http        *http.Server
	gate        *gate
	crossOrigin *http.CrossOriginProtection
	certificate *certificate

	// base is the parent of all requests' contexts, and cut ends it.
	base context.Context //nolint:containedctx // it is the server's life, not a call's
	cut  context.CancelCauseFunc

	loopback atomic.Bool
	draining atomic.Bool
	serving  atomic.Bool

	// stop begins the drain, force ends its patience, ended says that Serve has returned.
	stop, force, ended  chan struct{}
	stopOnce, forceOnce sync.Once
}

// New makes a server. Its errors are *fault.Error with ReasonBadConfig.
func New(c Config) (*Server, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	s := &Server{
		config: c.withDefaults(),
		gate:   newGate(c.MaxInFlight),
		stop:   make(chan struct{}),
		force:  make(chan struct{}),
		ended:  make(chan struct{}),
	}
	s.base, s.cut = context.WithCancelCause(context.Background())
	var err error
	if s.crossOrigin, err = newCrossOrigin(c.Origins); err != nil {
		return nil, err
	}
	handler, err := s.handler()
	if err != nil {
		return nil, err
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	s.http = &http.Server{
		Handler:           handler,
		Protocols:         &protocols,
		ReadHeaderTimeout: s.config.ReadHeaderTimeout,
		IdleTimeout:       s.config.IdleTimeout,
		MaxHeaderBytes:    s.config.MaxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return s.base },
		ErrorLog:          slog.NewLogLogger(s.config.Logger.Handler(), slog.LevelDebug),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: s.config.MaxStreams,
			// A peer that is gone without a word is found by a ping.
			SendPingTimeout:  30 * time.Second,
			PingTimeout:      15 * time.Second,
			WriteByteTimeout: s.config.WriteTimeout,
		},
	}
	if c.TLSCert != "" {
		if s.certificate, err = newCertificate(c.TLSCert, c.TLSKey, s.config.Logger); err != nil {
			return nil, err
		}
		s.http.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.certificate.get}
	}
	return s, nil
}

// handler is the order of the middleware before the mux.
func (s *Server) handler() (h http.Handler, err error) {
	defer func() {
		if conflict := recover(); conflict != nil { // it is how ServeMux says that two patterns meet
			err = fault.New(fault.InvalidArgument, fault.ReasonBadConfig, "server: mounts: %v", conflict)
		}
	}()
	mux := http.NewServeMux()
	for i := range s.config.Mounts {
		m := &s.config.Mounts[i]
		mux.Handle(m.Pattern, s.wrap(m))
	}
	for pattern, handler := range s.ops() {
		m := &Mount{Pattern: pattern, Handler: handler, MaxBody: opsMaxBody}
		guarded := s.limitBody(m, handler)
		if !open[pattern] {
			guarded = s.principal(m, guarded)
		}
		mux.Handle(pattern, s.route(m, guarded))
	}
	if s.config.Metrics != nil {
		m := &Mount{Pattern: routeMetrics, Handler: s.config.Metrics}
		mux.Handle(m.Pattern, s.route(m, s.guardHost(m, s.principal(m, operators(m)))))
	}
	if !slices.ContainsFunc(s.config.Mounts, func(m Mount) bool { return m.Pattern == "/" }) {
		none := &Mount{}
		mux.Handle("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			none.refuse(w, r, fault.New(fault.NotFound, fault.ReasonNone, "there is nothing at this path"))
		}))
	}
	return s.identify(s.log(s.recover(s.cors(mux)))), nil
}

// wrap is the order of the middleware after the mux.
func (s *Server) wrap(m *Mount) http.Handler {
	return s.route(m, s.guardHost(m, s.guardOrigin(m, s.admit(m, s.principal(m, s.limitBody(m, m.Handler))))))
}

// route notes which mount was found.
func (s *Server) route(m *Mount, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		callOf(r.Context()).Route = m.Pattern
		next.ServeHTTP(w, r)
	})
}

// principal establishes who is calling.
func (s *Server) principal(m *Mount, next http.Handler) http.Handler {
	authenticate := s.config.Authenticate
	if authenticate == nil {
		authenticate = func(*http.Request) (auth.Principal, error) { return auth.Local(), nil }
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := authenticate(r)
		if err != nil {
			f := fault.From(err)
			s.logUnproved(r, f)
			if f.Code == fault.Unauthenticated {
				w.Header().Set("WWW-Authenticate", "Bearer")
			}
			m.refuse(w, r, f)
			return
		}
		next.ServeHTTP(w, r.WithContext(auth.With(r.Context(), p)))
	})
}

// operators lets through who may look after the whole server.
func operators(m *Mount) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := auth.From(r.Context())
		if err := p.Require(auth.Operator); err != nil {
			m.refuse(w, r, fault.From(err))
			return
		}
		m.Handler.ServeHTTP(w, r)
	})
}

// InFlight gives the number of calls in flight.
func (s *Server) InFlight() int { return s.gate.inFlight() }

// Serve serves the listener until ctx ends and the drain is over, and closes it. It returns nil after a
// drain, and an error when it could not serve. A server serves once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if !s.serving.CompareAndSwap(false, true) {
		return fault.New(fault.FailedPrecondition, fault.ReasonInternal, "server: it serves, or has served, already")
	}
	defer close(s.ended)
	// Whatever happens, no request's context outlives Serve.
	defer s.cut(errDraining)
	local := isLocal(ln.Addr())
	s.loopback.Store(local && isTCP(ln.Addr()))
	if !local && s.config.Authenticate == nil && !s.config.AllowUnauthenticated {
		_ = ln.Close()
		return fault.New(fault.FailedPrecondition, fault.ReasonBadConfig,
			"server: %s can be reached from other machines and no caller would have to say who it is: "+
				"listen on 127.0.0.1, configure keys, or allow unauthenticated callers", ln.Addr())
	}
	stopped := make(chan error, 1)
	go func() {
		if s.certificate != nil {
			stopped <- s.http.ServeTLS(ln, "", "")
		} else {
			stopped <- s.http.Serve(ln)
		}
	}()
	select {
	case err := <-stopped:
		s.gate.close()
		s.draining.Store(true)
		_ = s.http.Close()
		return fault.Wrap(err, fault.Unavailable, fault.ReasonInternal, "server: serving %s failed", ln.Addr())
	case <-ctx.Done():
	case <-s.stop:
	}
	s.drain()
	if err := <-stopped; err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fault.Wrap(err, fault.Unavailable, fault.ReasonInternal, "server: closing %s failed", ln.Addr())
	}
	return nil
}

// Shutdown begins the drain and waits until Serve has returned. When ctx ends first, the calls in flight
// are cut at once and ctx's error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopOnce.Do(func() { close(s.stop) })
	if !s.serving.Load() {
		return nil
	}
	select {
	case <-s.ended:
		return nil
	case <-ctx.Done():
		s.forceOnce.Do(func() { close(s.force) })
		<-s.ended
		return ctx.Err()
	}
}

// drain goes through the steps that the package's doc lists.
func (s *Server) drain() {
	s.draining.Store(true)
	s.wait(s.config.DrainDelay, nil)
	s.gate.close()
	s.config.Logger.Info("draining", "in_flight", s.gate.inFlight(), "grace", s.config.Grace)
	if !s.wait(s.config.Grace, s.gate.empty) {
		s.config.Logger.Warn("drain: the grace period is over, calls are cut", "in_flight", s.gate.inFlight())
		s.cut(errDraining)
		limit := time.NewTimer(cutWait)
		defer limit.Stop()
		select {
		case <-s.gate.empty:
		case <-limit.C:
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWait)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close()
	}
}

// wait waits for done, and says whether it came before the limit and before force.
func (s *Server) wait(limit time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
	case <-s.force:
	}
	select {
	case <-done: // both at once: nothing needs to be cut
		return true
	default:
		return false
	}
}

func isTCP(addr net.Addr) bool {
	_, ok := addr.(*net.TCPAddr)
	return ok
}

// isLocal says whether only this machine can reach the address. What is not TCP is a Unix socket or memory.
func isLocal(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}
