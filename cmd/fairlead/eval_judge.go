package main

import (
	"context"
	"encoding/json"
	"strings"

	"fairlead/evals/score"
	fairleadv1 "fairlead/gen/fairlead/v1"
	"fairlead/providers"
)

// judge gives the judge of a name, as a chat names a model: "auto", "policy/NAME" or a target's name. What it reads has
// the label of the case, so it is routed to no backend that may not see that.
func (s *evalSystem) judge(name string) (score.Judge, error) {
	return func(ctx context.Context, messages []providers.Message, schema json.RawMessage) (string, error) {
		cold := 0.0
		req := &fairleadv1.ChatRequest{Model: name, Label: toLabel(repetitionOf(ctx).label), Sampling: &fairleadv1.Sampling{Temperature: &cold},
			ResponseFormat: &fairleadv1.ResponseFormat{Kind: fairleadv1.ResponseFormat_KIND_JSON_SCHEMA, Name: "verdict", SchemaJson: string(schema)}}
		for _, m := range messages {
			role := fairleadv1.Role_ROLE_USER
			if m.Role == providers.System {
				role = fairleadv1.Role_ROLE_SYSTEM
			}
			req.Messages = append(req.Messages, said(role, m.TextContent()))
		}
		stream, err := s.client.chat.Chat(ctx, req)
		if err != nil {
			return "", broke(err, nil).Err
		}
		defer func() { _ = stream.Close() }() // what matters of the end is in Err
		var text strings.Builder
		for stream.Receive() {
			switch k := stream.Msg().GetEvent().GetKind().(type) {
			case *fairleadv1.Event_TextDelta:
				text.WriteString(k.TextDelta.GetText())
			case *fairleadv1.Event_Retracted:
				text.Reset()
			case *fairleadv1.Event_RunFinished:
				repetitionOf(ctx).spent.add(k.RunFinished.GetCost(), !k.RunFinished.GetCostIncomplete())
			}
		}
		if err := stream.Err(); err != nil {
			return "", broke(err, nil).Err
		}
		return text.String(), nil
	}, nil
}

// embedder gives the model of a name that makes vectors, for scorers that compare meanings.
func (s *evalSystem) embedder(name string) (score.Embedder, error) {
	return func(ctx context.Context, texts []string) ([][]float32, error) {
		resp, err := s.client.inference.Embed(ctx, &fairleadv1.EmbedRequest{Target: name, Texts: texts,
			Limits: &fairleadv1.InferenceLimits{Label: toLabel(repetitionOf(ctx).label), NoCache: true}})
		if err != nil {
			return nil, broke(err, nil).Err
		}
		repetitionOf(ctx).spent.add(resp.GetAnswered().GetCost(), resp.GetAnswered().GetCost() != nil)
		out := make([][]float32, len(resp.GetVectors()))
		for i, v := range resp.GetVectors() {
			out[i] = v.GetValues()
		}
		return out, nil
	}, nil
}
