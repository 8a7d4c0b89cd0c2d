package rpc

import (
	"time"

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
		Summary:      validText(p.Summary()),
		Relaxed:      p.Relaxed,
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
		Detail:   validText(r.Detail()),
		Rank:     clamp32(r.Rank),
	}
	if t := r.Target; t != nil {
		out.Target, out.Backend, out.Model, out.Clearance = t.Name, t.Backend, t.Model, labelMessage(t.Clearance)
		if q := r.Quality(); q >= 0 {
			out.Quality = &q
		}
		if e := r.Estimate; e != nil {
			out.QualityEstimate = &pb.QualityEstimate{Low: e.Low, High: e.High, Source: e.Source}
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
func targetMessage(c *routing.Candidate) *pb.Target {
	t := c.Target
	out := &pb.Target{
		State:         stateMessage(&c.State, time.Now()),
		Name:          t.Name,
		Backend:       t.Backend,
		Kind:          t.Kind,
		Model:         t.Model,
		Does:          t.Does.Names(),
		ContextWindow: int64(t.Context),
		Clearance:     labelMessage(t.Clearance),
		Origin:        t.Origin,
		VariantOf:     t.Of,
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
			PerImage:              p.PerImage,
			GpuHour:               p.GPUHour,
		}
	}
	return out
}

// stateMessage gives what was seen of a target; nil when nobody looked.
func stateMessage(s *routing.State, now time.Time) *pb.TargetState {
	l := s.Live
	if l == nil {
		return nil
	}
	out := &pb.TargetState{Health: "ready", InFlight: int32(l.InFlight), CostLastMinute: &pb.Money{NanoUsd: int64(l.CostMinute)}, Attempts: l.Attempts, ErrorRate: l.ErrorRate}
	switch wait := s.PausedUntil.Sub(now); {
	case s.OpenFor > 0:
		out.Health, out.RetryAfterMs = "open", millis(s.OpenFor)
	case s.NotReady != "":
		out.Health, out.RetryAfterMs = "not_ready", millis(s.NotReadyFor)
	case wait > 0:
		out.Health, out.RetryAfterMs = "paused", millis(wait)
	}
	if l.TTFT50 > 0 {
		p50, p95 := millis(l.TTFT50), millis(l.TTFT95)
		out.TtftP50Ms, out.TtftP95Ms = &p50, &p95
	}
	if l.PerToken50 > 0 {
		rate := float64(time.Second) / float64(l.PerToken50)
		out.TokensPerSecond = &rate
	}
	out.Detail, out.Version, out.Load = validText(l.Detail), validText(l.Version), loadMessage(l.Load)
	if l.Answered {
		out.BackendReady = &l.Ready
	}
	if l.LoadTime > 0 {
		ms := millis(l.LoadTime)
		out.LoadMs = &ms
	}
	return out
}
