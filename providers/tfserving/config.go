package tfserving

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"fairlead/providers/internal/wire"
	"fairlead/providers/tensor"
)

// Config says which server to call and how.
type Config struct {
	// Name is the backend's name in errors. Empty: "tfserving".
	Name string
	// URL is grpc://host:port or grpcs://host:port, or the address of the REST API up to "/v1": http://host:port or
	// https://host:port. Without a port gRPC has 8500. Required.
	URL string
	// APIKey is sent as a bearer token, for a proxy before the server. Empty: none is sent.
	APIKey string
	// Header is sent with each request, over gRPC as metadata.
	Header http.Header
	// TLS is used with grpcs, and with https where HTTPClient is nil. Nil: the system's authorities.
	TLS *tls.Config
	// HTTPClient gives its Transport and Jar to the REST API. Its timeout and its way with redirects are not used. Nil: a
	// transport of its own.
	HTTPClient *http.Client
	// Proxy picks a proxy for the REST API where HTTPClient is nil. Nil: none. gRPC uses no proxy.
	Proxy func(*http.Request) (*url.URL, error)
	// Inject adds to the metadata of a gRPC call, such as the context of a trace. Nil: nothing is added.
	Inject func(ctx context.Context, header http.Header)
	// Limits bound the tensors of requests and answers.
	Limits tensor.Limits
	// MaxMessage is the most bytes of one request and of one answer on the wire. 0: 64 MiB.
	MaxMessage int
	// Timeout is how long a call may take whose context has no deadline. 0: 60 s.
	Timeout time.Duration
	// ConnectTimeout is how long to wait for a connection. 0: 5 s. Over REST, only where HTTPClient is nil.
	ConnectTimeout time.Duration
	// KeepAlive is the time without traffic after which a gRPC connection with calls on it is probed. 0: 310 s, since
	// servers take more than a probe in five minutes for an attack. Not less than 10 s.
	KeepAlive time.Duration
	// DiscoveryTTL is how long what a model tells of its signatures is believed. 0: 1 min. Negative: not at all.
	DiscoveryTTL time.Duration
	// Labels are the version labels in use at the server, such as "stable": it cannot be asked for them. Versions tells
	// where they point.
	Labels []string
	// Rows sends REST requests row by row ("instances"), for servers that have no other form. All inputs then have the
	// same first dimension.
	Rows bool
}

// String leaves the key out.
func (c Config) String() string { return fmt.Sprintf("tfserving backend %s at %s", c.Name, c.URL) }

const (
	defaultMessage = 64 << 20
	// describingMessage is the most bytes of an answer that describes: it is read by generated code, which makes
	// more of it than it has bytes.
	describingMessage = 4 << 20
	defaultPort       = "8500"
)

func (c Config) withDefaults() Config {
	c.Limits = c.Limits.WithDefaults()
	if c.Name == "" {
		c.Name = "tfserving"
	}
	if c.MaxMessage == 0 {
		c.MaxMessage = defaultMessage
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 5 * time.Second
	}
	if c.KeepAlive == 0 {
		c.KeepAlive = 310 * time.Second
	}
	if c.DiscoveryTTL == 0 {
		c.DiscoveryTTL = time.Minute
	}
	return c
}

func (c Config) validate() error {
	l := c.Limits
	switch {
	case c.MaxMessage < 0 || c.Timeout < 0 || c.ConnectTimeout < 0:
		return errors.New("limits and times must not be negative")
	case l.Bytes < 0 || l.Rank < 0 || l.Tensors < 0 || l.Text < 0 || l.Texts < 0:
		return errors.New("limits of tensors must not be negative")
	case c.KeepAlive < 10*time.Second:
		return errors.New("the time to a keep-alive probe must be 10s or more")
	}
	for _, label := range c.Labels {
		if label == "" || isNumber(label) {
			return fmt.Errorf("the version label %q must be a name, not a number", label)
		}
	}
	return nil
}

// address is a parsed URL.
type address struct {
	rpc, secure bool
	// host has a port; base is set for REST.
	host string
	base *url.URL
}

func parseURL(text string) (address, error) {
	scheme, rest, found := strings.Cut(text, "://")
	if !found || !slices.Contains([]string{"grpc", "grpcs", "http", "https"}, scheme) {
		return address{}, errors.New("reading the URL: it must begin with grpc://, grpcs://, http:// or https://")
	}
	if scheme == "http" || scheme == "https" {
		base, err := wire.ParseBase(text)
		return address{base: base, secure: scheme == "https"}, err
	}
	u, err := wire.ParseBase("http://" + rest) // the same rules
	if err != nil {
		return address{}, err
	}
	if u.Path != "" {
		return address{}, errors.New("reading the URL: an address of gRPC has no path")
	}
	port := u.Port()
	if port == "" {
		port = defaultPort
	}
	if u.Hostname() == "" {
		return address{}, errors.New("reading the URL: it names no host")
	}
	return address{rpc: true, secure: scheme == "grpcs", host: net.JoinHostPort(u.Hostname(), port)}, nil
}
