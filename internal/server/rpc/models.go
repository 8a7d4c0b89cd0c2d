package rpc

import (
	"context"
	"time"

	"connectrpc.com/connect"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/fault"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// Models knows the models behind targets. Errors are *fault.Error.
type Models interface {
	// Models asks the backends of targets for their models. may says which targets.
	Models(ctx context.Context, may func(*routing.Target) bool) []orchestrator.Model
	// WarmModel has a target's model loaded, and gives how long that took.
	WarmModel(ctx context.Context, target string) (time.Duration, error)
	// PullModel has a target's backend fetch its model, and tells how far it is. An error of told ends it.
	PullModel(ctx context.Context, target string, told func(providers.Pulled) error) error
	// Traffic says which callers get which version of a target; false where there is no such target.
	Traffic(target string) (orchestrator.Traffic, bool)
}

var _ Models = (*orchestrator.Engine)(nil)

// modelService serves fairlead.v1.ModelService. What a caller may not use is answered as unknown.
type modelService struct {
	models Models
	// traffic may be nil: then nothing is rolled back.
	traffic Traffic
}

var _ fairleadv1connect.ModelServiceHandler = (*modelService)(nil)

// ListModels asks the backends of targets for their models.
func (s *modelService) ListModels(ctx context.Context, req *pb.ListModelsRequest) (*pb.ListModelsResponse, error) {
	p, err := principal(ctx)
	if err != nil {
		return nil, err
	}
	name := req.GetTarget()
	list := s.models.Models(ctx, func(t *routing.Target) bool {
		return p.MayUseModel(t.Named()) && (name == "" || name == t.Name || name == t.Named())
	})
	if name != "" && len(list) == 0 {
		return nil, unknownTarget(name)
	}
	out := &pb.ListModelsResponse{Models: make([]*pb.TargetModel, len(list))}
	for i := range list {
		out.Models[i] = s.modelMessage(&list[i])
	}
	return out, nil
}

// WarmModel has a target's model loaded before it is called.
func (s *modelService) WarmModel(ctx context.Context, req *pb.WarmModelRequest) (*pb.WarmModelResponse, error) {
	if err := mayReady(ctx, req.GetTarget()); err != nil {
		return nil, err
	}
	took, err := s.models.WarmModel(ctx, req.GetTarget())
	if err != nil {
		return nil, late(ctx, err)
	}
	return &pb.WarmModelResponse{LoadMs: millis(took)}, nil
}

// PullModel has a backend fetch a target's model. When the caller leaves, it stops.
func (s *modelService) PullModel(ctx context.Context, req *pb.PullModelRequest, stream *connect.ServerStream[pb.PullModelResponse]) error {
	if err := mayReady(ctx, req.GetTarget()); err != nil {
		return err
	}
	var last time.Time
	var status string
	err := s.models.PullModel(ctx, req.GetTarget(), func(p providers.Pulled) error {
		if p.Status == status && p.Done < p.Total && time.Since(last) < tellEvery {
			return nil
		}
		last, status = time.Now(), p.Status
		err := stream.Send(&pb.PullModelResponse{Status: validText(p.Status), DoneBytes: max(p.Done, 0), TotalBytes: max(p.Total, 0)})
		if err != nil {
			return fault.Wrap(err, fault.Canceled, fault.ReasonCanceled, "sending to the caller failed: it left, or it stopped reading")
		}
		return nil
	})
	if err != nil {
		return late(ctx, err)
	}
	return nil
}

// mayReady says whether the caller may ready a target's model.
func mayReady(ctx context.Context, target string) error {
	p, err := principal(ctx)
	if err != nil {
		return err
	}
	t := routing.Target{Name: target}
	if of, ok := orchestrator.VariantOf(target); ok {
		t.Of = of
	}
	if !p.MayUseModel(t.Named()) {
		return unknownTarget(target)
	}
	return nil
}

func unknownTarget(name string) error {
	return fault.New(fault.NotFound, fault.ReasonUnknownTarget, "there is no target %q", name)
}

// modelMessage gives a model on the wire.
func (s *modelService) modelMessage(m *orchestrator.Model) *pb.TargetModel {
	t := m.Target
	out := &pb.TargetModel{
		Target: t.Name, Backend: t.Backend, Kind: t.Kind, Model: validText(t.Model), Version: validText(t.Version),
		Detail: validText(m.Detail), Load: loadMessage(m.Load),
	}
	if m.Asked {
		out.Ready = &m.Ready
	}
	if m.LoadTime > 0 {
		ms := millis(m.LoadTime)
		out.LoadMs = &ms
	}
	for _, v := range m.Versions {
		out.Versions = append(out.Versions, &pb.ModelVersion{
			Version: validText(v.Version), Labels: validTexts(v.Labels), State: modelStates[v.State], Detail: validText(v.Detail), Bytes: max(v.Bytes, 0),
			ExpiresAt: timeMessage(v.Expires),
		})
	}
	if traffic, ok := s.models.Traffic(t.Name); ok {
		out.Traffic = s.trafficMessage(t.Name, traffic)
	}
	return out
}

var modelStates = map[providers.ModelState]pb.ModelState{
	providers.ModelLoading:   pb.ModelState_MODEL_STATE_LOADING,
	providers.ModelReady:     pb.ModelState_MODEL_STATE_READY,
	providers.ModelUnloading: pb.ModelState_MODEL_STATE_UNLOADING,
	providers.ModelAbsent:    pb.ModelState_MODEL_STATE_ABSENT,
	providers.ModelBroken:    pb.ModelState_MODEL_STATE_BROKEN,
}

// loadMessage gives how busy a backend says it is.
func loadMessage(l *providers.Load) *pb.BackendLoad {
	if l == nil {
		return nil
	}
	out := &pb.BackendLoad{Running: int64(max(l.Running, 0)), Waiting: int64(max(l.Waiting, 0)), At: timeMessage(l.At)}
	if l.CacheKnown {
		out.CacheUsed = &l.Cache
	}
	return out
}
