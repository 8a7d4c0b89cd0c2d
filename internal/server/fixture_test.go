package server

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes is a listener in memory, so that tests of time can run under synctest.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	addr  net.Addr
}

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "memory" }

func newPipes() *pipes {
	return &pipes{conns: make(chan net.Conn), done: make(chan struct{}), addr: memoryAddr{}}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipes) Addr() net.Addr { return l.addr }

func (l *pipes) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// client gives an HTTP client that reaches the listener over one version of HTTP.
func (l *pipes) client(h2 bool) *http.Client {
	var p http.Protocols
	p.SetHTTP1(!h2)
	p.SetUnencryptedHTTP2(h2)
	return &http.Client{Transport: &http.Transport{DialContext: l.dial, Protocols: &p, DisableCompression: true}}
}

// serving is a server that serves a listener in memory.
type serving struct {
	*Server
	*pipes
	log    *bytes.Buffer
	cancel context.CancelFunc
	done   chan error
}

// serve starts a server. The test must call stop.
func serve(t *testing.T, c Config) *serving {
	t.Helper()
	s := &serving{pipes: newPipes(), log: &bytes.Buffer{}, done: make(chan error, 1)}
	c.Logger = slog.New(slog.NewTextHandler(&locked{w: s.log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if s.Server, err = New(c); err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	go func() { s.done <- s.Serve(ctx, s.pipes) }()
	return s
}

// stop ends the server and gives what Serve returned.
func (s *serving) stop(t *testing.T) {
	t.Helper()
	s.cancel()
	if err := <-s.done; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// at mounts a function.
func at(pattern string, f http.HandlerFunc) Mount { return Mount{Pattern: pattern, Handler: f} }

// raw opens a connection and sends bytes.
func (s *serving) raw(t *testing.T, text string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := s.dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

// get calls the server once.
func (s *serving) get(t *testing.T, method, path string, header ...string) (*http.Response, string) {
	t.Helper()
	c := s.client(false)
	defer c.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, strings.TrimSpace(string(body))
}
