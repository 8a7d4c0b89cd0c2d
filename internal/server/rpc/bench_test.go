package rpc_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/auth"
	"fairlead/internal/server"
	"fairlead/internal/server/rpc"
	"fairlead/orchestrator"
	"fairlead/retrieval"
)

// pipes is a listener in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error   { close(l.done); return nil }
func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// BenchmarkChatEcho is a chat of 100 deltas and 15 other events from client to client, with all middleware.
// In memory it is what the server and a client cost, over loopback the kernel is added.
func BenchmarkChatEcho(b *testing.B) {
	var list []orchestrator.Event
	for i, ev := range everything("some words ") {
		list = append(list, ev)
		if i == 7 {
			for range 99 {
				list = append(list, ev)
			}
		}
	}
	r := chats(func(context.Context, auth.Principal, orchestrator.ChatRequest) events { return says(nil, list...) })
	for _, p := range []struct {
		name    string
		h2      bool
		options []connect.ClientOption
	}{{"connect/http1", false, nil}, {"connect/h2c", true, nil}, {"grpc/h2c", true, []connect.ClientOption{connect.WithGRPC()}}} {
		b.Run("memory/"+p.name, func(b *testing.B) {
			m := &memory{documents: map[string]retrieval.Document{}}
			api, err := rpc.New(rpc.Config{Runner: r, Router: r, Collections: m, Documents: m})
			if err != nil {
				b.Fatal(err)
			}
			s, err := server.New(server.Config{Mounts: api.Mounts()})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			ln := &pipes{make(chan net.Conn), make(chan struct{})}
			done := make(chan error, 1)
			go func() { done <- s.Serve(ctx, ln) }()
			h := client(b, p.h2)
			h.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				ln.conns <- theirs
				return ours, nil
			}
			benchmarkChat(b, fairleadv1connect.NewChatServiceClient(h, "http://memory", p.options...), "x", len(list))
			cancel()
			if err := <-done; err != nil {
				b.Error(err)
			}
		})
		b.Run("loopback/"+p.name, func(b *testing.B) {
			f := start(b, r)
			benchmarkChat(b, fairleadv1connect.NewChatServiceClient(client(b, p.h2), f.url, p.options...), "x", len(list))
		})
	}
	// With the real engine and the scripted model that says its question word by word.
	b.Run("engine/connect/h2c", func(b *testing.B) {
		f, _ := real(b)
		c := fairleadv1connect.NewChatServiceClient(client(b, true), f.url)
		benchmarkChat(b, c, strings.Repeat("word ", 100), 0)
	})
}

func benchmarkChat(b *testing.B, c fairleadv1connect.ChatServiceClient, text string, want int) {
	b.Helper()
	req, total := ask(text), 0
	b.ReportAllocs()
	for b.Loop() {
		s, err := c.Chat(b.Context(), req)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for s.Receive() {
			n++
		}
		if err := errors.Join(s.Err(), s.Close()); err != nil || (want > 0 && n != want) || n < 100 {
			b.Fatalf("%d events, then %v", n, err)
		}
		total += n
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(total), "ns/event")
}
