// Package tenants says what a tenant is. It owns the record and what a store must do for it; it refuses to know
// what a tenant has, which every store keeps apart for each.
package tenants

import (
	"context"
	"regexp"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
)

// Tenant is a customer, a team or whatever else must not see what others have.
type Tenant struct {
	// Name is what all its data is kept under. It cannot change.
	Name        string
	Description string
	CreatedAt   time.Time
	// DisabledAt is when its callers were shut out. Zero: they are not.
	DisabledAt time.Time
}

var name = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// CheckName refuses what cannot be a tenant's name.
func CheckName(s string) error {
	if !name.MatchString(s) {
		return fault.New(fault.InvalidArgument, fault.ReasonBadRequest,
			"checking the tenant's name: use 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit")
	}
	return nil
}

// MayDelete refuses to delete a tenant that is not disabled, or is the one that is always there. It is for stores.
func MayDelete(t *Tenant) error {
	const doing = "deleting the tenant"
	switch {
	case t.Name == auth.LocalTenant:
		return fault.New(fault.FailedPrecondition, fault.ReasonNotAllowed, "%s: %s is the one that is always there", doing, t.Name)
	case t.DisabledAt.IsZero():
		return fault.New(fault.FailedPrecondition, fault.ReasonNotAllowed, "%s: its callers are let in still: disable it first", doing)
	}
	return nil
}

// Store keeps tenants. auth.LocalTenant is there from the beginning. Errors are *fault.Error: NotFound with
// ReasonUnknownTenant where there is none of a name.
type Store interface {
	// TenantInsert makes a tenant, which begins with nothing. AlreadyExists when there is one of that name.
	TenantInsert(ctx context.Context, t Tenant) error
	// TenantGet gives a tenant.
	TenantGet(ctx context.Context, name string) (*Tenant, error)
	// TenantList gives tenants by name, the first after `after`.
	TenantList(ctx context.Context, after string, limit int) ([]Tenant, error)
	// TenantDisable shuts a tenant's callers out from a time on; one that is shut out stays so since when it was. The
	// zero time lets them in again.
	TenantDisable(ctx context.Context, name string, at time.Time) error
	// TenantDelete deletes a tenant and everything that is kept of it, usage included, all or nothing.
	// FailedPrecondition when MayDelete says so. What a call that is still in flight writes after it stays, out of
	// everyone's reach, until one of that name is made.
	TenantDelete(ctx context.Context, name string) error
}
