package rpc

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
	"fairlead/retrieval"
)

var finishes = map[providers.FinishReason]pb.FinishReason{
	providers.FinishUnset:         pb.FinishReason_FINISH_REASON_UNSPECIFIED,
	providers.FinishStop:          pb.FinishReason_FINISH_REASON_STOP,
	providers.FinishLength:        pb.FinishReason_FINISH_REASON_LENGTH,
	providers.FinishToolCalls:     pb.FinishReason_FINISH_REASON_TOOL_CALLS,
	providers.FinishContentFilter: pb.FinishReason_FINISH_REASON_CONTENT_FILTER,
}

var stepStatuses = map[orchestrator.StepStatus]pb.StepFinished_Status{
	orchestrator.StepDone:    pb.StepFinished_STATUS_DONE,
	orchestrator.StepSkipped: pb.StepFinished_STATUS_SKIPPED,
	orchestrator.StepFailed:  pb.StepFinished_STATUS_FAILED,
}

// translator gives events on the wire. It uses its messages again: what event returns is good until the
// next call, which suffices because Send writes a message before it returns.
type translator struct {
	event pb.Event
	time  timestamppb.Timestamp

	// Deltas are most of a stream, so theirs are kept too.
	text          pb.TextDelta
	textKind      pb.Event_TextDelta
	reasoning     pb.ReasoningDelta
	reasoningKind pb.Event_ReasoningDelta
	call          pb.ToolCallDelta
	callKind      pb.Event_ToolCallDelta
}

// translate gives the event. The error is an internal one: a body of an unknown type.
func (t *translator) translate(ev *orchestrator.Event) (*pb.Event, error) {
	out := &t.event
	out.Sequence, out.RunId, out.Step, out.Time = ev.Seq, ev.RunID, ev.Step, nil
	if !ev.Time.IsZero() {
		t.time.Seconds, t.time.Nanos = ev.Time.Unix(), int32(ev.Time.Nanosecond())
		out.Time = &t.time
	}
	switch body := ev.Body.(type) {
	case *orchestrator.TextDelta:
		t.text.Text, t.text.Output = validText(body.Text), body.Output
		t.textKind.TextDelta = &t.text
		out.Kind = &t.textKind
	case *orchestrator.ReasoningDelta:
		t.reasoning.Text = validText(body.Text)
		t.reasoningKind.ReasoningDelta = &t.reasoning
		out.Kind = &t.reasoningKind
	case *orchestrator.ToolCallDelta:
		t.call.Index, t.call.Id, t.call.Name = clamp32(body.Index), validText(body.ID), validText(body.Name)
		t.call.Arguments = validText(body.Arguments)
		t.callKind.ToolCallDelta = &t.call
		out.Kind = &t.callKind
	case *orchestrator.RunStarted:
		out.Kind = &pb.Event_RunStarted{RunStarted: runStarted(body)}
	case *orchestrator.StepStarted:
		out.Kind = &pb.Event_StepStarted{StepStarted: &pb.StepStarted{Kind: body.Kind}}
	case *orchestrator.RouteDecided:
		out.Kind = &pb.Event_RouteDecided{RouteDecided: &pb.RouteDecided{Plan: planMessage(body.Plan)}}
	case *orchestrator.AttemptStarted:
		out.Kind = &pb.Event_AttemptStarted{AttemptStarted: &pb.AttemptStarted{
			Attempt: clamp32(body.Attempt), Target: targetName(body.Target),
			Clearance: labelMessage(clearance(body.Target)), Label: labelMessage(body.Label),
		}}
	case *orchestrator.AttemptFailed:
		out.Kind = &pb.Event_AttemptFailed{AttemptFailed: attemptFailed(body)}
	case *orchestrator.Citation:
		out.Kind = &pb.Event_Citation{Citation: citation(body)}
	case *orchestrator.Retracted:
		out.Kind = &pb.Event_Retracted{Retracted: &pb.Retracted{Reason: body.Reason}}
	case *orchestrator.AttemptUsage:
		out.Kind = &pb.Event_Usage{Usage: attemptUsage(body)}
	case *orchestrator.StepFinished:
		out.Kind = &pb.Event_StepFinished{StepFinished: stepFinished(body)}
	case *orchestrator.RunFinished:
		out.Kind = &pb.Event_RunFinished{RunFinished: runFinished(body)}
	default:
		return nil, fault.From(fmt.Errorf("rpc: no translation for an event of the type %T", ev.Body))
	}
	return out, nil
}

func runStarted(b *orchestrator.RunStarted) *pb.RunStarted {
	out := &pb.RunStarted{
		Chain: b.Chain, Version: clamp32(b.Version), Deadline: timeMessage(b.Deadline), Label: labelMessage(b.Label),
	}
	if b.Limited {
		out.Budget = moneyMessage(b.Budget)
	}
	return out
}

// attemptFailed tells what went wrong in our words; a providers.Error has no others.
func attemptFailed(b *orchestrator.AttemptFailed) *pb.AttemptFailed {
	out := &pb.AttemptFailed{
		Attempt: clamp32(b.Attempt), Target: targetName(b.Target), ElapsedMs: millis(b.Elapsed),
	}
	var call *providers.Error
	if errors.As(b.Err, &call) {
		out.Reason, out.Message, out.Retryable = string(call.Reason()), validText(call.Error()), providers.Retryable(call)
		return out
	}
	f := fault.From(b.Err)
	if f == nil {
		return out
	}
	out.Reason, out.Message, out.Retryable = string(f.Reason), validText(f.Error()), retryable(f)
	return out
}

func citation(b *orchestrator.Citation) *pb.Citation {
	return &pb.Citation{
		Number:     clamp32(b.Number),
		Collection: b.Passage.Collection,
		DocumentId: b.Passage.DocumentID,
		PassageId:  b.Passage.ID,
		Uri:        validText(b.Passage.URI),
		Title:      validText(b.Passage.Title),
		Heading:    validTexts(b.Passage.Heading),
		Span:       spanMessage(b.Span),
		Quote:      validText(b.Quote),
	}
}

func spanMessage(s retrieval.Span) *pb.Span {
	return &pb.Span{
		ByteStart: int64(s.ByteStart), ByteEnd: int64(s.ByteEnd),
		LineStart: clamp32(s.LineStart), LineEnd: clamp32(s.LineEnd), Page: clamp32(s.Page),
	}
}

func attemptUsage(b *orchestrator.AttemptUsage) *pb.AttemptUsage {
	out := &pb.AttemptUsage{
		Attempt: clamp32(b.Attempt), Target: targetName(b.Target), ReportedModel: validText(b.Reported),
		Usage: usageMessage(b.Usage), DurationMs: millis(b.Duration),
	}
	if b.CostKnown {
		out.Cost = moneyMessage(b.Cost)
	}
	if b.TTFT > 0 {
		ms := millis(b.TTFT)
		out.TtftMs = &ms
	}
	return out
}

func usageMessage(u providers.Usage) *pb.Usage {
	return &pb.Usage{
		InputTokens: u.Input, CachedInputTokens: u.CachedInput,
		OutputTokens: u.Output, ReasoningTokens: u.Reasoning, Estimated: u.Estimated,
	}
}

func stepFinished(b *orchestrator.StepFinished) *pb.StepFinished {
	return &pb.StepFinished{
		Status: stepStatuses[b.Status], Reason: validText(b.Reason), FinishReason: finishes[b.Finish],
		Result: structMessage(b.Result), DurationMs: millis(b.Duration), Label: labelMessage(b.Label),
	}
}

func runFinished(b *orchestrator.RunFinished) *pb.RunFinished {
	return &pb.RunFinished{
		Output: validText(b.Output), FinishReason: finishes[b.Finish], Usage: usageMessage(b.Usage),
		Cost: moneyMessage(b.Cost), CostIncomplete: b.CostIncomplete, DurationMs: millis(b.Duration),
		Label: labelMessage(b.Label),
	}
}

func targetName(t *routing.Target) string {
	if t == nil {
		return ""
	}
	return t.Name
}

func clearance(t *routing.Target) label.Label {
	if t == nil {
		return label.Unset
	}
	return t.Clearance
}
