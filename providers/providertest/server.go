package providertest

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// What must never show in an error: our credential, our prompt, and the server's own words.
const (
	secretKey    = "sk-SECRET-KEY-1234567890"
	secretPrompt = "PROMPT-CONTENT-moonlight"
	secretWords  = "SERVER-WORDS you said moonlight"
)

// server is a fake backend. It keeps what it was asked.
type server struct {
	*httptest.Server
	format *format
	// reply serves the chat requests; nil: a good answer.
	reply       func(*exchange)
	connections atomic.Int64
	// closing ends the replies that hang.
	closing context.Context

	mu       sync.Mutex
	requests []request
}

// request is what an adapter sent.
type request struct {
	method, path string
	header       http.Header
	body         []byte
}

func newServer(t testing.TB, f *format, reply func(*exchange)) *server {
	closing, stop := context.WithCancel(context.Background())
	s := &server{format: f, reply: reply, closing: closing}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(func() {
		stop()
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.requests = append(s.requests, request{r.Method, r.URL.Path, r.Header.Clone(), body})
	s.mu.Unlock()
	x := &exchange{server: s, w: w, r: r, body: body}
	switch {
	case r.URL.Path != s.format.chatPath && s.format.other(x):
	case r.URL.Path != s.format.chatPath:
		http.Error(w, `{"error":{"message":"no such path"}}`, http.StatusNotFound)
	case s.reply != nil:
		s.reply(x)
	default:
		x.send(s.format.good())
	}
}

// asked gives the requests so far.
func (s *server) asked() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]request(nil), s.requests...)
}

// exchange is one request being answered.
type exchange struct {
	server *server
	w      http.ResponseWriter
	r      *http.Request
	body   []byte
	began  bool
}

// begin sends the headers of a stream.
func (x *exchange) begin() {
	if !x.began {
		x.began = true
		if x.w.Header().Get("Content-Type") == "" {
			x.w.Header().Set("Content-Type", x.server.format.mediaType)
		}
		x.w.WriteHeader(http.StatusOK)
		x.flush()
	}
}

func (x *exchange) flush() { _ = http.NewResponseController(x.w).Flush() }

// send sends a part of the body at once. It says whether the other side is still there.
func (x *exchange) send(parts ...string) bool {
	x.begin()
	for _, part := range parts {
		if _, err := io.WriteString(x.w, part); err != nil {
			return false
		}
		x.flush()
	}
	return x.r.Context().Err() == nil
}

// zipped sends parts as one gzip stream, flushed after each. With cut it does not end the gzip stream.
func (x *exchange) zipped(cut bool, parts ...string) {
	x.w.Header().Set("Content-Encoding", "gzip")
	x.begin()
	z := gzip.NewWriter(x.w)
	for _, part := range parts {
		_, _ = io.WriteString(z, part)
		_ = z.Flush()
		x.flush()
	}
	if !cut {
		_ = z.Close()
	}
}

// status answers with a status and a body.
func (x *exchange) status(code int, mediaType, body string) {
	x.began = true
	x.w.Header().Set("Content-Type", mediaType)
	x.w.WriteHeader(code)
	_, _ = io.WriteString(x.w, body)
}

// abort closes the connection without the end of the chunked body.
func (x *exchange) abort() {
	x.flush()
	panic(http.ErrAbortHandler)
}

// hijack takes the connection.
func (x *exchange) hijack() net.Conn {
	conn, buffered, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_ = buffered.Flush()
	return conn
}

// reset resets the connection: the other side reads "connection reset by peer".
func (x *exchange) reset() {
	conn := x.hijack()
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// undelimited sends a body whose end is only the connection's.
func (x *exchange) undelimited(body string) {
	conn := x.hijack()
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nConnection: close\r\n\r\n%s", x.server.format.mediaType, body)
	_ = conn.Close()
}

// hang waits until the other side has left.
func (x *exchange) hang() {
	select {
	case <-x.r.Context().Done():
	case <-x.server.closing.Done():
	}
}

// reply writes JSON.
func (x *exchange) json(v any) {
	x.w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(x.w).Encode(v)
}

// format is how a dialect writes what the fake servers say.
type format struct {
	base, chatPath, mediaType string
	// text is a frame with a piece of text.
	text func(string) string
	// end are the frames that end an answer that began with text; last is the frame before the mark of
	// the end, mark the mark.
	end func() (last, mark string)
	// failure is a frame with an error of this text.
	failure func(words string) string
	// failed is the body of a refusal.
	failed func(words, code, param string) string
	// garbage is a frame that is none, wrong are frames of the right form with wrong types in them.
	garbage string
	wrong   []string
	// idle is what a server may send without saying anything.
	idle string
	// other serves the paths that are not the chat; it says whether it knows the path.
	other func(*exchange) bool
}

// good is a whole answer.
func (f *format) good() string {
	last, mark := f.end()
	return f.text("The ferry ") + f.text("leaves at ") + f.text("nine.") + last + mark
}

const goodText = "The ferry leaves at nine."

func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s)
	return strings.TrimSpace(b.String())
}

// vector is the vector of a text: different for different texts.
func vector(text string, n int) []float64 {
	v := make([]float64, n)
	for i, b := range []byte(text) {
		v[i%n] += float64(b) * float64(i+1) / 100
	}
	return v
}
