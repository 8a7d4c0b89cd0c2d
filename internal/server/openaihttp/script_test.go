package openaihttp

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
	"fairlead/retrieval"
)

// script is an engine that says what a test wrote down: events one after the other, errors where they
// stand, functions as they come (to wait for the test). It exists for runs that a real engine never makes or
// makes at no given moment.
type script []any

func (s script) Chat(ctx context.Context, _ auth.Principal, _ orchestrator.ChatRequest) iter.Seq2[orchestrator.Event, error] {
	return func(yield func(orchestrator.Event, error) bool) {
		for i, item := range s {
			switch item := item.(type) {
			case func(context.Context) error:
				if err := item(ctx); err != nil {
					yield(orchestrator.Event{}, err)
					return
				}
			case error:
				yield(orchestrator.Event{}, item)
				return
			case orchestrator.Body:
				e := orchestrator.Event{Seq: int64(i + 1), RunID: "r1", Step: "chat", Body: item}
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

func (s script) Embed(context.Context, auth.Principal, orchestrator.EmbedRequest) (*orchestrator.Embedded, error) {
	return nil, errors.New("not scripted")
}
func (s script) Targets() []routing.Candidate { return nil }
func (s script) Policies() []string           { return nil }
func (s script) Chains() []*chain.Chain       { return nil }

var (
	fast = &routing.Target{Name: "fast", Backend: "pool"}
	slow = &routing.Target{Name: "slow", Backend: "pool"}

	usage   = providers.Usage{Input: 10, CachedInput: 4, Output: 3, Reasoning: 1}
	created = time.Unix(1_700_000_000, 0)
)

func text(s string) *orchestrator.TextDelta { return &orchestrator.TextDelta{Text: s, Output: true} }
func attempted(n int, t *routing.Target) *orchestrator.AttemptStarted {
	return &orchestrator.AttemptStarted{Attempt: n, Target: t}
}
func piece(i int, id, name, args string) *orchestrator.ToolCallDelta {
	return &orchestrator.ToolCallDelta{ToolCallDelta: providers.ToolCallDelta{Index: i, ID: id, Name: name, Arguments: args}}
}
func finished(output string, f providers.FinishReason) *orchestrator.RunFinished {
	return &orchestrator.RunFinished{Output: output, Finish: f, Usage: usage, Cost: providers.USD(0.000123), Label: label.Internal}
}
func cited(n int, uri, quote string) *orchestrator.Citation {
	return &orchestrator.Citation{
		Number: n, Quote: quote, Span: retrieval.Span{LineStart: 3, LineEnd: 4},
		Passage: retrieval.Passage{ID: "p", DocumentID: "d", URI: uri, Title: "Leave", Heading: []string{"Leave", "Days"}},
	}
}

var plainRun = script{
	&orchestrator.RunStarted{}, attempted(1, slow),
	&orchestrator.AttemptFailed{Attempt: 1, Target: slow, Err: &providers.Error{Kind: providers.KindUnavailable}},
	attempted(2, fast), &orchestrator.ReasoningDelta{Text: "hm"},
	text("Hel"), &orchestrator.TextDelta{Text: "inner"}, text("lo \"you\"\n"),
	&orchestrator.AttemptUsage{Attempt: 2, Target: fast, Reported: "fast-2026", Usage: usage},
	finished("Hello \"you\"\n", providers.FinishStop),
}

var toolRun = script{
	&orchestrator.RunStarted{}, attempted(1, fast),
	piece(0, "call_a", "weather", ""), piece(1, "call_b", "now", ""), piece(0, "", "", `{"city":`), piece(1, "", "", "{}"), piece(0, "", "", `"Köln"}`),
	finished("", providers.FinishToolCalls),
}

var chainRun = script{
	&orchestrator.RunStarted{Chain: "answer", Version: 1}, attempted(1, fast), &orchestrator.ReasoningDelta{Text: "inner"},
	&orchestrator.TextDelta{Text: "draft"}, piece(0, "x", "inner", "{}"), cited(1, "handbook/leave.md", "30 days"), cited(2, "handbook/sick.md", ""),
	finished("Größe: 30 days [1], [2] and [9] [1", providers.FinishUnset),
}

// requestTo makes a request of a local caller.
func requestTo(t *testing.T, method, path, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(auth.With(t.Context(), auth.Local()), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

const ask = `{"model":"auto","messages":[{"role":"user","content":"hi"}]`

// call runs one request against a script; aborted says that the connection was broken off.
func call(t *testing.T, e Engine, body string) (w *httptest.ResponseRecorder, aborted bool) {
	t.Helper()
	w = httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				panic(p)
			}
			aborted = true
		}
	}()
	New(Config{Engine: e, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return created }}).
		ServeHTTP(w, requestTo(t, http.MethodPost, "/v1/chat/completions", body))
	return w, false
}

// serveScript serves a script over a real connection.
func serveScript(t *testing.T, s Engine, c Config) *httptest.Server {
	t.Helper()
	server := newServer(s, c)
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// serveHTTP2 does the same over HTTP/2.
func serveHTTP2(t *testing.T, s Engine, c Config) *httptest.Server {
	t.Helper()
	server := newServer(s, c)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func newServer(s Engine, c Config) *httptest.Server {
	c.Engine, c.Logger = s, slog.New(slog.DiscardHandler)
	h := New(c)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(auth.With(r.Context(), auth.Local())))
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	return server
}

func post(t *testing.T, server *httptest.Server, body string) *http.Response {
	t.Helper()
	resp, err := server.Client().Post(server.URL+"/v1/chat/completions", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}
