package rpc_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/auth"
	"fairlead/internal/auth/keys"
	"fairlead/internal/auth/tenants"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/server"
	"fairlead/internal/server/rpc"
	"fairlead/internal/testdb"
)

// office is an AdminService over a real store, and who may call it.
type office struct {
	*fixture
	fairleadv1connect.AdminServiceClient
	keys    *keys.Service
	callers map[string]auth.Principal
}

func openOffice(t *testing.T) *office {
	t.Helper()
	store := testdb.SQLite(t)
	for _, name := range []string{"acme", "umbrella"} {
		if err := store.TenantInsert(t.Context(), tenants.Tenant{Name: name}); err != nil {
			t.Fatal(fault.Cause(err))
		}
	}
	service := keys.New(keys.Config{Store: store, Gate: tenants.NewGate(store, nil), Pepper: func() ([]byte, error) { return []byte(strings.Repeat("p", 32)), nil }})
	o := &office{keys: service, callers: map[string]auth.Principal{
		"admin":    {Tenant: "acme", Name: "boss", Ceiling: label.Confidential, Scopes: auth.Admin | auth.Chat | auth.Search, Models: []string{"big"}},
		"operator": {Tenant: "ops", Name: "op", Ceiling: label.Restricted, Scopes: auth.AllScopes},
	}}
	r := echo()
	o.fixture = startWith(t, rpc.Config{Runner: r, Router: r, Keys: service, Tenants: store}, func(c *server.Config) {
		c.Authenticate = func(r *http.Request) (auth.Principal, error) {
			if key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
				return service.Verify(r.Context(), key)
			}
			return o.callers[r.Header.Get("Who")], nil
		}
	})
	o.AdminServiceClient = fairleadv1connect.NewAdminServiceClient(client(t, true), o.url)
	return o
}

func wantCode(t *testing.T, what string, err error, code connect.Code, reason fault.Reason) {
	t.Helper()
	if got, info := outcome(t, err); err == nil || got != code || info.GetReason() != string(reason) {
		t.Errorf("%s: %v %s, want %v %s", what, err, info.GetReason(), code, reason)
	}
}

func TestKeysOverTheWire(t *testing.T) {
	o := openOffice(t)
	boss := withHeader(t.Context(), "Who", "admin")
	expires := time.Now().Add(90 * 24 * time.Hour).Truncate(time.Microsecond)
	made, err := o.CreateKey(boss, &pb.CreateKeyRequest{Name: "bot", ExpiresAt: timestamppb.New(expires)})
	if err != nil {
		t.Fatal(err)
	}
	k := made.GetKey()
	if k.GetTenant() != "acme" || fmt.Sprint(k.GetScopes()) != "[SCOPE_CHAT SCOPE_SEARCH]" || k.GetCeiling() != pb.Label_LABEL_INTERNAL ||
		fmt.Sprint(k.GetModels()) != "[big]" || k.GetCreatedBy() != "boss" || !k.GetExpiresAt().AsTime().Equal(expires) || k.GetRevokedAt() != nil {
		t.Errorf("made %v", k)
	}
	p, err := o.keys.Verify(t.Context(), made.GetSecret())
	if err != nil || p.Name != k.GetId() || p.Tenant != "acme" || p.Scopes != auth.Chat|auth.Search {
		t.Errorf("%+v, %v", p, err)
	}
	rotated, err := o.RotateKey(withHeader(t.Context(), "Who", "admin"), &pb.RotateKeyRequest{Id: made.GetSecret()}) // the whole key will do
	if err != nil {
		t.Fatal(err)
	}
	if d := time.Until(rotated.GetOldExpiresAt().AsTime()); d < 23*time.Hour || d > 24*time.Hour || rotated.GetKey().GetReplaces() != k.GetId() {
		t.Errorf("the old one ends in %v; the new one is %v", d, rotated.GetKey())
	}
	list, err := o.ListKeys(withHeader(t.Context(), "Who", "admin"), &pb.ListKeysRequest{})
	if err != nil || len(list.GetKeys()) != 2 || list.GetKeys()[0].GetId() != rotated.GetKey().GetId() {
		t.Errorf("%v, %v", list, err)
	}
	for _, id := range []string{k.GetId(), rotated.GetKey().GetId()} {
		if _, err := o.RevokeKey(withHeader(t.Context(), "Who", "admin"), &pb.RevokeKeyRequest{Id: id}); err != nil {
			t.Error(err)
		}
	}
	for _, whole := range []string{made.GetSecret(), rotated.GetSecret()} {
		if _, err := o.keys.Verify(t.Context(), whole); err == nil {
			t.Error("it was revoked, and works")
		}
		if strings.Contains(list.String(), whole[20:]) || strings.Contains(o.log.String(), whole[20:]) {
			t.Error("a secret is in the list or in the log")
		}
	}
	_, err = o.RotateKey(withHeader(t.Context(), "Who", "admin"), &pb.RotateKeyRequest{Id: k.GetId(), Grace: durationpb.New(0)})
	wantCode(t, "rotating a dead one", err, connect.CodeFailedPrecondition, fault.ReasonNotAllowed)
}

func TestOneAdminLearnsNothingOfOtherTenants(t *testing.T) {
	o := openOffice(t)
	who := func(name string) context.Context { return withHeader(t.Context(), "Who", name) }
	theirs, err := o.CreateKey(who("operator"), &pb.CreateKeyRequest{Name: "theirs", Tenant: "umbrella"})
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]bool{}
	for _, tenant := range []string{"umbrella", "nobody"} { // one is there, and one is not
		unknown := func(what string, err error) {
			t.Helper()
			wantCode(t, what+" of "+tenant, err, connect.CodeNotFound, fault.ReasonUnknownTenant)
			texts[strings.ReplaceAll(connect.CodeOf(err).String()+err.Error(), tenant, "T")] = true
		}
		_, err = o.CreateKey(who("admin"), &pb.CreateKeyRequest{Name: "k", Tenant: tenant})
		unknown("CreateKey", err)
		_, err = o.ListKeys(who("admin"), &pb.ListKeysRequest{Tenant: tenant})
		unknown("ListKeys", err)
		_, err = o.RotateKey(who("admin"), &pb.RotateKeyRequest{Tenant: tenant, Id: theirs.GetKey().GetId()})
		unknown("RotateKey", err)
		_, err = o.RevokeKey(who("admin"), &pb.RevokeKeyRequest{Tenant: tenant, Id: theirs.GetKey().GetId()})
		unknown("RevokeKey", err)
	}
	if len(texts) != 1 {
		t.Errorf("what is said differs: %v", texts)
	}
	ids := map[string]bool{}
	for _, id := range []string{theirs.GetKey().GetId(), "aaaaaaaaaaaaaaaa", "none", theirs.GetSecret()} {
		_, err = o.RotateKey(who("admin"), &pb.RotateKeyRequest{Id: id})
		wantCode(t, "RotateKey "+id, err, connect.CodeNotFound, fault.ReasonUnknownKey)
		ids[err.Error()] = true
		_, err = o.RevokeKey(who("admin"), &pb.RevokeKeyRequest{Id: id})
		wantCode(t, "RevokeKey "+id, err, connect.CodeNotFound, fault.ReasonUnknownKey)
		ids[err.Error()] = true
	}
	if len(ids) != 2 {
		t.Errorf("what is said differs: %v", ids)
	}
	if _, err := o.keys.Verify(t.Context(), theirs.GetSecret()); err != nil {
		t.Errorf("their key: %v", err)
	}
	_, err = o.ListKeys(who("operator"), &pb.ListKeysRequest{Tenant: "nobody"})
	wantCode(t, "an operator and no tenant", err, connect.CodeNotFound, fault.ReasonUnknownTenant)
	_, err = o.CreateKey(who("admin"), &pb.CreateKeyRequest{Name: "k", Scopes: []pb.Scope{pb.Scope_SCOPE_OPERATOR}})
	wantCode(t, "a scope of others", err, connect.CodePermissionDenied, fault.ReasonNotAllowed)
	_, err = o.CreateKey(who("admin"), &pb.CreateKeyRequest{Name: "k", ExpiresAt: &timestamppb.Timestamp{Seconds: 1 << 60}})
	wantCode(t, "no time", err, connect.CodeInvalidArgument, fault.ReasonBadRequest)
}

func TestTenantsOverTheWire(t *testing.T) {
	o := openOffice(t)
	op := withHeader(t.Context(), "Who", "operator")
	created, err := o.CreateTenant(op, &pb.CreateTenantRequest{Tenant: &pb.Tenant{Name: "fresh", Description: "new", DisabledAt: timestamppb.Now()}})
	if err != nil || created.GetTenant().GetCreatedAt() == nil || created.GetTenant().GetDisabledAt() != nil {
		t.Fatalf("%v, %v", created, err)
	}
	_, err = o.CreateTenant(withHeader(t.Context(), "Who", "operator"), &pb.CreateTenantRequest{Tenant: &pb.Tenant{Name: "fresh"}})
	wantCode(t, "again", err, connect.CodeAlreadyExists, fault.ReasonNone)
	_, err = o.CreateTenant(withHeader(t.Context(), "Who", "operator"), &pb.CreateTenantRequest{Tenant: &pb.Tenant{Name: "No Name"}})
	wantCode(t, "a bad name", err, connect.CodeInvalidArgument, fault.ReasonBadRequest)
	var names []string
	for token, more := "", true; more; more = token != "" {
		page, err := o.ListTenants(withHeader(t.Context(), "Who", "operator"), &pb.ListTenantsRequest{PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range page.GetTenants() {
			names = append(names, x.GetName())
		}
		token = page.GetNextPageToken()
	}
	if got := strings.Join(names, " "); got != "acme default fresh umbrella" {
		t.Errorf("tenants: %s", got)
	}
	key, err := o.CreateKey(withHeader(t.Context(), "Who", "operator"), &pb.CreateKeyRequest{Name: "k", Tenant: "fresh", Scopes: []pb.Scope{pb.Scope_SCOPE_ADMIN}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = o.DeleteTenant(withHeader(t.Context(), "Who", "operator"), &pb.DeleteTenantRequest{Name: "fresh"})
	wantCode(t, "deleting it while it is open", err, connect.CodeFailedPrecondition, fault.ReasonNotAllowed)
	shut, err := o.DisableTenant(withHeader(t.Context(), "Who", "operator"), &pb.DisableTenantRequest{Name: "fresh"})
	if err != nil || shut.GetTenant().GetDisabledAt() == nil {
		t.Errorf("%v, %v", shut, err)
	}
	_, err = o.ListKeys(withHeader(t.Context(), "Authorization", "Bearer "+key.GetSecret()), &pb.ListKeysRequest{})
	wantCode(t, "a caller of it", err, connect.CodeUnauthenticated, fault.ReasonUnauthenticated)
	if _, err := o.DeleteTenant(withHeader(t.Context(), "Who", "operator"), &pb.DeleteTenantRequest{Name: "fresh"}); err != nil {
		t.Error(err)
	}
	_, err = o.DisableTenant(withHeader(t.Context(), "Who", "operator"), &pb.DisableTenantRequest{Name: "fresh"})
	wantCode(t, "what is gone", err, connect.CodeNotFound, fault.ReasonUnknownTenant)
	_, err = o.DisableTenant(withHeader(t.Context(), "Who", "operator"), &pb.DisableTenantRequest{Name: "ops"})
	wantCode(t, "the own one", err, connect.CodeFailedPrecondition, fault.ReasonNotAllowed)
	_, err = o.ListTenants(withHeader(t.Context(), "Who", "operator"), &pb.ListTenantsRequest{PageToken: "No token"})
	wantCode(t, "a token", err, connect.CodeInvalidArgument, fault.ReasonBadRequest)
}

func TestWhatIsNotKeptIsUnimplemented(t *testing.T) {
	r := echo()
	f := startWith(t, rpc.Config{Runner: r, Router: r, Tenants: testdb.SQLite(t)})
	c := fairleadv1connect.NewAdminServiceClient(client(t, true), f.url)
	_, err := c.ListKeys(t.Context(), &pb.ListKeysRequest{})
	wantCode(t, "ListKeys", err, connect.CodeUnimplemented, fault.ReasonUnsupported)
}
