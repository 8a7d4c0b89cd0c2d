package main

import (
	"fairlead/internal/auth"
	"fairlead/internal/auth/oidc"
	"fairlead/internal/config"
	"fairlead/internal/server"
)

// demandProof has every caller of the server prove who it is, where the configuration says so. A key service that
// cannot work, such as for want of a pepper, is found now; a provider of tokens may be down.
func (a *app) demandProof() error {
	c := a.config.Auth
	if !c.On() {
		return nil
	}
	proof := &server.Authenticator{}
	if c.Keys {
		if err := a.access.keys.Ready(); err != nil {
			return err
		}
		proof.Keys = a.access.keys
	}
	if c.OIDC.On() {
		tokens, err := oidc.New(tokenConfig(c.OIDC, a.access.gate))
		if err != nil {
			return err
		}
		proof.Tokens = tokens
	}
	a.access.authenticate = proof.Authenticate
	return nil
}

// tokenConfig says which tokens are taken. The configuration was checked: its scopes can be read.
func tokenConfig(c config.OIDC, gate oidc.Tenants) oidc.Config {
	out := oidc.Config{
		Issuer: c.Issuer, Audience: c.Audience, TenantClaim: c.TenantClaim, Tenant: c.Tenant, ScopesClaim: c.ScopesClaim,
		Scopes: map[string]auth.Scopes{}, CeilingClaim: c.CeilingClaim, Ceiling: c.Ceiling, Tenants: gate,
	}
	for value, text := range c.Scopes {
		out.Scopes[value], _ = config.ScopesOf(text)
	}
	return out
}
