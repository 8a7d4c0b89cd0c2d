package openai

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"fairlead/providers"
	"fairlead/providers/internal/wire"
)

// DefaultBaseURL is OpenAI's own address.
const DefaultBaseURL = "https://api.openai.com/v1"

// Config says which server to call and how.
type Config struct {
	// Name is the backend's name in errors. Empty: "openai".
	Name string
	// BaseURL is the address up to "/chat/completions". Empty: DefaultBaseURL.
	BaseURL string
	// APIKey is sent as a bearer token. Empty: none is sent.
	APIKey string
	// Organization and Project are OpenAI's headers of these names. Empty: not sent.
	Organization string
	Project      string
	// Header is sent with each request, before the headers above.
	Header http.Header
	// HTTPClient gives its Transport and Jar. Its timeout and its way with redirects are not used. Nil:
	// a transport of its own.
	HTTPClient *http.Client
	// Proxy picks a proxy where HTTPClient is nil, such as http.ProxyFromEnvironment. Nil: none.
	Proxy func(*http.Request) (*url.URL, error)
	// MaxTokensField is what the server calls Request.MaxTokens: "max_tokens" or
	// "max_completion_tokens". Empty: the latter for OpenAI's own host, the former elsewhere.
	MaxTokensField string
	// MaxAnswer is the most bytes of text, reasoning and tool arguments in one answer. 0:
	// providers.MaxAnswer.
	MaxAnswer int
	// IdleTimeout is the longest time between two pieces of an answer, once it has begun. 0: 60 s.
	IdleTimeout time.Duration
	// Server is the program behind the URL, one of ServerNone and the others: it is asked, beside answers, what its models
	// can do, whether it is there and how busy it is, on pages next to "/v1". Empty: ServerNone.
	Server string
}

// String leaves the key out.
func (c Config) String() string { return fmt.Sprintf("openai backend %s at %s", c.Name, c.BaseURL) }

// The names of the limit on tokens.
const (
	maxTokens           = "max_tokens"
	maxCompletionTokens = "max_completion_tokens"
)

// Client talks to one server. It may be used by several goroutines at once.
type Client struct {
	wire      wire.Client
	site      *site
	maxTokens string
}

var (
	_ providers.Generator    = (*Client)(nil)
	_ providers.Embedder     = (*Client)(nil)
	_ providers.Lister       = (*Client)(nil)
	_ providers.Prober       = (*Client)(nil)
	_ providers.LoadReporter = (*Client)(nil)
	_ providers.Lifecycle    = (*Client)(nil)
)

// New makes a client. It does not call the server.
func New(cfg Config) (*Client, error) {
	if cfg.Name == "" {
		cfg.Name = "openai"
	}
	if cfg.BaseURL == "" {
		cfg.BaseURL = DefaultBaseURL
	}
	base, err := wire.ParseBase(cfg.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", cfg.Name, err)
	}
	if cfg.MaxAnswer < 0 || cfg.IdleTimeout < 0 {
		return nil, fmt.Errorf("backend %s: limits must not be negative", cfg.Name)
	}
	switch cfg.MaxTokensField {
	case maxTokens, maxCompletionTokens:
	case "":
		cfg.MaxTokensField = maxTokens
		if base.Hostname() == "api.openai.com" {
			cfg.MaxTokensField = maxCompletionTokens
		}
	default:
		return nil, fmt.Errorf("backend %s: the field for the limit on tokens must be %q or %q", cfg.Name, maxTokens, maxCompletionTokens)
	}
	header, err := wire.Credentials(cfg.Header, map[string]string{
		"Authorization": cfg.APIKey, "OpenAI-Organization": cfg.Organization, "OpenAI-Project": cfg.Project,
	})
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", cfg.Name, err)
	}
	c := &Client{maxTokens: cfg.MaxTokensField, wire: wire.Client{
		Backend: cfg.Name, Base: base, HTTP: wire.NewHTTP(cfg.HTTPClient, cfg.Proxy), Header: header,
		Idle: cfg.IdleTimeout, MaxAnswer: cfg.MaxAnswer,
	}.WithDefaults()}
	if c.site, err = newSite(cfg.Server, c.wire); err != nil {
		return nil, fmt.Errorf("backend %s: %w", cfg.Name, err)
	}
	return c, nil
}

// CloseIdle closes the connections that no call uses.
func (c *Client) CloseIdle() { c.wire.HTTP.CloseIdleConnections() }

// fail makes an error about a request that was not sent.
func (c *Client) fail(kind providers.Kind, model, format string, args ...any) *providers.Error {
	return &providers.Error{Kind: kind, Backend: c.wire.Backend, Model: model, Detail: fmt.Sprintf(format, args...)}
}
