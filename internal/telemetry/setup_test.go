package telemetry

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"fairlead/internal/config"
	"fairlead/orchestrator"
)

// collector is an OTLP endpoint that keeps what it got.
type collector struct {
	*httptest.Server
	requests chan received
}

type received struct {
	path, header string
	body         []byte
}

func newCollector(t *testing.T, status int) *collector {
	t.Helper()
	c := &collector{requests: make(chan received, 10)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			zipped, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			body = zipped
		}
		data, err := io.ReadAll(body)
		if err != nil {
			t.Error(err)
		}
		c.requests <- received{r.URL.Path, r.Header.Get("X-Key"), data}
		w.WriteHeader(status)
	}))
	t.Cleanup(c.Close)
	return c
}

func TestSetupSendsTraces(t *testing.T) {
	for _, env := range []bool{false, true} {
		c := newCollector(t, http.StatusOK)
		cfg := Config{ServiceName: "svc", Endpoint: c.URL, Headers: map[string]string{"X-Key": "k"}, SampleRatio: 1}
		if env {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
			t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "X-Key=k")
			t.Setenv("OTEL_SERVICE_NAME", "named-by-env")
			t.Setenv("OTEL_TRACES_SAMPLER", "always_on")
			cfg = Config{ServiceName: "svc"}
		}
		tel, shutdown, err := Setup(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if !tel.Tracing() {
			t.Fatal("no tracing")
		}
		f := newFeed(tel, "answer")
		f.say("answer/draft", &orchestrator.StepStarted{Kind: "generate"}, tried(1, local), text, broke(1, local, 0, 0), finished("failed", ""))
		f.end(nil)
		if err := shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
		got := <-c.requests
		if got.path != "/v1/traces" || got.header != "k" {
			t.Errorf("env %t: path %s, header %q", env, got.path, got.header)
		}
		service := map[bool]string{false: "svc", true: "named-by-env"}[env]
		for _, want := range []string{"invoke_workflow answer", "generate answer/draft", "chat qwen3:8b", service} {
			if !bytes.Contains(got.body, []byte(want)) {
				t.Errorf("env %t: %q was not sent", env, want)
			}
		}
		if bytes.Contains(got.body, []byte(canary)) {
			t.Errorf("env %t: content was sent", env)
		}
	}
}

func TestSetupLogsWhatIsLost(t *testing.T) {
	c := newCollector(t, http.StatusBadRequest)
	var log bytes.Buffer
	tel, shutdown, err := Setup(t.Context(), Config{Endpoint: c.URL, SampleRatio: 1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	newFeed(tel, "").end(nil)
	_ = shutdown(context.Background()) // the loss may be reported here or by the handler
	if !strings.Contains(log.String(), "sending traces failed") {
		t.Errorf("log %q", log.String())
	}
}

func TestSetupIsOffOrRefuses(t *testing.T) {
	for _, env := range []map[string]string{
		{}, {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
		{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
	} {
		t.Run("", func(t *testing.T) {
			for k, v := range env {
				t.Setenv(k, v)
			}
			tel, shutdown, err := Setup(t.Context(), Config{SampleRatio: 1})
			if err != nil || tel.Tracing() || shutdown(t.Context()) != nil {
				t.Errorf("%v: %v", env, err)
			}
			base := http.NewServeMux()
			if tel.Trace("/", base) != http.Handler(base) || tel.Transport(nil) != http.DefaultTransport {
				t.Error("wrapped although there is no tracing")
			}
		})
	}
	for want, env := range map[string]map[string]string{
		"http/protobuf only": {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
		"use otlp or none":   {"OTEL_TRACES_EXPORTER": "zipkin"},
		"is not an address":  {},
	} {
		t.Run(want, func(t *testing.T) {
			for k, v := range env {
				t.Setenv(k, v)
			}
			if _, _, err := Setup(t.Context(), Config{Endpoint: "collector:4318"}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestSampling(t *testing.T) {
	tel, shutdown, err := Setup(t.Context(), Config{Endpoint: "http://127.0.0.1:1", SampleRatio: 0})
	if err != nil {
		t.Fatal(err)
	}
	ctx, _, end := tel.Observer().RunStarts(context.Background(), "r", "", principal)
	if trace.SpanContextFromContext(ctx).IsSampled() {
		t.Error("sampled at ratio 0")
	}
	end(nil)
	if err := shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestTraceGoesThrough follows a trace from a caller's header over our server and a run to a backend.
func TestTraceGoesThrough(t *testing.T) {
	tel, spans := recording(t)
	got := make(chan string, 1)
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("Traceparent") }))
	defer backend.Close()
	client := &http.Client{Transport: tel.Transport(nil)}
	defer client.CloseIdleConnections()
	handler := tel.Trace("/v1/chat/completions", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, _, end := tel.Observer().RunStarts(r.Context(), "run-1", "answer", principal)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, backend.URL, nil)
		if err != nil {
			t.Error(err)
			return
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		_ = resp.Body.Close()
		if req.Header.Get("Traceparent") != "" {
			t.Error("the request was changed")
		}
		end(nil)
		w.WriteHeader(http.StatusBadGateway)
		w.(http.Flusher).Flush()
	}))
	r := httptest.NewRequest("POST", "/v1/chat/completions?q="+canary, nil)
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != http.StatusBadGateway || !w.Flushed {
		t.Errorf("status %d, flushed %t", w.Code, w.Flushed)
	}
	want := `POST /v1/chat/completions [server]
  http.request.method=POST http.response.status_code=502 http.route=/v1/chat/completions
    invoke_workflow answer Error(canceled)
      error.type=canceled fairlead.chain.name=answer fairlead.run.id=run-1 fairlead.tenant=acme gen_ai.operation.name=invoke_workflow
`
	if diff := cmp.Diff(want, tree(t, spans.GetSpans())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var run string
	for _, s := range spans.GetSpans() {
		if strings.HasPrefix(s.Name, "invoke_workflow") {
			run = s.SpanContext.SpanID().String()
		}
	}
	if parent := <-got; parent != "00-0af7651916cd43dd8448eb211c80319c-"+run+"-01" {
		t.Errorf("the backend got %q, want the run's span %s", parent, run)
	}
}

func TestRequestAndConfigMetrics(t *testing.T) {
	tel, _ := recording(t)
	tel.RequestStarted()
	tel.RequestStarted()
	tel.RequestEnded("/v1/models", "GET", 200, 20*time.Millisecond)
	tel.RequestEnded("/v1/models", canary, 404, 20*time.Millisecond)
	tel.ConfigReloaded(true)
	page := scrape(t, tel)
	for _, want := range []string{
		`fairlead_http_requests_total{method="GET",route="/v1/models",status="200"} 1`,
		`fairlead_http_requests_total{method="_OTHER",route="/v1/models",status="404"} 1`,
		`fairlead_http_request_duration_seconds_count{route="/v1/models"} 2`,
		"fairlead_http_requests_in_flight 0",
		"fairlead_config_last_reload_success 1",
		`fairlead_build_info{go="go1.26",revision="0f3c9d",version="1.2.3"} 1`,
		"go_goroutines ", "process_start_time_seconds ",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
	tel.ConfigReloaded(false)
	page = scrape(t, tel)
	if !strings.Contains(page, "fairlead_config_last_reload_success 0") || strings.Contains(page, "success_timestamp_seconds 0\n") {
		t.Error("a bad reload does not show, or forgets the time of the last good one")
	}
}

func TestLogDropsContentAndSecrets(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var out bytes.Buffer
		log, err := NewLogger(&out, slog.LevelInfo, format)
		if err != nil {
			t.Fatal(err)
		}
		log.Debug("below the level " + canary)
		secret := config.NewSecret(canary)
		log.With("Authorization", canary).WithGroup("request").With("Api-Key", canary).Info("m",
			"messages", []string{canary}, "access_token", canary, "key", secret, "pointer", &secret,
			slog.Group("prompt", "name", canary, slog.Group("deep", "x", canary)), slog.Any("lazy", lazy{}),
			"struct", struct{ Key config.Secret }{secret}, "prompt_tokens", 17, "content_type", "text/plain")
		log.WithGroup("headers").Info("n", "x", canary)
		got := out.String()
		if strings.Contains(got, canary) {
			t.Errorf("%s: content in the log:\n%s", format, got)
		}
		for _, want := range []string{"prompt_tokens", "17", "text/plain", Dropped, config.Mask, "Authorization"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %s in the log:\n%s", format, want, got)
			}
		}
	}
	if _, err := NewLogger(io.Discard, slog.LevelInfo, "xml"); err == nil {
		t.Error("format xml")
	}
}

// lazy becomes a group when it is logged.
type lazy struct{}

func (lazy) LogValue() slog.Value { return slog.GroupValue(slog.String("password", canary)) }

func TestLogHasTheTrace(t *testing.T) {
	tel, _ := recording(t)
	var out bytes.Buffer
	log, err := NewLogger(&out, slog.LevelInfo, "json")
	if err != nil {
		t.Fatal(err)
	}
	ctx, _, end := tel.Observer().RunStarts(context.Background(), "run-1", "", principal)
	defer end(nil)
	log.With("a", 1).InfoContext(ctx, "m")
	log.Info("n")
	lines := strings.Split(out.String(), "\n")
	id := trace.SpanContextFromContext(ctx).TraceID().String()
	if !strings.Contains(lines[0], `"trace_id":"`+id+`"`) || strings.Contains(lines[1], "trace_id") {
		t.Errorf("log:\n%s", out.String())
	}
}

func TestBuild(t *testing.T) {
	info := &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0f3c9d1e2a4b5c6d"}, {Key: "vcs.time", Value: "2026-11-22T12:00:00Z"}, {Key: "vcs.modified", Value: "true"},
	}}
	b := buildOf(info, "")
	b.Go, b.Platform = "go1.26.8", "linux/amd64"
	if got, want := b.String(), "fairlead devel (0f3c9d1e2a4b with changes, 2026-11-22, go1.26.8 linux/amd64)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := buildOf(&debug.BuildInfo{Main: debug.Module{Version: "v0.1.0"}}, "1.2.3").Version; got != "1.2.3" {
		t.Errorf("the linker's version loses: %s", got)
	}
	if got := ReadBuild(""); got.Version == "" || got.Go == "" {
		t.Errorf("%+v", got)
	}
}
