package providertest

import (
	"net"
	"net/http"
	"testing"
	"time"

	"fairlead/providers"
)

// runConnections is about what happens below the dialect.
func runConnections(t *testing.T, w *Wire) {
	f := w.format()
	noLeak(t)

	t.Run("refused", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		_ = l.Close()
		s := newServer(t, f, nil)
		g := w.generator(t, s, Endpoint{URL: "http://" + address + f.base})
		r := drain(t, g.Generate(lasting, chatRequest()), nil)
		wantKind(t, r.err, providers.KindUnavailable)
		keepsSecrets(t, r.err)
	})

	for name, reply := range map[string]func(*exchange){
		"closed before the headers": func(x *exchange) { _ = x.hijack().Close() },
		"reset before the headers":  func(x *exchange) { x.reset() },
		"not HTTP": func(x *exchange) {
			conn := x.hijack()
			_, _ = conn.Write([]byte("X moonlight\r\n\r\n")) // net/http's error quotes the second word
			_ = conn.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := call(t, w, Endpoint{}, reply)
			wantKind(t, r.err, providers.KindUnavailable)
			if providers.Billed(r.err) {
				t.Error("billed")
			}
		})
	}

	t.Run("redirects are not followed", func(t *testing.T) {
		for _, status := range []int{301, 302, 303, 307, 308} {
			other := newServer(t, f, nil)
			r := call(t, w, Endpoint{}, func(x *exchange) {
				http.Redirect(x.w, x.r, other.URL+f.chatPath, status)
			})
			wantKind(t, r.err, providers.KindProtocol)
			if n := len(other.asked()); n != 0 {
				t.Errorf("status %d: the other host was asked %d times", status, n)
			}
		}
	})

	t.Run("reused", func(t *testing.T) {
		// the end of the body comes a little after the mark of the end, as it does from far away
		s := newServer(t, f, func(x *exchange) { x.send(f.good()); <-time.After(2 * time.Millisecond) })
		g := w.generator(t, s, Endpoint{})
		for range 20 {
			wantGood(t, drain(t, g.Generate(lasting, chatRequest()), nil))
		}
		if n := s.connections.Load(); n > 2 {
			t.Errorf("20 calls, one after the other, took %d connections", n)
		}
	})

	t.Run("a stream that nobody loops over makes no call", func(t *testing.T) {
		s := newServer(t, f, nil)
		_ = w.generator(t, s, Endpoint{}).Generate(lasting, chatRequest())
		if n := len(s.asked()); n != 0 {
			t.Errorf("the server was asked %d times", n)
		}
	})

	t.Run("the credential is sent", func(t *testing.T) {
		s := newServer(t, f, nil)
		wantGood(t, drain(t, w.generator(t, s, Endpoint{}).Generate(lasting, chatRequest()), nil))
		for _, r := range s.asked() {
			if got := r.header.Get("Authorization"); got != "Bearer "+secretKey {
				t.Errorf("Authorization is %q", got)
			}
			if r.method != http.MethodPost || r.path != f.chatPath || r.header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %s, content type %q", r.method, r.path, r.header.Get("Content-Type"))
			}
		}
	})
}
