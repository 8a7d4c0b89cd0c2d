package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"fairlead/providers"
)

const (
	connectTimeout = 5 * time.Second
	// maxErrorBody is the most bytes that are read of a refusal.
	maxErrorBody = 64 << 10
	// errorBodyTimeout is the longest time for them.
	errorBodyTimeout = 5 * time.Second
	// drainTimeout is how long an answered call waits for the body's end, so that its connection can be
	// used again. Servers send it with the mark of the end.
	drainTimeout = 25 * time.Millisecond
	// defaultIdle is the idle timeout of a Client without one.
	defaultIdle = 60 * time.Second
)

// Client makes calls to one backend.
type Client struct {
	// Backend is its name in errors.
	Backend string
	// Base is the address that paths are joined to.
	Base *url.URL
	// HTTP makes the requests; see NewHTTP.
	HTTP *http.Client
	// Header is sent with each request.
	Header http.Header
	// Idle is the longest time between two pieces of an answer.
	Idle time.Duration
	// MaxAnswer is the most bytes in one answer.
	MaxAnswer int
}

// ParseBase reads a backend's address: http or https, with a host, without credentials, query and
// fragment.
func ParseBase(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, errors.New("reading the base URL: it is not a URL") // the cause would repeat it, password and all
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("reading the base URL: it must begin with http:// or https://")
	case u.Host == "":
		return nil, errors.New("reading the base URL: it names no host")
	case u.User != nil:
		return nil, errors.New("reading the base URL: it holds credentials: set the key instead")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("reading the base URL: it must end with its path")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

// NewTransport makes a transport for many streams to few hosts. It uses no proxy unless one is given:
// what the environment says about proxies must not decide where a company's data go.
func NewTransport(proxy func(*http.Request) (*url.URL, error)) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = proxy
	t.DialContext = (&net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}).DialContext
	t.TLSHandshakeTimeout = connectTimeout
	t.MaxIdleConns = 0
	t.MaxIdleConnsPerHost = 256
	t.MaxResponseHeaderBytes = 256 << 10
	t.DisableCompression = true // a compressing proxy holds back the pieces of a stream
	return t
}

// NewHTTP gives a client that follows no redirect, so that credentials and content reach no other host,
// and that has no timeout of its own: contexts end calls. Of base, which may be nil, it takes the
// transport; where there is none it makes one with this proxy.
func NewHTTP(base *http.Client, proxy func(*http.Request) (*url.URL, error)) *http.Client {
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if base != nil {
		c.Transport, c.Jar = base.Transport, base.Jar
	}
	if c.Transport == nil {
		c.Transport = NewTransport(proxy)
	}
	return c
}

// WithDefaults gives the client with the limits that it leaves open.
func (c Client) WithDefaults() Client {
	if c.Idle == 0 {
		c.Idle = defaultIdle
	}
	if c.MaxAnswer == 0 {
		c.MaxAnswer = providers.MaxAnswer
	}
	return c
}

// Credentials gives the headers of each request: those of base, and the named ones that are not empty.
// "Authorization" is sent as a bearer token. An error does not repeat the value.
func Credentials(base http.Header, named map[string]string) (http.Header, error) {
	header := base.Clone()
	if header == nil {
		header = http.Header{}
	}
	for name, value := range named {
		if value == "" {
			continue
		}
		for _, b := range []byte(value) {
			if b <= ' ' || b > '~' {
				return nil, fmt.Errorf("the value of %s holds a character that no header may, such as a line break", name)
			}
		}
		if name == "Authorization" {
			value = "Bearer " + value
		}
		header.Set(name, value)
	}
	return header, nil
}

// Marshal writes JSON as it stands: encoding/json's default makes six bytes of each "<".
func Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Request is one request, for those that Start cannot make.
type Request struct {
	// Path is joined to the base address, Query comes behind it.
	Path, Query string
	// Model is the model's name in errors.
	Model string
	// Accept is what the answer may be.
	Accept string
	// Header is sent beside the client's own.
	Header http.Header
	// Body is what is posted, of type ContentType. Nil makes a GET.
	Body        []byte
	ContentType string
}

// Start sends one request and gives the call when the headers have come, whatever their status is. The
// caller ends the call. A nil body makes a GET; another is JSON.
func (c *Client) Start(ctx context.Context, path, model, accept string, body []byte) (*Call, *providers.Error) {
	return c.Send(ctx, Request{Path: path, Model: model, Accept: accept, Body: body, ContentType: "application/json"})
}

// Send is Start for any request.
func (c *Client) Send(ctx context.Context, r Request) (*Call, *providers.Error) {
	call := &Call{client: c, parent: ctx, model: r.Model}
	if err := ctx.Err(); err != nil {
		return nil, call.Canceled()
	}
	call.ctx, call.cancel = context.WithCancelCause(ctx)
	method := http.MethodGet
	if r.Body != nil {
		method = http.MethodPost
	}
	u := c.Base.JoinPath(r.Path)
	u.RawQuery = r.Query
	req, err := http.NewRequestWithContext(call.ctx, method, u.String(), bytes.NewReader(r.Body))
	if err != nil {
		call.End()
		return nil, call.Fail(providers.KindInvalid, "the request cannot be made")
	}
	for _, header := range []http.Header{c.Header, r.Header} {
		for name, values := range header {
			req.Header[name] = values
		}
	}
	req.Header.Set("Accept", r.Accept)
	req.Header.Set("Accept-Encoding", "identity")
	if r.Body != nil {
		req.Header.Set("Content-Type", r.ContentType)
	}
	call.Response, err = c.do(req, r.Body) //nolint:bodyclose // call.End closes it
	if err != nil {
		e := call.transportError(err)
		call.End()
		return nil, e
	}
	if e := call.open(); e != nil {
		call.End()
		return nil, e
	}
	return call, nil
}

// staleConnections is how many connections that serve no more a call may meet.
const staleConnections = 16

// do sends a request, again where it met a connection that had served before and failed before a byte of the answer: servers
// close connections that they have just let be used again. net/http does the same for a GET, but takes a POST for what must
// not be sent twice; to ask a model again changes nothing there. A new connection that fails is the server's failure.
func (c *Client) do(req *http.Request, body []byte) (*http.Response, error) {
	var again, answered atomic.Bool
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GotConn:              func(i httptrace.GotConnInfo) { again.Store(i.Reused) },
		GotFirstResponseByte: func() { answered.Store(true) },
	}))
	for tries := 0; ; tries++ {
		again.Store(false)
		resp, err := c.HTTP.Do(req)
		if err == nil || !again.Load() || answered.Load() || tries == staleConnections || req.Context().Err() != nil {
			return resp, err
		}
		req = req.WithContext(req.Context()) // what sent the last one may still be at it
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
}

// transportError is the translation of a failure before the headers.
func (call *Call) transportError(err error) *providers.Error {
	if call.parent.Err() != nil {
		return call.Canceled()
	}
	e := call.Fail(providers.KindUnavailable, "")
	e.Err = cause(err)
	var op *net.OpError
	var dns *net.DNSError
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &dns):
		e.Detail = "its host name was not found"
	case errors.As(err, &untrusted):
		e.Detail = "its TLS certificate is not trusted"
	case errors.As(err, &op) && op.Op == "dial" && op.Timeout():
		e.Detail = "no connection in time"
	case errors.As(err, &op) && op.Op == "dial":
		e.Detail = "no connection"
	default:
		e.Detail = "no answer: the connection failed or was closed"
	}
	return e
}

// cause keeps of an error what is ours or the system's: some of net/http's errors quote the server.
func cause(err error) error {
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return dns
	case errors.As(err, &op):
		return op
	default:
		for u := errors.Unwrap(err); u != nil; u = errors.Unwrap(err) {
			err = u
		}
		return fmt.Errorf("transport failed with a %T", err)
	}
}
