package ollama

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/ollama/ollama/api"

	"fairlead/providers"
	"fairlead/providers/internal/wire"
)

// DefaultBaseURL is where Ollama listens unless told otherwise.
const DefaultBaseURL = "http://127.0.0.1:11434"

// Config says which server to call and how.
type Config struct {
	// Name is the backend's name in errors. Empty: "ollama".
	Name string
	// BaseURL is the address up to "/api". Empty: DefaultBaseURL.
	BaseURL string
	// APIKey is sent as a bearer token, for servers behind a gateway. Empty: none is sent.
	APIKey string
	// Header is sent with each request.
	Header http.Header
	// HTTPClient gives its Transport and Jar. Its timeout and its way with redirects are not used. Nil:
	// a transport of its own.
	HTTPClient *http.Client
	// Proxy picks a proxy where HTTPClient is nil. Nil: none.
	Proxy func(*http.Request) (*url.URL, error)
	// KeepAlive is how long a model stays loaded after a call; below 0: for ever. 0: as the server has it.
	KeepAlive time.Duration
	// NumCtx is the context window, in tokens, that models are loaded with. 0: as the server has it,
	// which is often far less than the model could.
	NumCtx int
	// Think is whether models that can are to reason first: "true", "false", or "low", "medium" or
	// "high" for models with levels. Empty: as the model has it.
	Think string
	// Truncate lets the server drop old messages, and the ends of texts to embed, in silence where they
	// do not fit. Unset, such calls fail with KindContextLength.
	Truncate bool
	// MaxAnswer is the most bytes of text, reasoning and tool arguments in one answer. 0:
	// providers.MaxAnswer.
	MaxAnswer int
	// IdleTimeout is the longest time between two pieces of an answer, once it has begun. 0: 60 s.
	IdleTimeout time.Duration
}

// String leaves the key out.
func (c Config) String() string { return fmt.Sprintf("ollama backend %s at %s", c.Name, c.BaseURL) }

// Client talks to one server. It may be used by several goroutines at once.
type Client struct {
	wire      wire.Client
	keepAlive *api.Duration
	numCtx    int
	think     *api.ThinkValue
	truncate  *bool // nil: as the server has it
}

var (
	_ providers.Generator = (*Client)(nil)
	_ providers.Embedder  = (*Client)(nil)
	_ providers.Lister    = (*Client)(nil)
	_ providers.Lifecycle = (*Client)(nil)
	_ providers.Warmer    = (*Client)(nil)
	_ providers.Puller    = (*Client)(nil)
	_ providers.Prober    = (*Client)(nil)
)

// New makes a client. It does not call the server.
func New(cfg Config) (*Client, error) {
	if cfg.Name == "" {
		cfg.Name = "ollama"
	}
	if cfg.BaseURL == "" {
		cfg.BaseURL = DefaultBaseURL
	}
	base, err := wire.ParseBase(cfg.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", cfg.Name, err)
	}
	if cfg.MaxAnswer < 0 || cfg.IdleTimeout < 0 || cfg.NumCtx < 0 {
		return nil, fmt.Errorf("backend %s: limits must not be negative", cfg.Name)
	}
	header, err := wire.Credentials(cfg.Header, map[string]string{"Authorization": cfg.APIKey})
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", cfg.Name, err)
	}
	c := &Client{numCtx: cfg.NumCtx}
	switch cfg.Think {
	case "":
	case "true", "false":
		c.think = &api.ThinkValue{Value: cfg.Think == "true"}
	case "low", "medium", "high":
		c.think = &api.ThinkValue{Value: cfg.Think}
	default:
		return nil, fmt.Errorf("backend %s: think must be true, false, low, medium or high", cfg.Name)
	}
	if cfg.KeepAlive != 0 {
		c.keepAlive = &api.Duration{Duration: cfg.KeepAlive}
	}
	if !cfg.Truncate {
		c.truncate = new(bool)
	}
	c.wire = wire.Client{
		Backend: cfg.Name, Base: base, HTTP: wire.NewHTTP(cfg.HTTPClient, cfg.Proxy), Header: header,
		Idle: cfg.IdleTimeout, MaxAnswer: cfg.MaxAnswer,
	}.WithDefaults()
	return c, nil
}

// CloseIdle closes the connections that no call uses.
func (c *Client) CloseIdle() { c.wire.HTTP.CloseIdleConnections() }

// showAtOnce is how many models are asked about at the same time.
const showAtOnce = 4

// Models lists the models that the server has pulled, with what it says that they can do. Context is
// what the model was trained for, or Config.NumCtx where that is less. What a server does not say about
// a model is left out.
func (c *Client) Models(ctx context.Context) ([]providers.Model, error) {
	list, e := c.tags(ctx)
	if e != nil {
		return nil, e
	}
	models := make([]providers.Model, len(list))
	var wg sync.WaitGroup
	slots := make(chan struct{}, showAtOnce)
	for i, m := range list {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			models[i] = c.show(ctx, m.Name)
			models[i].Host = cmp.Or(models[i].Host, m.Host)
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, providers.AsError(ctx, c.wire.Backend, "", err)
	}
	return models, nil
}

// show asks about one model.
func (c *Client) show(ctx context.Context, name string) providers.Model {
	m := providers.Model{Name: name}
	body, err := wire.Marshal(api.ShowRequest{Model: name})
	if err != nil {
		return m
	}
	var about struct {
		Capabilities []string       `json:"capabilities"`
		Info         map[string]any `json:"model_info"`
		Host         string         `json:"remote_host"`
	}
	if c.look(ctx, "api/show", name, body, &about) != nil {
		return m
	}
	m.Host = about.Host
	for _, word := range about.Capabilities {
		m.Does |= capabilities[word]
	}
	for key, value := range about.Info {
		if tokens, ok := value.(float64); ok && strings.HasSuffix(key, ".context_length") {
			m.Context = int(tokens)
		}
	}
	if c.numCtx > 0 && m.Context > c.numCtx {
		m.Context = c.numCtx
	}
	return m
}

var capabilities = map[string]providers.Capability{
	"completion": providers.Chat | providers.JSON, // the server holds any model to a format
	"tools":      providers.Tools,
	"vision":     providers.Vision,
	"embedding":  providers.Embed,
}

// fetch makes a call that is no stream.
func (c *Client) fetch(ctx context.Context, path, model string, body []byte, into any) *providers.Error {
	call, e := c.wire.Start(ctx, path, model, "application/json", body)
	if e != nil {
		return e
	}
	defer call.End()
	if call.Response.StatusCode != http.StatusOK {
		return refused(call)
	}
	return call.JSON(into)
}

// fail makes an error about a request that was not sent.
func (c *Client) fail(kind providers.Kind, model, format string, args ...any) *providers.Error {
	return &providers.Error{Kind: kind, Backend: c.wire.Backend, Model: model, Detail: fmt.Sprintf(format, args...)}
}
