package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"connectrpc.com/connect"

	fairleadv1 "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/fault"
)

// client calls a server: one that runs elsewhere, or one that the command runs on its own. Either way the
// calls go over the same API, so there is one code path.
type client struct {
	address   string
	http      *http.Client
	chat      fairleadv1connect.ChatServiceClient
	run       fairleadv1connect.RunServiceClient
	retrieval fairleadv1connect.RetrievalServiceClient
	routing   fairleadv1connect.RoutingServiceClient
	admin     fairleadv1connect.AdminServiceClient
	models    fairleadv1connect.ModelServiceClient
	inference fairleadv1connect.InferenceServiceClient
	close     func() error
}

func newClient(address string, transport http.RoundTripper) *client {
	h := &http.Client{Transport: transport}
	return &client{
		address:   address,
		http:      h,
		chat:      fairleadv1connect.NewChatServiceClient(h, address),
		run:       fairleadv1connect.NewRunServiceClient(h, address),
		retrieval: fairleadv1connect.NewRetrievalServiceClient(h, address),
		routing:   fairleadv1connect.NewRoutingServiceClient(h, address),
		admin:     fairleadv1connect.NewAdminServiceClient(h, address),
		models:    fairleadv1connect.NewModelServiceClient(h, address),
		inference: fairleadv1connect.NewInferenceServiceClient(h, address),
		close:     func() error { h.CloseIdleConnections(); return nil },
	}
}

// connect gives a client of the server that --server names, or of one that lives as long as the command.
func (p *program) connect(ctx context.Context) (*client, error) {
	if p.server != "" && p.tenant != "" {
		return nil, &usageError{errors.New("--tenant is for commands that run on their own: a server knows a caller's tenant by its key")}
	}
	return p.connectAdmin(ctx)
}

// connectAdmin is connect for commands that name the tenant of --tenant in their requests.
func (p *program) connectAdmin(ctx context.Context) (*client, error) {
	if p.server != "" {
		u, err := url.Parse(p.server)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, &usageError{fmt.Errorf("reading --server %q: write an address such as http://127.0.0.1:8080", p.server)}
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		key, err := p.callerKey()
		if err != nil || key == "" {
			return newClient(strings.TrimSuffix(p.server, "/"), transport), err
		}
		return newClient(strings.TrimSuffix(p.server, "/"), &bearer{next: transport, scheme: u.Scheme, host: u.Host, key: key}), nil
	}
	if p.key != "" {
		return nil, &usageError{errors.New("--key is for a server that --server names: a command that runs on its own needs none")}
	}
	a, err := p.open(ctx, openOptions{own: true, tenant: p.tenant})
	if err != nil {
		return nil, err
	}
	return a.loopback(ctx)
}

// callerKey gives the key that a server is shown: of the flag, or of the environment, which other users of the machine
// cannot see.
func (p *program) callerKey() (string, error) {
	key := strings.TrimSpace(cmp.Or(p.key, p.getenv("FAIRLEAD_KEY")))
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", &usageError{errors.New("reading the key of --key or FAIRLEAD_KEY: it has characters that no key and no token has")}
	}
	return key, nil
}

// bearer shows a key to one server, and to no other that a redirect may lead to.
type bearer struct {
	next              http.RoundTripper
	scheme, host, key string
}

// RoundTrip implements http.RoundTripper.
func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == b.scheme && r.URL.Host == b.host {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.key)
	}
	return b.next.RoundTrip(r)
}

// CloseIdleConnections lets http.Client reach the transport below.
func (b *bearer) CloseIdleConnections() {
	if c, ok := b.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// done closes a client; a failure to close changes nothing of what the command has done, and is told.
func (p *program) done(cl *client) {
	if err := cl.close(); err != nil {
		fmt.Fprintln(p.err, "fairlead: closing:", err)
	}
}

// loopback serves the app on a free loopback port and gives a client of it. Closing the client stops the
// server and closes the app.
func (a *app) loopback(ctx context.Context) (*client, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listening on loopback: %w", err), a.Close())
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- a.server.Serve(ctx, ln) }()
	c := newClient("http://"+ln.Addr().String(), &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute})
	c.close = func() error {
		c.http.CloseIdleConnections()
		cancel()
		err := <-served
		return errors.Join(err, a.Close())
	}
	return c, nil
}

// explain gives an error as a person should read it: what a server said, without the protocol's words.
func (p *program) explain(err error) error {
	var ce *connect.Error
	if !errors.As(err, &ce) {
		return err
	}
	text := ce.Message()
	if !connect.IsWireError(err) {
		if broken := p.broken(err); broken != nil {
			return broken
		}
	}
	for _, d := range ce.Details() {
		value, err := d.Value()
		if err != nil {
			continue
		}
		if info, ok := value.(*fairleadv1.ErrorInfo); ok {
			if info.GetReason() == string(fault.ReasonUnknownColl) {
				text += ", and `fairlead ingest PATH` makes one"
			}
			if info.GetReason() != "" {
				text += " [" + info.GetReason() + "]"
			}
			if info.GetRequestId() != "" {
				text += " (request " + info.GetRequestId() + ")"
			}
		}
	}
	return errors.New(visible(text))
}

// broken describes a call that failed on its way, in words; nil is any other failure.
func (p *program) broken(err error) error {
	address := p.server
	if address == "" {
		address = "on loopback"
	}
	var number syscall.Errno
	var name *net.DNSError
	var op *net.OpError
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		return fmt.Errorf("calling the server %s: its certificate is not trusted here: name a file of certificates to trust in SSL_CERT_FILE", address)
	case errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Errorf("calling the server %s: it does not speak TLS: call it by http://", address)
	case errors.As(err, &name):
		return fmt.Errorf("calling the server %s: its name %q cannot be found: check the address", address, name.Name)
	case errors.As(err, &op) && op.Op == "dial":
		why := "it cannot be reached"
		if errors.As(err, &number) {
			why += " (" + number.Error() + ")"
		}
		return fmt.Errorf("calling the server %s: %s: check the address, or start one with `fairlead serve`", address, why)
	case connect.CodeOf(err) == connect.CodeUnavailable, errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.As(err, &op):
		return fmt.Errorf("calling the server %s: the connection broke before the answer was whole: try again", address)
	}
	return nil
}

// reasonOf gives the reason that a server's error carries.
func reasonOf(err error) string {
	var ce *connect.Error
	if errors.As(err, &ce) {
		for _, d := range ce.Details() {
			if value, err := d.Value(); err == nil {
				if info, ok := value.(*fairleadv1.ErrorInfo); ok {
					return info.GetReason()
				}
			}
		}
	}
	return ""
}
