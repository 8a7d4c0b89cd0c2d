package rpc_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/server"
	"fairlead/internal/server/rpc"
	"fairlead/orchestrator"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
	"fairlead/orchestrator/usage"
)

// needed is the scope of each procedure as the guide tells it, written down a second time on purpose.
var needed = map[string]auth.Scopes{
	"ChatService/Chat": auth.Chat, "RunService/Run": auth.Chat, "RunService/ListChains": auth.Chat,
	"RunService/Feedback": auth.Chat, "AdminService/ExportOutcomes": auth.Admin,
	"RoutingService/ListTargets": auth.Chat, "RoutingService/Explain": auth.Chat,
	"RetrievalService/Search": auth.Search, "RetrievalService/ListCollections": auth.Search,
	"RetrievalService/GetDocument": auth.Search, "RetrievalService/ListDocuments": auth.Search,
	"RetrievalService/Ingest": auth.Ingest, "RetrievalService/CreateCollection": auth.Ingest, "RetrievalService/DeleteCollection": auth.Ingest,
	"RetrievalService/DeleteDocument": auth.Ingest, "RetrievalService/ReindexCollection": auth.Ingest,
	"AdminService/CreateKey": auth.Admin, "AdminService/ListKeys": auth.Admin, "AdminService/RotateKey": auth.Admin,
	"AdminService/RevokeKey": auth.Admin, "AdminService/Usage": auth.Admin,
	"AdminService/CreateTenant": auth.Operator, "AdminService/ListTenants": auth.Operator,
	"AdminService/DisableTenant": auth.Operator, "AdminService/DeleteTenant": auth.Operator,
	"InferenceService/Classify": auth.Chat, "InferenceService/Embed": auth.Chat, "InferenceService/Predict": auth.Chat,
	"ModelService/ListModels": auth.Admin, "ModelService/WarmModel": auth.Operator, "ModelService/PullModel": auth.Operator,
	"ModelService/RollbackModel": auth.Operator, "ModelService/ResumeModel": auth.Operator, "ModelService/ListRollbacks": auth.Operator,
}

// procedures gives every procedure of every service of the API.
func procedures() (all []protoreflect.MethodDescriptor) {
	protoregistry.GlobalFiles.RangeFilesByPackage("fairlead.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			for j := range file.Services().Get(i).Methods().Len() {
				all = append(all, file.Services().Get(i).Methods().Get(j))
			}
		}
		return true
	})
	return all
}

// nobody is an AdminService without anything.
type nobody struct {
	rpc.Keys
	rpc.Tenants
}

// UsageSum sums nothing.
func (nobody) UsageSum(context.Context, string, usage.Query) ([]usage.Sum, error) { return nil, nil }

// headerScopes states the scopes of a test's caller.
const headerScopes = "Test-Scopes"

func scopesFromHeader(c *server.Config) {
	c.Authenticate = func(r *http.Request) (auth.Principal, error) {
		n, err := strconv.Atoi(r.Header.Get(headerScopes))
		return auth.Principal{Tenant: "a", Ceiling: label.Restricted, Scopes: auth.Scopes(n)}, err
	}
}

func TestEveryProcedureNeedsItsScope(t *testing.T) {
	r := echo()
	f := startWith(t, rpc.Config{Runner: r, Router: r, Usage: nobody{}, Models: &shelf{}, Inference: &inference{}}, scopesFromHeader)
	all := procedures()
	if len(all) != len(needed) {
		t.Errorf("%d procedures, and scopes of %d", len(all), len(needed))
	}
	h1, h2 := client(t, false), client(t, true)
	for _, m := range all {
		name := string(m.Parent().Name()) + "/" + string(m.Name())
		need, ok := needed[name]
		if !ok {
			t.Errorf("nobody has said which scope %s needs", name)
			continue
		}
		url := f.url + "/fairlead.v1." + name
		for set := range auth.AllScopes + 1 {
			header := map[string]string{headerScopes: strconv.Itoa(int(set)), "Te": "trailers"}
			want := set.Has(need) || need == auth.Admin && set.Has(auth.Operator)

			// Connect: a body that is no message shows that the scope is looked at before it.
			contentType, body := "application/json", []byte("{")
			if m.IsStreamingServer() {
				contentType, body = "application/connect+json", envelope("{")
			}
			res, answer := post(t, h1, url, contentType, header, body)
			refused := strings.Contains(string(answer), `"permission_denied"`)
			if refused == want || refused && !strings.Contains(string(answer), "needs the scope "+need.String()) {
				t.Errorf("%s with %q by Connect: %d %s", name, set, res.StatusCode, answer)
			}
			// gRPC and gRPC-Web.
			for contentType, h := range map[string]*http.Client{"application/grpc": h2, "application/grpc-web": h1} {
				res, answer := post(t, h, url, contentType, header, envelope("\xff"))
				got := res.Header.Get("Grpc-Status") + res.Trailer.Get("Grpc-Status")
				if _, rest, ok := strings.Cut(strings.ToLower(string(answer)), "grpc-status:"); ok && got == "" {
					got, _, _ = strings.Cut(strings.TrimSpace(rest), "\r")
				}
				if (got == "7") == want || got == "" {
					t.Errorf("%s with %q by %s: status %q, %s", name, set, contentType, got, answer)
				}
			}
		}
	}
}

func TestOnlyWhatMayBeUsedIsListed(t *testing.T) {
	r := echo()
	r.targets = []routing.Candidate{{Target: target()}, {Target: &routing.Target{Name: "far", Quality: -1}}}
	r.chains = []*chain.Chain{{Name: "mine"}, {Name: "theirs"}}
	for name, c := range map[string]struct {
		p    auth.Principal
		want string
	}{
		"all":      {auth.Principal{}, "local far default mine theirs"},
		"some":     {auth.Principal{Models: []string{"far", "chain/mine"}}, "far default mine"},
		"none":     {auth.Principal{Models: []string{}, Policies: []string{}}, ""},
		"policies": {auth.Principal{Policies: []string{"other"}}, "local far mine theirs"},
	} {
		c.p.Tenant, c.p.Ceiling, c.p.Scopes = "a", label.Restricted, auth.Chat
		f := start(t, r, func(s *server.Config) { s.Authenticate = authenticate(c.p) })
		targets, err := fairleadv1connect.NewRoutingServiceClient(client(t, false), f.url).ListTargets(t.Context(), &pb.ListTargetsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		chains, err := fairleadv1connect.NewRunServiceClient(client(t, false), f.url).ListChains(t.Context(), &pb.ListChainsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, target := range targets.GetTargets() {
			got = append(got, target.GetName())
		}
		got = append(got, targets.GetPolicies()...)
		for _, c := range chains.GetChains() {
			got = append(got, c.GetName())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// proves takes one key.
type proves string

// Verify implements server.Verifier.
func (key proves) Verify(_ context.Context, presented string) (auth.Principal, error) {
	if presented == string(key) {
		return auth.Principal{Tenant: "acme", Name: "k", Ceiling: label.Internal, Scopes: auth.Chat}, nil
	}
	return auth.Principal{}, fault.New(fault.Unauthenticated, fault.ReasonUnauthenticated, "the key was revoked on tuesday")
}

func TestEverySurfaceAsksForAKey(t *testing.T) {
	var seen auth.Principal
	r := chats(func(_ context.Context, p auth.Principal, _ orchestrator.ChatRequest) events {
		seen = p
		return says(nil, everything("x")...)
	})
	f := start(t, r, func(c *server.Config) { c.Authenticate = (&server.Authenticator{Keys: proves("fl_good")}).Authenticate })
	for _, p := range protocols {
		for _, value := range []string{"", "Bearer", "Bearer fl_bad", "Bearer eyJhbGciOiJub25lIn0.e30.", "Basic Zmw6Z29vZA==", "fl_good", "Bearer fl_good, Bearer fl_good"} {
			_, err := drainAll(p.chat(t, f, withHeader(t.Context(), "Authorization", value), ask("x")))
			code, info := outcome(t, err)
			if code != connect.CodeUnauthenticated || info.GetReason() != string(fault.ReasonUnauthenticated) || strings.Contains(err.Error(), "tuesday") {
				t.Errorf("%s with %q: %v %v", p.name, value, code, err)
			}
		}
		seen = auth.Principal{}
		ctx, call := connect.NewClientContext(t.Context())
		call.RequestHeader().Set("Authorization", "bearer fl_good")
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "bearer fl_good")
		for _, name := range []string{"X-Tenant", "X-Forwarded-User", "X-Forwarded-For", "X-Remote-User", "Fairlead-Tenant", "Fairlead-Scopes", "X-Api-Key", "Proxy-Authorization"} {
			call.RequestHeader().Set(name, "root")
			ctx = metadata.AppendToOutgoingContext(ctx, strings.ToLower(name), "root")
		}
		if _, err := drainAll(p.chat(t, f, ctx, ask("x"))); err == nil || seen.Tenant != "acme" || seen.Name != "k" || seen.Scopes != auth.Chat {
			t.Errorf("%s with the key: %v, %+v", p.name, err, seen)
		}
	}
	res, body := post(t, client(t, false), f.url+fairleadv1connect.RunServiceListChainsProcedure, "application/json", nil, []byte("{}"))
	var e wireError
	if err := json.Unmarshal(body, &e); err != nil || res.StatusCode != http.StatusUnauthorized || res.Header.Get("Www-Authenticate") != "Bearer" || e.reason(t) != "unauthenticated" {
		t.Errorf("%d %v %s", res.StatusCode, res.Header, body)
	}

	// What there is to call is told to callers alone.
	reflect := func(ctx context.Context) error {
		s, err := reflectionpb.NewServerReflectionClient(dial(t, f)).ServerReflectionInfo(ctx)
		if err == nil {
			err = s.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}})
		}
		if err == nil {
			_, err = s.Recv()
		}
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := reflect(ctx); status.Code(err) != codes.Unauthenticated {
		t.Errorf("reflection without a key: %v", err)
	}
	if err := reflect(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer fl_good")); err != nil {
		t.Errorf("reflection with a key: %v", err)
	}
}
