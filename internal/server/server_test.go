package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
)

func TestConfigIsChecked(t *testing.T) {
	mount := at("/a", func(http.ResponseWriter, *http.Request) {})
	for name, c := range map[string]Config{
		"half of a key pair": {TLSCert: "a.pem"},
		"no such key pair":   {TLSCert: "/none/a.pem", TLSKey: "/none/b.pem"},
		"negative time":      {Grace: -1},
		"negative limit":     {MaxInFlight: -1},
		"mount of nothing":   {Mounts: []Mount{{Pattern: "/a"}}},
		"two of one":         {Mounts: []Mount{mount, mount}},
		"two that meet":      {Mounts: []Mount{at("/a/{b}", mount.Handler.ServeHTTP), at("/{c}/d", mount.Handler.ServeHTTP)}},
		"one of ours":        {Mounts: []Mount{at("/healthz", mount.Handler.ServeHTTP)}},
		"origin":             {Origins: []string{"example.com"}},
		"origin with a path": {Origins: []string{"https://example.com/a"}},
	} {
		if _, err := New(c); fault.ReasonOf(err) != fault.ReasonBadConfig {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBeyondLoopbackSomebodyMustSayWhoTheyAre(t *testing.T) {
	public := &net.TCPAddr{IP: net.IPv4zero, Port: 80}
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	l := newPipes()
	l.addr = public
	err = s.Serve(t.Context(), l)
	if fault.ReasonOf(err) != fault.ReasonBadConfig || !strings.Contains(err.Error(), "0.0.0.0:80") {
		t.Errorf("Serve = %v", err)
	}
	select {
	case <-l.done:
	default:
		t.Error("the listener is still open")
	}
	for name, c := range map[string]Config{
		"allowed":       {AllowUnauthenticated: true},
		"authenticated": {Authenticate: func(*http.Request) (auth.Principal, error) { return auth.Local(), nil }},
	} {
		s, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		l := newPipes()
		l.addr = public
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Serve(ctx, l); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPrincipals(t *testing.T) {
	who := at("/", func(w http.ResponseWriter, r *http.Request) {
		p, ok := auth.From(r.Context())
		_, _ = fmt.Fprintf(w, "%s %s %v", p.Tenant, p.Ceiling, ok)
	})
	s := serve(t, Config{Mounts: []Mount{who}})
	if _, body := s.get(t, "GET", "/"); body != "default restricted true" {
		t.Errorf("local: %s", body)
	}
	s.stop(t)
	s = serve(t, Config{Mounts: []Mount{who}, Metrics: who.Handler, Authenticate: func(r *http.Request) (auth.Principal, error) {
		switch r.Header.Get("Authorization") {
		case "Bearer good":
			return auth.Principal{Tenant: "a", Ceiling: label.Public, Scopes: auth.Operator}, nil
		case "Bearer broken":
			return auth.Principal{}, errors.New("dial db with secret: refused")
		}
		return auth.Principal{}, fault.New(fault.Unauthenticated, fault.ReasonNone, "send a key")
	}})
	defer s.stop(t)
	for key, want := range map[string]string{"Bearer good": "a public true", "": "send a key", "Bearer broken": "internal error"} {
		for _, path := range []string{"/", "/metrics"} {
			res, body := s.get(t, "GET", path, "Authorization", key)
			if !strings.Contains(body, want) || strings.Contains(body, "secret") || (key == "" && res.StatusCode != http.StatusUnauthorized) {
				t.Errorf("%s with %q: %d %s", path, key, res.StatusCode, body)
			}
		}
	}
	if res, _ := s.get(t, "GET", "/healthz"); res.StatusCode != http.StatusOK {
		t.Error("health asks for a key")
	}
}

func TestReadiness(t *testing.T) {
	var failing error
	s := serve(t, Config{Checks: []Check{
		{Name: "store", Ready: func(context.Context) error { return failing }},
		{Name: "other", Ready: func(context.Context) error { return nil }},
	}})
	defer s.stop(t)
	if res, body := s.get(t, "GET", "/readyz"); res.StatusCode != http.StatusOK || body != `{"status":"ready"}` {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	failing = errors.New("dial secret: refused")
	res, body := s.get(t, "GET", "/readyz")
	if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, `"store":"internal error`) || strings.Contains(body, "secret") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if res, body := s.get(t, "GET", "/healthz"); res.StatusCode != http.StatusOK || body != `{"status":"ok"}` {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func TestRequestIDsAndTheLog(t *testing.T) {
	const canary = "canary-4711"
	var inside string
	s := serve(t, Config{Mounts: []Mount{at("/v1/thing/{id}", func(w http.ResponseWriter, r *http.Request) {
		inside = RequestID(r.Context())
		SetOutcome(r.Context(), "not_found", "unknown_model")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "12345")
	})}})
	res, _ := s.get(t, "GET", "/v1/thing/"+canary+"?q="+canary, "X-Request-Id", "Mine_1.a-b", "X-Other", canary)
	if res.Header.Get("X-Request-Id") != "Mine_1.a-b" || inside != "Mine_1.a-b" {
		t.Errorf("id = %q, inside %q", res.Header.Get("X-Request-Id"), inside)
	}
	for _, bad := range []string{"", "has space", "x=1", strings.Repeat("a", 65), "ü"} {
		res, _ := s.get(t, "GET", "/v1/thing/1", "X-Request-Id", bad)
		if id := res.Header.Get("X-Request-Id"); id == bad || len(id) != 36 || id != inside {
			t.Errorf("%q gave %q, inside %q", bad, id, inside)
		}
	}
	s.get(t, "GET", "/"+canary)
	s.get(t, canary, "/v1/thing/1")
	s.stop(t)
	log := s.log.String()
	for _, want := range []string{"request_id=Mine_1.a-b", "route=/v1/thing/{id}", "status=404", "code=not_found", "reason=unknown_model", "bytes=5", "method=GET", "method=OTHER"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s:\n%s", want, log)
		}
	}
	if strings.Contains(log, canary) {
		t.Errorf("content is in the log:\n%s", log)
	}
	if strings.Count(log, "msg=request") != 8 {
		t.Errorf("%d requests in the log", strings.Count(log, "msg=request"))
	}
}

func TestPanics(t *testing.T) {
	var calls []Call
	watcher := &counts{ended: func(c Call) { calls = append(calls, c) }}
	s := serve(t, Config{Observer: watcher, Mounts: []Mount{
		at("/before", func(http.ResponseWriter, *http.Request) { panic("secret canary") }),
		at("/index", func(http.ResponseWriter, *http.Request) { _ = []int{}[len("abc")] }),
		at("/after", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "begun")
			w.(http.Flusher).Flush()
			panic(errors.New("secret canary"))
		}),
	}})
	res, body := s.get(t, "GET", "/before")
	if res.StatusCode != http.StatusInternalServerError || strings.Contains(body, "canary") || !strings.Contains(body, res.Header.Get("X-Request-Id")) {
		t.Errorf("before: %d %s", res.StatusCode, body)
	}
	s.get(t, "GET", "/index")
	for _, h2 := range []bool{false, true} {
		c := s.client(h2)
		res, err := c.Get("http://localhost/after")
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("http/2 %v: a panic after the first bytes ended cleanly with %q", h2, body)
		}
		_ = res.Body.Close()
		c.CloseIdleConnections()
	}
	s.stop(t)
	log := s.log.String()
	if strings.Contains(log, "canary") || !strings.Contains(log, "server_test.go") || !strings.Contains(log, "index out of range") {
		t.Errorf("the log has the panic's text, or no stack:\n%s", log)
	}
	if s.InFlight() != 0 || watcher.open != 0 || len(calls) != 4 {
		t.Errorf("in flight %d, watched %d, ended %d", s.InFlight(), watcher.open, len(calls))
	}
}

type counts struct {
	mu    sync.Mutex
	open  int
	ended func(Call)
}

func (c *counts) CallStarted(string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open++
}

func (c *counts) CallEnded(call Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	c.ended(call)
}

func TestBodies(t *testing.T) {
	s := serve(t, Config{MaxBody: 10, Mounts: []Mount{
		at("/small", func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); BodyTooLarge(err) != nil {
				w.WriteHeader(http.StatusTeapot)
			}
		}),
		{Pattern: "/large", MaxBody: 100, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) })},
	}})
	defer s.stop(t)
	c := s.client(false)
	defer c.CloseIdleConnections()
	for _, k := range []struct {
		path     string
		size     int
		declared bool
		status   int
	}{
		{"/small", 10, true, 200}, {"/small", 11, true, 413}, {"/small", 10, false, 200}, {"/small", 11, false, 418},
		{"/large", 100, true, 200}, {"/large", 101, true, 413},
	} {
		var body io.Reader = bytes.NewReader(make([]byte, k.size))
		if !k.declared {
			body = io.MultiReader(body)
		}
		res, err := c.Post("http://localhost"+k.path, "text/plain", body)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != k.status || (k.status == 413 && !strings.Contains(string(text), "too_large")) {
			t.Errorf("%+v: %d %s", k, res.StatusCode, text)
		}
	}
}

func TestHostsAndOrigins(t *testing.T) {
	mounts := []Mount{at("/", func(http.ResponseWriter, *http.Request) {})}
	loopback := func(c Config) *serving {
		c.Mounts = mounts
		s := serve(t, c)
		s.get(t, "GET", "/healthz") // it serves
		s.loopback.Store(true)      // as if the listener were TCP on loopback
		return s
	}
	s := loopback(Config{Hosts: []string{"Fairlead.internal"}})
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8080": 200, "127.0.0.1:1": 200, "[::1]:1": 200, "app.localhost": 200, "LOCALHOST.": 200, "fairlead.internal:8080": 200,
		"evil.example": 403, "127.0.0.1.evil.example": 403, "192.168.1.1": 403, "localhost.evil.example": 403,
	} {
		if res, _ := s.get(t, "GET", "/", "Host", host); res.StatusCode != want {
			t.Errorf("host %s: %d", host, res.StatusCode)
		}
	}
	for _, h := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		if res, _ := s.get(t, "POST", "/", h...); res.StatusCode != http.StatusForbidden {
			t.Errorf("%v: %d", h, res.StatusCode)
		}
	}
	if res, _ := s.get(t, "POST", "/", "Sec-Fetch-Site", "same-origin", "Origin", "http://localhost"); res.StatusCode != 200 {
		t.Errorf("same origin: %d", res.StatusCode)
	}
	s.stop(t)

	s = loopback(Config{Origins: []string{"https://console.example"}})
	res, _ := s.get(t, "OPTIONS", "/", "Origin", "https://console.example", "Access-Control-Request-Method", "POST")
	if res.StatusCode != http.StatusNoContent || res.Header.Get("Access-Control-Allow-Origin") != "https://console.example" ||
		!strings.Contains(res.Header.Get("Access-Control-Allow-Headers"), "Connect-Timeout-Ms") || res.Header.Get("Vary") != "Origin" {
		t.Errorf("preflight: %d %v", res.StatusCode, res.Header)
	}
	for _, name := range []string{"Fairlead-Session", "Fairlead-Timeout", "Fairlead-Budget-Usd", "X-Stainless-OS"} {
		if !strings.Contains(res.Header.Get("Access-Control-Allow-Headers"), name) {
			t.Errorf("a page may not send %s: %v", name, res.Header)
		}
	}
	res, _ = s.get(t, "OPTIONS", "/", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")
	if res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("foreign preflight: %v", res.Header)
	}
	res, _ = s.get(t, "POST", "/", "Origin", "https://console.example", "Sec-Fetch-Site", "cross-site")
	if res.StatusCode != 200 || !strings.Contains(res.Header.Get("Access-Control-Expose-Headers"), "Grpc-Status") {
		t.Errorf("call: %d %v", res.StatusCode, res.Header)
	}
	if res, _ = s.get(t, "POST", "/", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); res.StatusCode != 403 {
		t.Errorf("foreign call: %d", res.StatusCode)
	}
	s.stop(t)

	s = loopback(Config{Origins: []string{"*"}})
	if res, _ = s.get(t, "POST", "/", "Origin", "https://any.example", "Sec-Fetch-Site", "cross-site"); res.StatusCode != 200 {
		t.Errorf("any origin: %d", res.StatusCode)
	}
	s.stop(t)
}
