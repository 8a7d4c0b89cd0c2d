package main

import (
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
		close:     func() error { h.CloseIdleConnections(); return nil },
	}
}

// connect gives a client of the server that --server names, or of one that lives as long as the command.
func (p *program) connect(ctx context.Context) (*client, error) {
	if p.server != "" {
		u, err := url.Parse(p.server)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, &usageError{fmt.Errorf("reading --server %q: write an address such as http://127.0.0.1:8080", p.server)}
		}
		return newClient(strings.TrimSuffix(p.server, "/"), http.DefaultTransport.(*http.Transport).Clone()), nil
	}
	a, err := p.open(ctx, openOptions{own: true})
	if err != nil {
		return nil, err
	}
	return a.loopback(ctx)
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
	return errors.New(text)
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
