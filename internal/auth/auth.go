// Package auth says who is calling. It owns the Principal, what it may do, and its way through a context; it
// refuses to know transports and stores, which prove who calls and keep keys.
package auth

import (
	"context"
	"slices"

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
	// Scopes are what the caller may do.
	Scopes Scopes
	// Models are the names that a request may give as its model, targets that may be chosen for it among
	// them; Policies are the policies. Nil: all.
	Models, Policies []string
}

// Local is the principal of a server without keys, which listens on loopback: it may do everything.
func Local() Principal {
	return Principal{Tenant: LocalTenant, Name: "local", Ceiling: label.Restricted, Scopes: AllScopes}
}

// MayUseModel says whether a request may name a model, or a step be sent to a target of that name.
func (p *Principal) MayUseModel(name string) bool {
	return p.Models == nil || slices.Contains(p.Models, name)
}

// MayUsePolicy says whether a request may be routed by a policy.
func (p *Principal) MayUsePolicy(name string) bool {
	return p.Policies == nil || slices.Contains(p.Policies, name)
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
