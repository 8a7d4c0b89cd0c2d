package testdb

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"fairlead/internal/fault"
	"fairlead/internal/store/postgres"
)

const (
	// urlVariable names a PostgreSQL whose user may make databases and roles.
	urlVariable = "FAIRLEAD_TEST_DATABASE_URL"
	// requireVariable, when it is 1, makes a missing PostgreSQL a failure.
	requireVariable = "FAIRLEAD_TEST_REQUIRE_POSTGRES"
	// appRole is what tests serve as.
	appRole     = "fairlead_test_app"
	appPassword = "of-a-test"
)

// Database is a PostgreSQL database of one test.
type Database struct {
	// OwnerURL is for the owner of its tables, and AppURL for the role that serves.
	OwnerURL, AppURL string
}

// Postgres opens a store on an empty database. Without a PostgreSQL the test is skipped, or fails where one is
// required.
func Postgres(tb testing.TB) *postgres.Store {
	tb.Helper()
	return OpenPostgres(tb, Shared(tb), postgres.Config{})
}

// OpenPostgres opens a store on a test's database.
func OpenPostgres(tb testing.TB, d Database, c postgres.Config) *postgres.Store {
	tb.Helper()
	if c.URL == "" {
		c.URL = d.AppURL
	}
	if c.Pool == 0 {
		c.Pool = 4
	}
	s, err := postgres.Open(tb.Context(), c)
	if err != nil {
		tb.Fatalf("opening the test's database: %v", fault.Cause(err))
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("closing the test's database: %v", err)
		}
	})
	return s
}

// PostgresDatabase makes a database with the schema in it, which is dropped when the test ends.
func PostgresDatabase(tb testing.TB) Database {
	tb.Helper()
	server := serverURL(tb)
	template, err := templateOnce(server)
	if err != nil {
		tb.Fatalf("making the template of test databases: %v", fault.Cause(err))
	}
	return create(tb, server, template)
}

// EmptyPostgres makes a database without a schema, which is dropped when the test ends.
func EmptyPostgres(tb testing.TB) Database {
	tb.Helper()
	return create(tb, serverURL(tb), "template0")
}

func serverURL(tb testing.TB) string {
	tb.Helper()
	server := os.Getenv(urlVariable)
	if server == "" {
		if os.Getenv(requireVariable) == "1" {
			tb.Fatalf("%s is not set, and %s=1 says that these tests must run", urlVariable, requireVariable)
		}
		tb.Skipf("set %s to a PostgreSQL with pgvector whose user may make databases and roles, or run make test", urlVariable)
	}
	return server
}

func create(tb testing.TB, server, template string) Database {
	tb.Helper()
	name := "fairlead_test_" + strings.ToLower(rand.Text())
	if err := execute(tb.Context(), server, "CREATE DATABASE "+name+" TEMPLATE "+template); err != nil {
		tb.Fatalf("making the test's database: %v", err)
	}
	tb.Cleanup(func() {
		if err := execute(context.Background(), server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			tb.Errorf("dropping the test's database: %v", err)
		}
	})
	return Database{OwnerURL: with(tb, server, name, nil), AppURL: with(tb, server, name, url.UserPassword(appRole, appPassword))}
}

// with gives the server's URL for another database and user.
func with(tb testing.TB, server, database string, user *url.Userinfo) string {
	tb.Helper()
	u, err := url.Parse(server)
	if err != nil {
		tb.Fatalf("reading %s: it is not a URL", urlVariable)
	}
	u.Path = "/" + database
	if user != nil {
		u.User = user
	}
	return u.String()
}

var (
	templateMu   sync.Mutex
	templateName string
)

// templateOnce gives a database with the schema in it, from which those of tests are copied. It is named after the
// migrations, and shared by all test processes that know the same.
func templateOnce(server string) (string, error) {
	templateMu.Lock()
	defer templateMu.Unlock()
	if templateName != "" {
		return templateName, nil
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	name := "fairlead_template_" + postgres.SchemaHash()
	const lock = 0x746573746462 // "testdb": one process makes it, the others wait
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(lock)); err != nil {
		return "", err
	}
	var there bool
	if err := conn.QueryRow(ctx, "SELECT count(*) > 0 FROM pg_database WHERE datname = $1 AND datistemplate", name).Scan(&there); err != nil {
		return "", err
	}
	if !there {
		for _, statement := range []string{"DROP DATABASE IF EXISTS " + name + " WITH (FORCE)", "CREATE DATABASE " + name + " TEMPLATE template0"} {
			if _, err := conn.Exec(ctx, statement); err != nil {
				return "", err
			}
		}
		owner, err := url.Parse(server)
		if err != nil {
			return "", err
		}
		owner.Path = "/" + name
		app := *owner
		app.User = url.UserPassword(appRole, appPassword)
		if _, err := postgres.Migrate(ctx, owner.String(), app.String()); err != nil {
			return "", err
		}
		// A database from which others are copied has no connections, and one that is marked was made to its end.
		if _, err := conn.Exec(ctx, "ALTER DATABASE "+name+" IS_TEMPLATE true ALLOW_CONNECTIONS false"); err != nil {
			return "", err
		}
	}
	templateName = name
	return name, nil
}
