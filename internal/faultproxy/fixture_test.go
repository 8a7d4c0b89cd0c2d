package faultproxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come; only a failure ever waits that long.
const patience = 30 * time.Second

// running is a proxy that serves, with a client of it.
type running struct {
	*Proxy
	address string
	client  *http.Client
	// seen has each exchange when it is over.
	seen chan Exchange
}

// start serves a proxy on a free port of loopback until the test ends.
func start(t testing.TB, c Config) *running {
	t.Helper()
	p := &running{seen: make(chan Exchange, 100)}
	c.Observe = func(x Exchange) { p.seen <- x }
	var err error
	if p.Proxy, err = New(c); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx, ln) }()
	p.address = "http://" + ln.Addr().String()
	transport := &http.Transport{DisableCompression: true}
	p.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return p
}

// got is what a client saw.
type got struct {
	status int
	header http.Header
	body   string
	// err is how the call or the reading of the body failed.
	err error
}

// ask sends a request and reads all of its response.
func (p *running) ask(ctx context.Context, path, body string, header ...string) got {
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, p.address+path, strings.NewReader(body))
	if err != nil {
		return got{err: err}
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return got{err: err}
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return got{resp.StatusCode, resp.Header, string(data), err}
}

// over gives the next exchange that is over.
func (p *running) over(t testing.TB) Exchange {
	t.Helper()
	select {
	case x := <-p.seen:
		return x
	case <-time.After(patience):
		t.Fatal("the exchange was never over")
		return Exchange{}
	}
}

// The requests that tests send.
const (
	openaiStream = `{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}`
	openaiPlain  = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`
	ollamaStream = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`
	chatPath     = "/v1/chat/completions"
	ollamaPath   = "/api/chat"
)

// streamsOf are the two formats' streams.
var streamsOf = map[string]string{chatPath: openaiStream, ollamaPath: ollamaStream}
