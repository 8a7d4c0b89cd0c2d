package oidc

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/auth/tenants"
	"fairlead/internal/fault"
	"fairlead/internal/label"
)

const (
	// maxToken is the most bytes of a token.
	maxToken = 16 << 10
	// maxSubject is the most bytes of a subject (OpenID Connect Core 1.0, section 2).
	maxSubject = 255
	// namePrefix parts subjects from the ids of keys.
	namePrefix = "oidc:"
)

// Verifier proves who presents a token. It is safe for concurrent use.
type Verifier struct {
	config   Config
	provider *provider
}

// New makes a Verifier. It calls nobody: the provider may be down. The error is a *fault.Error with ReasonBadConfig.
func New(c Config) (*Verifier, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if len(c.Scopes) == 0 {
		c.Scopes = map[string]auth.Scopes{}
		for _, name := range (auth.AllScopes &^ auth.Operator).Names() {
			c.Scopes[name], _ = auth.ParseScopes(name) // it is one's own name
		}
	}
	return &Verifier{config: c, provider: newProvider(c)}, nil
}

// Verify says who presents a token. The error is a *fault.Error: Unauthenticated when the token is no good, with the
// same text whatever the matter is, and Unavailable when that cannot be found out now.
func (v *Verifier) Verify(ctx context.Context, token string) (auth.Principal, error) {
	if err := v.plausible(token); err != nil {
		return auth.Principal{}, refused(err)
	}
	verifier, err := v.provider.verifier(ctx)
	if err != nil {
		return auth.Principal{}, unavailable(ctx, err)
	}
	var out outage
	checked, err := verifier.Verify(context.WithValue(ctx, outageKey{}, &out), token)
	switch {
	case out.err != nil:
		return auth.Principal{}, unavailable(ctx, out.err)
	case err != nil && ctx.Err() != nil:
		return auth.Principal{}, unavailable(ctx, err)
	case err != nil: // go-oidc's text quotes the token
		return auth.Principal{}, refused(errors.New("its signature, issuer or audience is not the one that is wanted"))
	}
	var claims claims
	if err := checked.Claims(&claims.all); err != nil {
		return auth.Principal{}, refused(errors.New("its claims cannot be read"))
	}
	if err := claims.timely(v.config.Now()); err != nil {
		return auth.Principal{}, refused(err)
	}
	p, err := v.principal(&claims)
	if err != nil {
		return auth.Principal{}, refused(err)
	}
	open, err := v.config.Tenants.Open(ctx, p.Tenant)
	if err != nil {
		return auth.Principal{}, unavailable(ctx, err)
	}
	if !open {
		return auth.Principal{}, refused(errors.New("its tenant is not there, or is disabled"))
	}
	return p, nil
}

// plausible looks at a token before anything is fetched for it: one that is not even said to be the provider's costs
// nobody a call.
func (v *Verifier) plausible(token string) error {
	parts := strings.Split(token, ".")
	if len(token) > maxToken || len(parts) != 3 {
		return errors.New("it is no token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return errors.New("it is no token")
	}
	var said struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(payload, &said) != nil || said.Issuer != v.config.Issuer {
		return errors.New("it is not of the provider")
	}
	return nil
}

// principal says who a token's claims are about.
func (v *Verifier) principal(c *claims) (auth.Principal, error) {
	subject, _ := c.text("sub")
	if !printable(subject) {
		return auth.Principal{}, errors.New("its subject is missing, or is nothing to be logged")
	}
	p := auth.Principal{Tenant: v.config.Tenant, Name: namePrefix + subject, Ceiling: v.config.Ceiling}
	if name := v.config.TenantClaim; name != "" {
		tenant, ok := c.text(name)
		if !ok || tenants.CheckName(tenant) != nil {
			return auth.Principal{}, errors.New("the claim of its tenant is missing, or is no tenant's name")
		}
		p.Tenant = tenant
	}
	if name := v.config.CeilingClaim; name != "" && c.has(name) {
		text, _ := c.text(name)
		l, err := label.Parse(text)
		if err != nil || !l.Valid() {
			return auth.Principal{}, errors.New("the claim of its ceiling is no label")
		}
		p.Ceiling = l
	}
	values, err := c.list(v.config.ScopesClaim)
	if err != nil {
		return auth.Principal{}, err
	}
	for _, value := range values {
		p.Scopes |= v.config.Scopes[value]
	}
	return p, nil
}

// printable says whether a subject may go into logs and records: it is made of what can be seen.
func printable(s string) bool {
	if s == "" || len(s) > maxSubject {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// refused is what callers learn of a token that is no good; why is for the log, and has nothing of the token.
func refused(why error) error {
	return fault.Wrap(why, fault.Unauthenticated, fault.ReasonUnauthenticated, "checking the token: it is not valid")
}

func unavailable(ctx context.Context, why error) error {
	if err := ctx.Err(); err != nil {
		return fault.From(err)
	}
	f := fault.Wrap(why, fault.Unavailable, fault.ReasonInternal, "checking the token: whether it is valid cannot be found out now")
	f.RetryAfter = time.Second
	return f
}
