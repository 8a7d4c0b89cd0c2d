package openaihttp

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"iter"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/orchestrator"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
)

// Catalog tells what can be named as a model.
type Catalog interface {
	Targets() []routing.Candidate
	Policies() []string
	Chains() []*chain.Chain
}

// Engine is what the dialect needs of orchestrator.Engine.
type Engine interface {
	Catalog
	Chat(ctx context.Context, p auth.Principal, req orchestrator.ChatRequest) iter.Seq2[orchestrator.Event, error]
	Embed(ctx context.Context, p auth.Principal, req orchestrator.EmbedRequest) (*orchestrator.Embedded, error)
}

var _ Engine = (*orchestrator.Engine)(nil)

// Config is what the handler works with.
type Config struct {
	Engine Engine
	// Logger is told of failures that are not the caller's. Nil: slog.Default().
	Logger *slog.Logger
	// ReadLimit is the most bytes of a request's body. 0 is 4 MiB.
	ReadLimit int64
	// HoldHeaders is how long a stream waits for the first piece of the answer before it sends its headers
	// without one; a failure after that can no longer be an HTTP status. 0 is 45 s, which is less than the
	// minute after which proxies commonly give up.
	HoldHeaders time.Duration
	// KeepAlive is how often an open stream is looked at: when nothing was sent since the last look, a
	// comment is. 0 is 15 s.
	KeepAlive time.Duration
	// WriteTimeout is how long a caller may take to read what is written. 0 is 15 s.
	WriteTimeout time.Duration
	// Outcome is told how a request ended, before its handler returns: a fault's code and reason, or "ok".
	// Nil: nobody is told.
	Outcome func(ctx context.Context, code, reason string)
	// Now tells the time for "created". Nil: time.Now.
	Now func() time.Time
}

type handler struct {
	Config
	started time.Time
}

// route is what is served at a pattern.
type route struct {
	// scope is what a caller needs.
	scope   auth.Scopes
	methods []string
	serve   func(*handler, http.ResponseWriter, *http.Request, auth.Principal) error
}

var (
	reads  = []string{http.MethodGet, http.MethodHead}
	writes = []string{http.MethodPost}

	// routes are by pattern; one that ends with a slash is for all paths below it. /v1/ is for what is no endpoint.
	routes = map[string]route{
		"/v1/":                 {auth.Chat, nil, nil},
		"/v1/chat/completions": {auth.Chat, writes, (*handler).chat},
		"/v1/embeddings":       {auth.Chat, writes, (*handler).embeddings},
		"/v1/models":           {auth.Chat, reads, (*handler).models},
		"/v1/models/":          {auth.Chat, reads, (*handler).model},
	}
)

// Patterns gives what the handler is to be mounted at: each endpoint by itself, so that logs and metrics tell them
// apart, and /v1/ for what is no endpoint.
func Patterns() []string { return slices.Sorted(maps.Keys(routes)) }

// New makes the handler for everything under /v1/. It takes the caller from auth.From and refuses requests without
// one. It panics when the Config has no Engine.
func New(c Config) http.Handler {
	if c.Engine == nil {
		panic("openaihttp: no engine")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.ReadLimit <= 0 {
		c.ReadLimit = 4 << 20
	}
	if c.HoldHeaders <= 0 {
		c.HoldHeaders = 45 * time.Second
	}
	if c.KeepAlive <= 0 {
		c.KeepAlive = 15 * time.Second
	}
	if c.WriteTimeout <= 0 {
		c.WriteTimeout = 15 * time.Second
	}
	if c.Outcome == nil {
		c.Outcome = func(context.Context, string, string) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &handler{Config: c, started: c.Now()}
}

// ServeHTTP serves one request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if w.Header().Get("X-Request-Id") == "" {
		w.Header().Set("X-Request-Id", rand.Text())
	}
	err := h.dispatch(w, r)
	if err == nil {
		h.Outcome(r.Context(), "ok", "")
	} else {
		e := fromError(err)
		h.ended(r, e)
		h.log(r, w.Header().Get(headerRun), e, false)
		h.extend(http.NewResponseController(w))
		e.write(w)
	}
}

// dispatch finds the endpoint. The path is matched by hand because a model's id may hold slashes, escaped or
// not, and because errors must have the dialect's form.
func (h *handler) dispatch(w http.ResponseWriter, r *http.Request) error {
	path := r.URL.Path
	if path != "/v1/" {
		path = strings.TrimSuffix(path, "/") // some clients put one behind every address
	}
	e, ok := routes[path]
	if !ok && strings.HasPrefix(path, "/v1/models/") {
		e, ok = routes["/v1/models/"], true
	}
	if !ok {
		e = routes["/v1/"]
	}
	p, known := auth.From(r.Context())
	if !known {
		return fault.New(fault.Unauthenticated, fault.ReasonNone, "no valid API key: send one as Authorization: Bearer KEY")
	}
	if err := p.Require(e.scope); err != nil {
		return err
	}
	if e.serve == nil {
		return &wireError{
			status: http.StatusNotFound, Type: typeInvalid, Code: "unknown_url", final: true,
			Message: "there is no such endpoint: there are /v1/chat/completions, /v1/embeddings, /v1/models and /v1/models/{id}",
		}
	}
	if !slices.Contains(e.methods, r.Method) {
		w.Header().Set("Allow", strings.Join(e.methods, ", "))
		return &wireError{
			status: http.StatusMethodNotAllowed, Type: typeInvalid, Code: "method_not_allowed", final: true,
			Message: "this endpoint takes " + strings.Join(e.methods, " or "),
		}
	}
	return e.serve(h, w, r, p)
}

// readBody reads a JSON body within the limit.
func (h *handler) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if ct := r.Header.Get("Content-Type"); ct != "" {
		media, _, err := mime.ParseMediaType(ct)
		if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") {
			return nil, &wireError{
				status: http.StatusUnsupportedMediaType, Type: typeInvalid, Code: "unsupported_media_type", final: true,
				Message: "the request body must be application/json",
			}
		}
	}
	if ce := r.Header.Get("Content-Encoding"); ce != "" && ce != "identity" {
		return nil, &wireError{
			status: http.StatusUnsupportedMediaType, Type: typeInvalid, Code: "unsupported_media_type", final: true,
			Message: "the request body must not be compressed",
		}
	}
	if r.ContentLength > h.ReadLimit {
		return nil, tooLarge(h.ReadLimit)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.ReadLimit))
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge(tooBig.Limit)
	}
	if err != nil {
		if r.Context().Err() != nil {
			return nil, r.Context().Err()
		}
		if f, ok := errors.AsType[*fault.Error](err); ok {
			return nil, f
		}
		e := badRequest("", "the request body could not be read to its end")
		e.cause = err
		return nil, e
	}
	return body, nil
}

// extend gives the caller WriteTimeout from now to read what is written next. Where the connection cannot
// have a deadline there is none.
func (h *handler) extend(rc *http.ResponseController) {
	_ = rc.SetWriteDeadline(time.Now().Add(h.WriteTimeout))
}

// ended tells of a request that failed.
func (h *handler) ended(r *http.Request, e *wireError) {
	code, reason := e.outcome()
	h.Outcome(r.Context(), code.String(), string(reason))
}

// log tells operators of failures that are not the caller's. It holds no content.
func (h *handler) log(r *http.Request, run string, e *wireError, midstream bool) {
	if e.status < http.StatusInternalServerError {
		return
	}
	attrs := []slog.Attr{
		slog.String("path", endpoint(r.URL.Path)), slog.Int("status", e.status), slog.String("code", e.Code),
		slog.String("run", run), slog.Bool("midstream", midstream),
	}
	if e.cause != nil {
		attrs = append(attrs, slog.String("error", fault.Cause(e.cause)))
	} else {
		attrs = append(attrs, slog.String("error", e.Message))
	}
	h.Logger.LogAttrs(r.Context(), slog.LevelError, "openai dialect: request failed", attrs...)
}

// endpoint gives a path without what the caller put into it.
func endpoint(path string) string {
	if strings.HasPrefix(path, "/v1/models/") {
		return "/v1/models/{id}"
	}
	return path
}
