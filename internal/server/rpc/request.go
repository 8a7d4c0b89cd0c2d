package rpc

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/providers"
)

// chatRequest reads a chat. The label has been joined and checked before.
func chatRequest(req *pb.ChatRequest, l label.Label) (orchestrator.ChatRequest, error) {
	out := orchestrator.ChatRequest{Model: req.GetModel()}
	var err error
	if out.Limits, err = limits(l, req.GetTimeout(), req.GetBudget(), req.GetSession()); err != nil {
		return out, err
	}
	if out.Request.Messages, err = messages(req.GetMessages()); err != nil {
		return out, err
	}
	if out.Request.Tools, out.Request.ToolChoice, err = tools(req.GetTools(), req.GetToolChoice()); err != nil {
		return out, err
	}
	if out.Request.Format, err = format(req.GetResponseFormat()); err != nil {
		return out, err
	}
	sampling(req.GetSampling(), &out.Request)
	return out, nil
}

// runRequest reads a run. The label has been joined and checked before.
func runRequest(req *pb.RunRequest, l label.Label) (orchestrator.RunRequest, error) {
	out := orchestrator.RunRequest{Chain: req.GetChain()}
	var err error
	if out.Limits, err = limits(l, req.GetTimeout(), req.GetBudget(), req.GetSession()); err != nil {
		return out, err
	}
	out.Input, err = fields("input", req.GetInput())
	return out, err
}

// limits reads what bounds a run from outside.
func limits(l label.Label, timeout *durationpb.Duration, budget *pb.Money, session string) (orchestrator.Limits, error) {
	out := orchestrator.Limits{Label: l, Session: session}
	if timeout != nil {
		out.Timeout = timeout.AsDuration()
		if out.Timeout < time.Millisecond {
			return out, invalid("timeout", "it is shorter than a millisecond")
		}
	}
	if budget != nil {
		if budget.GetNanoUsd() < 0 {
			return out, invalid("budget.nano_usd", "it is negative")
		}
		out.Budget, out.Limited = providers.Money(budget.GetNanoUsd()), true
	}
	return out, nil
}

// sampling reads the knobs. What was not set stays nil.
func sampling(s *pb.Sampling, into *providers.Request) {
	if s == nil {
		return
	}
	if s.MaxTokens != nil {
		n := int(s.GetMaxTokens())
		into.MaxTokens = &n
	}
	into.Temperature, into.TopP, into.Seed = s.Temperature, s.TopP, s.Seed
	into.Stop = s.GetStop()
}
