package rpc

import (
	"context"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/auth"
	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/providers"
)

// Inference asks one target for what it answers in one piece. Errors are *fault.Error.
type Inference interface {
	Classify(context.Context, auth.Principal, orchestrator.ClassifyRequest) (*orchestrator.Classified, error)
	Embed(context.Context, auth.Principal, orchestrator.EmbedRequest) (*orchestrator.Embedded, error)
	Predict(context.Context, auth.Principal, orchestrator.PredictRequest) (*orchestrator.Predicted, error)
}

// inferenceService serves fairlead.v1.InferenceService.
type inferenceService struct{ inference Inference }

var _ fairleadv1connect.InferenceServiceHandler = (*inferenceService)(nil)

// Classify tells the classes of texts, records or pictures.
func (s *inferenceService) Classify(ctx context.Context, req *pb.ClassifyRequest) (*pb.ClassifyResponse, error) {
	p, bounds, err := admitted(ctx, req.GetLimits())
	if err != nil {
		return nil, err
	}
	switch texts, images := len(req.GetTexts()), len(req.GetImages()); {
	case texts > 0 && images > 0:
		return nil, invalid("images", "there are texts as well: send one of the two")
	case texts+images == 0:
		return nil, invalid("texts", "there is nothing to classify: send a text or an image at least")
	}
	got, err := s.inference.Classify(ctx, p, orchestrator.ClassifyRequest{Limits: bounds, Target: req.GetTarget(), Texts: req.GetTexts(),
		Images: req.GetImages(), NoCache: req.GetLimits().GetNoCache()})
	if err != nil {
		return nil, err
	}
	out := &pb.ClassifyResponse{Results: make([]*pb.Classes, len(got.Classes)), Answered: answered(got.Target, got.Model, got.Usage, got.Cost, got.CostKnown, got.Cached)}
	for i, list := range got.Classes {
		classes := make([]*pb.Class, len(list))
		for k, c := range list {
			classes[k] = &pb.Class{Name: validText(c.Name), Probability: c.Probability}
		}
		out.Results[i] = &pb.Classes{Classes: classes}
	}
	return out, nil
}

// Embed makes vectors of texts.
func (s *inferenceService) Embed(ctx context.Context, req *pb.EmbedRequest) (*pb.EmbedResponse, error) {
	p, bounds, err := admitted(ctx, req.GetLimits())
	if err != nil {
		return nil, err
	}
	got, err := s.inference.Embed(ctx, p, orchestrator.EmbedRequest{Limits: bounds, Model: req.GetTarget(), Texts: req.GetTexts(),
		Dimensions: int(req.GetDimensions()), NoCache: req.GetLimits().GetNoCache()})
	if err != nil {
		return nil, err
	}
	out := &pb.EmbedResponse{Vectors: make([]*pb.Vector, len(got.Vectors)), Answered: answered(got.Target, got.Model, got.Usage, got.Cost, got.CostKnown, got.Cached)}
	for i, v := range got.Vectors {
		out.Vectors[i] = &pb.Vector{Values: v}
	}
	return out, nil
}

// Predict runs a model over tensors.
func (s *inferenceService) Predict(ctx context.Context, req *pb.PredictRequest) (*pb.PredictResponse, error) {
	p, bounds, err := admitted(ctx, req.GetLimits())
	if err != nil {
		return nil, err
	}
	inputs, err := tensorsOf("inputs", req.GetInputs())
	if err != nil {
		return nil, err
	}
	got, err := s.inference.Predict(ctx, p, orchestrator.PredictRequest{Limits: bounds, Target: req.GetTarget(), Signature: req.GetSignature(),
		Inputs: inputs, Outputs: req.GetOutputs()})
	if err != nil {
		return nil, err
	}
	out := &pb.PredictResponse{Version: validText(got.Version), Outputs: make([]*pb.Tensor, len(got.Outputs)),
		Answered: answered(got.Target, got.Model, got.Usage, got.Cost, got.CostKnown, 0)}
	raw := wantsRaw(req.GetInputs())
	for i := range got.Outputs {
		if out.Outputs[i], err = tensorMessage(&got.Outputs[i], raw); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// admitted gives who is calling, and what bounds the call.
func admitted(ctx context.Context, l *pb.InferenceLimits) (auth.Principal, orchestrator.Limits, error) {
	var stated label.Label
	p, stated, err := admit(ctx, l.GetLabel())
	if err != nil {
		return p, orchestrator.Limits{}, err
	}
	bounds, err := limits(stated, l.GetTimeout(), l.GetBudget(), "")
	return p, bounds, err
}

// answered tells what answered, and what that took.
func answered(target, model string, u providers.Usage, cost providers.Money, known bool, cached int) *pb.Answered {
	out := &pb.Answered{Target: target, Model: validText(model), Usage: usageMessage(u), Cached: clamp32(cached)}
	if known {
		out.Cost = moneyMessage(cost)
	}
	return out
}

var _ Inference = (*orchestrator.Engine)(nil)
