package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"

	"fairlead/evals"
	"fairlead/evals/score"
	fairleadv1 "fairlead/gen/fairlead/v1"
	"fairlead/internal/label"
	"fairlead/providers"
)

// gather reads a run to its end and makes an answer of what it told.
func gather[T any, M eventful[T]](ctx context.Context, s *evalSystem, stream *connect.ServerStreamForClient[T]) *evals.Answer {
	defer func() { _ = stream.Close() }() // what matters of the end is in Err
	f := &gathering{answer: &evals.Answer{}, began: time.Now()}
	for stream.Receive() {
		f.event(M(stream.Msg()).GetEvent())
	}
	f.answer.Latency = time.Since(f.began)
	if err := stream.Err(); err != nil {
		return broke(err, f.answer)
	}
	for _, p := range f.places {
		if passage, err := s.passage(ctx, f.collection, p); err == nil {
			f.answer.Passages = append(f.answer.Passages, passage)
		}
	}
	return f.answer
}

// gathering makes an answer of events.
type gathering struct {
	answer     *evals.Answer
	began      time.Time
	collection string
	places     []string
}

func (f *gathering) event(e *fairleadv1.Event) {
	a := f.answer
	switch k := e.GetKind().(type) {
	case *fairleadv1.Event_RouteDecided:
		a.Policy = k.RouteDecided.GetPlan().GetPolicy()
	case *fairleadv1.Event_AttemptStarted:
		a.Clearance = label.Label(k.AttemptStarted.GetClearance())
	case *fairleadv1.Event_TextDelta:
		if a.TTFT == 0 && k.TextDelta.GetOutput() {
			a.TTFT = time.Since(f.began)
		}
	case *fairleadv1.Event_ToolCallDelta:
		d := k.ToolCallDelta
		for int(d.GetIndex()) >= len(a.ToolCalls) {
			a.ToolCalls = append(a.ToolCalls, providers.ToolCall{})
		}
		c := &a.ToolCalls[d.GetIndex()]
		c.ID += d.GetId()
		c.Name += d.GetName()
		c.Arguments += d.GetArguments()
	case *fairleadv1.Event_Retracted:
		a.ToolCalls, a.Citations = nil, nil
	case *fairleadv1.Event_Citation:
		a.Citations = append(a.Citations, score.Citation{Number: int(k.Citation.GetNumber()), Quote: k.Citation.GetQuote()})
	case *fairleadv1.Event_Usage:
		if k.Usage.GetTarget() != "" {
			a.Target = k.Usage.GetTarget()
			a.Targets = append(a.Targets, a.Target)
		}
	case *fairleadv1.Event_StepFinished:
		fields := k.StepFinished.GetResult().GetFields()
		if places := fields["places"].GetListValue(); places != nil {
			f.collection, f.places = fields["collection"].GetStringValue(), nil
			for _, p := range places.GetValues() {
				f.places = append(f.places, p.GetStringValue())
			}
			a.Passages = []score.Passage{}
		}
	case *fairleadv1.Event_RunFinished:
		end := k.RunFinished
		a.Text, a.Label = end.GetOutput(), label.Label(end.GetLabel())
		a.Cost, a.CostKnown = providers.Money(end.GetCost().GetNanoUsd()), !end.GetCostIncomplete()
		a.Usage = providers.Usage{Input: end.GetUsage().GetInputTokens(), CachedInput: end.GetUsage().GetCachedInputTokens(),
			Output: end.GetUsage().GetOutputTokens(), Reasoning: end.GetUsage().GetReasoningTokens(), Estimated: end.GetUsage().GetEstimated()}
		if text := strings.TrimSpace(a.Text); json.Valid([]byte(text)) && text != "" {
			a.JSON = json.RawMessage(text)
		}
	}
}

// passage gives the lines of a document that a place such as "docs/a.md:3-9" names.
func (s *evalSystem) passage(ctx context.Context, collection, place string) (score.Passage, error) {
	at := strings.LastIndexByte(place, ':')
	var from, to int
	if at < 0 {
		return score.Passage{}, errors.New("it is no place")
	}
	if _, err := fmt.Sscanf(place[at+1:], "%d-%d", &from, &to); err != nil {
		return score.Passage{}, err
	}
	uri := place[:at]
	d, err := s.document(ctx, collection, uri)
	if err != nil {
		return score.Passage{}, err
	}
	lines := strings.Split(d.GetText(), "\n")
	from, to = max(min(from, len(lines)), 1), min(to, len(lines))
	return score.Passage{ID: place, Document: uri, Text: strings.Join(lines[from-1:max(to, from-1)], "\n")}, nil
}

func (s *evalSystem) document(ctx context.Context, collection, uri string) (*fairleadv1.Document, error) {
	s.mu.Lock()
	d := s.documents[collection+"\x00"+uri]
	s.mu.Unlock()
	if d != nil {
		return d, nil
	}
	resp, err := s.client.retrieval.GetDocument(ctx, &fairleadv1.GetDocumentRequest{Collection: collection, Document: uri})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.documents == nil {
		s.documents = map[string]*fairleadv1.Document{}
	}
	s.documents[collection+"\x00"+uri] = resp.GetDocument()
	return resp.GetDocument(), nil
}
