package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Config says what telemetry there is. Its zero value has metrics and no traces, unless the environment
// names a collector.
type Config struct {
	// ServiceName is the service's name in traces. Empty: "fairlead". OTEL_SERVICE_NAME wins over it.
	ServiceName string
	// Endpoint is the collector's address, such as "http://127.0.0.1:4318"; /v1/traces is added where it
	// has no path. Empty: what OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT says, and
	// without them no traces.
	Endpoint string
	// Headers are sent to the collector. Empty: what OTEL_EXPORTER_OTLP_HEADERS says.
	Headers map[string]string
	// SampleRatio is the share of traces to record where the caller has not decided, in [0,1].
	// OTEL_TRACES_SAMPLER wins over it.
	SampleRatio float64
	// Logger is told when traces cannot be sent. Nil: nobody is.
	Logger *slog.Logger
	// Build is what build_info and the traces say. Zero: ReadBuild.
	Build Build
}

// Telemetry is the program's traces and metrics. It is safe for concurrent use.
type Telemetry struct {
	metrics    *metrics
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	tracing    bool
}

// Setup makes the telemetry. Shutdown sends what has not been sent and ends its goroutines; call it once,
// after the server has drained. The error is about the configuration: a collector that cannot be reached
// is none, and is logged when spans are lost.
func Setup(ctx context.Context, c Config) (t *Telemetry, shutdown func(context.Context) error, err error) {
	exports, err := c.exports()
	if err != nil {
		return nil, nil, err
	}
	if !exports {
		return newTelemetry(c, noop.NewTracerProvider(), false), func(context.Context) error { return nil }, nil
	}
	options, err := c.exporterOptions()
	if err != nil {
		return nil, nil, err
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, nil, fmt.Errorf("setting up traces: %w", err)
	}
	// The SDK reports lost spans to one handler for the whole process, and by default to standard error.
	logger := c.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		logger.Warn("sending traces failed", "error", err)
	}))
	provider, err := c.provider(ctx, sdktrace.NewBatchSpanProcessor(exporter))
	if err != nil {
		return nil, nil, err
	}
	return newTelemetry(c, provider, true), provider.Shutdown, nil
}

func newTelemetry(c Config, provider trace.TracerProvider, tracing bool) *Telemetry {
	build := c.build()
	return &Telemetry{
		metrics: newMetrics(build),
		tracer:  provider.Tracer("fairlead", trace.WithInstrumentationVersion(build.Version)),
		// The trace context alone: baggage is free text that a caller could have passed on to every backend.
		propagator: propagation.TraceContext{},
		tracing:    tracing,
	}
}

func (c *Config) build() Build {
	if c.Build == (Build{}) {
		return ReadBuild("")
	}
	return c.Build
}

// exports says whether traces are sent, from the configuration and the standard variables.
func (c *Config) exports() (bool, error) {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false, nil
	}
	if c.Endpoint == "" && os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return false, nil
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if protocol := os.Getenv(name); protocol != "" {
			if protocol != "http/protobuf" {
				return false, fmt.Errorf("setting up traces: %s is %q: this build sends http/protobuf only", name, protocol)
			}
			break
		}
	}
	if exporter := os.Getenv("OTEL_TRACES_EXPORTER"); exporter != "" && exporter != "otlp" {
		return false, fmt.Errorf("setting up traces: OTEL_TRACES_EXPORTER is %q: use otlp or none", exporter)
	}
	return true, nil
}

func (c *Config) exporterOptions() ([]otlptracehttp.Option, error) {
	var options []otlptracehttp.Option
	if c.Endpoint != "" {
		u, err := url.Parse(c.Endpoint)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return nil, fmt.Errorf("setting up traces: the endpoint is not an address such as http://127.0.0.1:4318")
		}
		if strings.Trim(u.Path, "/") == "" {
			u.Path = "/v1/traces"
		}
		options = append(options, otlptracehttp.WithEndpointURL(u.String()))
	}
	if len(c.Headers) > 0 {
		options = append(options, otlptracehttp.WithHeaders(c.Headers))
	}
	return options, nil
}

// provider makes a tracer provider on a processor.
func (c *Config) provider(ctx context.Context, p sdktrace.SpanProcessor) (*sdktrace.TracerProvider, error) {
	name := c.ServiceName
	if name == "" {
		name = "fairlead"
	}
	res, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", name), attribute.String("service.version", c.build().Version)),
		resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithFromEnv(), // last, so that it wins
	)
	if err != nil {
		return nil, fmt.Errorf("setting up traces: reading OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(res), sdktrace.WithSpanProcessor(p)}
	if os.Getenv("OTEL_TRACES_SAMPLER") == "" { // the SDK reads it by itself, unless told otherwise
		options = append(options, sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(c.SampleRatio))))
	}
	return sdktrace.NewTracerProvider(options...), nil
}

// Tracing says whether traces are sent.
func (t *Telemetry) Tracing() bool { return t.tracing }

// Handler serves the metrics in Prometheus's formats.
func (t *Telemetry) Handler() http.Handler { return t.metrics.handler() }

// ConfigReloaded notes whether the last load of the configuration went well.
func (t *Telemetry) ConfigReloaded(ok bool) {
	if !ok {
		t.metrics.configOK.Set(0)
		return
	}
	t.metrics.configOK.Set(1)
	t.metrics.configTime.Set(float64(time.Now().UnixMilli()) / 1000)
}

// DecisionsDropped counts runs whose decisions were not recorded.
func (t *Telemetry) DecisionsDropped(runs int) { t.metrics.unrecorded.Add(float64(runs)) }

// RecallMeasured notes how many of the nearest passages the index of a tenant's collection finds, from 0 to 1.
func (t *Telemetry) RecallMeasured(tenant, collection string, recall float64) {
	t.metrics.recall.WithLabelValues(t.metrics.collections.bound(tenant + "/" + collection)).Set(recall)
}

// UsageLost counts records of what attempts cost that were lost.
func (t *Telemetry) UsageLost(records int) { t.metrics.usageLost.Add(float64(records)) }

// RolledBack notes that every caller of a target gets its stable version, or not any more.
func (t *Telemetry) RolledBack(target string, rolledBack bool) {
	v := 0.0
	if rolledBack {
		v = 1
	}
	t.metrics.rolledBack.WithLabelValues(t.metrics.targets.bound(target)).Set(v)
}

// BackendUp notes whether a backend answered when it was asked how it is. Of one that did not, nothing is known to wait.
func (t *Telemetry) BackendUp(backend string, up bool) {
	v := 0.0
	if up {
		v = 1
	} else {
		t.metrics.waiting.DeleteLabelValues(backend)
	}
	t.metrics.backendUp.WithLabelValues(backend).Set(v)
}

// BackendWaiting notes how many requests wait in a backend.
func (t *Telemetry) BackendWaiting(backend string, requests int) {
	t.metrics.waiting.WithLabelValues(backend).Set(float64(requests))
}

// BackendGone drops what was noted of a backend that is not asked any more.
func (t *Telemetry) BackendGone(backend string) {
	t.metrics.backendUp.DeleteLabelValues(backend)
	t.metrics.waiting.DeleteLabelValues(backend)
}

// Observer gives what watches runs.
func (t *Telemetry) Observer() *Observer { return &Observer{tracer: t.tracer, metrics: t.metrics} }
