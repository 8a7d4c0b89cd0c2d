package config

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"fairlead/internal/auth"
	"fairlead/internal/auth/tenants"
)

// minPepper is the least length of auth.pepper, in bytes.
const minPepper = 32

// On says whether callers have to prove who they are.
func (a *Auth) On() bool { return a.Keys || a.OIDC.On() }

// On says whether tokens are taken.
func (o *OIDC) On() bool { return o.Issuer != "" }

func (k *checker) auth() {
	a := &k.c.Auth
	if a.Keys {
		switch pepper := a.Pepper.Reveal(); {
		case pepper == "" && k.c.Database.Postgres():
			k.wrong("auth.pepper", "must be set where keys are kept in PostgreSQL, the same on every server: openssl rand -hex 32 gives one")
		case pepper != "" && len(pepper) < minPepper:
			k.wrong("auth.pepper", "want %d bytes or more: openssl rand -hex 32 gives them", minPepper)
		}
	}
	if a.OIDC.On() {
		k.oidc()
	}
}

func (k *checker) oidc() {
	o := &k.c.Auth.OIDC
	const at = "auth.oidc"
	u, err := url.Parse(o.Issuer)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		k.wrong(at+".issuer", "want an address such as https://login.example.com, as it stands in the provider's tokens")
	case u.Scheme == "http" && !isLoopback(u.Host):
		k.wrong(at+".issuer", "want https://: whoever is between here and the provider could sign tokens")
	}
	if o.Audience == "" {
		k.wrong(at+".audience", "must be set: a token for any other service of the provider would do without it")
	}
	if o.TenantClaim == "" && tenants.CheckName(o.Tenant) != nil {
		k.wrong(at+".tenant", "want the name of a tenant: a-z, 0-9, '.', '_' and '-'")
	}
	if o.ScopesClaim == "" {
		k.wrong(at+".scopes_claim", "must not be empty")
	}
	for _, value := range slices.Sorted(maps.Keys(o.Scopes)) {
		if _, err := ScopesOf(o.Scopes[value]); err != nil {
			k.wrong(under(at+".scopes", value), "want chat, ingest, search, admin or operator, parted by commas")
		}
	}
	if !o.Ceiling.Valid() {
		k.wrong(at+".ceiling", "must not be empty")
	}
}

// ScopesOf reads scopes that are parted by commas.
func ScopesOf(text string) (auth.Scopes, error) {
	names := strings.Split(text, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return auth.ParseScopes(names...)
}
