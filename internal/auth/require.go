package auth

import "fairlead/internal/fault"

// Require refuses a caller without a scope. It is the only place that knows that Operator may do what Admin may.
func (p *Principal) Require(s Scopes) error {
	if p.Scopes.Has(s) || s == Admin && p.Scopes.Has(Operator) {
		return nil
	}
	return fault.New(fault.PermissionDenied, fault.ReasonNotAllowed,
		"checking the caller: it needs the scope %s: use a key or a token that has it", s)
}
