package rpc_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
)

func bomb(t testing.TB, size int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range size >> 20 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTooMuchIsRefused(t *testing.T) {
	f := start(t, echo())
	big := ask(strings.Repeat("x", 4<<20-1000)).GetMessages()
	req := &pb.ChatRequest{Messages: append(big, ask(strings.Repeat("y", 1<<20)).GetMessages()...)}
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			_, err := drainAll(p.chat(t, f, t.Context(), req))
			code, info := outcome(t, err)
			if code != connect.CodeResourceExhausted || info.GetReason() != "too_large" || info.GetRetryable() {
				t.Errorf("%v %v", err, info)
			}
		})
	}
	t.Run("unary", func(t *testing.T) {
		for _, options := range [][]connect.ClientOption{nil, {connect.WithProtoJSON()}, {connect.WithGRPC()}, {connect.WithGRPCWeb()}, {connect.WithSendGzip()}} {
			c := fairleadv1connect.NewRoutingServiceClient(client(t, true), f.url, options...)
			_, err := c.Explain(t.Context(), &pb.ExplainRequest{Chat: req})
			code, info := outcome(t, err)
			if code != connect.CodeResourceExhausted || info.GetReason() != "too_large" {
				t.Errorf("%v %v", err, info)
			}
		}
	})
	t.Run("bomb", func(t *testing.T) {
		packed := bomb(t, 64<<20)
		header := map[string]string{"Content-Encoding": "gzip"}
		res, body := post(t, client(t, false), f.url+fairleadv1connect.RoutingServiceExplainProcedure, "application/json", header, packed)
		var e wireError
		if err := json.Unmarshal(body, &e); err != nil || e.Code != "resource_exhausted" || e.reason(t) != "too_large" {
			t.Errorf("%d %s", res.StatusCode, body)
		}
		framed := envelope(string(packed))
		framed[0] = 1
		_, body = post(t, client(t, false), f.url+fairleadv1connect.ChatServiceChatProcedure, "application/connect+proto", map[string]string{"Connect-Content-Encoding": "gzip"}, framed)
		if !strings.Contains(string(body), "resource_exhausted") || !strings.Contains(string(body), "too_large") {
			t.Errorf("stream: %q", body)
		}
	})
	t.Run("endless", func(t *testing.T) { // no length is declared
		source := &neverending{}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+fairleadv1connect.RoutingServiceExplainProcedure,
			source)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := client(t, true).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		if !strings.Contains(string(body), `"too_large"`) {
			t.Errorf("%d %s", res.StatusCode, body)
		}
		if sent := source.sent.Load(); sent > 8<<20 {
			t.Errorf("%d bytes were taken before the refusal", sent)
		}
	})
	t.Run("documents may be larger", func(t *testing.T) {
		c := fairleadv1connect.NewRetrievalServiceClient(client(t, true), f.url)
		_, err := c.Ingest(t.Context(), &pb.IngestRequest{Collection: "docs", Sources: []*pb.Source{{Uri: "a", Content: make([]byte, 5<<20)}}})
		if err != nil {
			t.Error(err)
		}
	})
}

// neverending counts what is read of it.
type neverending struct{ sent atomic.Int64 }

func (n *neverending) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	n.sent.Add(int64(len(p)))
	return len(p), nil
}
