package rpc

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/internal/fault"
	"fairlead/orchestrator"
	"fairlead/orchestrator/traffic"
)

// Traffic decides which version of targets callers get. Errors are *fault.Error.
type Traffic interface {
	// Rollback sends every caller of a target back to its stable version. by says who decides.
	Rollback(ctx context.Context, by, target, reason string) (traffic.Decision, error)
	// Resume takes a rollback back.
	Resume(ctx context.Context, by, target, reason string) (traffic.Decision, error)
	// Log gives the newest decisions, at most limit, the newest first; of all targets where none is named.
	Log(ctx context.Context, target string, limit int) ([]traffic.Decision, error)
	// InForce gives the rollback of a target; false where there is none.
	InForce(target string) (traffic.Decision, bool)
}

var _ Traffic = (*traffic.Switch)(nil)

// defaultRollbacks is how many decisions are listed where nothing is said.
const defaultRollbacks = 100

// decider gives who decides about traffic, as TENANT/NAME.
func (s *modelService) decider(ctx context.Context) (string, error) {
	if s.traffic == nil {
		return "", fault.New(fault.Unimplemented, fault.ReasonUnsupported, "this server keeps no decisions about traffic")
	}
	p, err := principal(ctx)
	return p.Tenant + "/" + p.Name, err
}

// RollbackModel sends every caller of a target back to its stable version.
func (s *modelService) RollbackModel(ctx context.Context, req *pb.RollbackModelRequest) (*pb.RollbackModelResponse, error) {
	by, err := s.decider(ctx)
	if err != nil {
		return nil, err
	}
	d, err := s.traffic.Rollback(ctx, by, req.GetTarget(), req.GetReason())
	if err != nil {
		return nil, err
	}
	return &pb.RollbackModelResponse{Rollback: rollbackMessage(&d)}, nil
}

// ResumeModel takes a rollback back.
func (s *modelService) ResumeModel(ctx context.Context, req *pb.ResumeModelRequest) (*pb.ResumeModelResponse, error) {
	by, err := s.decider(ctx)
	if err != nil {
		return nil, err
	}
	d, err := s.traffic.Resume(ctx, by, req.GetTarget(), req.GetReason())
	if err != nil {
		return nil, err
	}
	return &pb.ResumeModelResponse{Rollback: rollbackMessage(&d)}, nil
}

// ListRollbacks lists what was decided about traffic, the newest first.
func (s *modelService) ListRollbacks(ctx context.Context, req *pb.ListRollbacksRequest) (*pb.ListRollbacksResponse, error) {
	if _, err := s.decider(ctx); err != nil {
		return nil, err
	}
	limit := int(req.GetLimit())
	if limit == 0 {
		limit = defaultRollbacks
	}
	list, err := s.traffic.Log(ctx, req.GetTarget(), limit)
	if err != nil {
		return nil, err
	}
	out := &pb.ListRollbacksResponse{}
	for i := range list {
		out.Rollbacks = append(out.Rollbacks, rollbackMessage(&list[i]))
	}
	return out, nil
}

// trafficMessage gives the traffic of a target on the wire; nil where all callers get one version and nothing is asked
// beside it.
func (s *modelService) trafficMessage(target string, t orchestrator.Traffic) *pb.Traffic {
	if t.Canary == "" && t.Shadow == "" {
		return nil
	}
	out := &pb.Traffic{Canary: t.Canary, Percent: t.Percent, Shadow: t.Shadow, ShadowPercent: t.ShadowPercent}
	if s.traffic != nil {
		if d, ok := s.traffic.InForce(target); ok {
			out.Rollback = rollbackMessage(&d)
		}
	}
	if c := t.Compared; t.Shadow != "" {
		out.Comparison = &pb.ShadowComparison{Compared: c.Compared, Agreed: c.Agreed, Failed: c.Failed, Dropped: c.Dropped}
		if c.Compared > 0 {
			out.Comparison.Likeness = &c.Likeness
		}
	}
	return out
}

func rollbackMessage(d *traffic.Decision) *pb.Rollback {
	return &pb.Rollback{Target: d.Target, RolledBack: d.RolledBack, By: validText(d.By), Reason: validText(d.Reason), At: timestamppb.New(d.At)}
}
