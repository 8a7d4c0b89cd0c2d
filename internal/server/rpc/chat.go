package rpc

import (
	"context"

	"connectrpc.com/connect"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/orchestrator"
	"fairlead/orchestrator/chain"
)

// chatService serves fairlead.v1.ChatService.
type chatService struct{ runner Runner }

var _ fairleadv1connect.ChatServiceHandler = (*chatService)(nil)

// Chat answers a conversation.
func (s *chatService) Chat(ctx context.Context, req *pb.ChatRequest, stream *connect.ServerStream[pb.ChatResponse]) error {
	p, l, err := admit(ctx, req.GetLabel())
	if err != nil {
		return err
	}
	chat, err := chatRequest(req, l)
	if err != nil {
		return err
	}
	var response pb.ChatResponse
	return send(ctx, s.runner.Chat(ctx, p, chat), stream, func(ev *pb.Event) *pb.ChatResponse {
		response.Event = ev
		return &response
	})
}

// runService serves fairlead.v1.RunService.
type runService struct {
	runner   Runner
	feedback Feedback
}

var _ fairleadv1connect.RunServiceHandler = (*runService)(nil)

// Run runs a chain.
func (s *runService) Run(ctx context.Context, req *pb.RunRequest, stream *connect.ServerStream[pb.RunResponse]) error {
	p, l, err := admit(ctx, req.GetLabel())
	if err != nil {
		return err
	}
	run, err := runRequest(req, l)
	if err != nil {
		return err
	}
	var response pb.RunResponse
	return send(ctx, s.runner.Run(ctx, p, run), stream, func(ev *pb.Event) *pb.RunResponse {
		response.Event = ev
		return &response
	})
}

// ListChains tells which chains the caller may run.
func (s *runService) ListChains(ctx context.Context, _ *pb.ListChainsRequest) (*pb.ListChainsResponse, error) {
	p, err := principal(ctx)
	if err != nil {
		return nil, err
	}
	out := &pb.ListChainsResponse{}
	for _, c := range s.runner.Chains() {
		if !orchestrator.MayName(&p, "chain/"+c.Name) {
			continue
		}
		out.Chains = append(out.Chains, chainMessage(c))
	}
	return out, nil
}

func chainMessage(c *chain.Chain) *pb.Chain {
	out := &pb.Chain{Name: c.Name, Version: clamp32(c.Version), Description: validText(c.Description)}
	for _, in := range c.Inputs {
		out.Inputs = append(out.Inputs, &pb.ChainInput{Name: in.Name, Type: string(in.Type), Optional: in.Optional})
	}
	for _, step := range c.Steps {
		out.Steps = append(out.Steps, step.ID+": "+string(step.Kind))
	}
	return out
}

// routingService serves fairlead.v1.RoutingService.
type routingService struct{ router Router }

var _ fairleadv1connect.RoutingServiceHandler = (*routingService)(nil)

// ListTargets lists the targets and policies that the caller may use.
func (s *routingService) ListTargets(ctx context.Context, _ *pb.ListTargetsRequest) (*pb.ListTargetsResponse, error) {
	p, err := principal(ctx)
	if err != nil {
		return nil, err
	}
	out := &pb.ListTargetsResponse{}
	for _, name := range s.router.Policies() {
		if p.MayUsePolicy(name) {
			out.Policies = append(out.Policies, name)
		}
	}
	for _, c := range s.router.Targets() {
		if !p.MayUseModel(c.Target.Named()) {
			continue
		}
		out.Targets = append(out.Targets, targetMessage(&c))
	}
	return out, nil
}

// Explain decides about a chat and calls nothing.
func (s *routingService) Explain(ctx context.Context, req *pb.ExplainRequest) (*pb.ExplainResponse, error) {
	p, l, err := admit(ctx, req.GetChat().GetLabel())
	if err != nil {
		return nil, err
	}
	chat, err := chatRequest(req.GetChat(), l)
	if err != nil {
		return nil, err
	}
	plan, err := s.router.Explain(ctx, p, chat)
	if err != nil {
		return nil, err
	}
	return &pb.ExplainResponse{Plan: planMessage(plan)}, nil
}

var (
	_ Runner = (*orchestrator.Engine)(nil)
	_ Router = (*orchestrator.Engine)(nil)
)
