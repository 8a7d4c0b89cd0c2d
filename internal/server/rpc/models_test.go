package rpc_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/server"
	"fairlead/internal/server/rpc"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// shelf is models in a list.
type shelf struct {
	list []orchestrator.Model
	// pulled is what a pull tells, and stopped the error that ended one.
	pulled  []providers.Pulled
	stopped chan error
}

func (s *shelf) Models(_ context.Context, may func(*routing.Target) bool) (out []orchestrator.Model) {
	for _, m := range s.list {
		if may(m.Target) {
			out = append(out, m)
		}
	}
	return out
}

func (s *shelf) WarmModel(_ context.Context, target string) (time.Duration, error) {
	if target == "broken" {
		return 0, fault.New(fault.Unimplemented, fault.ReasonUnsupported, "target broken: its backend b does not load models")
	}
	return 1500 * time.Millisecond, nil
}

func (s *shelf) PullModel(ctx context.Context, _ string, told func(providers.Pulled) error) error {
	for _, p := range s.pulled {
		if err := told(p); err != nil {
			return err
		}
	}
	if s.stopped != nil {
		<-ctx.Done()
		s.stopped <- ctx.Err()
		return ctx.Err()
	}
	return nil
}

func (s *shelf) Traffic(target string) (orchestrator.Traffic, bool) {
	if target != "new" {
		return orchestrator.Traffic{}, false
	}
	return orchestrator.Traffic{Canary: "new@canary", Percent: 5}, true
}

// only lets a caller use some models.
func only(names ...string) func(*server.Config) {
	return func(c *server.Config) {
		c.Authenticate = func(*http.Request) (auth.Principal, error) {
			return auth.Principal{Tenant: "a", Name: "n", Ceiling: label.Restricted, Scopes: auth.AllScopes, Models: names}, nil
		}
	}
}

func models(t *testing.T, s *shelf, configure ...func(*server.Config)) fairleadv1connect.ModelServiceClient {
	r := echo()
	f := startWith(t, rpc.Config{Runner: r, Router: r, Models: s}, configure...)
	return fairleadv1connect.NewModelServiceClient(client(t, false), f.url)
}

func TestModels(t *testing.T) {
	s := &shelf{list: []orchestrator.Model{
		{Target: &routing.Target{Name: "new", Backend: "b", Kind: "tfserving", Model: "m", Version: "stable"}, Asked: true, Ready: true,
			Versions: []providers.ModelVersion{
				{Version: "2", Labels: []string{"stable"}, State: providers.ModelReady, Bytes: 7, Expires: when},
				{Version: "3", State: providers.ModelBroken, Detail: "no\xff good"},
			},
			Load: &providers.Load{Running: 1, Waiting: 2, Cache: 0.5, CacheKnown: true, At: when}, LoadTime: 2 * time.Second},
		{Target: &routing.Target{Name: "new@canary", Of: "new"}},
		{Target: &routing.Target{Name: "other"}, Asked: true, Detail: "its backend did not answer in time"},
	}}
	c := models(t, s, only("new"))
	got, err := c.ListModels(t.Context(), &pb.ListModelsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	yes, half, ms := true, 0.5, 2000.0
	want := []*pb.TargetModel{
		{Target: "new", Backend: "b", Kind: "tfserving", Model: "m", Version: "stable", Ready: &yes, LoadMs: &ms,
			Versions: []*pb.ModelVersion{
				{Version: "2", Labels: []string{"stable"}, State: pb.ModelState_MODEL_STATE_READY, Bytes: 7, ExpiresAt: timestamppb.New(when)},
				{Version: "3", State: pb.ModelState_MODEL_STATE_BROKEN, Detail: "no\uFFFD good"},
			},
			Load:    &pb.BackendLoad{Running: 1, Waiting: 2, CacheUsed: &half, At: timestamppb.New(when)},
			Traffic: &pb.Traffic{Canary: "new@canary", Percent: 5}},
		{Target: "new@canary"},
	}
	if diff := cmp.Diff(want, got.GetModels(), protocmp.Transform()); diff != "" {
		t.Errorf("models (-want +got):\n%s", diff)
	}
	for _, name := range []string{"other", "nobody"} { // one that it may not use is as one that is not there
		_, listed := c.ListModels(t.Context(), &pb.ListModelsRequest{Target: name})
		_, warmed := c.WarmModel(t.Context(), &pb.WarmModelRequest{Target: name})
		for _, err := range []error{listed, warmed} {
			if code, info := outcome(t, err); code != connect.CodeNotFound || info.GetReason() != string(fault.ReasonUnknownTarget) || !strings.Contains(err.Error(), `there is no target "`+name+`"`) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if got, err := models(t, s).ListModels(t.Context(), &pb.ListModelsRequest{Target: "other"}); err != nil || len(got.GetModels()) != 1 ||
		got.GetModels()[0].Ready == nil || got.GetModels()[0].GetReady() || got.GetModels()[0].GetDetail() == "" {
		t.Errorf("one that does not answer: %v, %v", got, err)
	}
	for _, name := range []string{"new", "new@canary"} {
		if got, err := c.WarmModel(t.Context(), &pb.WarmModelRequest{Target: name}); err != nil || got.GetLoadMs() != 1500 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if _, err := models(t, s).WarmModel(t.Context(), &pb.WarmModelRequest{Target: "broken"}); connect.CodeOf(err) != connect.CodeUnimplemented {
		t.Errorf("broken: %v", err)
	}
}

func TestPull(t *testing.T) {
	s := &shelf{pulled: []providers.Pulled{{Status: "looking"}, {Status: "fetching", Done: 1, Total: 3}, {Status: "fetching", Done: 2, Total: 3}, {Status: "fetching", Done: 3, Total: 3}}}
	stream, err := models(t, s).PullModel(t.Context(), &pb.PullModelRequest{Target: "new"})
	if err != nil {
		t.Fatal(err)
	}
	var last *pb.PullModelResponse
	n := 0
	for stream.Receive() {
		last = &pb.PullModelResponse{Status: stream.Msg().GetStatus(), DoneBytes: stream.Msg().GetDoneBytes(), TotalBytes: stream.Msg().GetTotalBytes()}
		n++
	}
	if err := stream.Err(); err != nil || n < 3 || n > 4 || last.GetDoneBytes() != 3 || last.GetTotalBytes() != 3 || last.GetStatus() != "fetching" {
		t.Errorf("%d messages, the last %v: %v", n, last, err)
	}
	_ = stream.Close()

	// The caller leaves: the pull ends.
	s.stopped = make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	stream, err = models(t, s).PullModel(ctx, &pb.PullModelRequest{Target: "new"})
	if err != nil || !stream.Receive() {
		t.Fatal(err, stream.Err())
	}
	cancel()
	if err := <-s.stopped; err == nil {
		t.Error("it went on")
	}
	_ = stream.Close()
}
