package faultproxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy is the proxy. Make it with New. It is safe for concurrent use.
type Proxy struct {
	config   Config
	upstream *url.URL // nil: the proxy answers by itself
	client   http.RoundTripper
	idle     func()
	number   atomic.Int64
	counter  counter
}

var _ http.Handler = (*Proxy)(nil)

// New makes a proxy. The error says all that is wrong with the configuration.
func New(c Config) (*Proxy, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Reach == 0 {
		c.Reach = DefaultReach
	}
	if c.MaxBody == 0 {
		c.MaxBody = DefaultMaxBody
	}
	if c.Answer == "" {
		c.Answer = DefaultAnswer
	}
	p := &Proxy{config: c, client: c.Transport, idle: func() {}}
	if c.Upstream == "" {
		return p, nil
	}
	p.upstream, _ = url.Parse(c.Upstream) // Validate has parsed it
	if p.client == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.DisableCompression, t.MaxIdleConnsPerHost = true, 64
		p.client, p.idle = t, t.CloseIdleConnections
	}
	return p, nil
}

// Serve serves the listener, which it closes, until ctx ends; then it ends all calls, those that hang too.
func (p *Proxy) Serve(ctx context.Context, ln net.Listener) error {
	var running sync.WaitGroup // connections, and calls: a call that resets its connection outlives it
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			running.Add(1)
			defer running.Done()
			p.ServeHTTP(w, r)
		}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				running.Add(1)
			case http.StateClosed, http.StateHijacked:
				running.Done()
			}
		},
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // broken connections are what it is for
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	err := s.Serve(ln)
	_ = s.Close()
	running.Wait()
	p.idle()
	if ctx.Err() != nil && errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// ServeHTTP serves one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{
		Exchange: Exchange{Method: r.Method, Path: r.URL.Path, Fault: Fault{Kind: None}},
		proxy:    p, w: w, rc: http.NewResponseController(w), ctx: r.Context(),
	}
	started := time.Now()
	ending := x.serve(r)
	x.Duration = time.Since(started)
	p.counter.add(&x.Exchange)
	if p.config.Observe != nil {
		p.config.Observe(x.Exchange)
	}
	switch ending {
	case closed:
		panic(http.ErrAbortHandler)
	case reset:
		x.reset()
	}
}

// ending is how a response ends.
type ending uint8

const (
	whole  ending = iota // in good order
	closed               // the connection is closed
	reset                // the connection is reset
)

// exchange is one request in progress.
type exchange struct {
	Exchange
	proxy *Proxy
	w     http.ResponseWriter
	rc    *http.ResponseController
	ctx   context.Context //nolint:containedctx // it is the request's own, and the exchange is no longer than it
}

func (x *exchange) serve(r *http.Request) ending {
	// The whole body first: net/http closes what is left of it when the response begins, and only then does it
	// notice a caller who leaves.
	body, err := io.ReadAll(http.MaxBytesReader(x.w, r.Body, x.proxy.config.MaxBody))
	if err != nil {
		if _, tooBig := errors.AsType[*http.MaxBytesError](err); tooBig {
			x.refuse(http.StatusRequestEntityTooLarge, "the request is larger than the fault proxy takes")
		} else {
			x.Left = true
		}
		return whole
	}
	where, err := x.choose(r)
	if err != nil {
		x.refuse(http.StatusBadRequest, err.Error())
		return whole
	}
	switch x.Fault.Kind {
	case Delay:
		if x.Hit = x.wait(x.Fault.Wait); !x.Hit {
			return closed
		}
	case Hang:
		x.Hit = true
		return x.hang()
	case Status:
		x.Hit = true
		if x.Fault.Wait > 0 {
			x.w.Header().Set("Retry-After", strconv.FormatFloat(x.Fault.Wait.Seconds(), 'f', -1, 64))
		}
		x.refuse(x.Fault.Status, "the fault proxy refuses")
		return whole
	case HTML:
		x.Hit = true
		x.whole(http.StatusOK, "text/html; charset=utf-8", "<!doctype html><html><body><h1>Welcome</h1></body></html>\n")
		return whole
	}
	a, err := x.proxy.answer(x.ctx, r, body)
	if err != nil {
		if x.ctx.Err() != nil {
			x.Left = true
			return closed
		}
		x.Failed = true
		x.refuse(http.StatusBadGateway, "the fault proxy's upstream cannot be reached")
		return whole
	}
	defer a.body.Close()
	return x.play(a, where)
}

// choose decides about the request.
func (x *exchange) choose(r *http.Request) (where float64, err error) {
	c := &x.proxy.config
	named := r.Header.Get(FaultHeader)
	if !c.concerns(x.Path) {
		return 0, nil
	}
	x.Number = x.proxy.number.Add(1)
	x.Fault, where = c.pick(Request{Number: x.Number, Method: x.Method, Path: x.Path})
	if c.Header && named != "" {
		if x.Fault, err = Parse(named); err != nil {
			x.Fault = Fault{Kind: None}
		}
	}
	if x.Fault.Kind == "" {
		x.Fault.Kind = None
	}
	return where, err
}

// answer gets the response: from upstream, or the proxy's own.
func (p *Proxy) answer(ctx context.Context, r *http.Request, body []byte) (*answer, error) {
	if p.upstream == nil {
		return (&model{answer: p.config.Answer, pace: p.config.Pace}).serve(ctx, r, body), nil
	}
	u := *p.upstream
	u.Path = strings.TrimSuffix(u.Path, "/") + r.URL.Path
	u.RawQuery = r.URL.RawQuery
	out, err := http.NewRequestWithContext(ctx, r.Method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	out.Header = r.Header.Clone()
	dropHops(out.Header)
	out.Header.Del(FaultHeader)
	out.Header.Set("Accept-Encoding", "identity") // places are those of the text
	response, err := p.client.RoundTrip(out)      //nolint:bodyclose // serve closes it; redirects are the caller's affair
	if err != nil {
		return nil, err
	}
	dropHops(response.Header)
	return &answer{status: response.StatusCode, header: response.Header, body: response.Body, length: response.ContentLength}, nil
}

// dropHops deletes the headers that are about one connection.
func dropHops(h http.Header) {
	for _, field := range h.Values("Connection") {
		for name := range strings.SplitSeq(field, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range []string{"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade"} {
		h.Del(name)
	}
}

// refuse answers with a status and an error that both formats' clients read.
func (x *exchange) refuse(code int, message string) {
	x.whole(code, "application/json", string(marshal(map[string]any{"error": map[string]any{"message": message, "type": "fault_proxy"}})))
}

// whole sends a response of its own.
func (x *exchange) whole(code int, mediaType, body string) {
	x.w.Header().Set("Content-Type", mediaType)
	x.Status = code
	x.w.WriteHeader(code)
	_ = x.write([]byte(body))
}

// wait waits, and says whether the caller is still there.
func (x *exchange) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.ctx.Done():
		x.Left = true
		return false
	}
}

// hang waits until the caller has left.
func (x *exchange) hang() ending {
	<-x.ctx.Done()
	x.Left = true
	return closed
}

// reset resets the connection: the other side reads "connection reset by peer".
func (x *exchange) reset() {
	conn, buffered, err := x.rc.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_ = buffered.Flush()
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
