package telemetry

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"fairlead/internal/fault"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// run is one run as the observer sees it.
type run struct {
	observer  *Observer
	chain     string
	start     time.Time
	ctx       context.Context
	span      trace.Span
	recording bool
	// call says that it is a call outside runs.
	call bool
	// attributes is room for those that the root span starts with.
	attributes [4]attribute.KeyValue

	// mu guards what follows: parallel steps speak in turn, but not from one goroutine.
	mu       sync.Mutex
	ended    bool
	finished bool
	// steps are those that are open, by path, and "" for what belongs to the run itself.
	steps map[string]*step
}

// step is an open step.
type step struct {
	path, kind string
	ctx        context.Context
	span       trace.Span
	// own is false when the span is the run's.
	own      bool
	plan     *routing.Plan
	attempts []*attempt
}

// attempt is an open call. It is closed by what comes after it, because AttemptFailed and AttemptUsage may
// come in either order and either may be missing.
type attempt struct {
	number int
	target string
	span   trace.Span
	// last is the time of the last event about it.
	last time.Time
	// reason is why it failed, and done says that it has ended.
	reason string
	done   bool
}

func (r *run) started(b *orchestrator.RunStarted) {
	r.span.SetAttributes(keyLabel.String(b.Label.String()))
	if b.Chain != "" {
		r.span.SetAttributes(keyChainVersion.Int(b.Version))
	}
	if b.Limited {
		r.span.SetAttributes(keyBudget.Float64(b.Budget.USD()))
	}
}

// step gives an open step. What belongs to no open step belongs to the run.
func (r *run) step(path string) *step {
	if s := r.steps[path]; s != nil {
		return s
	}
	s := &step{path: path, ctx: r.ctx, span: r.span}
	r.keep(s)
	return s
}

func (r *run) keep(s *step) {
	if r.steps == nil {
		r.steps = map[string]*step{}
	}
	r.steps[s.path] = s
}

func (r *run) openStep(path, kind string, t time.Time) *step {
	if old := r.steps[path]; old != nil && old.own {
		r.abandon(old, "") // it was never closed
	}
	s := &step{path: path, kind: kind, ctx: r.parent(path), span: r.span, own: true}
	if r.recording {
		name, operation := kind+" "+path, attribute.KeyValue{}
		if kind == "retrieve" {
			name, operation = operationRetrieval+" "+path, keyOperation.String(operationRetrieval)
		}
		attributes := []attribute.KeyValue{keyStep.String(path), keyStepKind.String(kind)}
		if operation.Valid() {
			attributes = append(attributes, operation)
		}
		s.ctx, s.span = r.observer.tracer.Start(s.ctx, strings.TrimSpace(name),
			trace.WithTimestamp(at(t)), trace.WithAttributes(attributes...))
	}
	r.keep(s)
	return s
}

// parent gives the context of the innermost open step that a path lies in.
func (r *run) parent(path string) context.Context {
	for {
		cut := strings.LastIndexByte(path, '/')
		if cut < 0 {
			return r.ctx
		}
		path = path[:cut]
		if s := r.steps[path]; s != nil && s.own {
			return s.ctx
		}
	}
}

func (r *run) decided(e *orchestrator.Event, plan *routing.Plan) {
	if plan == nil {
		return
	}
	s := r.step(e.Step)
	s.plan = plan
	m := r.observer.metrics
	first := noTarget
	if plan.Eligible > 0 {
		first = m.targets.bound(plan.Records[0].Target.Name)
	}
	m.decisions.WithLabelValues(m.policies.bound(plan.Policy), first).Inc()
	for i := range plan.Records {
		if rec := &plan.Records[i]; rec.Reason != routing.In {
			m.exclusions.WithLabelValues(m.targets.bound(rec.Target.Name), string(rec.Reason)).Inc()
		}
	}
	if !r.recording {
		return
	}
	var order, out []string
	for i := range plan.Records {
		if rec := &plan.Records[i]; rec.Reason == routing.In {
			order = append(order, rec.Target.Name)
		} else {
			out = append(out, rec.Target.Name+": "+string(rec.Reason))
		}
	}
	s.span.AddEvent(eventRoute, trace.WithTimestamp(at(e.Time)), trace.WithAttributes(
		keyPolicy.String(plan.Policy), keyOrder.StringSlice(order), keyOut.StringSlice(out),
		keyLabel.String(plan.Label.String()), keyPromptTokens.Int(plan.PromptTokens),
	))
}

func (r *run) openAttempt(e *orchestrator.Event, b *orchestrator.AttemptStarted) {
	s := r.step(e.Step)
	r.closeAttempts(s, false, "")
	a := &attempt{number: b.Attempt, target: noTarget, span: trace.SpanFromContext(context.Background())}
	if b.Target != nil {
		a.target = r.observer.metrics.targets.bound(b.Target.Name)
	}
	if r.recording && b.Target != nil {
		operation := operationChat
		switch s.kind {
		case "embed", "retrieve": // what a search asks a model for is the query's vector
			operation = operationEmbeddings
		case "classify":
			operation = operationClassify
		}
		attributes := []attribute.KeyValue{
			keyOperation.String(operation), keyProvider.String(b.Target.Kind), keyRequestModel.String(b.Target.Model),
			keyTarget.String(b.Target.Name), keyBackend.String(b.Target.Backend), keyAttempt.Int(b.Attempt),
			keyLabel.String(b.Label.String()), keyClearance.String(b.Target.Clearance.String()),
		}
		if b.Target.Version != "" {
			attributes = append(attributes, keyTargetVersion.String(b.Target.Version))
		}
		if s.plan != nil {
			attributes = append(attributes, keyPolicy.String(s.plan.Policy))
			for i := range s.plan.Records {
				if rec := &s.plan.Records[i]; rec.Target.Name == b.Target.Name {
					attributes = append(attributes, keyRank.Int(rec.Rank))
				}
			}
		}
		_, a.span = r.observer.tracer.Start(s.ctx, operation+" "+b.Target.Model, trace.WithSpanKind(trace.SpanKindClient),
			trace.WithTimestamp(at(e.Time)), trace.WithAttributes(attributes...))
	}
	s.attempts = append(s.attempts, a)
}

// attempt gives an open attempt by its number.
func (s *step) attempt(number int) *attempt {
	for _, a := range s.attempts {
		if a.number == number {
			return a
		}
	}
	return nil
}

func (r *run) failed(e *orchestrator.Event, b *orchestrator.AttemptFailed) {
	reason := reasonOf(b.Err)
	m := r.observer.metrics
	if b.Target != nil && reason == string(fault.ReasonStreamTruncated) {
		m.truncated.WithLabelValues(m.targets.bound(b.Target.Name)).Inc()
	}
	a := r.step(e.Step).attempt(b.Attempt)
	if a == nil { // one that was not announced: it counts, and has no span
		if b.Target != nil {
			m.attempts.WithLabelValues(m.targets.bound(b.Target.Name), reason).Inc()
		}
		return
	}
	a.last, a.reason, a.done = at(e.Time), reason, true
	var p *providers.Error
	if errors.As(b.Err, &p) && p.Status != 0 {
		a.span.SetAttributes(keyStatusCode.Int(p.Status))
	}
}

func (r *run) used(e *orchestrator.Event, b *orchestrator.AttemptUsage) {
	m := r.observer.metrics
	if b.Target != nil {
		m.usage(m.targets.bound(b.Target.Name), b)
	}
	a := r.step(e.Step).attempt(b.Attempt)
	if a == nil {
		return
	}
	a.last, a.done = at(e.Time), true
	if !a.span.IsRecording() {
		return
	}
	a.span.SetAttributes(
		keyInput.Int64(b.Usage.Input), keyOutput.Int64(b.Usage.Output), keyCachedInput.Int64(b.Usage.CachedInput),
		keyReasoning.Int64(b.Usage.Reasoning), keyEstimated.Bool(b.Usage.Estimated),
	)
	if b.Reported != "" {
		a.span.SetAttributes(keyResponseModel.String(b.Reported))
	}
	if b.CostKnown {
		a.span.SetAttributes(keyCost.Float64(b.Cost.USD()))
	}
	if b.TTFT > 0 {
		a.span.SetAttributes(keyFirstChunk.Float64(b.TTFT.Seconds()))
	}
}

// usage counts what an attempt took.
func (m *metrics) usage(target string, b *orchestrator.AttemptUsage) {
	for kind, n := range map[string]int64{
		"input": b.Usage.Input, "cached_input": b.Usage.CachedInput, "output": b.Usage.Output, "reasoning": b.Usage.Reasoning,
	} {
		if n > 0 { // a counter that is made to fall panics, and counts come from backends
			m.tokens.WithLabelValues(target, kind).Add(float64(n))
		}
	}
	switch {
	case !b.CostKnown:
		m.unpriced.WithLabelValues(target).Inc()
	case b.Cost > 0:
		m.cost.WithLabelValues(target).Add(b.Cost.USD())
	}
	if b.TTFT > 0 {
		m.ttft.WithLabelValues(target).Observe(b.TTFT.Seconds())
		if b.Usage.Output > 1 && b.Duration > b.TTFT {
			m.perToken.WithLabelValues(target).Observe((b.Duration - b.TTFT).Seconds() / float64(b.Usage.Output-1))
		}
	}
}

// closeAttempts closes the attempts of a step that have ended, or all of them. An attempt that has not
// ended gets the reason, or where that is empty went well.
func (r *run) closeAttempts(s *step, all bool, reason string) {
	kept := s.attempts[:0]
	for _, a := range s.attempts {
		if !a.done && !all {
			kept = append(kept, a)
			continue
		}
		if !a.done && a.reason == "" {
			a.reason = reason
		}
		outcome := ok
		if a.reason != "" {
			outcome = a.reason
			setError(a.span, a.reason)
		}
		r.observer.metrics.attempts.WithLabelValues(a.target, outcome).Inc()
		a.span.End(trace.WithTimestamp(at(a.last)))
	}
	s.attempts = kept
}

func (r *run) closeStep(e *orchestrator.Event, b *orchestrator.StepFinished) {
	s := r.steps[e.Step]
	if s == nil || !s.own {
		if e.Step == "" {
			s = r.step("")
		} else { // a step that was skipped need not have started
			s = r.openStep(e.Step, "", at(e.Time).Add(-b.Duration))
		}
	}
	if n := len(s.attempts); n > 0 && b.Finish != providers.FinishUnset {
		s.attempts[n-1].span.SetAttributes(keyFinishReasons.StringSlice([]string{string(b.Finish)}))
	}
	unfinished := ""
	if b.Status == orchestrator.StepFailed {
		unfinished = string(fault.ReasonCanceled)
	}
	r.closeAttempts(s, true, unfinished)
	kind := s.kind
	if kind == "" {
		kind = other
	}
	r.observer.metrics.stepTime.WithLabelValues(kind, string(b.Status)).Observe(b.Duration.Seconds())
	if s.own && r.recording {
		s.span.SetAttributes(keyStepStatus.String(string(b.Status)), keyLabel.String(b.Label.String()))
		if b.Status == orchestrator.StepFailed {
			setError(s.span, "step_failed")
		}
		s.span.End(trace.WithTimestamp(at(e.Time)))
	}
	delete(r.steps, e.Step)
}

// abandon closes a step that has no end of its own, because the run ended before it.
func (r *run) abandon(s *step, reason string) {
	for _, a := range s.attempts {
		if a.reason == "" { // what it took may be known already: calls are billed when their reader leaves
			a.reason = reason
		}
	}
	r.closeAttempts(s, true, reason)
	if s.own && r.recording {
		if reason != "" {
			setError(s.span, reason)
		}
		s.span.End()
	}
	delete(r.steps, s.path)
}
