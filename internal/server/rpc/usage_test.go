package rpc_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/auth"
	"fairlead/internal/auth/tenants"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/server"
	"fairlead/internal/server/rpc"
	"fairlead/internal/testdb"
	"fairlead/orchestrator/usage"
	"fairlead/providers"
)

func spent(tenant, run, target string, at time.Time) usage.Record {
	return usage.Record{Tenant: tenant, Key: "k", RunID: run, Step: "chat", Attempt: 1, Time: at, Target: target, Backend: "b", Model: "m",
		Usage: providers.Usage{Input: 10, CachedInput: 1, Output: 3, Reasoning: 2, Estimated: true}, Cost: 7, CostKnown: true, Duration: time.Second, Failed: "canceled"}
}

func TestUsageOverTheWire(t *testing.T) {
	store := testdb.SQLite(t)
	for _, name := range []string{"acme", "umbrella"} {
		if err := store.TenantInsert(t.Context(), tenants.Tenant{Name: name}); err != nil {
			t.Fatal(fault.Cause(err))
		}
	}
	today := usage.DayOf(time.Now())
	free := spent("acme", "free", "mystery", today)
	free.Cost, free.CostKnown, free.Usage, free.Failed = 0, false, providers.Usage{Input: 5}, ""
	if err := store.UsageAppend(t.Context(), []usage.Record{
		spent("acme", "a", "big", today), spent("acme", "b", "big", today.AddDate(0, 0, -30)), spent("acme", "c", "small", today.AddDate(0, 0, -31)), free,
		spent("umbrella", "a", "other", time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)),
	}); err != nil {
		t.Fatal(fault.Cause(err))
	}
	callers := map[string]auth.Principal{
		"admin":    {Tenant: "acme", Name: "boss", Ceiling: label.Internal, Scopes: auth.Admin},
		"operator": {Tenant: "ops", Name: "op", Ceiling: label.Internal, Scopes: auth.AllScopes},
		"nobody":   {Tenant: "acme", Name: "bot", Ceiling: label.Internal, Scopes: auth.Chat},
	}
	r := echo()
	f := startWith(t, rpc.Config{Runner: r, Router: r, Usage: store, Tenants: store}, func(c *server.Config) {
		c.Authenticate = func(r *http.Request) (auth.Principal, error) { return callers[r.Header.Get("Who")], nil }
	})
	api := fairleadv1connect.NewAdminServiceClient(client(t, true), f.url)
	as := func(who string) context.Context { return withHeader(t.Context(), "Who", who) }

	// Thirty days and today are in it, and what is before them is not.
	got, err := api.Usage(as("admin"), &pb.UsageRequest{By: []pb.UsageRequest_Dimension{pb.UsageRequest_DIMENSION_TARGET}})
	if err != nil {
		t.Fatal(err)
	}
	want := &pb.UsageResponse{Sums: []*pb.UsageSum{
		{Target: "big", Attempts: 2, Failed: 2, Usage: &pb.Usage{InputTokens: 20, CachedInputTokens: 2, OutputTokens: 6, ReasoningTokens: 4, Estimated: true},
			Cost: &pb.Money{NanoUsd: 14}, Estimated: 2, Duration: durationpb.New(2 * time.Second)},
		{Target: "mystery", Attempts: 1, Usage: &pb.Usage{InputTokens: 5}, Cost: &pb.Money{}, Unpriced: 1, Duration: durationpb.New(time.Second)},
	}}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, c := range map[string]struct {
		who  string
		req  *pb.UsageRequest
		want string
	}{
		"the own tenant, by name": {"admin", &pb.UsageRequest{Tenant: "acme"}, "  3"},
		"one day":                 {"admin", &pb.UsageRequest{From: today.Format(time.DateOnly), Until: today.Format(time.DateOnly), By: []pb.UsageRequest_Dimension{pb.UsageRequest_DIMENSION_DAY}}, " " + today.Format(time.DateOnly) + " 2"},
		"from a day on":           {"admin", &pb.UsageRequest{From: today.AddDate(0, 0, -31).Format(time.DateOnly)}, "  4"},
		"until a day":             {"operator", &pb.UsageRequest{Tenant: "umbrella", Until: "2026-03-31", By: []pb.UsageRequest_Dimension{pb.UsageRequest_DIMENSION_KEY, pb.UsageRequest_DIMENSION_DAY}}, "k 2026-03-01 1"},
		"nothing":                 {"operator", &pb.UsageRequest{}, "  0"},
	} {
		got, err := api.Usage(as(c.who), c.req)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text := ""
		for _, s := range got.GetSums() {
			text += fmt.Sprintf("%s %s %d", s.GetKey(), s.GetDay(), s.GetAttempts())
		}
		if text != c.want {
			t.Errorf("%s: %q, want %q", name, text, c.want)
		}
	}
	for name, c := range map[string]struct {
		who    string
		req    *pb.UsageRequest
		code   connect.Code
		reason fault.Reason
	}{
		"another tenant":           {"admin", &pb.UsageRequest{Tenant: "umbrella"}, connect.CodeNotFound, fault.ReasonUnknownTenant},
		"a tenant that is none":    {"operator", &pb.UsageRequest{Tenant: "none"}, connect.CodeNotFound, fault.ReasonUnknownTenant},
		"without the scope":        {"nobody", &pb.UsageRequest{}, connect.CodePermissionDenied, fault.ReasonNotAllowed},
		"days backwards":           {"admin", &pb.UsageRequest{From: "2026-03-02", Until: "2026-03-01"}, connect.CodeInvalidArgument, fault.ReasonBadRequest},
		"no such day":              {"admin", &pb.UsageRequest{From: "2026-02-30"}, connect.CodeInvalidArgument, fault.ReasonBadRequest},
		"no day":                   {"admin", &pb.UsageRequest{Until: "today"}, connect.CodeInvalidArgument, fault.ReasonBadRequest},
		"the year 0":               {"admin", &pb.UsageRequest{Until: "0000-01-01"}, connect.CodeInvalidArgument, fault.ReasonBadRequest},
		"the last day of all days": {"admin", &pb.UsageRequest{Until: "9999-12-31"}, connect.CodeInvalidArgument, fault.ReasonBadRequest},
		"a dimension twice":        {"admin", &pb.UsageRequest{By: []pb.UsageRequest_Dimension{1, 1}}, connect.CodeInvalidArgument, fault.ReasonBadRequest},
		"an unknown dimension":     {"admin", &pb.UsageRequest{By: []pb.UsageRequest_Dimension{9}}, connect.CodeInvalidArgument, fault.ReasonBadRequest},
	} {
		_, err := api.Usage(as(c.who), c.req)
		wantCode(t, name, err, c.code, c.reason)
	}
}

// manySums gives more sums than an answer holds.
type manySums struct{}

func (manySums) UsageSum(context.Context, string, usage.Query) ([]usage.Sum, error) {
	return make([]usage.Sum, 10_001), nil
}

func TestTooManySumsAreRefused(t *testing.T) {
	r := echo()
	f := startWith(t, rpc.Config{Runner: r, Router: r, Usage: manySums{}}, func(*server.Config) {})
	_, err := fairleadv1connect.NewAdminServiceClient(client(t, true), f.url).Usage(t.Context(), &pb.UsageRequest{})
	wantCode(t, "too many", err, connect.CodeInvalidArgument, fault.ReasonTooLarge)
}
