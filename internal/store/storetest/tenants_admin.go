package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/auth"
	"fairlead/internal/auth/tenants"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator/record"
	"fairlead/providers"
	"fairlead/retrieval"
)

func mustGetTenant(t *testing.T, s Access, name string) tenants.Tenant {
	t.Helper()
	got, err := s.TenantGet(t.Context(), name)
	if err != nil {
		t.Fatalf("TenantGet(%s): %v", name, fault.Cause(err))
	}
	return *got
}

func tenantNames(t *testing.T, s Access, after string, limit int) string {
	t.Helper()
	list, err := s.TenantList(t.Context(), after, limit)
	if err != nil {
		t.Fatalf("TenantList: %v", fault.Cause(err))
	}
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].Name
	}
	return strings.Join(names, " ")
}

var registeredTests = map[string]func(t *testing.T, s Access){
	"the local one is there": func(t *testing.T, s Access) {
		got := mustGetTenant(t, s, auth.LocalTenant)
		if got.Name != auth.LocalTenant || got.CreatedAt.IsZero() || !got.DisabledAt.IsZero() {
			t.Errorf("%+v", got)
		}
		if names := tenantNames(t, s, "", 10); names != auth.LocalTenant {
			t.Errorf("there are %s", names)
		}
	},
	"what is kept comes back": func(t *testing.T, s Access) {
		in := tenants.Tenant{Name: "a.b_c-1", Description: "Ünïcode, 'quoted'", CreatedAt: began}
		if err := s.TenantInsert(t.Context(), in); err != nil {
			t.Fatal(fault.Cause(err))
		}
		if diff := cmp.Diff(in, mustGetTenant(t, s, in.Name)); diff != "" {
			t.Errorf("TenantGet (-want +got):\n%s", diff)
		}
		wantFault(t, "again", s.TenantInsert(t.Context(), in), fault.AlreadyExists, fault.ReasonNone)
		for _, name := range []string{"", "A", "a b", "-a", "a\x00", "a/b", strings.Repeat("a", 64), "ä", "a\n"} {
			in.Name = name
			wantFault(t, fmt.Sprintf("%q", name), s.TenantInsert(t.Context(), in), fault.InvalidArgument, fault.ReasonBadRequest)
		}
	},
	"unknown": func(t *testing.T, s Access) {
		mustRegister(t, s, tenant)
		for _, name := range []string{"nobody", "", "ACME", "acme'--", "a\x00"} {
			_, err := s.TenantGet(t.Context(), name)
			wantFault(t, "TenantGet", err, fault.NotFound, fault.ReasonUnknownTenant)
			wantFault(t, "TenantDisable", s.TenantDisable(t.Context(), name, began), fault.NotFound, fault.ReasonUnknownTenant)
			wantFault(t, "TenantDelete", s.TenantDelete(t.Context(), name), fault.NotFound, fault.ReasonUnknownTenant)
		}
	},
	"listed by name, in pages": func(t *testing.T, s Access) {
		mustRegister(t, s, "b", "a-b", "a", "ab", "a.b", "a0", "a_b", "zz") // an order of letters alone would mix them up
		if got := tenantNames(t, s, "", 100); got != "a a-b a.b a0 a_b ab b default zz" {
			t.Errorf("all: %s", got)
		}
		var paged []string
		for after, more := "", true; more; {
			page := tenantNames(t, s, after, 2)
			if more = page != ""; more {
				names := strings.Fields(page)
				paged = append(paged, names...)
				after = names[len(names)-1]
			}
		}
		if got := strings.Join(paged, " "); got != "a a-b a.b a0 a_b ab b default zz" {
			t.Errorf("in pages: %s", got)
		}
		if got := tenantNames(t, s, "", 0); got != "" {
			t.Errorf("none: %s", got)
		}
	},
	"disabled and enabled": func(t *testing.T, s Access) {
		mustRegister(t, s, tenant, other)
		for _, step := range []struct{ at, want time.Time }{
			{began, began}, {began.Add(time.Hour), began}, {time.Time{}, time.Time{}}, {time.Time{}, time.Time{}}, {began.Add(time.Hour), began.Add(time.Hour)},
		} {
			if err := s.TenantDisable(t.Context(), tenant, step.at); err != nil {
				t.Fatal(fault.Cause(err))
			}
			if got := mustGetTenant(t, s, tenant); !got.DisabledAt.Equal(step.want) {
				t.Errorf("disabled at %v: it is since %v, want %v", step.at, got.DisabledAt, step.want)
			}
		}
		if got := mustGetTenant(t, s, other); !got.DisabledAt.IsZero() {
			t.Errorf("another is: %+v", got)
		}
	},
	"deleted": func(t *testing.T, s Access) {
		mustRegister(t, s, tenant, other)
		theirs := key("theirs")
		theirs.Tenant = other
		mustKeep(t, s, key("a"), theirs)
		if err := s.KeyRotate(t.Context(), successor("b", key("a"), began), hashOf(1), began.Add(time.Hour)); err != nil {
			t.Fatal(fault.Cause(err))
		}
		wantFault(t, "while its callers are let in", s.TenantDelete(t.Context(), tenant), fault.FailedPrecondition, fault.ReasonNotAllowed)
		if err := s.TenantDisable(t.Context(), tenant, began); err != nil {
			t.Fatal(fault.Cause(err))
		}
		if err := s.TenantDelete(t.Context(), tenant); err != nil {
			t.Fatal(fault.Cause(err))
		}
		_, err := s.TenantGet(t.Context(), tenant)
		wantFault(t, "TenantGet", err, fault.NotFound, fault.ReasonUnknownTenant)
		for _, id := range []string{"a", "b"} {
			_, _, err := s.KeyFind(t.Context(), id)
			wantFault(t, "KeyFind", err, fault.NotFound, fault.ReasonUnknownKey)
		}
		if k, _ := mustFind(t, s, "theirs"); k.Tenant != other {
			t.Errorf("another's key: %+v", k)
		}
		wantFault(t, "again", s.TenantDelete(t.Context(), tenant), fault.NotFound, fault.ReasonUnknownTenant)
		mustRegister(t, s, tenant) // the name is free
		if list, err := s.KeyList(t.Context(), tenant); err != nil || len(list) != 0 {
			t.Errorf("one of the same name has %v, %v", list, err)
		}
	},
	"the local one stays": func(t *testing.T, s Access) {
		if err := s.TenantDisable(t.Context(), auth.LocalTenant, began); err != nil {
			t.Fatal(fault.Cause(err))
		}
		wantFault(t, "TenantDelete", s.TenantDelete(t.Context(), auth.LocalTenant), fault.FailedPrecondition, fault.ReasonNotAllowed)
		mustGetTenant(t, s, auth.LocalTenant)
	},
}

// settle keeps something of each kind for a tenant.
func settle(t *testing.T, s Store, who string) {
	t.Helper()
	for _, name := range []string{"docs", "more"} {
		mustInsert(t, s, who, collection(name))
		mustPut(t, s, who, name, doc{uri: "a", texts: []string{"alpha beta", "gamma"}, metadata: map[string]any{"year": 2026.0}}, doc{uri: "b", texts: []string{"alpha"}})
	}
	if err := s.SessionAppend(t.Context(), who, "s", label.Internal, []providers.Message{providers.Text(providers.User, "hello")}); err != nil {
		t.Fatal(fault.Cause(err))
	}
	if err := s.DecisionsAppend(t.Context(), who, []record.Decision{{Tenant: who, RunID: "r", Seq: 1, Time: began}}); err != nil {
		t.Fatal(fault.Cause(err))
	}
	k := key("key-of-" + who)
	k.Tenant = who
	mustKeep(t, s, k)
}

// keeps counts what settle kept, as far as it can be asked for.
func keeps(t *testing.T, s Store, who string) (collections, documents, messages, decisions, keys int) {
	t.Helper()
	ctx := t.Context()
	list, err := s.CollectionList(ctx, who)
	for _, c := range list {
		var docs []retrieval.Document
		if docs, err = s.DocumentList(ctx, who, c.Name, "", 100); err != nil {
			break
		}
		documents += len(docs)
	}
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	said, err := s.SessionMessages(ctx, who, "s", 100)
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	if err := s.DecisionsSince(ctx, who, time.Time{}, 0, func(*record.Decision) error { decisions++; return nil }); err != nil {
		t.Fatal(fault.Cause(err))
	}
	kept, err := s.KeyList(ctx, who)
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	return len(list), documents, len(said), decisions, len(kept)
}

var deletedTests = map[string]func(t *testing.T, s Store){
	"with all that is kept of it, and nothing of another": func(t *testing.T, s Store) {
		mustRegister(t, s, tenant, other)
		settle(t, s, tenant)
		settle(t, s, other)
		want := [5]int{2, 4, 1, 1, 1}
		check := func(who string, want [5]int) {
			t.Helper()
			var got [5]int
			got[0], got[1], got[2], got[3], got[4] = keeps(t, s, who)
			if got != want {
				t.Errorf("%s has %v collections, documents, messages, decisions and keys, want %v", who, got, want)
			}
		}
		check(tenant, want)
		if err := s.TenantDisable(t.Context(), tenant, began); err != nil {
			t.Fatal(fault.Cause(err))
		}
		if err := s.TenantDelete(t.Context(), tenant); err != nil {
			t.Fatal(fault.Cause(err))
		}
		check(tenant, [5]int{})
		check(other, want)
		wantURIs(t, "the other", words(t, s, other, retrieval.LegQuery{Text: "alpha"}), "a", "b")
		wantURIs(t, "the other", nearest(t, s, other, retrieval.LegQuery{Vector: vectorOf("gamma")}), "a", "b")
		// One of the same name begins with nothing, and works.
		mustRegister(t, s, tenant)
		settle(t, s, tenant)
		check(tenant, want)
		wantURIs(t, "the new one", words(t, s, tenant, retrieval.LegQuery{Text: "alpha"}), "a", "b")
	},
	"with what comes in after it": func(t *testing.T, s Store) {
		mustRegister(t, s, tenant, other)
		if err := s.TenantDisable(t.Context(), tenant, began); err != nil {
			t.Fatal(fault.Cause(err))
		}
		if err := s.TenantDelete(t.Context(), tenant); err != nil {
			t.Fatal(fault.Cause(err))
		}
		// Usage that a server had queued, or that it finds in a file when it starts again.
		mustUse(t, s, used(tenant, "late", 1, 0), used(other, "late", 1, 0))
		if got := names(usageSince(t, s, tenant, time.Time{}, 0)); len(got) != 0 || usageSums(t, s, tenant, month())[0].Attempts != 0 {
			t.Errorf("of one that is gone is kept: %v", got)
		}
		if got := names(usageSince(t, s, other, time.Time{}, 0)); len(got) != 1 || usageSums(t, s, other, month())[0].Attempts != 1 {
			t.Errorf("of the other is kept: %v", got)
		}
		// What calls that were in flight wrote is not for the next one of that name.
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "late", texts: []string{"alpha"}})
		if err := s.SessionAppend(t.Context(), tenant, "s", label.Internal, []providers.Message{providers.Text(providers.User, "late")}); err != nil {
			t.Fatal(fault.Cause(err))
		}
		if err := s.DecisionsAppend(t.Context(), tenant, []record.Decision{{Tenant: tenant, RunID: "late", Seq: 1, Time: began}}); err != nil {
			t.Fatal(fault.Cause(err))
		}
		mustRegister(t, s, tenant)
		var got [5]int
		if got[0], got[1], got[2], got[3], got[4] = keeps(t, s, tenant); got != [5]int{} {
			t.Errorf("one of the same name begins with %v collections, documents, messages, decisions and keys", got)
		}
		settle(t, s, tenant)
		wantURIs(t, "the new one", words(t, s, tenant, retrieval.LegQuery{Text: "alpha"}), "a", "b")
	},
	"while it is written to": func(t *testing.T, s Store) {
		mustRegister(t, s, tenant, other)
		settle(t, s, tenant)
		settle(t, s, other)
		if err := s.TenantDisable(t.Context(), tenant, began); err != nil {
			t.Fatal(fault.Cause(err))
		}
		side(t, 3, func(who int) error {
			if who == 0 {
				for {
					err := s.TenantDelete(t.Context(), tenant)
					if err == nil || fault.CodeOf(err) != fault.Unavailable { // a deadlock: try again, as it says
						return err
					}
				}
			}
			for i := range 10 {
				d, p, v := doc{uri: fmt.Sprint(who, i), texts: []string{"alpha"}}.build("docs")
				err := s.DocumentPut(t.Context(), []string{tenant, other}[who-1], d, p, v)
				if err != nil && (who == 2 || fault.CodeOf(err) != fault.NotFound && fault.CodeOf(err) != fault.Unavailable) {
					return err
				}
			}
			return nil
		})
		if list, err := s.CollectionList(t.Context(), tenant); err != nil || len(list) != 0 {
			t.Errorf("collections are left: %v, %v", list, err)
		}
		if c, err := s.CollectionGet(t.Context(), other, "docs"); err != nil || c.Documents != 12 {
			t.Errorf("the other has %+v, %v", c, err)
		}
	},
}
