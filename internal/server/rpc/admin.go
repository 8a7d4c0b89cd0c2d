package rpc

import (
	"context"
	"time"

	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/auth"
	"fairlead/internal/auth/keys"
	"fairlead/internal/auth/tenants"
	"fairlead/orchestrator/usage"
)

// Keys manages keys. Errors are *fault.Error.
type Keys interface {
	// Create makes a key of k's settings for a principal, who may do no less, and gives it with its secret.
	Create(ctx context.Context, by auth.Principal, k keys.Key) (made *keys.Key, secret string, err error)
	// List gives a tenant's keys, the newest first.
	List(ctx context.Context, tenant string) ([]keys.Key, error)
	// Rotate makes a key in place of another, which expires after the grace.
	Rotate(ctx context.Context, by auth.Principal, tenant, id string, grace time.Duration) (made *keys.Key, secret string, oldExpires time.Time, err error)
	// Revoke ends a key.
	Revoke(ctx context.Context, tenant, id string) error
}

// Tenants keeps tenants.
type Tenants = tenants.Store

// Usage sums what was used.
type Usage interface {
	UsageSum(ctx context.Context, tenant string, q usage.Query) ([]usage.Sum, error)
}

// adminService serves fairlead.v1.AdminService. What a caller may not see is answered as unknown.
type adminService struct {
	fairleadv1connect.UnimplementedAdminServiceHandler

	keys     Keys
	tenants  Tenants
	usage    Usage
	outcomes Outcomes
}

var _ fairleadv1connect.AdminServiceHandler = (*adminService)(nil)
