package openaihttp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/orchestrator"
	"fairlead/providers"
)

func TestAnswers(t *testing.T) {
	for name, run := range map[string]script{"plain": plainRun, "tools": toolRun, "chain": chainRun} {
		t.Run(name, func(t *testing.T) {
			w, aborted := call(t, run, ask+`}`)
			if aborted || w.Code != 200 || w.Header().Get(headerRun) != "r1" || w.Header().Get(headerTarget) != "fast" || w.Header().Get(headerCost) != "0.000123" {
				t.Errorf("status %d, headers %v", w.Code, w.Header())
			}
			var got bytes.Buffer
			if err := json.Indent(&got, w.Body.Bytes(), "", "  "); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			golden(t, "testdata/encode/"+name+".golden", got.Bytes())
			for suffix, options := range map[string]string{"": `,"stream":true}`, "_usage": `,"stream":true,"stream_options":{"include_usage":true}}`} {
				w, aborted := call(t, run, ask+options)
				if aborted || w.Code != 200 || w.Header().Get(headerRun) != "r1" || w.Header().Get(headerTarget) != "fast" || !w.Flushed {
					t.Errorf("stream: status %d, headers %v", w.Code, w.Header())
				}
				golden(t, "testdata/encode/"+name+suffix+".sse", w.Body.Bytes())
			}
		})
	}
}

func TestUnknownCostIsNotNothing(t *testing.T) {
	end := finished("x", providers.FinishStop)
	end.CostIncomplete = true
	w, _ := call(t, script{&orchestrator.RunStarted{}, attempted(1, fast), text("x"), end}, ask+`}`)
	if w.Header().Get(headerCost) != "" || !strings.Contains(w.Body.String(), `"cost_incomplete":true`) {
		t.Errorf("headers %v, body %s", w.Header(), w.Body)
	}
}

func TestWithdrawnTextIsNotInAPlainAnswer(t *testing.T) {
	w, _ := call(t, script{
		&orchestrator.RunStarted{}, attempted(1, slow), piece(0, "old", "old", "{"), cited(1, "old.md", ""),
		&orchestrator.AttemptFailed{Attempt: 1, Target: slow}, &orchestrator.Retracted{},
		attempted(2, fast), piece(0, "new", "new", "{}"), finished("", providers.FinishToolCalls),
	}, ask+`}`)
	if body := w.Body.String(); strings.Contains(body, "old") || !strings.Contains(body, `"name":"new","arguments":"{}"`) {
		t.Errorf("body %s", body)
	}
}

func TestAFailureBeforeTheFirstPieceIsAStatus(t *testing.T) {
	limited := fault.New(fault.ResourceExhausted, fault.ReasonRateLimited, "target fast: rate limited")
	limited.RetryAfter = 1500 * time.Millisecond
	for _, options := range []string{`}`, `,"stream":true}`} {
		w, aborted := call(t, script{&orchestrator.RunStarted{}, attempted(1, fast), limited}, ask+options)
		if aborted || w.Code != 429 || w.Header().Get("Retry-After") != "2" || w.Header().Get("Retry-After-Ms") != "1500" ||
			w.Header().Get("Content-Type") != "application/json" || w.Header().Get(headerRun) != "r1" {
			t.Errorf("%s: status %d, headers %v", options, w.Code, w.Header())
		}
		if want := `{"error":{"message":"target fast: rate limited","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}`; w.Body.String() != want {
			t.Errorf("%s: body %s", options, w.Body)
		}
	}
}

// TestAStreamNeverEndsCleanlyUnlessTheRunWentWell has every way in which a run can go wrong after its first piece.
func TestAStreamNeverEndsCleanlyUnlessTheRunWentWell(t *testing.T) {
	begin := []any{&orchestrator.RunStarted{}, attempted(1, fast), text("Hel")}
	for name, end := range map[string]any{
		"error":         (&providers.Error{Kind: providers.KindTruncated, Backend: "pool"}).Fault(),
		"unknown error": errors.New("dial with sk-secret"),
		"canceled":      context.Canceled,
		"no end":        nil,
		"retracted":     &orchestrator.Retracted{},
	} {
		t.Run(name, func(t *testing.T) {
			s := append(append(script{}, begin...), end)
			if name == "retracted" {
				s = append(s, text("Hello"), finished("Hello", providers.FinishStop))
			}
			w, aborted := call(t, s, ask+`,"stream":true}`)
			body := w.Body.String()
			if !aborted || strings.Contains(body, "[DONE]") || strings.Contains(body, "secret") || strings.Contains(body, `"finish_reason":"`) {
				t.Errorf("aborted %v, body %s", aborted, body)
			}
			if !strings.Contains(body, `data: {"error":{"message":`) || !strings.HasSuffix(body, "}}\n\n") || !strings.Contains(body, `"content":"Hel"`) {
				t.Errorf("no frame of the error: %s", body)
			}
			w, aborted = call(t, append(append(script{}, begin...), end), ask+`}`)
			if aborted || w.Code < 400 || strings.Contains(w.Body.String(), "Hel\"") {
				t.Errorf("plain: status %d, body %s", w.Code, w.Body)
			}
		})
	}
}

func TestPiecesAreSentAsTheyCome(t *testing.T) {
	next := make(chan struct{})
	wait := func(context.Context) error { <-next; return nil }
	server := serveScript(t, script{
		&orchestrator.RunStarted{}, attempted(1, fast), text("one"), wait, text("two"), wait, finished("onetwo", providers.FinishStop),
	}, Config{})
	resp := post(t, server, ask+`,"stream":true}`)
	lines := bufio.NewScanner(resp.Body)
	until := func(want string) {
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("no %s: %v", want, lines.Err())
	}
	until(`"content":"one"`)
	next <- struct{}{}
	until(`"content":"two"`)
	next <- struct{}{}
	until(`"finish_reason":"stop"`)
	until(`data: [DONE]`)
	if lines.Scan(); lines.Scan() || lines.Err() != nil {
		t.Errorf("after the end: %q, %v", lines.Text(), lines.Err())
	}
}

func TestABrokenStreamEndsTheConnection(t *testing.T) {
	run := script{&orchestrator.RunStarted{}, attempted(1, fast), text("Hel"), (&providers.Error{Kind: providers.KindTruncated}).Fault()}
	resp := post(t, serveScript(t, run, Config{}), ask+`,"stream":true}`)
	body, err := io.ReadAll(resp.Body)
	if resp.ProtoMajor != 1 || !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(string(body), `data: {"error":`) {
		t.Errorf("%s: error %v, body %s", resp.Proto, err, body)
	}
	resp = post(t, serveHTTP2(t, run, Config{}), ask+`,"stream":true}`)
	body, err = io.ReadAll(resp.Body)
	if resp.ProtoMajor != 2 || err == nil || !strings.Contains(string(body), `data: {"error":`) {
		t.Errorf("%s: error %v, body %s", resp.Proto, err, body)
	}
}

// TestTheWriteDeadlineCountsOnlyWrites has a stream that is silent for longer than the deadline, which
// would reset it on HTTP/2 if the deadline were left standing.
func TestTheWriteDeadlineCountsOnlyWrites(t *testing.T) {
	const limit = 20 * time.Millisecond
	run := script{
		&orchestrator.RunStarted{}, attempted(1, fast), text("one"),
		func(ctx context.Context) error {
			select {
			case <-time.After(3 * limit):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
		text("two"), finished("onetwo", providers.FinishStop),
	}
	for _, serve := range []func(*testing.T, Engine, Config) *httptest.Server{serveScript, serveHTTP2} {
		resp := post(t, serve(t, run, Config{WriteTimeout: limit}), ask+`,"stream":true}`)
		body, err := io.ReadAll(resp.Body)
		if err != nil || !strings.HasSuffix(string(body), "data: [DONE]\n\n") {
			t.Errorf("%s: error %v, body %s", resp.Proto, err, body)
		}
	}
}

// TestACallerThatReadsNothingEndsTheRun fills the connection until the deadline of a write passes.
func TestACallerThatReadsNothingEndsTheRun(t *testing.T) {
	for _, serve := range []func(*testing.T, Engine, Config) *httptest.Server{serveScript, serveHTTP2} {
		ended := make(chan struct{})
		server := serve(t, flood{ended: ended}, Config{WriteTimeout: 20 * time.Millisecond})
		resp := post(t, server, ask+`,"stream":true}`)
		<-ended
		if body, err := io.ReadAll(resp.Body); err == nil || strings.Contains(string(body), "[DONE]") {
			t.Errorf("%s: the stream ended well after %d bytes", resp.Proto, len(body))
		}
	}
}

// flood is an engine whose answer has no end.
type flood struct {
	script
	ended chan struct{}
}

func (f flood) Chat(context.Context, auth.Principal, orchestrator.ChatRequest) iter.Seq2[orchestrator.Event, error] {
	return func(yield func(orchestrator.Event, error) bool) {
		defer close(f.ended)
		piece := orchestrator.Event{RunID: "r1", Step: "chat", Body: text(strings.Repeat("flood ", 10_000))}
		for yield(piece, nil) {
		}
	}
}

func TestACallerThatLeavesEndsTheRun(t *testing.T) {
	ended := make(chan error, 1)
	server := serveScript(t, script{
		&orchestrator.RunStarted{}, attempted(1, fast), text("Hel"),
		func(ctx context.Context) error { <-ctx.Done(); ended <- ctx.Err(); return ctx.Err() },
	}, Config{})
	resp := post(t, server, ask+`,"stream":true}`)
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the run ended with %v", err)
	}
}

func TestASilentStreamIsKeptAlive(t *testing.T) {
	next := make(chan struct{})
	wait := func(context.Context) error { <-next; return nil }
	server := serveScript(t, script{
		&orchestrator.RunStarted{}, wait, (&providers.Error{Kind: providers.KindUnavailable}).Fault(),
	}, Config{HoldHeaders: time.Millisecond, KeepAlive: time.Millisecond})
	resp := post(t, server, ask+`,"stream":true}`)
	if resp.StatusCode != 200 || resp.Header.Get(headerRun) != "r1" {
		t.Errorf("status %d, headers %v", resp.StatusCode, resp.Header)
	}
	lines := bufio.NewScanner(resp.Body)
	for n := 0; n < 3 && lines.Scan(); {
		if lines.Text() == ": keep-alive" {
			n++
		}
	}
	next <- struct{}{}
	for lines.Scan() && !strings.HasPrefix(lines.Text(), `data: {"error":`) {
		if strings.Contains(lines.Text(), "[DONE]") {
			t.Fatal("[DONE] after a failure")
		}
	}
	for lines.Scan() {
	}
	if !errors.Is(lines.Err(), io.ErrUnexpectedEOF) {
		t.Errorf("the body ended with %v", lines.Err())
	}
}

func TestAServerThatStopsSaysSo(t *testing.T) {
	draining := fault.New(fault.Unavailable, fault.ReasonDraining, "the server is stopping: ask again")
	ctx, stop := context.WithCancelCause(auth.With(t.Context(), auth.Local()))
	s := script{&orchestrator.RunStarted{}, func(ctx context.Context) error { stop(draining); return ctx.Err() }}
	w := httptest.NewRecorder()
	New(Config{Engine: s, Logger: slog.New(slog.DiscardHandler)}).
		ServeHTTP(w, requestTo(t, http.MethodPost, "/v1/chat/completions", ask+`,"stream":true}`).WithContext(ctx))
	if w.Code != 503 || !strings.Contains(w.Body.String(), `"code":"draining"`) {
		t.Errorf("status %d, body %s", w.Code, w.Body)
	}
}

// FuzzAppendText holds the encoder of the hot path to encoding/json, to the byte.
func FuzzAppendText(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\b\f\n\r\t\x00\x1f\x7f", "<&>", "é😀\u2028\u2029\ufffd", "a\xffb\xc3", "\xed\xa0\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := encodeJSON(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendText([]byte("x"), s); string(got[1:]) != string(want) {
			t.Fatalf("got %s, want %s", got[1:], want)
		}
		var frame map[string]any
		sse := newFrames("id", s, 1, true).text(nil, "content", s)
		if !bytes.HasPrefix(sse, []byte("data: ")) || bytes.Count(sse, []byte("\n")) != 2 || json.Unmarshal(sse[6:], &frame) != nil {
			t.Fatalf("not one frame: %q", sse)
		}
	})
}

// nowhere takes what is written, as a connection would.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header              { return n.header }
func (n nowhere) WriteHeader(int)                  {}
func (n nowhere) Write(b []byte) (int, error)      { return len(b), nil }
func (n nowhere) Flush()                           {}
func (n nowhere) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkSSERelay is the cost of one piece of text from event to flushed frame, without the socket.
func BenchmarkSSERelay(b *testing.B) {
	w := nowhere{http.Header{}}
	h := New(Config{Engine: script{}}).(*handler)
	s := &stream{h: h, w: w, rc: http.NewResponseController(w), created: created}
	s.watch()
	defer s.close()
	e := orchestrator.Event{RunID: "r1", Step: "chat", Body: text(" tokens of \"usual\" length,")}
	s.answer.note(&orchestrator.Event{Step: "chat", Body: attempted(1, fast)})
	b.ReportAllocs()
	for b.Loop() {
		if err := s.event(&e); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(s.buf)))
}

func ExampleNew() {
	run := script{&orchestrator.RunStarted{}, attempted(1, fast), text("Hello"), finished("Hello", providers.FinishStop)}
	r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(ask+`,"stream":true}`))
	w := httptest.NewRecorder()
	New(Config{Engine: run}).ServeHTTP(w, r.WithContext(auth.With(r.Context(), auth.Local())))
	fmt.Println(strings.Count(w.Body.String(), "data: "), strings.HasSuffix(w.Body.String(), "data: [DONE]\n\n"))
	// Output: 4 true
}
