package tenants_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/internal/auth/tenants"
	"fairlead/internal/fault"
)

// getter gives one tenant.
type getter struct {
	tenant tenants.Tenant
	err    error
	asked  int
}

func (g *getter) TenantGet(_ context.Context, name string) (*tenants.Tenant, error) {
	g.asked++
	if g.err != nil {
		return nil, g.err
	}
	if name != g.tenant.Name {
		return nil, fault.New(fault.NotFound, fault.ReasonUnknownTenant, "there is none")
	}
	t := g.tenant
	return &t, nil
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &getter{tenant: tenants.Tenant{Name: "acme"}}
		g := tenants.NewGate(s, nil)
		open := func(name string, want bool) {
			t.Helper()
			if got, err := g.Open(t.Context(), name); got != want || err != nil {
				t.Errorf("Open(%s) = %v, %v", name, got, err)
			}
		}
		open("acme", true)
		open("nobody", false)
		s.tenant.DisabledAt = time.Now()
		open("acme", true)
		time.Sleep(time.Second)
		open("acme", false)
		s.tenant.DisabledAt = time.Time{}
		s.err = fault.New(fault.Unavailable, fault.ReasonInternal, "down")
		time.Sleep(time.Second)
		if ok, err := g.Open(t.Context(), "acme"); ok || err == nil || fault.CodeOf(err) != fault.Unavailable {
			t.Errorf("the store is down: %v, %v", ok, err)
		}
		s.err = nil
		open("acme", true)
		for range 100 {
			open("acme", true)
			open("nobody", false)
		}
		if s.asked != 6 {
			t.Errorf("asked %d times, want 6", s.asked)
		}
	})
}

func TestMayDelete(t *testing.T) {
	for name, want := range map[string]bool{"acme": true, "default": false} {
		d := tenants.Tenant{Name: name, DisabledAt: time.Now()}
		if err := tenants.MayDelete(&d); (err == nil) != want {
			t.Errorf("%s, disabled: %v", name, err)
		}
		if err := tenants.MayDelete(&tenants.Tenant{Name: name}); err == nil || fault.CodeOf(err) != fault.FailedPrecondition {
			t.Errorf("%s, open: %v", name, err)
		}
	}
}
