package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
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
	"fairlead/orchestrator/feedback"
	"fairlead/orchestrator/record"
	"fairlead/orchestrator/routing/learned"
)

// judged is a decision of a run that a target answered, so long ago.
func judged(tenant, run, target string, ago time.Duration, features []byte) record.Decision {
	return record.Decision{RunID: run, Seq: 2, Time: time.Now().Add(-ago), Tenant: tenant, Step: "chat", Policy: "default", Label: label.Internal,
		Needs: []string{"chat"}, Outcome: record.OK, Chosen: target, Features: features}
}

func TestFeedbackOverTheWire(t *testing.T) {
	store := testdb.SQLite(t)
	for _, name := range []string{"acme", "umbrella"} {
		if err := store.TenantInsert(t.Context(), tenants.Tenant{Name: name}); err != nil {
			t.Fatal(fault.Cause(err))
		}
	}
	features := learned.Compact("Where is the parcel?")
	chained := judged("acme", "chained", "big", time.Hour, features)
	chained.Chain = "answer"
	for tenant, list := range map[string][]record.Decision{
		"acme":     {judged("acme", "old", "small", 48*time.Hour, features), chained, judged("acme", "bare", "small", time.Minute, nil)},
		"umbrella": {judged("umbrella", "theirs", "small", time.Minute, features)},
	} {
		if err := store.DecisionsAppend(t.Context(), tenant, list); err != nil {
			t.Fatal(fault.Cause(err))
		}
	}
	callers := map[string]auth.Principal{
		"ada":      {Tenant: "acme", Name: "ada", Ceiling: label.Internal, Scopes: auth.Chat},
		"bob":      {Tenant: "acme", Name: "bob", Ceiling: label.Internal, Scopes: auth.Chat},
		"eve":      {Tenant: "umbrella", Name: "eve", Ceiling: label.Internal, Scopes: auth.Chat | auth.Admin},
		"boss":     {Tenant: "acme", Name: "boss", Ceiling: label.Internal, Scopes: auth.Admin},
		"operator": {Tenant: "ops", Name: "op", Ceiling: label.Internal, Scopes: auth.AllScopes},
	}
	r := echo()
	f := startWith(t, rpc.Config{Runner: r, Router: r, Usage: store, Tenants: store, Outcomes: store, Feedback: feedback.New(store)}, func(c *server.Config) {
		c.Authenticate = func(r *http.Request) (auth.Principal, error) { return callers[r.Header.Get("Who")], nil }
	})
	run, admin := fairleadv1connect.NewRunServiceClient(client(t, true), f.url), fairleadv1connect.NewAdminServiceClient(client(t, true), f.url)
	as := func(who string) context.Context { return withHeader(t.Context(), "Who", who) }
	give := func(who, id, step, reason string, score *float64) (*pb.FeedbackResponse, error) {
		return run.Feedback(as(who), &pb.FeedbackRequest{RunId: id, Step: step, Score: score, Reason: reason})
	}
	mustGive := func(who, id string, score float64, want string) {
		t.Helper()
		got, err := give(who, id, "", "", &score)
		if err != nil || got.GetTarget()+" "+got.GetStep() != want {
			t.Errorf("%s on %s: %v, %v", who, id, got, err)
		}
	}
	mustGive("ada", "old", 0, "small chat")
	mustGive("ada", "chained", 1, "big chat")
	mustGive("bob", "chained", 0, "big chat")
	mustGive("bob", "chained", 0.5, "big chat") // the later one counts
	mustGive("ada", "bare", 1, "small chat")
	mustGive("eve", "theirs", 1, "small chat")

	// What is another's reads as what is not.
	var texts []string
	for _, id := range []string{"chained", "nothing"} {
		_, err := give("eve", id, "", "", proto.Float64(0))
		if connect.CodeOf(err) != connect.CodeNotFound {
			t.Errorf("%s: %v", id, err)
		}
		texts = append(texts, fmt.Sprint(err))
	}
	if texts[0] != texts[1] {
		t.Errorf("they can be told apart: %q", texts)
	}
	// What is no feedback.
	for name, c := range map[string]struct {
		id, step, reason string
		score            *float64
	}{
		"no score": {id: "old"}, "above 1": {id: "old", score: proto.Float64(1.5)}, "below 0": {id: "old", score: proto.Float64(-1)},
		"free text": {id: "old", score: proto.Float64(1), reason: "it was wrong"}, "no id": {score: proto.Float64(1)}, "an unknown step": {id: "old", step: "draft", score: proto.Float64(1)},
	} {
		if _, err := give("ada", c.id, c.step, c.reason, c.score); connect.CodeOf(err) != connect.CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}

	export := func(who, tenant string, since time.Duration) (lines []string, err error) {
		req := &pb.ExportOutcomesRequest{Tenant: tenant}
		if since > 0 {
			req.Since = durationpb.New(since)
		}
		stream, err := admin.ExportOutcomes(as(who), req)
		if err != nil {
			return nil, err
		}
		for stream.Receive() {
			m := stream.Msg()
			if o := m.GetOutcome(); o != nil {
				if string(o.GetFeatures()) != string(features) {
					t.Errorf("features %x", o.GetFeatures())
				}
				lines = append(lines, fmt.Sprintf("%s %s %g %d", o.GetGroup(), o.GetTarget(), o.GetScore(), o.GetVoices()))
				continue
			}
			lines = append(lines, fmt.Sprint(m.GetWithoutFeatures()))
		}
		return lines, errors.Join(stream.Err(), stream.Close())
	}
	for _, c := range []struct {
		who, tenant string
		since       time.Duration
		want        []string
	}{
		{"boss", "", 0, []string{"chat small 0 1", "answer big 0.75 2", "1"}},
		{"boss", "acme", 24 * time.Hour, []string{"answer big 0.75 2", "1"}},
		{"eve", "", 0, []string{"chat small 1 1", "0"}},
		{"operator", "umbrella", 0, []string{"chat small 1 1", "0"}},
		{"operator", "", 0, []string{"0"}},
	} {
		got, err := export(c.who, c.tenant, c.since)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s of %q (-want +got):\n%s", c.who, c.tenant, diff)
		}
	}
	if _, err := export("boss", "umbrella", 0); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("another's: %v", err)
	}
	if _, err := export("ada", "", 0); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("without the scope: %v", err)
	}
}

func TestFeedbackWithoutDecisions(t *testing.T) {
	r := echo()
	f := startWith(t, rpc.Config{Runner: r, Router: r}, scopesFromHeader)
	run := fairleadv1connect.NewRunServiceClient(client(t, true), f.url)
	_, err := run.Feedback(withHeader(t.Context(), headerScopes, "1"), &pb.FeedbackRequest{RunId: "r", Score: proto.Float64(1)})
	if connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("%v", err)
	}
}
