package keys

import (
	"context"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
)

// Key is an API key without its secret.
type Key struct {
	// ID is the public part, which finds the key.
	ID     string
	Tenant string
	// Name is for people. Keys that replace one another have the same.
	Name    string
	Scopes  auth.Scopes
	Ceiling label.Label
	// Models and Policies are what it may name. Nil: all.
	Models, Policies []string
	// CreatedBy is the name of the principal that made it.
	CreatedBy string
	CreatedAt time.Time
	// ExpiresAt is when it stops to work. Zero: never.
	ExpiresAt time.Time
	// RevokedAt is when it was revoked. Zero: it was not.
	RevokedAt time.Time
	// Replaces is the id of the key that this one was rotated from.
	Replaces string
}

// Live says whether the key works at a time.
func (k *Key) Live(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

// Hash is the HMAC-SHA256 of a key's secret under the server's pepper.
type Hash [32]byte

// Dead is what a store says of a key that cannot be rotated because it works no more.
func Dead(doing string) error {
	return fault.New(fault.FailedPrecondition, fault.ReasonNotAllowed, "%s: it has expired or was revoked: make a new one", doing)
}

// Rotating is what a store says of a key that cannot be rotated because a rotation of it is not over.
func Rotating(doing string) error {
	return fault.New(fault.FailedPrecondition, fault.ReasonNotAllowed,
		"%s: the last rotation is not over: it and a key that replaces it, or that it replaces, both still work: revoke one of them, or wait until it has expired", doing)
}

// Store keeps keys. Errors are *fault.Error. internal/store/storetest is the definition.
type Store interface {
	// KeyInsert keeps a new key. AlreadyExists when the id is taken, NotFound with ReasonUnknownTenant when its
	// tenant is not there.
	KeyInsert(ctx context.Context, k Key, h Hash) error
	// KeyFind gives a key by its id alone, whatever its tenant, dead or alive. NotFound when there is none.
	KeyFind(ctx context.Context, id string) (*Key, Hash, error)
	// KeyList gives a tenant's keys, dead ones too, the newest first.
	KeyList(ctx context.Context, tenant string) ([]Key, error)
	// KeyRotate keeps a new key and lets the one that it replaces expire at a time, if it does not sooner: both
	// or neither. Now is when the new key was created. NotFound when the tenant has no such key; Dead when it is dead;
	// Rotating when a key that lives replaces it already, or is replaced by it: of three that replace one another, two
	// live at most.
	KeyRotate(ctx context.Context, k Key, h Hash, oldExpires time.Time) error
	// KeyRevoke marks a key as revoked at a time; one that is stays as it is. NotFound when the tenant has no
	// such key.
	KeyRevoke(ctx context.Context, tenant, id string, at time.Time) error
}
