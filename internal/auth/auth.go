// Package auth says who is calling. It owns the Principal and its way through a context; it refuses to
// know transports and stores, which prove and keep keys.
package auth

import (
	"context"

	"fairlead/internal/label"
)

// LocalTenant is the tenant of a server that knows no tenants.
const LocalTenant = "default"

// Principal is who is calling, as the server established it. Nothing in it is taken from the body of a
// request.
type Principal struct {
	// Tenant owns the data that the call may touch. Never empty.
	Tenant string
	// Name is for logs and records: a key's id or a subject.
	Name string
	// Ceiling is the highest label that the caller may read and send.
	Ceiling label.Label
}

// Local is the principal of a server without keys, which listens on loopback.
func Local() Principal {
	return Principal{Tenant: LocalTenant, Name: "local", Ceiling: label.Restricted}
}

type contextKey struct{}

// With gives a context that carries the principal.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// From gives the principal of a context, and false where there is none: the caller must then refuse.
func From(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(contextKey{}).(Principal)
	return p, ok
}
