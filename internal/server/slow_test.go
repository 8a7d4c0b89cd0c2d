package server

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// writes sends pieces until a write fails, and tells when and that it did.
func writes(failed chan time.Time, ended chan error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		piece := make([]byte, 64<<10)
		for {
			if _, err := w.Write(piece); err != nil {
				failed <- time.Now()
				<-r.Context().Done()
				ended <- r.Context().Err()
				return
			}
			w.(http.Flusher).Flush()
		}
	}
}

func TestAStalledReaderIsCut(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			failed, ended := make(chan time.Time, 1), make(chan error, 1)
			s := serve(t, Config{Mounts: []Mount{at("/", writes(failed, ended))}})
			c := s.client(h2)
			res, err := c.Get("http://localhost/")
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now() // the client reads no more
			if took := (<-failed).Sub(begin); took > DefaultWriteTimeout+time.Second {
				t.Errorf("http/2 %v: cut after %v", h2, took)
			}
			if err := <-ended; err == nil {
				t.Error("the call's context goes on")
			}
			if _, err := io.Copy(io.Discard, res.Body); err == nil {
				t.Errorf("http/2 %v: a cut answer has a clean end", h2)
			}
			_ = res.Body.Close()
			c.CloseIdleConnections()
			s.stop(t)
			if s.InFlight() != 0 {
				t.Errorf("%d in flight", s.InFlight())
			}
		})
	}
}

// TestAStreamMayPauseAndAReaderMayBeSlow: neither a long silence of the handler nor a reader that takes a
// piece now and then is a stall.
func TestAStreamMayPauseAndAReaderMayBeSlow(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, Config{Mounts: []Mount{at("/", func(w http.ResponseWriter, _ *http.Request) {
				for range 5 {
					_, _ = w.Write(make([]byte, 1000))
					w.(http.Flusher).Flush()
					time.Sleep(10 * time.Minute)
				}
			})}})
			c := s.client(h2)
			res, err := c.Get("http://localhost/")
			if err != nil {
				t.Fatal(err)
			}
			got := 0
			for {
				time.Sleep(10 * time.Second)
				n, err := res.Body.Read(make([]byte, 700))
				got += n
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("http/2 %v: after %d bytes: %v", h2, got, err)
				}
			}
			if got != 5000 {
				t.Errorf("http/2 %v: %d bytes", h2, got)
			}
			_ = res.Body.Close()
			c.CloseIdleConnections()
			s.stop(t)
		})
	}
}

// TestTheTailIsCutToo: what net/http writes after the handler has returned has a deadline as well.
func TestTheTailIsCutToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, Config{Mounts: []Mount{at("/", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, 1000)) // stays in net/http's buffer
		})}})
		conn, r := s.raw(t, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		time.Sleep(time.Minute)
		if _, err := io.ReadAll(r); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("reading late: %v", err)
		}
		_ = conn.Close()
		s.stop(t)
	})
}

func TestSlowHeadersAndBodiesAreCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := make(chan error, 1)
		s := serve(t, Config{Mounts: []Mount{at("/", func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			read <- err
		})}})
		defer s.stop(t)

		begin := time.Now()
		conn, r := s.raw(t, "POST / HTTP/1.1\r\nHost: loc")
		_, _ = io.ReadAll(r) // until the server has enough
		if took := time.Since(begin); took > DefaultReadHeaderTimeout+time.Second {
			t.Errorf("headers: cut after %v", took)
		}
		_ = conn.Close()

		begin = time.Now()
		conn, r = s.raw(t, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc")
		if err := <-read; err == nil {
			t.Error("a body that stalls was read")
		}
		if took := time.Since(begin); took > DefaultReadTimeout+time.Second {
			t.Errorf("body: cut after %v", took)
		}
		_, _ = io.ReadAll(r)
		_ = conn.Close()

		// A byte every ten seconds never stalls for fifteen, and is still too slow.
		begin = time.Now()
		conn, r = s.raw(t, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			for {
				if _, err := io.WriteString(conn, "x"); err != nil {
					return
				}
				time.Sleep(10 * time.Second)
			}
		}()
		if err := <-read; err == nil {
			t.Error("a trickling body was read")
		}
		if took := time.Since(begin); took > bodyHead+time.Second {
			t.Errorf("trickle: cut after %v", took)
		}
		_, _ = io.ReadAll(r)
		_ = conn.Close()
		<-gone
	})
}

func TestAFarBodyIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := make(chan int64, 1)
		s := serve(t, Config{Mounts: []Mount{at("/", func(_ http.ResponseWriter, r *http.Request) {
			n, _ := io.Copy(io.Discard, r.Body)
			read <- n
		})}})
		defer s.stop(t)
		const pieces, size = 40, 64 << 10 // 2.5 MiB in two minutes
		body, pipe := io.Pipe()
		go func() {
			for range pieces {
				_, _ = io.WriteString(pipe, strings.Repeat("x", size))
				time.Sleep(3 * time.Second)
			}
			_ = pipe.Close()
		}()
		c := s.client(false)
		defer c.CloseIdleConnections()
		res, err := c.Post("http://localhost/", "text/plain", body)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if n := <-read; n != pieces*size {
			t.Errorf("%d bytes", n)
		}
	})
}

func TestABodyThatNobodyReadsHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, Config{Mounts: []Mount{at("/", func(http.ResponseWriter, *http.Request) {})}})
		defer s.stop(t)
		begin := time.Now()
		conn, r := s.raw(t, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc")
		_, _ = io.ReadAll(r)
		if took := time.Since(begin); took > DefaultReadTimeout+time.Second {
			t.Errorf("cut after %v", took)
		}
		_ = conn.Close()

		// One that was read leaves no deadline behind: the connection serves on.
		conn, r = s.raw(t, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc")
		for i := range 3 {
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatalf("answer %d: %v", i, err)
			}
			_ = res.Body.Close()
			time.Sleep(time.Minute)
			_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc")
		}
		_, _ = http.ReadResponse(r, nil)
		_ = conn.Close()
	})
}
