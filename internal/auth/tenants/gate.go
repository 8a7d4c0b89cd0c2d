package tenants

import (
	"context"
	"time"

	"fairlead/internal/auth/recent"
	"fairlead/internal/fault"
)

// Gate says which tenants let callers in. It asks the store about once a second for each tenant, so that a tenant which
// is disabled is shut on every replica within two. It is safe for concurrent use.
type Gate struct {
	open *recent.Cache[bool]
}

// Getter gives tenants. It is a part of Store.
type Getter interface {
	TenantGet(ctx context.Context, name string) (*Tenant, error)
}

// NewGate makes a gate. now is the clock; nil: time.Now.
func NewGate(s Getter, now func() time.Time) *Gate {
	return &Gate{open: recent.New(recent.Config{Now: now}, func(ctx context.Context, name string) (bool, error) {
		t, err := s.TenantGet(ctx, name)
		if err != nil && fault.CodeOf(err) == fault.NotFound {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		return t.DisabledAt.IsZero(), nil
	})}
}

// Open says whether a tenant is there and not disabled. The error is the store's.
func (g *Gate) Open(ctx context.Context, tenant string) (bool, error) {
	return g.open.Get(ctx, tenant)
}
