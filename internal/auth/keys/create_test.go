package keys

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
)

func TestDefaults(t *testing.T) {
	f := newFixture(t)
	made, whole := f.mustCreate(t, admin(), Key{Name: "k", Replaces: "x", RevokedAt: f.clock, CreatedBy: "me", ID: "mine"})
	want := Key{Tenant: "acme", Name: "k", Scopes: auth.Chat | auth.Search, Ceiling: label.Internal, Models: []string{"big", "small"}, CreatedBy: "boss", CreatedAt: f.clock}
	if diff := cmp.Diff(want, *made, cmpopts.IgnoreFields(Key{}, "ID")); diff != "" || made.ID == "mine" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if id, _, err := Parse(whole); err != nil || id != made.ID {
		t.Errorf("the whole key is of %q, %v", id, err)
	}
	low := admin()
	low.Ceiling = label.Public
	if made, _ := f.mustCreate(t, low, Key{Name: "k"}); made.Ceiling != label.Public {
		t.Errorf("the ceiling is %v", made.Ceiling)
	}
}

func TestNoKeyDoesMoreThanItsMaker(t *testing.T) {
	f := newFixture(t)
	bounded := admin()
	bounded.Policies = []string{"cheap"}
	operator := auth.Principal{Tenant: "ops", Name: "op", Ceiling: label.Restricted, Scopes: auth.Operator}
	for name, c := range map[string]struct {
		by     auth.Principal
		k      Key
		code   fault.Code
		reason fault.Reason
	}{
		"scope":                    {admin(), Key{Scopes: auth.Ingest}, fault.PermissionDenied, fault.ReasonNotAllowed},
		"one scope too many":       {admin(), Key{Scopes: auth.Chat | auth.Operator}, fault.PermissionDenied, fault.ReasonNotAllowed},
		"the default scopes":       {operator, Key{}, fault.PermissionDenied, fault.ReasonNotAllowed},
		"ceiling":                  {admin(), Key{Ceiling: label.Restricted}, fault.PermissionDenied, fault.ReasonNotAllowed},
		"no ceiling at all":        {auth.Principal{Tenant: "a", Scopes: auth.AllScopes}, Key{}, fault.PermissionDenied, fault.ReasonNotAllowed},
		"model":                    {admin(), Key{Models: []string{"big", "huge"}}, fault.PermissionDenied, fault.ReasonNotAllowed},
		"policy":                   {bounded, Key{Policies: []string{"best"}}, fault.PermissionDenied, fault.ReasonNotAllowed},
		"tenant":                   {admin(), Key{Tenant: "umbrella"}, fault.NotFound, fault.ReasonUnknownTenant},
		"no name":                  {admin(), Key{Name: " "}, 0, ""}, // a space is one
		"control":                  {admin(), Key{Name: "a\x1b[31m"}, fault.InvalidArgument, fault.ReasonBadRequest},
		"not UTF-8":                {admin(), Key{Name: "a\xff"}, fault.InvalidArgument, fault.ReasonBadRequest},
		"a long name":              {admin(), Key{Name: strings.Repeat("é", 129)}, fault.InvalidArgument, fault.ReasonBadRequest},
		"longest name":             {admin(), Key{Name: strings.Repeat("é", 128)}, 0, ""},
		"past":                     {admin(), Key{ExpiresAt: f.clock}, fault.InvalidArgument, fault.ReasonBadRequest},
		"no such label":            {admin(), Key{Ceiling: 9}, fault.InvalidArgument, fault.ReasonBadRequest},
		"no such scope":            {admin(), Key{Scopes: 128}, fault.InvalidArgument, fault.ReasonBadRequest},
		"no model at all":          {admin(), Key{Models: []string{}}, 0, ""},
		"an admin, by an operator": {operator, Key{Tenant: "acme", Scopes: auth.Admin}, 0, ""},
	} {
		if c.k.Name == "" {
			c.k.Name = "k"
		}
		made, whole, err := f.Create(t.Context(), c.by, c.k)
		if c.code != 0 {
			wantFault(t, name, err, c.code, c.reason)
			if made != nil || whole != "" {
				t.Errorf("%s: there is a key all the same", name)
			}
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, err := f.Create(t.Context(), admin(), Key{})
	wantFault(t, "no name", err, fault.InvalidArgument, fault.ReasonBadRequest)
}

// someone draws a principal.
func someone(r *rand.Rand) auth.Principal {
	names := func() []string {
		switch n := r.IntN(5); n {
		case 0:
			return nil
		default:
			out := []string{}
			for _, name := range []string{"a", "b", "c"}[:n-1] {
				if r.IntN(2) == 0 {
					out = append(out, name)
				}
			}
			return out
		}
	}
	return auth.Principal{
		Tenant: []string{"acme", "umbrella"}[r.IntN(2)], Name: "n", Ceiling: label.Label(r.IntN(5)),
		Scopes: auth.Scopes(r.IntN(32)), Models: names(), Policies: names(),
	}
}

// exceeds says what a principal may do that another may not. It is written apart from within, so that they can differ.
func exceeds(p, by auth.Principal) string {
	for _, scope := range []auth.Scopes{auth.Chat, auth.Ingest, auth.Search, auth.Admin, auth.Operator} {
		if p.Scopes.Has(scope) && !by.Scopes.Has(scope) && (scope != auth.Admin || !by.Scopes.Has(auth.Operator)) {
			return "scope " + scope.String()
		}
	}
	for _, name := range []string{"a", "b", "c", "d"} {
		if p.MayUseModel(name) && !by.MayUseModel(name) {
			return "model " + name
		}
		if p.MayUsePolicy(name) && !by.MayUsePolicy(name) {
			return "policy " + name
		}
	}
	if p.Ceiling > by.Ceiling {
		return "ceiling"
	}
	if p.Tenant != by.Tenant && !by.Scopes.Has(auth.Operator) {
		return "tenant"
	}
	return ""
}

func TestPropertyNoKeyExceedsItsMaker(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	f := newFixture(t)
	made, rotated := 0, 0
	for range 30_000 {
		by, wish := someone(r), someone(r)
		k := Key{Name: "k", Tenant: wish.Tenant, Scopes: wish.Scopes, Ceiling: wish.Ceiling, Models: wish.Models, Policies: wish.Policies}
		if r.IntN(3) == 0 {
			k.Tenant = ""
		}
		got, whole, err := f.Create(t.Context(), by, k)
		if err != nil {
			if c := fault.CodeOf(err); c != fault.PermissionDenied && c != fault.NotFound {
				t.Fatalf("%+v asks for %+v: %v", by, k, err)
			}
			continue
		}
		made++
		p, err := f.Verify(t.Context(), whole)
		if err != nil {
			t.Fatal(err)
		}
		if what := exceeds(p, by); what != "" {
			t.Fatalf("%s: %+v made %+v", what, by, p)
		}
		// And what was asked for is what was made.
		if k.Scopes != 0 && p.Scopes != k.Scopes || k.Ceiling != 0 && p.Ceiling != k.Ceiling || k.Models != nil && !slices.Equal(p.Models, k.Models) {
			t.Fatalf("%+v was asked for, and %+v made", k, p)
		}
		// Whoever rotates it could have made it, and gets the same.
		rotator := someone(r)
		next, nextWhole, _, err := f.Rotate(t.Context(), rotator, got.Tenant, got.ID, 0)
		if err != nil {
			if fault.CodeOf(err) != fault.PermissionDenied {
				t.Fatal(err)
			}
			continue
		}
		rotated++
		q, err := f.Verify(t.Context(), nextWhole)
		if err != nil {
			t.Fatal(err)
		}
		rotator.Tenant = q.Tenant // which tenants a caller may name is the caller's surface to know
		if what := exceeds(q, rotator); what != "" {
			t.Fatalf("%s: %+v rotated to %+v", what, rotator, q)
		}
		q.Name = p.Name
		if !cmp.Equal(p, q) || next.Replaces != got.ID {
			t.Fatalf("rotated: %s", cmp.Diff(p, q))
		}
	}
	if made < 500 || rotated < 50 {
		t.Errorf("%d made and %d rotated of 30000: the test sees too little", made, rotated)
	}
}

func TestRotate(t *testing.T) {
	f := newFixture(t)
	old, oldWhole := f.mustCreate(t, admin(), Key{Name: "k", Ceiling: label.Confidential, ExpiresAt: f.clock.Add(30 * 24 * time.Hour)})
	f.clock = f.clock.Add(time.Hour)
	k, whole, ends, err := f.Rotate(t.Context(), admin(), "acme", oldWhole, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	want := *old
	want.ID, want.Replaces, want.CreatedAt = k.ID, old.ID, f.clock
	if diff := cmp.Diff(want, *k); diff != "" || !ends.Equal(f.clock.Add(time.Hour)) {
		t.Errorf("the old one ends at %v (-want +got):\n%s", ends, diff)
	}
	for _, step := range []struct {
		after    time.Duration
		old, new bool
	}{{0, true, true}, {time.Hour - 1, true, true}, {1, false, true}, {30 * 24 * time.Hour, false, false}} {
		f.clock = f.clock.Add(step.after)
		for presented, want := range map[string]bool{oldWhole: step.old, whole: step.new} {
			if _, err := f.Verify(t.Context(), presented); (err == nil) != want {
				t.Errorf("after %v: %v", step.after, err)
			}
		}
	}
}

func TestRotateEndsNoLaterThanItWould(t *testing.T) {
	f := newFixture(t)
	end := f.clock.Add(time.Minute)
	old, _ := f.mustCreate(t, admin(), Key{Name: "k", ExpiresAt: end})
	_, _, ends, err := f.Rotate(t.Context(), admin(), "acme", old.ID, time.Hour)
	if err != nil || !ends.Equal(end) {
		t.Errorf("%v, %v", ends, err)
	}
}

func TestRotateRefuses(t *testing.T) {
	f := newFixture(t)
	k, whole := f.mustCreate(t, auth.Local(), Key{Name: "k", Tenant: "acme", Ceiling: label.Restricted})
	unknownOf := func(id string) string {
		_, _, _, err := f.Rotate(t.Context(), auth.Local(), "umbrella", id, 0)
		wantFault(t, id, err, fault.NotFound, fault.ReasonUnknownKey)
		return fmt.Sprint(err)
	}
	texts := map[string]bool{}
	for _, id := range []string{k.ID, newID([]byte(pepper)), whole, "none", "", whole + "x"} {
		texts[unknownOf(id)] = true
	}
	if len(texts) != 1 {
		t.Errorf("another tenant's key is told apart: %v", texts)
	}
	_, _, _, err := f.Rotate(t.Context(), admin(), "acme", k.ID, 0)
	wantFault(t, "a key that may do more", err, fault.PermissionDenied, fault.ReasonNotAllowed)
	_, _, _, err = f.Rotate(t.Context(), auth.Local(), "acme", k.ID, -1)
	wantFault(t, "a negative grace", err, fault.InvalidArgument, fault.ReasonBadRequest)
	wantFault(t, "revoking what is no key", f.Revoke(t.Context(), "acme", whole+"x"), fault.NotFound, fault.ReasonUnknownKey)
}
