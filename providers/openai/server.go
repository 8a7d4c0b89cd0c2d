package openai

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"fairlead/providers"
	"fairlead/providers/internal/gauge"
	"fairlead/providers/internal/wire"
)

// The programs that Config.Server names.
const (
	// ServerNone asks for nothing but answers.
	ServerNone = "none"
	// ServerAuto finds out which of the others it is.
	ServerAuto     = "auto"
	ServerVLLM     = "vllm"
	ServerSGLang   = "sglang"
	ServerTGI      = "tgi"
	ServerLlamaCPP = "llamacpp"
	ServerLMStudio = "lmstudio"
)

var servers = []string{ServerNone, ServerAuto, ServerVLLM, ServerSGLang, ServerTGI, ServerLlamaCPP, ServerLMStudio}

// serverUnknown is a program that answers, and is none of those that we know.
const serverUnknown = "unknown"

const (
	// lookTimeout is the longest time for what is asked beside answers, where the context has no earlier end.
	lookTimeout = 10 * time.Second
	// lookAnswer bounds the pages that are read: with the factor of package wire, 4 MiB each.
	lookAnswer = 512 << 10
	// factsFor is how long what seldom changes is kept: how many calls a server takes at once, and that a program is unknown.
	factsFor = time.Minute
)

// site is the server around the API.
type site struct {
	// calls are made to the server's root: the base URL without its "/v1". Their key is the same, and so is the host.
	calls wire.Client
	// server is what the configuration says.
	server string
	// turn is held by the one that finds out which program it is.
	turn chan struct{}

	mu      sync.Mutex
	found   string
	foundAt time.Time
	slots   int
	slotsAt time.Time
}

func newSite(server string, calls wire.Client) (*site, error) {
	if server == "" {
		server = ServerNone
	}
	if !slices.Contains(servers, server) {
		return nil, fmt.Errorf("server must be one of %s", strings.Join(servers, ", "))
	}
	root := *calls.Base
	root.Path = strings.TrimRight(strings.TrimSuffix(root.Path, "/v1"), "/")
	root.RawPath = ""
	calls.Base, calls.MaxAnswer = &root, lookAnswer
	return &site{calls: calls, server: server, turn: make(chan struct{}, 1)}, nil
}

// Probe says whether the server takes calls, at the price of a page without content; see providers.Prober. Without
// Config.Server it is KindUnsupported.
func (c *Client) Probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	program, e := c.program(ctx)
	if e != nil {
		return e
	}
	switch program {
	case ServerLMStudio, serverUnknown:
		if _, e := c.list(ctx); e != nil {
			return e
		}
		return nil
	}
	call, e := c.site.calls.Start(ctx, "health", "", "*/*", nil)
	if e != nil {
		return e
	}
	defer call.End()
	if status := call.Response.StatusCode; status < 200 || status > 299 {
		e := refused(call)
		if e.Kind == providers.KindNotFound {
			c.forget()
			e.Kind, e.Detail = providers.KindProtocol, "it has no page of its health: is server right?"
		}
		return e
	}
	call.Drain()
	return nil
}

// program gives which program the server is. In ServerAuto the first call finds out; the others wait for it.
func (c *Client) program(ctx context.Context) (string, *providers.Error) {
	s := c.site
	switch s.server {
	case ServerNone:
		return "", c.fail(providers.KindUnsupported, "", "the program behind it is not known: set server")
	case ServerAuto:
	default:
		return s.server, nil
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return "", providers.AsError(ctx, c.wire.Backend, "", ctx.Err())
	}
	s.mu.Lock()
	found := s.found
	if found == serverUnknown && time.Since(s.foundAt) >= factsFor {
		found = ""
	}
	s.mu.Unlock()
	if found != "" {
		return found, nil
	}
	found, e := c.identify(ctx)
	if e != nil {
		return "", e
	}
	s.mu.Lock()
	s.found, s.foundAt = found, time.Now()
	s.mu.Unlock()
	return found, nil
}

// forget makes the next call find out anew which program it is.
func (c *Client) forget() {
	c.site.mu.Lock()
	c.site.found, c.site.slotsAt = "", time.Time{}
	c.site.mu.Unlock()
}

// identify finds out which program it is by what only one of them says. A server that does not answer is an error, one that
// says nothing of the kind is serverUnknown.
func (c *Client) identify(ctx context.Context) (string, *providers.Error) {
	found, e := c.identifyByList(ctx)
	if found != "" || (e != nil && passing(e)) {
		return found, e
	}
	for _, sign := range []struct {
		program, path string
		shown         func(*signs) bool
	}{
		{ServerTGI, "info", func(s *signs) bool { return s.MaxConcurrent > 0 && s.MaxTotal > 0 }},
		{ServerLlamaCPP, "props", func(s *signs) bool { return s.TotalSlots > 0 }},
		{ServerLMStudio, "api/v0/models", func(s *signs) bool { return len(s.Data) > 0 && s.Data[0].State != "" }},
		{ServerLMStudio, "api/v1/models", func(s *signs) bool { return len(s.Models) > 0 && s.Models[0].Key != "" }},
	} {
		var says signs
		switch e := c.look(ctx, sign.path, nil, &says); {
		case e != nil && passing(e):
			return "", e
		case e == nil && sign.shown(&says):
			return sign.program, nil
		}
	}
	for _, program := range []string{ServerVLLM, ServerSGLang} {
		page, e := c.metrics(ctx, program, "")
		switch {
		case e != nil && passing(e):
			return "", e
		case e == nil && page.Own:
			return program, nil
		}
	}
	return serverUnknown, nil
}

// signs are what the pages of single programs hold.
type signs struct {
	MaxConcurrent float64 `json:"max_concurrent_requests"`
	MaxTotal      float64 `json:"max_total_tokens"`
	TotalSlots    float64 `json:"total_slots"`
	Data          wire.List[struct {
		State string `json:"state"`
	}] `json:"data"`
	Models wire.List[struct {
		Key string `json:"key"`
	}] `json:"models"`
}

// passing says whether a failure tells nothing of the program: it is asked again another time.
func passing(e *providers.Error) bool {
	return providers.Retryable(e) && e.Kind != providers.KindProtocol || e.Kind == providers.KindCanceled || e.Kind == providers.KindUnknown
}

// identifyByList goes by who owns the models, and by the header of llama.cpp, which is there while it loads too.
func (c *Client) identifyByList(ctx context.Context) (string, *providers.Error) {
	call, e := c.wire.Start(ctx, "models", "", "application/json", nil)
	if e != nil {
		return "", e
	}
	defer call.End()
	if call.Response.Header.Get("Server") == "llama.cpp" {
		return ServerLlamaCPP, nil
	}
	if call.Response.StatusCode != http.StatusOK {
		return "", refused(call)
	}
	models, e := readList(call)
	if e != nil {
		return "", e
	}
	for _, m := range models {
		switch m.OwnedBy {
		case "vllm":
			return ServerVLLM, nil
		case "sglang":
			return ServerSGLang, nil
		case "llamacpp":
			return ServerLlamaCPP, nil
		}
	}
	return "", nil
}

// look reads a page beside the API.
func (c *Client) look(ctx context.Context, path string, query url.Values, into any) *providers.Error {
	call, e := c.site.calls.Send(ctx, wire.Request{Path: path, Query: query.Encode(), Accept: "application/json"})
	if e != nil {
		return e
	}
	defer call.End()
	if call.Response.StatusCode != http.StatusOK {
		return refused(call)
	}
	return call.JSON(into)
}

// metrics reads the gauges of a program.
func (c *Client) metrics(ctx context.Context, program, model string) (*gauge.Page, *providers.Error) {
	g := gauges[program]
	call, e := c.site.calls.Send(ctx, wire.Request{Path: "metrics", Query: g.query(model).Encode(), Model: model, Accept: gauge.Accept})
	if e != nil {
		return nil, e
	}
	defer call.End()
	if call.Response.StatusCode != http.StatusOK {
		return nil, refused(call)
	}
	page, err := gauge.Read(call, g.prefix, slices.Concat(g.running, g.waiting, g.cache)...)
	switch err {
	case nil:
		return page, call.Frame()
	case gauge.ErrTooMuch:
		return nil, call.Fail(providers.KindOverrun, "its metrics hold more series than any server has")
	case gauge.ErrFormat:
		return nil, call.Fail(providers.KindProtocol, "its metrics are not in the text format of Prometheus")
	default:
		return nil, call.ReadError(err)
	}
}
