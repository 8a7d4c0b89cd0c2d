package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/internal/fault"
)

// holds answers when it is let go, or when its context ends, with the cause.
func holds(entered, release chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		select {
		case <-release:
			_, _ = io.WriteString(w, "whole")
		case <-r.Context().Done():
			_, _ = io.WriteString(w, context.Cause(r.Context()).Error())
		}
	}
}

type answered struct {
	status int
	body   string
	err    error
}

// calls sends a request in the background.
func (s *serving) calls(h2 bool) chan answered {
	out := make(chan answered, 1)
	go func() {
		c := s.client(h2)
		defer c.CloseIdleConnections()
		res, err := c.Get("http://localhost/hold")
		if err != nil {
			out <- answered{err: err}
			return
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		out <- answered{res.StatusCode, string(body), err}
	}()
	return out
}

func TestDrainPhases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entered, release := make(chan struct{}), make(chan struct{})
		s := serve(t, Config{Mounts: []Mount{at("/hold", holds(entered, release))}, DrainDelay: 5 * time.Second, Grace: 20 * time.Second})
		first := []chan answered{s.calls(false), s.calls(true)}
		<-entered
		<-entered
		if res, _ := s.get(t, "GET", "/readyz"); res.StatusCode != http.StatusOK {
			t.Errorf("ready before the drain: %d", res.StatusCode)
		}
		begin := time.Now()
		s.cancel()
		synctest.Wait()
		// Readiness is off, calls are still accepted.
		if res, body := s.get(t, "GET", "/readyz"); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "shutting down") {
			t.Errorf("ready in the delay: %d %s", res.StatusCode, body)
		}
		late := s.calls(true)
		<-entered
		time.Sleep(5*time.Second + time.Millisecond)
		// Now they are not.
		res, body := s.get(t, "GET", "/hold")
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "1" || !strings.Contains(body, `"reason":"draining"`) {
			t.Errorf("new call: %d %v %s", res.StatusCode, res.Header, body)
		}
		if res, _ := s.get(t, "GET", "/healthz"); res.StatusCode != http.StatusOK {
			t.Errorf("live: %d", res.StatusCode)
		}
		if n := s.InFlight(); n != 3 {
			t.Errorf("%d in flight", n)
		}
		time.Sleep(10 * time.Second)
		close(release)
		for i, out := range append(first, late) {
			if a := <-out; a.status != 200 || a.body != "whole" || a.err != nil {
				t.Errorf("call %d: %+v", i, a)
			}
		}
		if err := <-s.done; err != nil {
			t.Errorf("Serve = %v", err)
		}
		// net/http looks every half second or so, and there are two looks: at idle connections and at all of them.
		if took := time.Since(begin); took > 17*time.Second {
			t.Errorf("drained in %v although the calls had ended after 15 s", took)
		}
	})
}

func TestTheGracePeriodEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entered := make(chan struct{})
		s := serve(t, Config{Mounts: []Mount{at("/hold", holds(entered, nil))}, Grace: 20 * time.Second})
		out := []chan answered{s.calls(false), s.calls(true)}
		<-entered
		<-entered
		begin := time.Now()
		s.stop(t)
		if took := time.Since(begin); took < 20*time.Second || took > 25*time.Second {
			t.Errorf("drained in %v", took)
		}
		for _, c := range out {
			if a := <-c; !strings.Contains(a.body, "shutting down") {
				t.Errorf("cut call: %+v", a)
			}
		}
	})
}

func TestAHandlerThatHangsDoesNotHoldTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entered, release := make(chan struct{}), make(chan struct{})
		s := serve(t, Config{Mounts: []Mount{at("/hold", func(http.ResponseWriter, *http.Request) {
			entered <- struct{}{}
			<-release // hears nothing
		})}, Grace: time.Second})
		out := s.calls(false)
		<-entered
		begin := time.Now()
		s.stop(t)
		if took := time.Since(begin); took > time.Second+cutWait+closeWait+time.Second {
			t.Errorf("drained in %v", took)
		}
		if a := <-out; a.err == nil {
			t.Errorf("the call: %+v", a)
		}
		close(release)
	})
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entered := make(chan struct{})
		s := serve(t, Config{Mounts: []Mount{at("/hold", holds(entered, nil))}, Grace: time.Hour})
		out := s.calls(false)
		<-entered
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown = %v", err)
		}
		if a := <-out; !strings.Contains(a.body, "shutting down") {
			t.Errorf("the call: %+v", a)
		}
		if err := <-s.done; err != nil {
			t.Errorf("Serve = %v", err)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Errorf("again: %v", err)
		}
		if err := s.Serve(t.Context(), newPipes()); fault.CodeOf(err) != fault.FailedPrecondition {
			t.Errorf("Serve again = %v", err)
		}
		s.cancel()
	})
}

// TestTheGateIsExact lets callers in and out while it closes: none is in after it said that it is empty.
func TestTheGateIsExact(t *testing.T) {
	g := newGate(8)
	var in, wait sync.WaitGroup
	entered := make(chan struct{}, 1000)
	for range 1000 {
		wait.Go(func() {
			if g.enter() != nil {
				return
			}
			in.Add(1)
			entered <- struct{}{}
			select {
			case <-g.empty:
				t.Error("empty with a caller in")
			default:
			}
			in.Done()
			g.leave()
		})
	}
	<-entered
	g.close()
	<-g.empty
	if n := g.inFlight(); n != 0 {
		t.Errorf("%d in flight", n)
	}
	wait.Wait()
	g.close() // once more is nothing
	if g.enter() != errDraining {
		t.Error("a closed gate let a caller in")
	}
}

func TestTooManyCallsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entered, release := make(chan struct{}), make(chan struct{})
		s := serve(t, Config{Mounts: []Mount{at("/hold", holds(entered, release))}, MaxInFlight: 1})
		out := s.calls(false)
		<-entered
		res, body := s.get(t, "GET", "/hold")
		if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" || !strings.Contains(body, "rate_limited") {
			t.Errorf("second call: %d %s", res.StatusCode, body)
		}
		close(release)
		<-out
		s.stop(t)
	})
}

func TestAListenerThatFails(t *testing.T) {
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	l := newPipes()
	_ = l.Close()
	if err := s.Serve(t.Context(), l); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("Serve = %v", err)
	}
}
