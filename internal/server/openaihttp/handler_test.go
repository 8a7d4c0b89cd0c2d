package openaihttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/providers"
)

// errorOf reads an error body.
func errorOf(t *testing.T, w *httptest.ResponseRecorder) (e struct{ Message, Type, Param, Code string }) {
	t.Helper()
	var body struct {
		Error *struct{ Message, Type, Param, Code string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Error == nil || body.Error.Message == "" || body.Error.Type == "" {
		t.Fatalf("not an error of the dialect: %v: %s", err, w.Body)
	}
	return *body.Error
}

func TestRoutes(t *testing.T) {
	h := New(Config{Engine: script{}})
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/v1/chat/completions", 405, "POST"},
		{"DELETE", "/v1/models/a", 405, "GET, HEAD"},
		{"POST", "/v1/models", 405, "GET, HEAD"},
		{"POST", "/v1/responses", 404, ""},
		{"GET", "/v1/", 404, ""},
		{"GET", "/v1/models/policy/none", 404, ""},
		{"GET", "/v1/models/auto", 200, ""},
		{"GET", "/v1/models", 200, ""},
		{"GET", "/v1/models/", 200, ""},
		{"GET", "/v1/chat/completions/", 405, "POST"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, requestTo(t, c.method, c.path, ""))
		if w.Code != c.status || w.Header().Get("Allow") != c.allow || w.Header().Get("X-Request-Id") == "" {
			t.Errorf("%s %s: %d %v", c.method, c.path, w.Code, w.Header())
		}
		if c.status >= 400 {
			errorOf(t, w)
		}
	}
}

func TestACallerWithoutAPrincipalIsRefused(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("X-Request-Id", "given")
	New(Config{Engine: plainRun}).ServeHTTP(w, httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(ask+`}`)))
	if e := errorOf(t, w); w.Code != 401 || e.Code != "invalid_api_key" || w.Header().Get("X-Request-Id") != "given" {
		t.Errorf("status %d, %+v, %v", w.Code, e, w.Header())
	}
}

// endless is a body that never ends, and counts what was read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read += len(p)
	return len(p), nil
}

func TestBodiesAreHeldToTheLimit(t *testing.T) {
	const limit = 1 << 10
	h := New(Config{Engine: plainRun, ReadLimit: limit})
	body := &endless{}
	r := requestTo(t, "POST", "/v1/chat/completions", "")
	r = httptest.NewRequestWithContext(r.Context(), "POST", r.URL.Path, body)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if e := errorOf(t, w); w.Code != 413 || e.Code != "request_too_large" || body.read > 2*limit {
		t.Errorf("status %d, %+v after %d bytes", w.Code, e, body.read)
	}
	body.read = 0
	r.ContentLength = limit + 1
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 413 || body.read > 0 {
		t.Errorf("a length over the limit: status %d after %d bytes", w.Code, body.read)
	}
}

func TestContentTypes(t *testing.T) {
	h := New(Config{Engine: plainRun})
	for _, c := range []struct {
		header, value string
		status        int
	}{
		{"Content-Type", "", 200}, {"Content-Type", "application/json; charset=utf-8", 200}, {"Content-Type", "application/vnd.x+json", 200},
		{"Content-Type", "text/plain", 415}, {"Content-Type", ";;", 415}, {"Content-Encoding", "gzip", 415}, {"Content-Encoding", "identity", 200},
	} {
		r := requestTo(t, "POST", "/v1/chat/completions", ask+`}`)
		r.Header.Set(c.header, c.value)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != c.status {
			t.Errorf("%s %q: %d", c.header, c.value, w.Code)
		}
	}
}

// heard is an engine that keeps what it was asked.
type heard struct {
	script
	got orchestrator.ChatRequest
}

func (h *heard) Chat(ctx context.Context, p auth.Principal, req orchestrator.ChatRequest) iter.Seq2[orchestrator.Event, error] {
	h.got = req
	return h.script.Chat(ctx, p, req)
}

func TestLimitsComeFromHeadersAndMetadata(t *testing.T) {
	e := &heard{script: plainRun}
	h := New(Config{Engine: e})
	serve := func(ceiling label.Label, body string, headers ...string) *httptest.ResponseRecorder {
		r := requestTo(t, "POST", "/v1/chat/completions", body)
		r = r.WithContext(auth.With(r.Context(), auth.Principal{Tenant: "a", Ceiling: ceiling, Scopes: auth.Chat}))
		for i := 0; i < len(headers); i += 2 {
			r.Header.Add(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		e.got = orchestrator.ChatRequest{}
		h.ServeHTTP(w, r)
		return w
	}
	meta := func(l string) string { return ask + `,"metadata":{"label":"` + l + `","session":"s"}}` }

	if serve(label.Restricted, ask+`}`); e.got.Label != label.Unset || e.got.Limited || e.got.Timeout != 0 || e.got.NoRetract {
		t.Errorf("nothing said: %+v", e.got.Limits)
	}
	if serve(label.Restricted, meta("confidential"), headerLabel, "public"); e.got.Label != label.Confidential || e.got.Session != "s" {
		t.Errorf("the higher label holds: %+v", e.got.Limits)
	}
	if serve(label.Restricted, meta("public"), headerLabel, "internal", headerLabel, "Restricted"); e.got.Label != label.Restricted {
		t.Errorf("the highest header holds: %+v", e.got.Limits)
	}
	if serve(label.Restricted, ask+`,"stream":true}`, headerTimeout, "800ms", headerBudget, "0.015", headerSession, "t"); e.got.Timeout != 800*time.Millisecond ||
		!e.got.Limited || e.got.Budget != providers.USD(0.015) || e.got.Session != "t" || !e.got.NoRetract {
		t.Errorf("limits: %+v", e.got.Limits)
	}
	if serve(label.Restricted, ask+`}`, headerBudget, "0"); !e.got.Limited || e.got.Budget != 0 {
		t.Errorf("a budget of nothing: %+v", e.got.Limits)
	}
	if w := serve(label.Internal, meta("confidential")); w.Code != 403 || errorOf(t, w).Type != typePermission || e.got.Model != "" {
		t.Errorf("above the ceiling: %d", w.Code)
	}
	if w := serve(label.Restricted, meta("public"), headerSession, "other"); w.Code != 400 {
		t.Errorf("two sessions: %d", w.Code)
	}
	for _, bad := range []string{"NaN", "Inf", "1e300", "-0.1", "$1"} {
		if w := serve(label.Restricted, ask+`}`, headerBudget, bad); w.Code != 400 || errorOf(t, w).Param != headerBudget {
			t.Errorf("budget %s: %d", bad, w.Code)
		}
	}
}

func TestEveryFaultHasAFace(t *testing.T) {
	for c := fault.Internal; c <= fault.Unauthenticated; c++ {
		if f, ok := codes[c]; !ok || f.status < 400 || f.kind == "" {
			t.Errorf("%v has no face", c)
		}
	}
	for _, c := range []struct {
		err    error
		status int
		kind   string
		code   string
	}{
		{fault.New(fault.NotFound, fault.ReasonUnknownTarget, "x"), 404, typeInvalid, "model_not_found"},
		{fault.New(fault.ResourceExhausted, fault.ReasonBudgetExceeded, "x"), 429, typeQuota, "insufficient_quota"},
		{fault.New(fault.FailedPrecondition, fault.ReasonNoTarget, "x"), 422, typeInvalid, "no_target"},
		{fault.New(fault.Unavailable, fault.ReasonNoTarget, "x"), 503, typeServer, "no_target"},
		{fault.New(fault.Unavailable, fault.ReasonNone, "x"), 503, typeServer, "unavailable"},
		{(&providers.Error{Kind: providers.KindTruncated}).Fault(), 502, typeServer, "stream_truncated"},
		{(&providers.Error{Kind: providers.KindAuth}).Fault(), 502, typeServer, "upstream_refused"},
		{(&providers.Error{Kind: providers.KindInvalid}).Fault(), 400, typeInvalid, "upstream_refused"},
		{(&providers.Error{Kind: providers.KindContextLength}).Fault(), 400, typeInvalid, "context_length_exceeded"},
		{(&providers.Error{Kind: providers.KindTimeout}).Fault(), 504, typeServer, "upstream_timeout"},
		{context.DeadlineExceeded, 504, typeServer, "deadline_exceeded"},
		{errors.New("a secret"), 500, typeServer, "internal"},
	} {
		e := fromError(fault.At("run", c.err))
		if e.status != c.status || e.Type != c.kind || e.Code != c.code || strings.Contains(e.Message, "secret") {
			t.Errorf("%v: %d %s %s %q", c.err, e.status, e.Type, e.Code, e.Message)
		}
	}
	if e := fromError((&providers.Error{Kind: providers.KindInvalid, Param: "messages[1].content"}).Fault()); e.Param != "messages[1].content" {
		t.Errorf("the field that a backend names is lost: %q", e.Param)
	}
}

func TestLogsHaveFailuresOfTheServerAndNoContent(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&out, nil))
	const secret = "s3cr3t"
	body := fmt.Sprintf(`{"model":"auto","messages":[{"role":"user","content":%q}],"user":%q,"metadata":{"a":%q}}`, secret, secret, secret)
	down := script{&orchestrator.RunStarted{}, attempted(1, fast), text(secret), (&providers.Error{Kind: providers.KindUnavailable, Backend: "pool"}).Fault()}
	New(Config{Engine: down, Logger: logger}).ServeHTTP(httptest.NewRecorder(), requestTo(t, "POST", "/v1/chat/completions", body))
	New(Config{Engine: down, Logger: logger}).ServeHTTP(httptest.NewRecorder(), requestTo(t, "GET", "/v1/models/"+secret, ""))
	func() {
		defer func() { _ = recover() }()
		New(Config{Engine: down, Logger: logger}).ServeHTTP(httptest.NewRecorder(), requestTo(t, "POST", "/v1/chat/completions", strings.TrimSuffix(body, "}")+`,"stream":true}`))
	}()
	log := out.String()
	if strings.Count(log, "\n") != 2 || strings.Contains(log, secret) || !strings.Contains(log, `"run":"r1"`) || !strings.Contains(log, `"midstream":true`) || !strings.Contains(log, "backend pool unavailable") {
		t.Errorf("log %s", log)
	}
}

func TestDollarsAreExact(t *testing.T) {
	for m, want := range map[providers.Money]string{
		0: "0", 1: "0.000000001", 123_000: "0.000123", 1e9: "1", 12_500_000_000: "12.5", 10e9: "10", -1: "-0.000000001", math.MaxInt64: "9223372036.854775807",
	} {
		if got := dollars(m); got != want {
			t.Errorf("dollars(%d) = %s, want %s", int64(m), got, want)
		}
	}
}

func TestEmbeddingRequests(t *testing.T) {
	for body, param := range map[string]string{
		`{"input":"a"}`:                                                   "model",
		`{"model":"m"}`:                                                   "input",
		`{"model":"m","input":[]}`:                                        "input",
		`{"model":"m","input":""}`:                                        "input",
		`{"model":"m","input":["a",""]}`:                                  "input",
		`{"model":"m","input":[1,2]}`:                                     "input[0]",
		`{"model":"m","input":[[1],[2]]}`:                                 "input[0]",
		`{"model":"m","input":["a",null]}`:                                "input[1]",
		`{"model":"m","input":{"a":1}}`:                                   "input",
		`{"model":"m","input":"a","encoding_format":"hex"}`:               "encoding_format",
		`{"model":"m","input":"a","dimensions":0}`:                        "dimensions",
		`{"model":"m","input":"a","input":"b"}`:                           "input",
		`{"model":"m","input":[` + strings.Repeat(`"a",`, 2048) + `"a"]}`: "input[2048]",
	} {
		_, err := decodeEmbed([]byte(body))
		if e, ok := errors.AsType[*wireError](err); !ok || e.Param != param {
			t.Errorf("%.60s: %v", body, err)
		}
	}
	got, err := decodeEmbed([]byte(`{"model":"m","input":["a","b"],"dimensions":8,"encoding_format":"base64","user":"u","new_field":[{}]}`))
	if err != nil || len(got.Texts) != 2 || got.Dimensions != 8 || !got.Base64 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestEmbeddingsAreWrittenToTheBit(t *testing.T) {
	vectors := [][]float32{{0, -1, 1.5e-9, 3.4e38}, {float32(math.Copysign(0, -1)), 1, 2, 1. / 3}}
	e := &orchestrator.Embedded{Target: "m", Embeddings: &providers.Embeddings{Vectors: vectors}}
	for _, asBase64 := range []bool{false, true} {
		out, err := appendEmbeddings(nil, e, asBase64)
		if err != nil {
			t.Fatal(err)
		}
		var wire struct {
			Data []struct{ Embedding json.RawMessage }
		}
		if err := json.Unmarshal(out, &wire); err != nil || len(wire.Data) != 2 {
			t.Fatalf("%v: %s", err, out)
		}
		for i, d := range wire.Data {
			var got []float32
			if asBase64 {
				var raw []byte
				if err := json.Unmarshal(d.Embedding, &raw); err != nil {
					t.Fatal(err)
				}
				for ; len(raw) >= 4; raw = raw[4:] {
					got = append(got, math.Float32frombits(uint32(raw[0])|uint32(raw[1])<<8|uint32(raw[2])<<16|uint32(raw[3])<<24))
				}
			} else if err := json.Unmarshal(d.Embedding, &got); err != nil {
				t.Fatal(err)
			}
			for j, v := range vectors[i] {
				if j >= len(got) || math.Float32bits(got[j]) != math.Float32bits(v) {
					t.Errorf("base64 %v: got %v, want %v", asBase64, got, vectors[i])
				}
			}
		}
	}
	e.Vectors = [][]float32{{float32(math.NaN())}}
	for _, asBase64 := range []bool{false, true} {
		if _, err := appendEmbeddings(nil, e, asBase64); fault.ReasonOf(err) != fault.ReasonUpstreamProtocol {
			t.Errorf("not a number: %v", err)
		}
	}
}
