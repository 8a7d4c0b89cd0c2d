package server

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
)

// Defaults of Config.
const (
	DefaultMaxBody           = 4 << 20
	DefaultReadHeaderTimeout = 5 * time.Second
	DefaultReadTimeout       = 15 * time.Second
	DefaultWriteTimeout      = 15 * time.Second
	DefaultIdleTimeout       = 2 * time.Minute
	DefaultGrace             = 25 * time.Second
	DefaultMaxHeaderBytes    = 64 << 10
	DefaultMaxStreams        = 250
)

// Mount is a handler with its place.
type Mount struct {
	// Pattern is as for http.ServeMux. It is also the name of the route in logs and metrics.
	Pattern string
	Handler http.Handler
	// MaxBody is the most bytes of a request's body, as sent. 0: Config.MaxBody.
	MaxBody int64
	// Refuse answers a request that does not reach the handler, in the handler's form. Nil: JSON with
	// code, reason, message and request_id.
	Refuse func(http.ResponseWriter, *http.Request, *fault.Error)
	// Serves names the gRPC services that the handler serves, for health and reflection.
	Serves []string
}

// Check is a condition of readiness.
type Check struct {
	Name string
	// Ready says why the server cannot serve. Nil: it can. The context ends after a few seconds.
	Ready func(context.Context) error
}

// Observer watches calls, for metrics. It must be fast and safe for concurrent use.
type Observer interface {
	// CallStarted is called when a mounted handler is about to be called.
	CallStarted(route string)
	// CallEnded is called once for every CallStarted.
	CallEnded(Call)
}

// Config is what a server works with.
type Config struct {
	// Mounts are the handlers. /healthz, /readyz, /metrics, gRPC health and reflection are the server's.
	Mounts []Mount
	// Metrics, if given, is served at /metrics to callers with the scope operator.
	Metrics http.Handler
	// Checks are the conditions of readiness.
	Checks []Check
	// Observer may be nil.
	Observer Observer
	// Logger is for the access log and for panics. Nil: nothing is logged.
	Logger *slog.Logger

	// Authenticate says who is calling; its error is a *fault.Error, Unauthenticated as a rule. Nil: every
	// caller is auth.Local, which is served only to loopback.
	Authenticate func(*http.Request) (auth.Principal, error)
	// AllowUnauthenticated lets a server without Authenticate listen beyond loopback: whoever reaches the
	// port may then read and send everything.
	AllowUnauthenticated bool
	// Hosts are the names, without port, under which the server may be addressed. Empty: any, but on
	// loopback only loopback's own names, so that no web page can reach it through a name of its own.
	Hosts []string
	// Origins are the web origins whose pages may call, such as "https://console.example". "*" is any.
	Origins []string

	// TLSCert and TLSKey are PEM files. Both or none. They are read again when they change.
	TLSCert, TLSKey string

	// MaxBody is the most bytes of a request's body. 0: 4 MiB.
	MaxBody int64
	// MaxHeaderBytes bounds a request's headers. 0: 64 KiB.
	MaxHeaderBytes int
	// MaxInFlight is the most calls at once; more are refused as resource_exhausted. 0: no limit.
	MaxInFlight int
	// MaxStreams is the most calls at once on one HTTP/2 connection. 0: 250.
	MaxStreams int

	// ReadHeaderTimeout is the most time for a request's headers. 0: 5 s.
	ReadHeaderTimeout time.Duration
	// ReadTimeout is the most time for each piece of a body. 0: 15 s.
	ReadTimeout time.Duration
	// WriteTimeout is the most time for each piece of a response. 0: 15 s.
	WriteTimeout time.Duration
	// IdleTimeout closes connections without a request. 0: 2 min.
	IdleTimeout time.Duration
	// DrainDelay is how long calls are still accepted after readiness went off, for load balancers that
	// notice late. 0: not at all.
	DrainDelay time.Duration
	// Grace is how long calls in flight may go on in a drain. 0: 25 s.
	Grace time.Duration
}

// withDefaults gives the configuration with its defaults filled in.
func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	or := func(d *time.Duration, fallback time.Duration) {
		if *d == 0 {
			*d = fallback
		}
	}
	or(&c.ReadHeaderTimeout, DefaultReadHeaderTimeout)
	or(&c.ReadTimeout, DefaultReadTimeout)
	or(&c.WriteTimeout, DefaultWriteTimeout)
	or(&c.IdleTimeout, DefaultIdleTimeout)
	or(&c.Grace, DefaultGrace)
	if c.MaxBody == 0 {
		c.MaxBody = DefaultMaxBody
	}
	if c.MaxHeaderBytes == 0 {
		c.MaxHeaderBytes = DefaultMaxHeaderBytes
	}
	if c.MaxStreams == 0 {
		c.MaxStreams = DefaultMaxStreams
	}
	return c
}

// validate says what is wrong with the configuration.
func (c *Config) validate() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.InvalidArgument, fault.ReasonBadConfig, "server: "+format, args...)
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return bad("a TLS certificate and its key come together: give both or none")
	}
	for name, d := range map[string]time.Duration{
		"read header timeout": c.ReadHeaderTimeout, "read timeout": c.ReadTimeout, "write timeout": c.WriteTimeout,
		"idle timeout": c.IdleTimeout, "drain delay": c.DrainDelay, "grace": c.Grace,
	} {
		if d < 0 {
			return bad("%s is negative", name)
		}
	}
	if c.MaxBody < 0 || c.MaxHeaderBytes < 0 || c.MaxInFlight < 0 || c.MaxStreams < 0 {
		return bad("a limit is negative")
	}
	seen := map[string]bool{}
	for _, m := range c.Mounts {
		if m.Pattern == "" || m.Handler == nil {
			return bad("a mount needs a pattern and a handler")
		}
		if seen[m.Pattern] {
			return bad("two mounts for %s", m.Pattern)
		}
		seen[m.Pattern] = true
	}
	for _, origin := range c.Origins {
		if origin != "*" && !strings.HasPrefix(origin, "http://") && !strings.HasPrefix(origin, "https://") {
			return bad("origin %q is not of the form https://host[:port]", origin)
		}
	}
	return nil
}
