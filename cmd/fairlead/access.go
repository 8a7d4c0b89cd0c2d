package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"

	"fairlead/internal/auth"
	"fairlead/internal/auth/keys"
	"fairlead/internal/auth/tenants"
	"fairlead/internal/config"
	"fairlead/internal/fault"
)

// access is what says who may call, over the app's store.
type access struct {
	keys *keys.Service
	gate *tenants.Gate
	// authenticate says who calls. Nil: every caller is the local one.
	authenticate func(*http.Request) (auth.Principal, error)
}

// openAccess puts access together. file is the store's, where it is not the configuration's. tenant is whom the callers
// of a command that runs on its own act as; empty: the local one.
func (a *app) openAccess(ctx context.Context, file, tenant string) error {
	a.access.gate = tenants.NewGate(a.store, nil)
	a.access.keys = keys.New(keys.Config{Store: a.store, Gate: a.access.gate, Pepper: pepperOf(a.config, file)})
	if tenant == "" || tenant == auth.LocalTenant {
		return nil
	}
	if _, err := a.store.TenantGet(ctx, tenant); err != nil {
		if fault.CodeOf(err) == fault.NotFound {
			return fmt.Errorf("acting as the tenant %q: there is none of that name: fairlead tenants list shows them, and fairlead tenants create makes one", tenant)
		}
		return err
	}
	p := auth.Local()
	p.Tenant = tenant
	a.access.authenticate = func(*http.Request) (auth.Principal, error) { return p, nil }
	return nil
}

// pepperOf gives what reads the pepper of keys: that of the configuration, or with SQLite a file beside the store, which
// is made when the first key is.
func pepperOf(c *config.Config, file string) func() ([]byte, error) {
	if file == "" && !c.Database.Postgres() {
		file = strings.TrimPrefix(c.Database.URL.Reveal(), "sqlite:")
	}
	return func() ([]byte, error) {
		switch pepper := c.Auth.Pepper; {
		case pepper.Set():
			return []byte(pepper.Reveal()), nil
		case file == "":
			return nil, fault.New(fault.FailedPrecondition, fault.ReasonBadConfig,
				"reading the pepper of keys: auth.pepper is not set, and PostgreSQL keeps none: set it, the same on every replica, to what openssl rand -hex 32 gives")
		case file == ":memory:": // its keys go with it
			random := make([]byte, 32)
			rand.Read(random)
			return random, nil
		default:
			return keys.PepperFile(file + ".pepper")
		}
	}
}
