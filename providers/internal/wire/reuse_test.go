package wire

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"fairlead/providers"
)

// closing is a server that answers so many requests on each connection and closes it at the next one, as servers do
// that bound how often a connection is used.
func closing(t *testing.T, answers int) (c *Client, asked func() []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var bodies []string
	var all sync.WaitGroup
	serve := func(conn net.Conn) {
		defer conn.Close()
		r := bufio.NewReader(conn)
		for n := 0; ; n++ {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			body, _ := io.ReadAll(req.Body)
			mu.Lock()
			bodies = append(bodies, string(body))
			mu.Unlock()
			if n == answers {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
		}
	}
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { serve(conn) })
		}
	})
	base, _ := ParseBase("http://" + l.Addr().String())
	client := Client{Backend: "b", Base: base, HTTP: NewHTTP(nil, nil)}.WithDefaults()
	t.Cleanup(func() {
		client.HTTP.CloseIdleConnections()
		l.Close()
		all.Wait()
	})
	return &client, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return bodies
	}
}

// A connection that the server closes when it is used again is no failure of the call, and the whole body is sent again.
func TestAClosedConnectionIsNotUsedAgain(t *testing.T) {
	c, asked := closing(t, 1)
	for range 3 {
		call, e := c.Start(t.Context(), "x", "m", "*/*", []byte(`{"a":1}`))
		if e != nil {
			t.Fatal(e)
		}
		var answer struct{}
		if e := call.JSON(&answer); e != nil {
			t.Error(e)
		}
		call.End()
	}
	bodies := asked()
	if len(bodies) != 5 { // each call but the first meets the connection of the one before
		t.Errorf("the server was asked %d times", len(bodies))
	}
	for _, b := range bodies {
		if b != `{"a":1}` {
			t.Errorf("the server got %q", b)
		}
	}
}

// Neither is one that is closed before a long body is through, in the middle of which the call then fails.
func TestAClosedConnectionTakesNoLongBody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			// One request is answered, and then the connection is reset as soon as another one begins.
			all.Go(func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				req, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				if n, _ := io.Copy(io.Discard, req.Body); n != 8<<20 {
					t.Errorf("%d bytes", n)
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
				_, _ = r.ReadByte()
				_ = conn.(*net.TCPConn).SetLinger(0)
			})
		}
	})
	base, _ := ParseBase("http://" + l.Addr().String())
	c := Client{Backend: "b", Base: base, HTTP: NewHTTP(nil, nil)}.WithDefaults()
	for range 5 {
		call, e := c.Start(t.Context(), "x", "m", "*/*", make([]byte, 8<<20))
		if e != nil {
			t.Fatal(e)
		}
		var answer struct{}
		if e := call.JSON(&answer); e != nil {
			t.Error(e)
		}
		call.End()
	}
	c.HTTP.CloseIdleConnections()
	l.Close()
	all.Wait()
}

// A connection that has never served says nothing about the next one: whoever called decides.
func TestANewConnectionThatIsClosedFailsTheCall(t *testing.T) {
	c, asked := closing(t, 0)
	_, e := c.Start(t.Context(), "x", "m", "*/*", []byte(`{}`))
	if providers.KindOf(e) != providers.KindUnavailable || len(asked()) != 1 {
		t.Errorf("%v, asked %d times", e, len(asked()))
	}
}
