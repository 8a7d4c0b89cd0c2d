package oidc

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
)

// Skew is how far the provider's clock may be from ours.
const Skew = time.Minute

// Tenants says which tenants let callers in. tenants.Gate is one.
type Tenants interface {
	// Open says whether a tenant is there and not disabled.
	Open(ctx context.Context, tenant string) (bool, error)
}

// Config says which tokens are taken and what they mean.
type Config struct {
	// Issuer is the provider's address, as it stands in its tokens. It begins with https:// unless it is of this
	// machine.
	Issuer string
	// Audience is what tokens must be meant for.
	Audience string
	// TenantClaim names the claim that holds the tenant. Empty: every caller is of Tenant.
	TenantClaim string
	Tenant      string
	// ScopesClaim names the claim that lists what a caller may do: text parted by spaces, or a list of texts.
	ScopesClaim string
	// Scopes is what a value of that claim stands for; others mean nothing. Empty: the scopes' own names, without
	// operator.
	Scopes map[string]auth.Scopes
	// CeilingClaim names the claim that holds the highest label of a caller. Empty, or not in a token: Ceiling.
	CeilingClaim string
	Ceiling      label.Label
	// Tenants is asked about every caller's tenant.
	Tenants Tenants

	// Transport is what the provider is reached through. Nil: one with the time limits of this package.
	Transport http.RoundTripper
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

func (c *Config) validate() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.InvalidArgument, fault.ReasonBadConfig, "oidc: "+format, args...)
	}
	switch {
	case !safeURL(c.Issuer):
		return bad("the issuer must be an address that begins with https://, or of this machine")
	case c.Audience == "":
		return bad("the audience is missing: without it a token for anybody else would do")
	case c.TenantClaim == "" && c.Tenant == "":
		return bad("neither a claim nor a name says which tenant callers belong to")
	case c.ScopesClaim == "":
		return bad("no claim says what callers may do")
	case !c.Ceiling.Valid():
		return bad("the ceiling is missing")
	case c.Tenants == nil:
		return bad("nobody knows the tenants")
	}
	return nil
}

// safeURL says whether what is fetched from an address is what its owner said: over TLS, or from this machine.
func safeURL(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	ip := net.ParseIP(host)
	return u.Scheme == "https" || u.Scheme == "http" && (host == "localhost" || ip != nil && ip.IsLoopback())
}
