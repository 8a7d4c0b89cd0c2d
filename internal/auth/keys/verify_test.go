package keys

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
)

func TestVerifyGivesThePrincipal(t *testing.T) {
	f := newFixture(t)
	k, whole := f.mustCreate(t, auth.Local(), Key{Name: "k", Scopes: auth.Ingest, Ceiling: label.Public, Models: []string{"b", "a"}, Policies: []string{}})
	got, err := f.Verify(t.Context(), whole)
	want := auth.Principal{Tenant: auth.LocalTenant, Name: k.ID, Ceiling: label.Public, Scopes: auth.Ingest, Models: []string{"a", "b"}, Policies: []string{}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// hopeless gives texts and keys that prove nothing, by what is wrong with them.
func hopeless(t testing.TB, f *fixture) map[string]string {
	t.Helper()
	_, expired := f.mustCreate(t, auth.Local(), Key{Name: "expired", ExpiresAt: f.clock.Add(time.Minute)})
	revoked, revokedWhole := f.mustCreate(t, auth.Local(), Key{Name: "revoked"})
	_, shut := f.mustCreate(t, auth.Local(), Key{Name: "shut", Tenant: "shut"})
	k, whole := f.mustCreate(t, auth.Local(), Key{Name: "good"})
	gone, goneWhole := f.mustCreate(t, auth.Local(), Key{Name: "gone"})
	delete(f.store.keys, gone.ID)
	if err := f.Revoke(t.Context(), auth.LocalTenant, revoked.ID); err != nil {
		t.Fatal(err)
	}
	f.clock = f.clock.Add(time.Minute) // the first is dead from its last moment on
	f.gate.shut = []string{"shut"}
	return map[string]string{
		"wrong secret": assemble(k.ID, newSecret()), "unknown": goneWhole, "made up": assemble(strings.Repeat("a", IDLength), newSecret()),
		"expired": expired, "revoked": revokedWhole, "tenant shut out": shut, "no key": "sk-something", "empty": "", "cut": whole[:Length-1],
	}
}

func TestNothingIsToldApart(t *testing.T) {
	f := newFixture(t)
	want, err := json.Marshal(Refused())
	if err != nil {
		t.Fatal(err)
	}
	for what, presented := range hopeless(t, f) {
		for range 2 { // from the store, and from what is known
			p, err := f.Verify(t.Context(), presented)
			var refused *fault.Error
			if !errors.As(err, &refused) {
				t.Fatalf("%s: %v", what, err)
			}
			got, _ := json.Marshal(refused)
			if string(got) != string(want) || fault.Cause(err) != Refused().Text || p.Tenant != "" || p.Scopes != 0 {
				t.Errorf("%s: %s, and the principal %+v", what, got, p)
			}
		}
	}
}

// TestTheSameWorkForAll counts the two steps whose time could tell something. It measures no time: a machine that does
// something else would make it fail.
func TestTheSameWorkForAll(t *testing.T) {
	f := newFixture(t)
	_, whole := f.mustCreate(t, auth.Local(), Key{Name: "good"})
	all := hopeless(t, f)
	all["good"] = whole
	for what, presented := range all {
		want := 1
		if _, _, err := Parse(presented); err != nil {
			want = 0 // its form is no secret
		}
		for range 2 {
			f.hashes, f.compares = 0, 0
			_, err := f.Verify(t.Context(), presented)
			if (err == nil) != (what == "good") || f.hashes != want || f.compares != want {
				t.Errorf("%s: %v after %d hashes and %d compares, want %d", what, err, f.hashes, f.compares, want)
			}
		}
	}
}

func TestAFloodDoesNotReachTheStore(t *testing.T) {
	f := newFixture(t)
	k, whole := f.mustCreate(t, auth.Local(), Key{Name: "good"})
	gone, goneWhole := f.mustCreate(t, auth.Local(), Key{Name: "gone"})
	delete(f.store.keys, gone.ID)
	for range 1000 {
		for _, presented := range []string{
			assemble(newID([]byte("another pepper, made up by the flood")), newSecret()), // an id that is new each time
			assemble(k.ID, newSecret()), goneWhole,
		} {
			if _, err := f.Verify(t.Context(), presented); err == nil {
				t.Fatal("it was let in")
			}
		}
		if _, err := f.Verify(t.Context(), whole); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.store.asked(); n != 2 {
		t.Errorf("the store was asked %d times for 4000 calls, want 2", n)
	}
}

func TestRevocationIsSeenWithinASecond(t *testing.T) {
	f := newFixture(t)
	k, whole := f.mustCreate(t, auth.Local(), Key{Name: "k"})
	// Another replica on the same store.
	replica := newFixture(t)
	replica.Service.store = f.store
	verify := func(who *fixture, want bool) {
		t.Helper()
		if _, err := who.Verify(t.Context(), whole); (err == nil) != want {
			t.Errorf("%v", err)
		}
	}
	verify(f, true)
	verify(replica, true)
	if err := f.Revoke(t.Context(), auth.LocalTenant, whole); err != nil { // by the whole of it
		t.Fatal(err)
	}
	if !f.store.keys[k.ID].RevokedAt.Equal(f.clock) {
		t.Error("it is not revoked")
	}
	verify(f, false)
	verify(replica, true)
	replica.clock = replica.clock.Add(time.Second)
	verify(replica, false)
}

func TestAKeyDiesOnTime(t *testing.T) {
	f := newFixture(t)
	_, whole := f.mustCreate(t, auth.Local(), Key{Name: "k", ExpiresAt: f.clock.Add(500 * time.Millisecond)})
	for _, want := range []bool{true, false} {
		if _, err := f.Verify(t.Context(), whole); (err == nil) != want {
			t.Errorf("%v: what is known of it must not outlive it", err)
		}
		f.clock = f.clock.Add(500 * time.Millisecond)
	}
}

func TestWhatCannotBeKnownIsNotRefused(t *testing.T) {
	f := newFixture(t)
	_, whole := f.mustCreate(t, auth.Local(), Key{Name: "k"})
	f.store.down = fault.New(fault.Unavailable, fault.ReasonInternal, "the database cannot be reached")
	_, err := f.Verify(t.Context(), whole)
	wantFault(t, "the store is down", err, fault.Unavailable, fault.ReasonInternal)
	f.store.down = nil
	f.gate.err = fault.New(fault.Unavailable, fault.ReasonInternal, "the database cannot be reached")
	_, err = f.Verify(t.Context(), whole)
	wantFault(t, "the gate is down", err, fault.Unavailable, fault.ReasonInternal)
	f.gate.err = nil
	if _, err = f.Verify(t.Context(), whole); err != nil {
		t.Errorf("it is up again: %v", err)
	}
}

func TestAnotherPepper(t *testing.T) {
	f := newFixture(t)
	_, whole := f.mustCreate(t, auth.Local(), Key{Name: "k"})
	other := New(Config{Store: f.store, Gate: f.gate, Pepper: func() ([]byte, error) { return []byte(strings.Repeat("p", 32)), nil }})
	if _, err := other.Verify(t.Context(), whole); fault.CodeOf(err) != fault.Unauthenticated {
		t.Error(err)
	}
	// Even where the seal is not what refuses it.
	other.pepper = func() ([]byte, error) { return []byte(pepper), nil }
	other.hash = func(_ []byte, secret string) Hash { return hash([]byte(strings.Repeat("p", 32)), secret) }
	if _, err := other.Verify(t.Context(), whole); err == nil || fault.CodeOf(err) != fault.Unauthenticated {
		t.Error(err)
	}
}

func TestAShortPepperIsAnError(t *testing.T) {
	for _, text := range []string{"", "short", strings.Repeat("x", 31)} {
		s := New(Config{Store: &memory{}, Gate: &gate{}, Pepper: func() ([]byte, error) { return []byte(text), nil }})
		wantFault(t, fmt.Sprintf("%q", text), s.Ready(), fault.FailedPrecondition, fault.ReasonBadConfig)
		_, _, err := s.Create(t.Context(), auth.Local(), Key{Name: "k"})
		wantFault(t, "Create", err, fault.FailedPrecondition, fault.ReasonBadConfig)
		_, err = s.Verify(t.Context(), assemble(newID([]byte(pepper)), newSecret()))
		wantFault(t, "Verify", err, fault.FailedPrecondition, fault.ReasonBadConfig)
		if text != "" && strings.Contains(err.Error(), text) {
			t.Error("the error shows the pepper")
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	f := newFixture(b)
	f.hash, f.equal = hash, equal
	k, whole := f.mustCreate(b, auth.Local(), Key{Name: "good"})
	gone, goneWhole := f.mustCreate(b, auth.Local(), Key{Name: "gone"})
	delete(f.store.keys, gone.ID)
	for _, c := range []struct{ name, presented string }{
		{"good", whole}, {"wrong secret", assemble(k.ID, newSecret())}, {"unknown", goneWhole},
		{"made up", assemble(strings.Repeat("a", IDLength), newSecret())}, {"no key", strings.Repeat("x", Length)}, {"a megabyte", strings.Repeat("x", 1<<20)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = f.Verify(b.Context(), c.presented)
			}
		})
	}
}
