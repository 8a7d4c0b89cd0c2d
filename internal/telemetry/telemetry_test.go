package telemetry

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// canary is what must never leave: it stands for content, secrets and names of callers.
const canary = "canary-7f3a"

var (
	start     = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	principal = auth.Principal{Tenant: "acme", Name: canary, Ceiling: label.Restricted}
	local     = &routing.Target{
		Name: "local-8b", Backend: "workstation", Kind: "ollama", Model: "qwen3:8b", Clearance: label.Restricted,
	}
	frontier = &routing.Target{
		Name: "frontier", Backend: "openai", Kind: "openai", Model: "gpt-5-mini", Version: "7", Clearance: label.Internal,
	}
)

// recording gives telemetry whose spans are kept in memory.
func recording(t testing.TB) (*Telemetry, *tracetest.InMemoryExporter) {
	t.Helper()
	spans := tracetest.NewInMemoryExporter()
	c := Config{SampleRatio: 1, Build: Build{Version: "1.2.3", Revision: "0f3c9d", Go: "go1.26"}}
	provider, err := c.provider(context.Background(), sdktrace.NewSimpleSpanProcessor(spans))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return newTelemetry(c, provider, true), spans
}

// feed runs events through an observer, one each 100 ms.
type feed struct {
	event func(*orchestrator.Event)
	end   func(error)
	n     int64
}

func newFeed(tel *Telemetry, chain string) *feed {
	_, event, end := tel.Observer().RunStarts(context.Background(), "run-1", chain, principal)
	return &feed{event: event, end: end}
}

func (f *feed) say(step string, bodies ...orchestrator.Body) {
	for _, b := range bodies {
		f.n++
		f.event(&orchestrator.Event{Seq: f.n, Time: start.Add(time.Duration(f.n) * 100 * time.Millisecond), RunID: "run-1", Step: step, Body: b})
	}
}

func plan(policy string, records ...routing.Record) *orchestrator.RouteDecided {
	p := &routing.Plan{Policy: policy, Records: records, Label: label.Internal, PromptTokens: 42, Text: canary}
	for i := range records {
		records[i].Text = canary
		if records[i].Reason == routing.In {
			p.Eligible++
			records[i].Rank = i + 1
		}
	}
	return &orchestrator.RouteDecided{Plan: p}
}

func tried(n int, t *routing.Target) *orchestrator.AttemptStarted {
	return &orchestrator.AttemptStarted{Attempt: n, Target: t, Label: label.Internal}
}

func broke(n int, t *routing.Target, kind providers.Kind, status int) *orchestrator.AttemptFailed {
	return &orchestrator.AttemptFailed{Attempt: n, Target: t, Err: &providers.Error{Kind: kind, Status: status, Detail: canary, Err: fmt.Errorf(canary)}}
}

func used(n int, t *routing.Target, in, out int64, cost float64) *orchestrator.AttemptUsage {
	return &orchestrator.AttemptUsage{
		Attempt: n, Target: t, Reported: t.Model + "-2026", Usage: providers.Usage{Input: in, Output: out, CachedInput: 1},
		Cost: providers.USD(cost), CostKnown: cost >= 0, TTFT: 200 * time.Millisecond, Duration: 1200 * time.Millisecond,
	}
}

func finished(status orchestrator.StepStatus, finish providers.FinishReason) *orchestrator.StepFinished {
	return &orchestrator.StepFinished{
		Status: status, Reason: canary, Finish: finish, Result: map[string]any{"text": canary}, Duration: time.Second, Label: label.Confidential,
	}
}

var (
	text = &orchestrator.TextDelta{Text: canary, Output: true}
	over = &orchestrator.RunFinished{
		Output: canary, Finish: providers.FinishStop, Usage: providers.Usage{Input: 9, Output: 3}, Cost: providers.USD(0.5), Label: label.Internal,
	}
)

// tree writes spans as an indented tree: times since the start, kinds, attributes, events, states.
func tree(t *testing.T, spans tracetest.SpanStubs) string {
	t.Helper()
	children := map[trace.SpanID][]tracetest.SpanStub{}
	ids := map[trace.SpanID]bool{}
	for _, s := range spans {
		ids[s.SpanContext.SpanID()] = true
	}
	for _, s := range spans {
		parent := s.Parent.SpanID()
		if !ids[parent] {
			parent = trace.SpanID{}
		}
		children[parent] = append(children[parent], s)
	}
	var b strings.Builder
	var show func(id trace.SpanID, indent string)
	show = func(id trace.SpanID, indent string) {
		list := children[id]
		slices.SortStableFunc(list, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
		for _, s := range list {
			fmt.Fprintf(&b, "%s%s", indent, s.Name)
			if s.SpanKind != trace.SpanKindInternal {
				fmt.Fprintf(&b, " [%s]", s.SpanKind)
			}
			if from := s.StartTime.Sub(start); from.Abs() < time.Hour {
				to := "now"
				if end := s.EndTime.Sub(start); end.Abs() < time.Hour {
					to = end.String()
				}
				fmt.Fprintf(&b, " %s..%s", from, to)
			}
			if s.Status.Description != "" {
				fmt.Fprintf(&b, " %s(%s)", s.Status.Code, s.Status.Description)
			}
			b.WriteString("\n")
			writeAttributes(&b, indent+"  ", s.Attributes)
			for _, e := range s.Events {
				fmt.Fprintf(&b, "%s  event %s\n", indent, e.Name)
				writeAttributes(&b, indent+"    ", e.Attributes)
			}
			show(s.SpanContext.SpanID(), indent+"    ")
		}
	}
	show(trace.SpanID{}, "")
	if strings.Contains(b.String(), canary) {
		t.Errorf("content in the spans:\n%s", b.String())
	}
	return b.String()
}

func writeAttributes(b *strings.Builder, indent string, attributes []attribute.KeyValue) {
	var items []string
	for _, a := range attributes {
		if v := a.Value.String(); v != "" && v != "0" && v != "false" && v != "[]" {
			items = append(items, fmt.Sprintf("%s=%s", a.Key, v))
		}
	}
	slices.Sort(items)
	if len(items) > 0 {
		fmt.Fprintf(b, "%s%s\n", indent, strings.Join(items, " "))
	}
}

// series gives our metrics as "name{label=value} value", sums of histograms as counts, without what time
// and the machine decide.
func series(t *testing.T, tel *Telemetry) []string {
	t.Helper()
	families, err := tel.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range families {
		name, ours := strings.CutPrefix(f.GetName(), "fairlead_")
		if !ours || name == "build_info" {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue()
			if f.GetType() == dto.MetricType_HISTOGRAM {
				value = float64(m.GetHistogram().GetSampleCount())
			}
			if value != 0 {
				out = append(out, fmt.Sprintf("%s{%s} %g", name, strings.Join(labels, ","), value))
			}
		}
	}
	return out
}

// scrape gives the page that Prometheus reads.
func scrape(t *testing.T, tel *Telemetry) string {
	t.Helper()
	w := httptest.NewRecorder()
	tel.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	page, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(page), canary) || strings.Contains(string(page), "acme") {
		t.Errorf("content or a tenant in the metrics:\n%s", page)
	}
	return string(page)
}

func TestRuns(t *testing.T) {
	tests := []struct {
		name, chain string
		feed        func(*feed)
		spans       string
		series      []string
	}{
		{
			name: "a chat that goes well",
			feed: func(f *feed) {
				f.say("", &orchestrator.RunStarted{Label: label.Internal, Budget: providers.USD(0.01), Limited: true})
				f.say("chat", &orchestrator.StepStarted{Kind: "generate"},
					plan("default", routing.Record{Target: frontier}, routing.Record{Target: local, Reason: routing.OutQuality}),
					tried(1, frontier), text, &orchestrator.ReasoningDelta{Text: canary}, text, used(1, frontier, 9, 3, 0.5), finished("done", providers.FinishStop))
				f.say("", over)
				f.end(nil)
				f.end(nil) // the second has no effect
			},
			spans: `chat
  fairlead.budget.usd=0.01 fairlead.cost.usd=0.5 fairlead.finish_reason=stop fairlead.label=internal fairlead.run.id=run-1 fairlead.tenant=acme gen_ai.usage.input_tokens=9 gen_ai.usage.output_tokens=3
    generate chat 200ms..900ms
      fairlead.label=confidential fairlead.step.kind=generate fairlead.step.path=chat fairlead.step.status=done
      event fairlead.route_decided
        fairlead.label=internal fairlead.policy=default fairlead.route.order=["frontier"] fairlead.route.out=["local-8b: quality"] fairlead.route.prompt_tokens=42
        chat gpt-5-mini [client] 400ms..800ms
          fairlead.attempt=1 fairlead.backend=openai fairlead.clearance=internal fairlead.cost.usd=0.5 fairlead.label=internal fairlead.policy=default fairlead.route.rank=1 fairlead.target.version=7 fairlead.target=frontier gen_ai.operation.name=chat gen_ai.provider.name=openai gen_ai.request.model=gpt-5-mini gen_ai.response.finish_reasons=["stop"] gen_ai.response.model=gpt-5-mini-2026 gen_ai.response.time_to_first_chunk=0.2 gen_ai.usage.cache_read.input_tokens=1 gen_ai.usage.input_tokens=9 gen_ai.usage.output_tokens=3
`,
			series: []string{
				"cost_usd_total{target=frontier} 0.5",
				"route_decisions_total{policy=default,target=frontier} 1",
				"route_exclusions_total{reason=quality,target=local-8b} 1",
				"run_duration_seconds{chain=(chat)} 1",
				"runs_total{chain=(chat),outcome=ok} 1",
				"step_duration_seconds{kind=generate,status=done} 1",
				"time_per_output_token_seconds{target=frontier} 1",
				"time_to_first_token_seconds{target=frontier} 1",
				"tokens_total{kind=cached_input,target=frontier} 1",
				"tokens_total{kind=input,target=frontier} 9",
				"tokens_total{kind=output,target=frontier} 3",
				"upstream_attempts_total{outcome=ok,target=frontier} 1",
			},
		},
		{
			name: "failover, a retraction and a skipped step", chain: "answer",
			feed: func(f *feed) {
				f.say("", &orchestrator.RunStarted{Chain: "answer", Version: 3, Label: label.Internal})
				f.say("answer/hint", finished("skipped", ""))
				f.say("answer/draft", &orchestrator.StepStarted{Kind: "generate"}, plan("default", routing.Record{Target: local}, routing.Record{Target: frontier}),
					tried(1, local), broke(1, local, providers.KindRateLimited, 429), used(1, local, 0, 0, -1),
					tried(2, local), text, used(2, local, 5, 2, 0), broke(2, local, providers.KindTruncated, 0), &orchestrator.Retracted{Reason: canary},
					tried(3, frontier), text, used(3, frontier, 9, 3, 0.5), finished("done", providers.FinishLength))
				f.say("", over)
				f.end(nil)
			},
			spans: `invoke_workflow answer
  fairlead.chain.name=answer fairlead.chain.version=3 fairlead.cost.usd=0.5 fairlead.finish_reason=stop fairlead.label=internal fairlead.run.id=run-1 fairlead.tenant=acme gen_ai.operation.name=invoke_workflow gen_ai.usage.input_tokens=9 gen_ai.usage.output_tokens=3
    answer/hint -800ms..200ms
      fairlead.label=confidential fairlead.step.path=answer/hint fairlead.step.status=skipped
    generate answer/draft 300ms..1.6s
      fairlead.label=confidential fairlead.step.kind=generate fairlead.step.path=answer/draft fairlead.step.status=done
      event fairlead.route_decided
        fairlead.label=internal fairlead.policy=default fairlead.route.order=["local-8b","frontier"] fairlead.route.prompt_tokens=42
      event fairlead.retracted
        chat qwen3:8b [client] 500ms..700ms Error(rate_limited)
          error.type=rate_limited fairlead.attempt=1 fairlead.backend=workstation fairlead.clearance=restricted fairlead.label=internal fairlead.policy=default fairlead.route.rank=1 fairlead.target=local-8b gen_ai.operation.name=chat gen_ai.provider.name=ollama gen_ai.request.model=qwen3:8b gen_ai.response.model=qwen3:8b-2026 gen_ai.response.time_to_first_chunk=0.2 gen_ai.usage.cache_read.input_tokens=1 http.response.status_code=429
        chat qwen3:8b [client] 800ms..1.1s Error(stream_truncated)
          error.type=stream_truncated fairlead.attempt=2 fairlead.backend=workstation fairlead.clearance=restricted fairlead.label=internal fairlead.policy=default fairlead.route.rank=1 fairlead.target=local-8b gen_ai.operation.name=chat gen_ai.provider.name=ollama gen_ai.request.model=qwen3:8b gen_ai.response.model=qwen3:8b-2026 gen_ai.response.time_to_first_chunk=0.2 gen_ai.usage.cache_read.input_tokens=1 gen_ai.usage.input_tokens=5 gen_ai.usage.output_tokens=2
        chat gpt-5-mini [client] 1.3s..1.5s
          fairlead.attempt=3 fairlead.backend=openai fairlead.clearance=internal fairlead.cost.usd=0.5 fairlead.label=internal fairlead.policy=default fairlead.route.rank=2 fairlead.target.version=7 fairlead.target=frontier gen_ai.operation.name=chat gen_ai.provider.name=openai gen_ai.request.model=gpt-5-mini gen_ai.response.finish_reasons=["length"] gen_ai.response.model=gpt-5-mini-2026 gen_ai.response.time_to_first_chunk=0.2 gen_ai.usage.cache_read.input_tokens=1 gen_ai.usage.input_tokens=9 gen_ai.usage.output_tokens=3
`,
			series: []string{
				"cost_usd_total{target=frontier} 0.5",
				"retractions_total{} 1",
				"route_decisions_total{policy=default,target=local-8b} 1",
				"run_duration_seconds{chain=answer} 1",
				"runs_total{chain=answer,outcome=ok} 1",
				"step_duration_seconds{kind=generate,status=done} 1",
				"step_duration_seconds{kind=other,status=skipped} 1",
				"stream_truncated_total{target=local-8b} 1",
				"time_per_output_token_seconds{target=frontier} 1",
				"time_per_output_token_seconds{target=local-8b} 1",
				"time_to_first_token_seconds{target=frontier} 1",
				"time_to_first_token_seconds{target=local-8b} 2",
				"tokens_total{kind=cached_input,target=frontier} 1",
				"tokens_total{kind=cached_input,target=local-8b} 2",
				"tokens_total{kind=input,target=frontier} 9",
				"tokens_total{kind=input,target=local-8b} 5",
				"tokens_total{kind=output,target=frontier} 3",
				"tokens_total{kind=output,target=local-8b} 2",
				"unpriced_attempts_total{target=local-8b} 1",
				"upstream_attempts_total{outcome=ok,target=frontier} 1",
				"upstream_attempts_total{outcome=rate_limited,target=local-8b} 1",
				"upstream_attempts_total{outcome=stream_truncated,target=local-8b} 1",
			},
		},
		{
			name: "parallel and nested steps, one fails and ends the run", chain: "answer",
			feed: func(f *feed) {
				f.say("", &orchestrator.RunStarted{Chain: "answer", Version: 1, Label: label.Public})
				f.say("answer/both", &orchestrator.StepStarted{Kind: "parallel"})
				f.say("answer/both/find", &orchestrator.StepStarted{Kind: "retrieve"})
				f.say("answer/both/vector", &orchestrator.StepStarted{Kind: "embed"}, tried(1, local))
				f.say("answer/both/find", finished("done", ""))
				f.say("answer/both/late", &orchestrator.StepStarted{Kind: "generate"}, tried(1, frontier), text)
				f.say("answer/both/vector", broke(1, local, providers.KindUnavailable, 503), finished("failed", ""))
				f.end(fault.At("answer", fault.Wrap(fmt.Errorf(canary), fault.Unavailable, fault.ReasonUpstreamDown, "%s", canary)))
			},
			spans: `invoke_workflow answer Error(upstream_unavailable)
  error.type=upstream_unavailable fairlead.chain.name=answer fairlead.chain.version=1 fairlead.label=public fairlead.run.id=run-1 fairlead.tenant=acme gen_ai.operation.name=invoke_workflow
    parallel answer/both 200ms..now Error(upstream_unavailable)
      error.type=upstream_unavailable fairlead.step.kind=parallel fairlead.step.path=answer/both
        retrieval answer/both/find 300ms..600ms
          fairlead.label=confidential fairlead.step.kind=retrieve fairlead.step.path=answer/both/find fairlead.step.status=done gen_ai.operation.name=retrieval
        embed answer/both/vector 400ms..1.1s Error(step_failed)
          error.type=step_failed fairlead.label=confidential fairlead.step.kind=embed fairlead.step.path=answer/both/vector fairlead.step.status=failed
            embeddings qwen3:8b [client] 500ms..1s Error(upstream_unavailable)
              error.type=upstream_unavailable fairlead.attempt=1 fairlead.backend=workstation fairlead.clearance=restricted fairlead.label=internal fairlead.target=local-8b gen_ai.operation.name=embeddings gen_ai.provider.name=ollama gen_ai.request.model=qwen3:8b http.response.status_code=503
        generate answer/both/late 700ms..now Error(upstream_unavailable)
          error.type=upstream_unavailable fairlead.step.kind=generate fairlead.step.path=answer/both/late
            chat gpt-5-mini [client] 800ms..now Error(upstream_unavailable)
              error.type=upstream_unavailable fairlead.attempt=1 fairlead.backend=openai fairlead.clearance=internal fairlead.label=internal fairlead.target.version=7 fairlead.target=frontier gen_ai.operation.name=chat gen_ai.provider.name=openai gen_ai.request.model=gpt-5-mini
`,
			series: []string{
				"run_duration_seconds{chain=answer} 1",
				"runs_total{chain=answer,outcome=unavailable} 1",
				"step_duration_seconds{kind=embed,status=failed} 1",
				"step_duration_seconds{kind=retrieve,status=done} 1",
				"upstream_attempts_total{outcome=upstream_unavailable,target=frontier} 1",
				"upstream_attempts_total{outcome=upstream_unavailable,target=local-8b} 1",
			},
		},
		{
			name: "nothing is eligible, and the reader leaves without an error",
			feed: func(f *feed) {
				f.say("", plan("careful", routing.Record{Target: local, Reason: routing.OutCost}), text)
				f.end(nil)
			},
			spans: `chat Error(canceled)
  error.type=canceled fairlead.run.id=run-1 fairlead.tenant=acme
  event fairlead.route_decided
    fairlead.label=internal fairlead.policy=careful fairlead.route.out=["local-8b: cost"] fairlead.route.prompt_tokens=42
`,
			series: []string{
				"route_decisions_total{policy=careful,target=(none)} 1",
				"route_exclusions_total{reason=cost,target=local-8b} 1",
				"run_duration_seconds{chain=(chat)} 1",
				"runs_total{chain=(chat),outcome=canceled} 1",
			},
		},
		{
			name: "the reader leaves in the middle of an answer that is billed",
			feed: func(f *feed) {
				f.say("chat", &orchestrator.StepStarted{Kind: "generate"}, tried(1, local), text, used(1, local, 5, 2, 0))
				f.end(context.Canceled)
			},
			spans: `chat Error(canceled)
  error.type=canceled fairlead.run.id=run-1 fairlead.tenant=acme
    generate chat 100ms..now Error(canceled)
      error.type=canceled fairlead.step.kind=generate fairlead.step.path=chat
        chat qwen3:8b [client] 200ms..400ms Error(canceled)
          error.type=canceled fairlead.attempt=1 fairlead.backend=workstation fairlead.clearance=restricted fairlead.label=internal fairlead.target=local-8b gen_ai.operation.name=chat gen_ai.provider.name=ollama gen_ai.request.model=qwen3:8b gen_ai.response.model=qwen3:8b-2026 gen_ai.response.time_to_first_chunk=0.2 gen_ai.usage.cache_read.input_tokens=1 gen_ai.usage.input_tokens=5 gen_ai.usage.output_tokens=2
`,
			series: []string{
				"run_duration_seconds{chain=(chat)} 1",
				"runs_total{chain=(chat),outcome=canceled} 1",
				"time_per_output_token_seconds{target=local-8b} 1",
				"time_to_first_token_seconds{target=local-8b} 1",
				"tokens_total{kind=cached_input,target=local-8b} 1",
				"tokens_total{kind=input,target=local-8b} 5",
				"tokens_total{kind=output,target=local-8b} 2",
				"upstream_attempts_total{outcome=canceled,target=local-8b} 1",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tel, spans := recording(t)
			tt.feed(newFeed(tel, tt.chain))
			if diff := cmp.Diff(tt.spans, tree(t, spans.GetSpans())); diff != "" {
				t.Errorf("spans (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.series, series(t, tel)); diff != "" {
				t.Errorf("series (-want +got):\n%s", diff)
			}
			scrape(t, tel)
		})
	}
}

// TestMetricsWithoutTraces feeds the same events with tracing off.
func TestMetricsWithoutTraces(t *testing.T) {
	tel, shutdown, err := Setup(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = shutdown(context.Background()) }()
	f := newFeed(tel, "answer")
	f.say("answer/draft", &orchestrator.StepStarted{Kind: "generate"}, plan("default", routing.Record{Target: local}), tried(1, local),
		broke(1, local, providers.KindTimeout, 0), tried(2, local), text, &orchestrator.Retracted{}, used(2, local, 5, 2, 0.5), finished("done", "stop"))
	f.say("", over)
	if got := series(t, tel); !slices.Contains(got, "runs_in_flight{} 1") {
		t.Errorf("series while it runs: %v", got)
	}
	f.end(nil)
	f.say("", over) // after the end nothing counts
	want := []string{
		"cost_usd_total{target=local-8b} 0.5",
		"retractions_total{} 1",
		"route_decisions_total{policy=default,target=local-8b} 1",
		"run_duration_seconds{chain=answer} 1",
		"runs_total{chain=answer,outcome=ok} 1",
		"step_duration_seconds{kind=generate,status=done} 1",
		"time_per_output_token_seconds{target=local-8b} 1",
		"time_to_first_token_seconds{target=local-8b} 1",
		"tokens_total{kind=cached_input,target=local-8b} 1",
		"tokens_total{kind=input,target=local-8b} 5",
		"tokens_total{kind=output,target=local-8b} 2",
		"upstream_attempts_total{outcome=ok,target=local-8b} 1",
		"upstream_attempts_total{outcome=upstream_timeout,target=local-8b} 1",
	}
	if diff := cmp.Diff(want, series(t, tel)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A call outside runs counts its attempts once, and is no run.
func TestCallsOutsideRuns(t *testing.T) {
	tel, spans := recording(t)
	model := &routing.Target{Name: "vectors", Backend: "workstation", Kind: "ollama", Model: "e5", Does: providers.Embed, Clearance: label.Restricted}
	_, event, end := tel.Observer().CallStarts(context.Background(), "call-1", "embed", principal)
	f := &feed{event: event, end: end}
	u := &orchestrator.AttemptUsage{Attempt: 1, Target: model, Usage: providers.Usage{Input: 9}, Cost: providers.USD(0.25), CostKnown: true, TTFT: time.Second, Duration: time.Second}
	f.say("embed", tried(1, model), u)
	if got := series(t, tel); slices.Contains(got, "runs_in_flight{} 1") {
		t.Errorf("series while it lasts: %v", got)
	}
	f.end(nil)
	f.end(nil)
	want := []string{
		"cost_usd_total{target=vectors} 0.25", "time_to_first_token_seconds{target=vectors} 1", "tokens_total{kind=input,target=vectors} 9",
		"upstream_attempts_total{outcome=ok,target=vectors} 1",
	}
	if diff := cmp.Diff(want, series(t, tel)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var names []string
	for _, s := range spans.GetSpans() {
		names = append(names, s.Name)
		if s.Status.Code == codes.Error {
			t.Errorf("%s failed", s.Name)
		}
	}
	if diff := cmp.Diff([]string{"embeddings e5", "embed"}, names); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	tel.UsageLost(3)
	if got := series(t, tel); !slices.Contains(got, "usage_lost_total{} 3") {
		t.Errorf("series %v", got)
	}
}

func TestShadowsAndRollbacks(t *testing.T) {
	tel, exporter := recording(t)
	o := tel.Observer()
	for _, s := range []orchestrator.Shadowed{
		{Target: "triage@shadow", Outcome: orchestrator.ShadowAgreed, Likeness: 1, Duration: 20 * time.Millisecond},
		{Target: "triage@shadow", Outcome: orchestrator.ShadowDiffered, Likeness: 0.6, Duration: 20 * time.Millisecond},
		{Target: "triage@shadow", Outcome: orchestrator.ShadowFailed, Duration: time.Second},
		{Target: "triage@shadow", Outcome: orchestrator.ShadowDropped},
	} {
		o.ShadowEnded(s)
	}
	tel.RolledBack("triage", true)
	tel.RolledBack("other", true)
	tel.RolledBack("other", false)
	text := scrape(t, tel)
	for _, want := range []string{
		`fairlead_shadow_calls_total{outcome="agreed",target="triage@shadow"} 1`, `fairlead_shadow_calls_total{outcome="differed",target="triage@shadow"} 1`,
		`fairlead_shadow_calls_total{outcome="failed",target="triage@shadow"} 1`, `fairlead_shadow_calls_total{outcome="dropped",target="triage@shadow"} 1`,
		`fairlead_shadow_likeness_count{target="triage@shadow"} 2`, `fairlead_shadow_likeness_sum{target="triage@shadow"} 1.6`,
		`fairlead_shadow_duration_seconds_count{target="triage@shadow"} 2`,
		`fairlead_target_rolled_back{target="triage"} 1`, `fairlead_target_rolled_back{target="other"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("without %s", want)
		}
	}
	if strings.Contains(text, "fairlead_upstream_attempts_total{") || len(exporter.GetSpans()) != 0 {
		t.Error("a shadow counts as an attempt, or has a span of its own")
	}
}

func TestNamesAreBounded(t *testing.T) {
	tel, _ := recording(t)
	for i := range maxNames + 50 {
		newFeed(tel, fmt.Sprintf("chain-%d", i)).end(nil)
	}
	n := 0
	for _, s := range series(t, tel) {
		if strings.HasPrefix(s, "runs_total") {
			n++
		}
	}
	if n != maxNames+1 || !slices.Contains(series(t, tel), "runs_total{chain=other,outcome=canceled} 50") {
		t.Errorf("%d series of %d chains", n, maxNames+50)
	}
}

// BenchmarkTextDelta is the hot path: it is called for every piece of every answer.
func BenchmarkTextDelta(b *testing.B) {
	tel, _ := recording(b)
	f := newFeed(tel, "answer")
	f.say("answer/draft", &orchestrator.StepStarted{Kind: "generate"}, tried(1, local))
	e := &orchestrator.Event{Seq: 5, Time: start, RunID: "run-1", Step: "answer/draft", Body: text}
	b.ReportAllocs()
	for b.Loop() {
		f.event(e)
	}
	f.end(nil)
}

// BenchmarkRun is a whole run of one attempt, with and without traces.
func BenchmarkRun(b *testing.B) {
	for _, traces := range []bool{false, true} {
		b.Run(fmt.Sprintf("traces=%t", traces), func(b *testing.B) {
			tel, spans := recording(b)
			if !traces {
				tel, _, _ = Setup(b.Context(), Config{})
			}
			decided := plan("default", routing.Record{Target: local}, routing.Record{Target: frontier})
			b.ReportAllocs()
			for b.Loop() {
				f := newFeed(tel, "answer")
				f.say("", &orchestrator.RunStarted{Chain: "answer"})
				f.say("answer/draft", &orchestrator.StepStarted{Kind: "generate"}, decided, tried(1, local), used(1, local, 5, 2, 0.5), finished("done", "stop"))
				f.say("", over)
				f.end(nil)
				spans.Reset()
			}
		})
	}
}
