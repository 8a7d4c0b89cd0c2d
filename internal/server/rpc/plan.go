package rpc

import (
	pb "fairlead/gen/fairlead/v1"
	"fairlead/orchestrator/routing"
)

// planMessage gives a plan on the wire.
func planMessage(p *routing.Plan) *pb.Plan {
	if p == nil {
		return nil
	}
	out := &pb.Plan{
		Policy:       p.Policy,
		Candidates:   make([]*pb.Candidate, len(p.Records)),
		Label:        labelMessage(p.Label),
		PromptTokens: int64(p.PromptTokens),
		OutputTokens: int64(p.OutputTokens),
		Needs:        p.Needs.Names(),
		Summary:      validText(p.Summary),
	}
	for i := range p.Records {
		out.Candidates[i] = candidateMessage(&p.Records[i])
	}
	return out
}

// candidateMessage gives what was decided about one target. What is unknown stays unset: it is not zero.
func candidateMessage(r *routing.Record) *pb.Candidate {
	out := &pb.Candidate{
		Eligible: r.Reason == routing.In,
		Reason:   string(r.Reason),
		Detail:   validText(r.Detail),
		Rank:     clamp32(r.Rank),
	}
	if t := r.Target; t != nil {
		out.Target, out.Backend, out.Model, out.Clearance = t.Name, t.Backend, t.Model, labelMessage(t.Clearance)
		if t.Quality >= 0 {
			out.Quality = &t.Quality
		}
	}
	if r.Scored {
		out.Score = &r.Score
	}
	if r.CostKnown {
		out.PredictedCost = moneyMessage(r.Cost)
	}
	if r.TTFT > 0 {
		ms := millis(r.TTFT)
		out.PredictedTtftMs = &ms
	}
	if r.Latency > 0 {
		ms := millis(r.Latency)
		out.PredictedLatencyMs = &ms
	}
	return out
}

// targetMessage gives a target on the wire.
func targetMessage(t *routing.Target) *pb.Target {
	out := &pb.Target{
		Name:          t.Name,
		Backend:       t.Backend,
		Kind:          t.Kind,
		Model:         t.Model,
		Does:          t.Does.Names(),
		ContextWindow: int64(t.Context),
		Clearance:     labelMessage(t.Clearance),
		Origin:        t.Origin,
	}
	if t.Quality >= 0 {
		out.Quality = &t.Quality
	}
	if p := t.Price; p != nil {
		out.Price = &pb.Price{
			InputPerMillion:       p.Input,
			CachedInputPerMillion: p.CachedInput,
			OutputPerMillion:      p.Output,
			PerCall:               p.PerCall,
		}
	}
	return out
}
