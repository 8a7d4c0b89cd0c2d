package telemetry

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/orchestrator"
	"fairlead/providers"
)

// Observer turns the events of runs into traces and metrics.
type Observer struct {
	tracer  trace.Tracer
	metrics *metrics
}

var (
	_ orchestrator.CallObserver   = (*Observer)(nil)
	_ orchestrator.ShadowObserver = (*Observer)(nil)
)

// RunStarts opens the run's span, under the context's. The context that it gives carries the span, so that
// calls of the run can pass the trace on.
func (o *Observer) RunStarts(ctx context.Context, runID, chain string, p auth.Principal) (context.Context, func(*orchestrator.Event), func(error)) {
	r := &run{observer: o, chain: chatChain, start: time.Now()}
	name := operationChat
	attributes := append(r.attributes[:0], keyRun.String(runID), keyTenant.String(p.Tenant))
	if chain != "" {
		name = operationWorkflow + " " + chain
		r.chain = o.metrics.chains.bound(chain)
		attributes = append(attributes, keyOperation.String(operationWorkflow), keyChain.String(chain))
	}
	ctx, r.span = o.tracer.Start(ctx, name, trace.WithAttributes(attributes...))
	r.ctx, r.recording = ctx, r.span.IsRecording()
	o.metrics.runsInFlight.Inc()
	return ctx, r.event, r.end
}

// CallStarts opens the span of a call outside runs, under the context's. Its attempts count, and it is no run.
func (o *Observer) CallStarts(ctx context.Context, id, name string, p auth.Principal) (context.Context, func(*orchestrator.Event), func(error)) {
	r := &run{observer: o, call: true, start: time.Now()}
	ctx, r.span = o.tracer.Start(ctx, name, trace.WithAttributes(append(r.attributes[:0], keyRun.String(id), keyTenant.String(p.Tenant), keyStep.String(name))...))
	r.ctx, r.recording = ctx, r.span.IsRecording()
	r.keep(&step{path: name, kind: name, ctx: ctx, span: r.span})
	return ctx, r.event, r.end
}

// ShadowEnded counts a call to a shadow. It is no attempt: nobody got its answer.
func (o *Observer) ShadowEnded(s orchestrator.Shadowed) {
	target := o.metrics.targets.bound(s.Target)
	o.metrics.shadows.WithLabelValues(target, string(s.Outcome)).Inc()
	if s.Outcome == orchestrator.ShadowAgreed || s.Outcome == orchestrator.ShadowDiffered {
		o.metrics.shadowAlike.WithLabelValues(target).Observe(s.Likeness)
		o.metrics.shadowTime.WithLabelValues(target).Observe(s.Duration.Seconds())
	}
}

// event takes the next event. Pieces of an answer are the many: for them it does nothing at all.
func (r *run) event(e *orchestrator.Event) {
	switch e.Body.(type) {
	case *orchestrator.TextDelta, *orchestrator.ReasoningDelta, *orchestrator.ToolCallDelta, *orchestrator.Citation:
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	switch b := e.Body.(type) {
	case *orchestrator.RunStarted:
		r.started(b)
	case *orchestrator.StepStarted:
		r.openStep(e.Step, b.Kind, e.Time)
	case *orchestrator.RouteDecided:
		r.decided(e, b.Plan)
	case *orchestrator.AttemptStarted:
		r.openAttempt(e, b)
	case *orchestrator.AttemptFailed:
		r.failed(e, b)
	case *orchestrator.AttemptUsage:
		r.used(e, b)
	case *orchestrator.Retracted:
		r.observer.metrics.retractions.Inc()
		r.step(e.Step).span.AddEvent(eventRetracted, trace.WithTimestamp(at(e.Time)))
	case *orchestrator.StepFinished:
		r.closeStep(e, b)
	case *orchestrator.RunFinished:
		r.finished = true
		r.span.SetAttributes(
			keyInput.Int64(b.Usage.Input), keyOutput.Int64(b.Usage.Output), keyCost.Float64(b.Cost.USD()),
			keyCostIncomplete.Bool(b.CostIncomplete), keyLabel.String(b.Label.String()), keyFinish.String(string(b.Finish)),
		)
	}
}

// end closes the run and all that is still open in it.
func (r *run) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	r.ended = true
	outcome, reason := ok, ""
	switch {
	case err != nil:
		outcome, reason = fault.CodeOf(err).String(), reasonOf(err)
	case !r.finished && !r.call: // without RunFinished a run did not go well: its reader left
		outcome, reason = fault.Canceled.String(), string(fault.ReasonCanceled)
	}
	for _, s := range r.steps {
		r.abandon(s, reason)
	}
	if reason != "" {
		setError(r.span, reason)
	}
	r.span.End()
	if r.call {
		return
	}
	m := r.observer.metrics
	m.runsInFlight.Dec()
	m.runs.WithLabelValues(r.chain, outcome).Inc()
	m.runTime.WithLabelValues(r.chain).Observe(time.Since(r.start).Seconds())
}

// setError marks a span as failed. The reason is a stable word: texts of errors stay out of traces.
func setError(span trace.Span, reason string) {
	span.SetAttributes(keyErrorType.String(reason))
	span.SetStatus(codes.Error, reason)
}

// reasonOf gives the stable word for a failure.
func reasonOf(err error) string {
	var p *providers.Error
	if errors.As(err, &p) {
		return string(p.Reason())
	}
	f := fault.From(err)
	if f == nil {
		return fault.Internal.String()
	}
	if f.Reason == fault.ReasonNone {
		return f.Code.String()
	}
	return string(f.Reason)
}

// at gives an event's time, or now for one that has none.
func at(t time.Time) time.Time {
	if t.IsZero() {
		return time.Now()
	}
	return t
}
