package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/auth"
	"fairlead/internal/auth/keys"
	"fairlead/internal/auth/tenants"
	"fairlead/internal/fault"
	"fairlead/internal/label"
)

// Access is what a database does to say who may call.
type Access interface {
	keys.Store
	tenants.Store
}

// RunAccess runs the tests of keys and tenants alone. open gives an empty store, and ends it with the test's cleanup.
func RunAccess(t *testing.T, open func(t *testing.T) Access) {
	for name, tests := range map[string]map[string]func(t *testing.T, s Access){"keys": keyTests, "registered tenants": registeredTests} {
		t.Run(name, func(t *testing.T) {
			for name, test := range tests {
				t.Run(name, func(t *testing.T) { test(t, open(t)) })
			}
		})
	}
}

// began is when the tests of keys begin, as their stores keep it.
var began = time.Date(2026, 11, 22, 12, 0, 0, 123456000, time.UTC)

// key is one that tests keep where nothing about it matters.
func key(id string) keys.Key {
	return keys.Key{ID: id, Tenant: tenant, Name: "of a test", Scopes: auth.Chat | auth.Search, Ceiling: label.Internal, CreatedBy: "local", CreatedAt: began}
}

func hashOf(n byte) (h keys.Hash) {
	for i := range h {
		h[i] = n + byte(i)
	}
	return h
}

func mustRegister(t *testing.T, s Access, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := s.TenantInsert(t.Context(), tenants.Tenant{Name: name, Description: "of a test", CreatedAt: began}); err != nil {
			t.Fatalf("TenantInsert(%s): %v", name, fault.Cause(err))
		}
	}
}

func mustKeep(t *testing.T, s Access, list ...keys.Key) {
	t.Helper()
	for i, k := range list {
		if err := s.KeyInsert(t.Context(), k, hashOf(byte(i))); err != nil {
			t.Fatalf("KeyInsert(%s): %v", k.ID, fault.Cause(err))
		}
	}
}

func mustFind(t *testing.T, s Access, id string) (keys.Key, keys.Hash) {
	t.Helper()
	k, h, err := s.KeyFind(t.Context(), id)
	if err != nil {
		t.Fatalf("KeyFind(%s): %v", id, fault.Cause(err))
	}
	return *k, h
}

// successor is what a key is rotated to.
func successor(id string, old keys.Key, at time.Time) keys.Key {
	k := old
	k.ID, k.Replaces, k.CreatedAt = id, old.ID, at
	return k
}

var keyTests = map[string]func(t *testing.T, s Access){
	"what is kept comes back": func(t *testing.T, s Access) {
		mustRegister(t, s, tenant, other)
		full := key("full")
		full.Tenant, full.Name, full.Scopes, full.Ceiling = other, "naïve 🔑 'quoted'", auth.AllScopes, label.Restricted
		full.Models, full.Policies = []string{"a", "b,c", `"d"`}, []string{"cheap"}
		full.ExpiresAt, full.RevokedAt = began.Add(time.Hour), began.Add(time.Minute)
		none := key("none")
		none.Models, none.Policies = []string{}, []string{} // none at all, where nil is all
		for i, k := range []keys.Key{key("plain"), full, none} {
			h := hashOf(byte(100 + i))
			if err := s.KeyInsert(t.Context(), k, h); err != nil {
				t.Fatal(fault.Cause(err))
			}
			got, gotHash := mustFind(t, s, k.ID)
			if diff := cmp.Diff(k, got); diff != "" || gotHash != h {
				t.Errorf("KeyFind (-want +got), hash equal %v:\n%s", gotHash == h, diff)
			}
		}
	},
	"unknown": func(t *testing.T, s Access) {
		mustRegister(t, s, tenant, other)
		mustKeep(t, s, key("a"))
		ctx := t.Context()
		for _, id := range []string{"b", "A", "", "a'--", "%"} {
			_, _, err := s.KeyFind(ctx, id)
			wantFault(t, "KeyFind "+id, err, fault.NotFound, fault.ReasonUnknownKey)
		}
		wantFault(t, "KeyRevoke", s.KeyRevoke(ctx, tenant, "b", began), fault.NotFound, fault.ReasonUnknownKey)
		wantFault(t, "KeyRevoke of another's", s.KeyRevoke(ctx, other, "a", began), fault.NotFound, fault.ReasonUnknownKey)
		wantFault(t, "KeyRotate", s.KeyRotate(ctx, successor("c", key("b"), began), hashOf(1), began), fault.NotFound, fault.ReasonUnknownKey)
		theirs := successor("c", key("a"), began)
		theirs.Tenant = other
		wantFault(t, "KeyRotate of another's", s.KeyRotate(ctx, theirs, hashOf(1), began), fault.NotFound, fault.ReasonUnknownKey)
		orphan := key("o")
		orphan.Tenant = "nobody"
		wantFault(t, "KeyInsert for no tenant", s.KeyInsert(ctx, orphan, hashOf(1)), fault.NotFound, fault.ReasonUnknownTenant)
		if list, err := s.KeyList(ctx, other); err != nil || len(list) != 0 {
			t.Errorf("KeyList of another = %v, %v", list, err)
		}
		if k, _ := mustFind(t, s, "a"); !k.RevokedAt.IsZero() || !k.ExpiresAt.IsZero() {
			t.Errorf("another's call changed it: %+v", k)
		}
	},
	"an id is taken in all tenants": func(t *testing.T, s Access) {
		mustRegister(t, s, tenant, other)
		mustKeep(t, s, key("a"), key("b"))
		again := key("a")
		wantFault(t, "KeyInsert", s.KeyInsert(t.Context(), again, hashOf(9)), fault.AlreadyExists, fault.ReasonNone)
		again.Tenant = other
		wantFault(t, "KeyInsert of another", s.KeyInsert(t.Context(), again, hashOf(9)), fault.AlreadyExists, fault.ReasonNone)
		wantFault(t, "KeyRotate", s.KeyRotate(t.Context(), successor("a", key("b"), began), hashOf(9), began), fault.AlreadyExists, fault.ReasonNone)
		if k, h := mustFind(t, s, "a"); k.Tenant != tenant || h != hashOf(0) {
			t.Errorf("it was replaced: %+v", k)
		}
		if k, _ := mustFind(t, s, "b"); !k.ExpiresAt.IsZero() {
			t.Errorf("half a rotation: %+v", k)
		}
	},
	"listed newest first, dead ones too": func(t *testing.T, s Access) {
		mustRegister(t, s, tenant, other)
		for i := range 4 {
			k := key(fmt.Sprint("k", i))
			k.CreatedAt = began.Add(time.Duration(i) * time.Microsecond)
			if i == 1 {
				k.RevokedAt = began.Add(time.Second)
			}
			mustKeep(t, s, k)
		}
		theirs := key("theirs")
		theirs.Tenant = other
		mustKeep(t, s, theirs)
		list, err := s.KeyList(t.Context(), tenant)
		ids := ""
		for _, k := range list {
			ids += k.ID + " "
		}
		if err != nil || ids != "k3 k2 k1 k0 " || list[2].RevokedAt.IsZero() {
			t.Errorf("KeyList = %s, %v", ids, err)
		}
	},
	"rotated": func(t *testing.T, s Access) {
		mustRegister(t, s, tenant)
		a := key("a")
		mustKeep(t, s, a)
		b := successor("b", a, began.Add(time.Hour))
		ends := b.CreatedAt.Add(time.Hour)
		if err := s.KeyRotate(t.Context(), b, hashOf(7), ends); err != nil {
			t.Fatal(fault.Cause(err))
		}
		got, h := mustFind(t, s, "b")
		if diff := cmp.Diff(b, got); diff != "" || h != hashOf(7) {
			t.Errorf("the new one (-want +got):\n%s", diff)
		}
		a.ExpiresAt = ends
		if got, _ := mustFind(t, s, "a"); !cmp.Equal(a, got) {
			t.Errorf("the old one: %s", cmp.Diff(a, got))
		}
		// While both live, neither is rotated.
		during := b.CreatedAt.Add(time.Minute)
		wantFault(t, "the old one again", s.KeyRotate(t.Context(), successor("c", a, during), hashOf(1), ends), fault.FailedPrecondition, fault.ReasonNotAllowed)
		wantFault(t, "the new one meanwhile", s.KeyRotate(t.Context(), successor("c", b, during), hashOf(1), ends), fault.FailedPrecondition, fault.ReasonNotAllowed)
		// Once the old one is dead, the new one may be, and the old one may not.
		wantFault(t, "the dead one", s.KeyRotate(t.Context(), successor("c", a, ends), hashOf(1), ends), fault.FailedPrecondition, fault.ReasonNotAllowed)
		if err := s.KeyRotate(t.Context(), successor("c", b, ends), hashOf(1), ends); err != nil {
			t.Error(fault.Cause(err))
		}
		if k, _ := mustFind(t, s, "b"); !k.ExpiresAt.Equal(ends) {
			t.Errorf("without a grace it ends at once: %+v", k)
		}
	},
	"rotated after the new one was revoked": func(t *testing.T, s Access) {
		mustRegister(t, s, tenant)
		a := key("a")
		mustKeep(t, s, a)
		ends := began.Add(time.Hour)
		if err := s.KeyRotate(t.Context(), successor("b", a, began), hashOf(7), ends); err != nil {
			t.Fatal(fault.Cause(err))
		}
		if err := s.KeyRevoke(t.Context(), tenant, "b", began.Add(time.Second)); err != nil {
			t.Fatal(fault.Cause(err))
		}
		if err := s.KeyRotate(t.Context(), successor("c", a, began.Add(time.Minute)), hashOf(8), ends.Add(time.Hour)); err != nil {
			t.Error(fault.Cause(err))
		}
		if k, _ := mustFind(t, s, "a"); !k.ExpiresAt.Equal(ends) {
			t.Errorf("a rotation gave it a longer life: %+v", k)
		}
	},
	"an end that is near stays": func(t *testing.T, s Access) {
		mustRegister(t, s, tenant)
		a := key("a")
		a.ExpiresAt = began.Add(time.Minute)
		mustKeep(t, s, a)
		if err := s.KeyRotate(t.Context(), successor("b", a, began), hashOf(7), began.Add(time.Hour)); err != nil {
			t.Fatal(fault.Cause(err))
		}
		if k, _ := mustFind(t, s, "a"); !k.ExpiresAt.Equal(a.ExpiresAt) {
			t.Errorf("it ends at %v", k.ExpiresAt)
		}
	},
	"one of two rotations wins": func(t *testing.T, s Access) {
		mustRegister(t, s, tenant)
		for round := range 5 {
			a := key(fmt.Sprint("a", round))
			mustKeep(t, s, a)
			var mu sync.Mutex
			var won []string
			side(t, 4, func(i int) error {
				id := fmt.Sprintf("b%d-%d", round, i)
				err := s.KeyRotate(t.Context(), successor(id, a, began), hashOf(byte(i)), began.Add(time.Hour))
				if err == nil {
					mu.Lock()
					won = append(won, id)
					mu.Unlock()
				} else if fault.CodeOf(err) == fault.FailedPrecondition {
					err = nil
				}
				return err
			})
			list, err := s.KeyList(t.Context(), tenant)
			successors := 0
			for _, k := range list {
				if k.Replaces == a.ID {
					successors++
				}
			}
			if err != nil || len(won) != 1 || successors != 1 {
				t.Fatalf("%v won, and %d keys replace it: %v", won, successors, err)
			}
		}
	},
	"revoked": func(t *testing.T, s Access) {
		mustRegister(t, s, tenant)
		mustKeep(t, s, key("a"), key("b"))
		for _, at := range []time.Time{began.Add(time.Second), began.Add(time.Hour)} { // the second changes nothing
			if err := s.KeyRevoke(t.Context(), tenant, "a", at); err != nil {
				t.Fatal(fault.Cause(err))
			}
		}
		if k, _ := mustFind(t, s, "a"); !k.RevokedAt.Equal(began.Add(time.Second)) || k.Live(began) {
			t.Errorf("%+v", k)
		}
		if k, _ := mustFind(t, s, "b"); !k.Live(began) {
			t.Errorf("another was: %+v", k)
		}
		wantFault(t, "rotating it", s.KeyRotate(t.Context(), successor("c", key("a"), began), hashOf(1), began), fault.FailedPrecondition, fault.ReasonNotAllowed)
	},
	"revoked while it is looked for": func(t *testing.T, s Access) {
		mustRegister(t, s, tenant)
		mustKeep(t, s, key("a"))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		revoked := make(chan struct{})
		side(t, 4, func(who int) error {
			if who == 0 {
				defer close(revoked)
				return s.KeyRevoke(t.Context(), tenant, "a", began)
			}
			for seen := false; ctx.Err() == nil; {
				after := false
				select {
				case <-revoked:
					after = true
				default:
				}
				k, h, err := s.KeyFind(t.Context(), "a")
				switch {
				case err != nil:
					return err
				case h != hashOf(0):
					return errors.New("half a key")
				case k.RevokedAt.IsZero() && (after || seen):
					return errors.New("it was revoked, and is not any more")
				case after:
					return nil
				}
				seen = seen || !k.RevokedAt.IsZero()
			}
			return nil
		})
	},
	"as the service uses it": func(t *testing.T, s Access) {
		mustRegister(t, s, tenant)
		pepper := func() ([]byte, error) { return []byte(strings.Repeat("p", 32)), nil }
		service := keys.New(keys.Config{Store: s, Gate: tenants.NewGate(s, nil), Pepper: pepper})
		replica := keys.New(keys.Config{Store: s, Gate: tenants.NewGate(s, nil), Pepper: pepper})
		by := auth.Local()
		made, whole, err := service.Create(t.Context(), by, keys.Key{Name: "k", Tenant: tenant, Models: []string{"m"}, ExpiresAt: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		p, err := replica.Verify(t.Context(), whole)
		want := auth.Principal{Tenant: tenant, Name: made.ID, Ceiling: label.Internal, Scopes: auth.Chat | auth.Search, Models: []string{"m"}}
		if diff := cmp.Diff(want, p); diff != "" || err != nil {
			t.Errorf("Verify: %v (-want +got):\n%s", err, diff)
		}
		_, _, err = service.Create(t.Context(), by, keys.Key{Name: "k", Tenant: "nobody"})
		wantFault(t, "a tenant that is not there", err, fault.NotFound, fault.ReasonUnknownTenant)
		next, nextWhole, _, err := service.Rotate(t.Context(), by, tenant, made.ID, time.Hour)
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		if _, err := replica.Verify(t.Context(), nextWhole); err != nil {
			t.Errorf("the new one: %v", fault.Cause(err))
		}
		// Whoever asks while it is revoked is let in or not, and nobody once it is done, but for what a replica knows.
		side(t, 4, func(who int) error {
			if who == 0 {
				return service.Revoke(t.Context(), tenant, next.ID)
			}
			for range 20 {
				if _, err := replica.Verify(t.Context(), nextWhole); err != nil && fault.CodeOf(err) != fault.Unauthenticated {
					return err
				}
			}
			return nil
		})
		if _, err := service.Verify(t.Context(), nextWhole); err == nil {
			t.Error("it was revoked here, and works")
		}
		if err := s.TenantDisable(t.Context(), tenant, time.Now()); err != nil {
			t.Fatal(fault.Cause(err))
		}
		if err := s.TenantDelete(t.Context(), tenant); err != nil {
			t.Fatal(fault.Cause(err))
		}
		late := keys.New(keys.Config{Store: s, Gate: tenants.NewGate(s, nil), Pepper: pepper})
		_, err = late.Verify(t.Context(), whole)
		wantFault(t, "a key of a tenant that is gone", err, fault.Unauthenticated, fault.ReasonUnauthenticated)
	},
}
