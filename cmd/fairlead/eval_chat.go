package main

import (
	"encoding/json"
	"math"

	"google.golang.org/protobuf/types/known/durationpb"

	"fairlead/evals"
	fairleadv1 "fairlead/gen/fairlead/v1"
	"fairlead/internal/fault"
)

// chatOf makes a chat of a case: its text, or its messages as the OpenAI dialect writes them, and its settings.
func chatOf(q *evals.Question) (*fairleadv1.ChatRequest, error) {
	model := q.Under.Target
	if q.Under.Policy != "" {
		model = "policy/" + q.Under.Policy
	}
	req := &fairleadv1.ChatRequest{Model: model, Label: toLabel(q.Label), Timeout: durationpb.New(q.Timeout), Budget: budgetOf(q), Sampling: &fairleadv1.Sampling{}}
	for _, t := range q.Case.Tools {
		req.Tools = append(req.Tools, &fairleadv1.Tool{Name: t.Name, Description: t.Description, ParametersJson: string(t.Parameters)})
	}
	for name, v := range q.Case.Input {
		var ok bool
		switch name {
		case "question":
			var text string
			if text, ok = v.(string); ok {
				req.Messages = append(req.Messages, said(fairleadv1.Role_ROLE_USER, text))
			}
		case "system":
			_, ok = v.(string)
		case "messages":
			ok = readMessages(v, req)
		case "max_tokens":
			var n float64
			if n, ok = number(v); ok {
				ok = n >= 1 && n <= math.MaxInt32
				whole := int32(min(max(n, 1), math.MaxInt32))
				req.Sampling.MaxTokens = &whole
			}
		case "temperature":
			var n float64
			if n, ok = number(v); ok {
				req.Sampling.Temperature = &n
			}
		default:
			ok = false
		}
		if !ok {
			return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest,
				"putting case %q: input.%s is not known or has the wrong type: a chat takes question or messages, and system, max_tokens and temperature", q.Case.ID, name)
		}
	}
	if text, ok := q.Case.Input["system"].(string); ok {
		req.Messages = append([]*fairleadv1.Message{said(fairleadv1.Role_ROLE_SYSTEM, text)}, req.Messages...)
	}
	if len(req.Messages) == 0 {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "putting case %q: its input has no question and no messages", q.Case.ID)
	}
	seed := q.Seed
	req.Sampling.Seed = &seed
	return req, nil
}

func said(role fairleadv1.Role, text string) *fairleadv1.Message {
	return &fairleadv1.Message{Role: role, Parts: []*fairleadv1.Part{{Kind: &fairleadv1.Part_Text{Text: text}}}}
}

// readMessages reads a list of {role, content}.
func readMessages(v any, req *fairleadv1.ChatRequest) bool {
	list, ok := v.([]any)
	for _, one := range list {
		m, is := one.(map[string]any)
		role, _ := m["role"].(string)
		text, isText := m["content"].(string)
		r, known := map[string]fairleadv1.Role{"system": fairleadv1.Role_ROLE_SYSTEM, "user": fairleadv1.Role_ROLE_USER, "assistant": fairleadv1.Role_ROLE_ASSISTANT}[role]
		if !is || !isText || !known || len(m) != 2 {
			return false
		}
		req.Messages = append(req.Messages, said(r, text))
	}
	return ok && len(list) > 0
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	case uint64: // as YAML reads whole numbers
		return float64(v), true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	}
	return 0, false
}
