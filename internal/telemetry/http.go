package telemetry

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// RequestStarted notes that a request reached its handler.
func (t *Telemetry) RequestStarted() { t.metrics.inFlight.Inc() }

// RequestEnded notes the end of a request. The route is the pattern that it matched, never its path.
func (t *Telemetry) RequestEnded(route, method string, status int, took time.Duration) {
	m := t.metrics
	m.inFlight.Dec()
	route = m.routes.bound(route)
	m.requests.WithLabelValues(route, methodName(method), strconv.Itoa(status)).Inc()
	m.requestTime.WithLabelValues(route).Observe(took.Seconds())
}

// methodName gives a method of HTTP, and one word for all that are none.
func methodName(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	default:
		return "_OTHER"
	}
}

// Trace wraps a handler so that its requests have a server span, under the caller's trace where the request
// carries one. The route is the span's name. Without tracing it gives the handler itself.
func (t *Telemetry) Trace(route string, next http.Handler) http.Handler {
	if !t.tracing {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := t.propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		method := methodName(r.Method)
		ctx, span := t.tracer.Start(ctx, method+" "+route, trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(keyMethod.String(method), keyRoute.String(route)))
		defer span.End()
		if !span.IsRecording() {
			next.ServeHTTP(w, r.WithContext(ctx))
			return
		}
		status := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(status, r.WithContext(ctx))
		if status.code == 0 {
			status.code = http.StatusOK // a handler that wrote nothing has answered so
		}
		span.SetAttributes(keyStatusCode.Int(status.code))
		if status.code >= 500 {
			span.SetStatus(codes.Error, "")
		}
	})
}

// statusWriter remembers the status. It flushes, because streams are served through it.
type statusWriter struct {
	http.ResponseWriter
	code int
}

func (w *statusWriter) WriteHeader(code int) {
	if w.code == 0 && code >= 200 { // 1xx is not the answer yet
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Flush is there for those who look for http.Flusher; its error shows at the next write.
func (w *statusWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Transport wraps what sends requests to backends so that they carry the run's trace in the W3C header
// traceparent. Without tracing it gives base itself. Nil is http.DefaultTransport.
func (t *Telemetry) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	if !t.tracing {
		return base
	}
	return transport{base, t.propagator}
}

// Inject adds the run's trace to what a call carries beside its content, for calls that are no requests of HTTP. Without
// tracing it adds nothing.
func (t *Telemetry) Inject(ctx context.Context, h http.Header) {
	if t.tracing {
		t.propagator.Inject(ctx, propagation.HeaderCarrier(h))
	}
}

type transport struct {
	base       http.RoundTripper
	propagator propagation.TextMapPropagator
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context()) // a RoundTripper must not change the request
	t.propagator.Inject(r.Context(), propagation.HeaderCarrier(r.Header))
	return t.base.RoundTrip(r)
}
