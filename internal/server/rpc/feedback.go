package rpc

import (
	"context"
	"math"
	"time"

	"connectrpc.com/connect"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/orchestrator/feedback"
	"fairlead/orchestrator/record"
)

// Feedback takes what callers say of answers. Errors are *fault.Error.
type Feedback interface {
	Give(context.Context, auth.Principal, feedback.Given) (*feedback.Feedback, error)
}

// Outcomes gives the decisions that something was said of. Errors are *fault.Error.
type Outcomes interface {
	RatedSince(ctx context.Context, tenant string, since time.Time, yield func(d *record.Decision, score float64, voices int) error) error
}

// Feedback scores an answer.
func (s *runService) Feedback(ctx context.Context, req *pb.FeedbackRequest) (*pb.FeedbackResponse, error) {
	p, err := principal(ctx)
	if err != nil {
		return nil, err
	}
	f, err := s.feedback.Give(ctx, p, feedback.Given{RunID: req.GetRunId(), Step: req.GetStep(), Score: req.GetScore(), Reason: req.GetReason()})
	if err != nil {
		return nil, err
	}
	return &pb.FeedbackResponse{Target: f.Target, Step: f.Step}, nil
}

// ExportOutcomes streams the answers that were scored.
func (s *adminService) ExportOutcomes(ctx context.Context, req *pb.ExportOutcomesRequest, stream *connect.ServerStream[pb.ExportOutcomesResponse]) error {
	if s.outcomes == nil {
		return fault.New(fault.Unimplemented, fault.ReasonUnsupported, "this server keeps no decisions")
	}
	_, tenant, err := s.tenantOf(ctx, req.GetTenant())
	if err != nil {
		return err
	}
	var since time.Time
	if req.GetSince() != nil {
		since = time.Now().Add(-req.GetSince().AsDuration())
	}
	without := int64(0)
	err = s.outcomes.RatedSince(ctx, tenant, since, func(d *record.Decision, score float64, voices int) error {
		if len(d.Features) == 0 || d.Chosen == "" {
			without++
			return nil
		}
		group := d.Chain
		if group == "" {
			group = "chat"
		}
		err := stream.Send(&pb.ExportOutcomesResponse{Outcome: &pb.Outcome{
			Features: d.Features, Target: validText(d.Chosen), Score: score, Group: validText(group), Voices: int32(min(voices, math.MaxInt32)),
		}})
		if err != nil {
			return fault.Wrap(err, fault.Canceled, fault.ReasonCanceled, "sending to the caller failed: it left, or it stopped reading")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return stream.Send(&pb.ExportOutcomesResponse{WithoutFeatures: without})
}
