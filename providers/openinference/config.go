package openinference

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"

	"fairlead/providers/internal/wire"
	"fairlead/providers/tensor"
)

// The variants of the protocol.
const (
	// V2 is the Open Inference Protocol, version 2.
	V2 = "v2"
	// TorchServe is TorchServe's own REST.
	TorchServe = "torchserve"
)

// The words for Config.Binary.
const (
	BinaryAuto   = "auto"
	BinaryAlways = "always"
	BinaryNever  = "never"
)

// The words for Config.Check.
const (
	CheckAll    = "all"
	CheckInputs = "inputs"
	CheckNone   = "none"
)

// The forms of a body that goes to TorchServe.
const (
	BodyJSON  = "json"
	BodyText  = "text"
	BodyBytes = "bytes"
)

// Config says which server to call and how.
type Config struct {
	// Name is the backend's name in errors. Empty: "openinference".
	Name string
	// URL is grpc://host:port or grpcs://host:port, by default port 8001 and 443, or http://host:port or https://host:port
	// with what comes before "/v2" (of TorchServe: before "/predictions").
	URL string
	// Variant is V2 or TorchServe, which knows http and https alone. Empty: V2.
	Variant string
	// ManagementURL is the address of TorchServe's management, up to "/models". Empty: it is not called.
	ManagementURL string
	// APIKey is sent as a bearer token, ManagementKey is that of the management. Empty: none is sent.
	APIKey, ManagementKey string
	// Header is sent with each request; over gRPC as metadata.
	Header http.Header
	// TLS is used for https, where HTTPClient is nil, and for grpcs. Nil: the system's roots.
	TLS *tls.Config
	// HTTPClient gives its Transport and Jar for REST. Its timeout and its way with redirects are not used. Nil: a
	// transport of its own.
	HTTPClient *http.Client
	// Proxy picks a proxy for REST where HTTPClient is nil. Nil: none. gRPC uses none.
	Proxy func(*http.Request) (*url.URL, error)
	// DialOptions are added to those of gRPC, such as a handler that lets the server continue our traces.
	DialOptions []grpc.DialOption
	// Limits bound requests and answers, and each message to Limits.Bytes and a little for what is around the tensors.
	Limits tensor.Limits
	// Timeout is the most time for one prediction. 0: 60 s. ProbeTimeout is that for what tells of the server and its
	// models. 0: 10 s. LoadTimeout is that for loading a model and unloading it. 0: 10 min.
	Timeout, ProbeTimeout, LoadTimeout time.Duration
	// KeepAlive is how long a gRPC connection on which calls wait may be silent before the server is asked for a sign of
	// life. Servers end connections on which it is asked for too often. 0: 5 min. Below 0: never.
	KeepAlive time.Duration
	// MetadataTTL is how long what the server tells of itself and of models is kept. 0: 1 min.
	MetadataTTL time.Duration
	// Check says what is held to what the server tells of the model: CheckAll is inputs before they are sent and outputs,
	// CheckInputs leaves outputs out, for servers whose description of them is not exact, CheckNone asks for no description.
	// Empty: CheckAll.
	Check string
	// OptionalInputs lets requests leave out inputs that the model names: what the server tells does not say which are optional.
	OptionalInputs bool
	// Binary says whether REST sends and asks for binary tensor data: BinaryAuto where the server names the extension,
	// BinaryAlways, or BinaryNever. Empty: BinaryAuto.
	Binary string
	// Body is what texts to TorchServe are where a request does not say: BodyJSON, BodyText or BodyBytes. Empty: BodyBytes,
	// which handlers decode themselves.
	Body string
	// Parallel is the most calls that one request makes of TorchServe at once. 0: 4.
	Parallel int
}

// String leaves the keys out.
func (c Config) String() string {
	return fmt.Sprintf("openinference backend %s at %s (%s)", c.Name, c.URL, cmp.Or(c.Variant, V2))
}

// slack is what a message may have around its tensors.
const slack = 1 << 20

// withDefaults fills in what is zero and says what is wrong.
func (c Config) withDefaults() (Config, error) {
	c.Name = cmp.Or(c.Name, "openinference")
	c.Variant = cmp.Or(c.Variant, V2)
	c.Timeout = cmp.Or(c.Timeout, 60*time.Second)
	c.ProbeTimeout = cmp.Or(c.ProbeTimeout, 10*time.Second)
	c.LoadTimeout = cmp.Or(c.LoadTimeout, 10*time.Minute)
	c.KeepAlive = cmp.Or(c.KeepAlive, 5*time.Minute)
	c.MetadataTTL = cmp.Or(c.MetadataTTL, time.Minute)
	c.Check = cmp.Or(c.Check, CheckAll)
	c.Binary = cmp.Or(c.Binary, BinaryAuto)
	c.Body = cmp.Or(c.Body, BodyBytes)
	c.Parallel = cmp.Or(c.Parallel, 4)
	c.Limits = c.Limits.WithDefaults()
	l := c.Limits
	switch {
	case c.Timeout < 0 || c.ProbeTimeout < 0 || c.LoadTimeout < 0 || c.MetadataTTL < 0 || c.Parallel < 0:
		return c, errors.New("timeouts and the number of calls at once must not be negative")
	case l.Bytes < 0 || l.Rank < 0 || l.Tensors < 0 || l.Text < 0 || l.Texts < 0:
		return c, errors.New("limits must not be negative")
	case l.Bytes > 1<<30:
		return c, errors.New("the limit on the bytes of a message must be 1 GiB or less")
	}
	for _, word := range []struct {
		field, value string
		known        []string
	}{
		{"variant", c.Variant, []string{V2, TorchServe}},
		{"check", c.Check, []string{CheckAll, CheckInputs, CheckNone}},
		{"binary", c.Binary, []string{BinaryAuto, BinaryAlways, BinaryNever}},
		{"body", c.Body, []string{BodyJSON, BodyText, BodyBytes}},
	} {
		if !slices.Contains(word.known, word.value) {
			return c, fmt.Errorf("%s must be one of %s", word.field, strings.Join(word.known, ", "))
		}
	}
	if c.ManagementURL != "" && c.Variant != TorchServe {
		return c, errors.New("only TorchServe has an address for its management")
	}
	return c, nil
}

// grpcAddress gives host and port of an address of gRPC, and whether it wants TLS. ok is false where the address is not one.
func grpcAddress(address string) (hostPort string, secure, ok bool, err error) {
	scheme, _, _ := strings.Cut(address, "://")
	if scheme != "grpc" && scheme != "grpcs" {
		return "", false, false, nil
	}
	secure = scheme == "grpcs"
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return "", secure, true, errors.New("reading the URL: it is not a URL") // the cause would repeat it, password and all
	case u.Hostname() == "":
		return "", secure, true, errors.New("reading the URL: it names no host")
	case u.User != nil:
		return "", secure, true, errors.New("reading the URL: it holds credentials: set the key instead")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return "", secure, true, errors.New("reading the URL: gRPC has a host and a port, and no path")
	}
	port := u.Port()
	if port == "" {
		if port = "8001"; secure {
			port = "443"
		}
	}
	return net.JoinHostPort(u.Hostname(), port), secure, true, nil
}

// newWire makes the client of one HTTP address.
func newWire(cfg Config, address, key string) (wire.Client, error) {
	base, err := wire.ParseBase(address)
	if err != nil {
		return wire.Client{}, err
	}
	header, err := wire.Credentials(cfg.Header, map[string]string{"Authorization": key})
	if err != nil {
		return wire.Client{}, err
	}
	client := cfg.HTTPClient
	if client == nil && cfg.TLS != nil {
		t := wire.NewTransport(cfg.Proxy)
		t.TLSClientConfig = cfg.TLS.Clone()
		client = &http.Client{Transport: t}
	}
	return wire.Client{
		Backend: cfg.Name, Base: base, HTTP: wire.NewHTTP(client, cfg.Proxy), Header: header,
		Idle: cfg.Timeout, MaxAnswer: int(cfg.Limits.Bytes + slack),
	}.WithDefaults(), nil
}
