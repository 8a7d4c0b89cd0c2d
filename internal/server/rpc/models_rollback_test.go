package rpc_test

import (
	"net/http"
	"testing"

	"connectrpc.com/connect"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/server"
	"fairlead/internal/server/rpc"
	"fairlead/internal/testdb"
	"fairlead/orchestrator/traffic"
)

// versions is an engine of one target with a canary, as far as traffic goes.
type versions struct {
	*shelf
	rolled []string
}

func (v *versions) SetTraffic(rolled []string) { v.rolled = rolled }
func (*versions) Canaries() []string           { return []string{"triage"} }
func (*versions) HasTarget(name string) bool   { return name == "triage" || name == "plain" }

func TestRollbacksOverTheWire(t *testing.T) {
	v := &versions{shelf: &shelf{}}
	sw, err := traffic.New(t.Context(), testdb.SQLite(t), v, traffic.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sw.Close() })
	r := echo()
	callers := map[string]auth.Principal{
		"operator": {Tenant: "ops", Name: "op", Ceiling: label.Restricted, Scopes: auth.Operator},
		"admin":    {Tenant: "acme", Name: "boss", Ceiling: label.Restricted, Scopes: auth.AllScopes &^ auth.Operator},
	}
	f := startWith(t, rpc.Config{Runner: r, Router: r, Models: v, Traffic: sw}, func(c *server.Config) {
		c.Authenticate = func(r *http.Request) (auth.Principal, error) { return callers[r.Header.Get("Who")], nil }
	})
	c := fairleadv1connect.NewModelServiceClient(client(t, true), f.url)
	ctx := withHeader(t.Context(), "Who", "operator")
	done, err := c.RollbackModel(ctx, &pb.RollbackModelRequest{Target: "triage", Reason: "ü\n"})
	if err != nil {
		t.Fatal(err)
	}
	if d := done.GetRollback(); d.GetTarget() != "triage" || !d.GetRolledBack() || d.GetBy() != "ops/op" || d.GetReason() != "ü\n" || d.GetAt().AsTime().IsZero() {
		t.Errorf("%v", d)
	}
	if len(v.rolled) != 1 || v.rolled[0] != "triage" {
		t.Errorf("rolled back: %v", v.rolled)
	}
	if _, err := c.ResumeModel(ctx, &pb.ResumeModelRequest{Target: "triage"}); err != nil || len(v.rolled) != 0 {
		t.Errorf("%v, rolled back: %v", err, v.rolled)
	}
	list, err := c.ListRollbacks(ctx, &pb.ListRollbacksRequest{})
	if err != nil || len(list.GetRollbacks()) != 2 || list.GetRollbacks()[0].GetRolledBack() || !list.GetRollbacks()[1].GetRolledBack() {
		t.Errorf("%v, %v", list, err)
	}
	if list, err = c.ListRollbacks(ctx, &pb.ListRollbacksRequest{Target: "triage", Limit: 1}); err != nil || len(list.GetRollbacks()) != 1 {
		t.Errorf("%v, %v", list, err)
	}

	_, err = c.RollbackModel(ctx, &pb.RollbackModelRequest{Target: "plain"})
	wantCode(t, "no canary", err, connect.CodeFailedPrecondition, fault.ReasonUnsupported)
	_, err = c.RollbackModel(ctx, &pb.RollbackModelRequest{Target: "none"})
	wantCode(t, "no target", err, connect.CodeNotFound, fault.ReasonUnknownTarget)
	_, err = c.ResumeModel(ctx, &pb.ResumeModelRequest{Target: "triage"})
	wantCode(t, "not rolled back", err, connect.CodeFailedPrecondition, fault.ReasonNotAllowed)
	_, err = c.RollbackModel(ctx, &pb.RollbackModelRequest{})
	wantCode(t, "no name", err, connect.CodeInvalidArgument, fault.ReasonBadRequest)
	_, err = c.ListRollbacks(ctx, &pb.ListRollbacksRequest{Limit: 1001})
	wantCode(t, "too many", err, connect.CodeInvalidArgument, fault.ReasonBadRequest)
	_, err = c.RollbackModel(withHeader(t.Context(), "Who", "admin"), &pb.RollbackModelRequest{Target: "triage"})
	wantCode(t, "without the scope", err, connect.CodePermissionDenied, fault.ReasonNotAllowed)
	if len(v.rolled) != 0 {
		t.Errorf("rolled back: %v", v.rolled)
	}
}

func TestWithoutTrafficNothingIsRolledBack(t *testing.T) {
	r := echo()
	f := startWith(t, rpc.Config{Runner: r, Router: r, Models: &versions{shelf: &shelf{}}})
	c := fairleadv1connect.NewModelServiceClient(client(t, false), f.url)
	_, err := c.RollbackModel(t.Context(), &pb.RollbackModelRequest{Target: "triage"})
	wantCode(t, "RollbackModel", err, connect.CodeUnimplemented, fault.ReasonUnsupported)
	_, err = c.ListRollbacks(t.Context(), &pb.ListRollbacksRequest{})
	wantCode(t, "ListRollbacks", err, connect.CodeUnimplemented, fault.ReasonUnsupported)
}
