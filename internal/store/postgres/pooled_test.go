package postgres_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/store/postgres"
	"fairlead/internal/testdb"
)

// A PgBouncer that nobody told of is found out, by what serves and by what only looks, again and again: nothing that
// one of them leaves on a server's connection is in the way of the next.
func TestPgBouncerIsFoundOut(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	through := testdb.PgBouncer(t, d)
	for range 3 {
		if s, err := postgres.Look(t.Context(), through); err != nil || s.Version != s.Known {
			t.Fatalf("%+v, %v", s, fault.Cause(err))
		}
		findings, err := postgres.Examine(t.Context(), d.OwnerURL, through)
		if err != nil || findings[0].Health != postgres.Fine {
			t.Fatalf("%+v, %v", findings[0], err)
		}
	}
	s := testdb.OpenPostgres(t, d, postgres.Config{URL: through, Pool: 4 * testdb.PgBouncerPool})
	var wg sync.WaitGroup
	for range 8 * testdb.PgBouncerPool {
		wg.Go(func() {
			if _, err := s.CollectionList(t.Context(), "acme"); err != nil {
				t.Error(fault.Cause(err))
			}
		})
	}
	wg.Wait()
}

// Who cannot connect is told what to correct, and no password.
func TestNoConnectionIsExplained(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	for name, c := range map[string]struct {
		change func(u *url.URL)
		want   string
		code   fault.Code
	}{
		"no such database": {func(u *url.URL) { u.Path = "/nowhere" }, "has no database nowhere", fault.FailedPrecondition},
		"no such user":     {func(u *url.URL) { u.User = url.UserPassword("nobody_at_all", "hunter2") }, "does not let the user nobody_at_all in", fault.FailedPrecondition},
		"no server":        {func(u *url.URL) { u.Host = "127.0.0.1:1" }, "nothing listens on 127.0.0.1:1", fault.Unavailable},
		"no host":          {func(u *url.URL) { u.Host = "db.invalid:5432" }, "the host db.invalid cannot be found", fault.Unavailable},
		"no TLS":           {func(u *url.URL) { u.RawQuery = "sslmode=require" }, "no TLS with", fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(d.AppURL)
			if err != nil {
				t.Fatal(err)
			}
			c.change(u)
			_, err = postgres.Open(t.Context(), postgres.Config{URL: u.String()})
			if f := fault.From(err); f.Code != c.code || !strings.Contains(f.Text, c.want) {
				t.Errorf("%v: %q, want %v with %q", f.Code, f.Text, c.code, c.want)
			}
			if password, _ := u.User.Password(); password != "" && strings.Contains(err.Error(), password) {
				t.Error("the password is in the text")
			}
		})
	}
	through, err := url.Parse(testdb.PgBouncer(t, d))
	if err != nil {
		t.Fatal(err)
	}
	through.User = url.UserPassword("nobody_at_all", "hunter2")
	_, err = postgres.Open(t.Context(), postgres.Config{URL: through.String()})
	if f := fault.From(err); f.Code != fault.Unavailable || !strings.Contains(f.Text, "such as a PgBouncer") {
		t.Errorf("through PgBouncer: %v", f)
	}
}

// The owner's work needs sessions: through a PgBouncer it is refused, and leaves no lock for the next to wait for.
func TestOwnerGoesStraight(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	app, err := url.Parse(d.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	// A PgBouncer that lets the owner in.
	through := testdb.PgBouncer(t, testdb.Database{OwnerURL: d.AppURL, AppURL: d.OwnerURL})
	for range 3 {
		_, err = postgres.Migrate(t.Context(), through, d.AppURL)
		if f := fault.From(err); f.Code != fault.FailedPrecondition || !strings.Contains(f.Text, "leads to a PgBouncer") {
			t.Fatalf("%v", fault.Cause(err))
		}
		_, err = postgres.IndexDimensions(t.Context(), through, 8, postgres.Build{})
		if f := fault.From(err); f.Code != fault.FailedPrecondition || !strings.Contains(f.Text, "leads to a PgBouncer") {
			t.Fatalf("%v", fault.Cause(err))
		}
	}
	if m, err := postgres.Migrate(t.Context(), d.OwnerURL, d.AppURL); err != nil || m.Role != app.User.Username() {
		t.Fatalf("%+v, %v", m, fault.Cause(err))
	}
}
