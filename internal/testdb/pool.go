package testdb

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"fairlead/internal/store/postgres"
)

// poolPrefix begins the names of databases that a test process uses again and again; its process id follows.
const poolPrefix = "fairlead_pool_"

var (
	poolMu   sync.Mutex
	poolFree []string
	poolOnce sync.Once
)

// Shared gives a database with the schema and nothing in it, for tests that do not change the schema. It is emptied
// when the test ends, and used by the next: that takes a fifth of the time of making one. Databases of processes
// that are gone are dropped by the next process.
func Shared(tb testing.TB) Database {
	tb.Helper()
	server := serverURL(tb)
	template, err := templateOnce(server)
	if err != nil {
		tb.Fatalf("making the template of test databases: %v", err)
	}
	poolOnce.Do(func() { dropOrphans(server) })
	poolMu.Lock()
	name := ""
	if n := len(poolFree); n > 0 {
		name, poolFree = poolFree[n-1], poolFree[:n-1]
	}
	poolMu.Unlock()
	if name == "" {
		name = poolPrefix + strconv.Itoa(os.Getpid()) + "_" + strings.ToLower(rand.Text())
		if err := execute(tb.Context(), server, "CREATE DATABASE "+name+" TEMPLATE "+template); err != nil {
			tb.Fatalf("making the test's database: %v", err)
		}
	}
	d := Database{OwnerURL: with(tb, server, name, nil), AppURL: with(tb, server, name, url.UserPassword(appRole, appPassword))}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := empty(ctx, d.OwnerURL); err != nil {
			// Something still works in it: the next test gets another.
			tb.Logf("emptying the test's database: %v", err)
			if err := execute(ctx, server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
				tb.Errorf("dropping the test's database: %v", err)
			}
			return
		}
		poolMu.Lock()
		defer poolMu.Unlock()
		poolFree = append(poolFree, name)
	})
	return d
}

// execute runs a statement on the server.
func execute(ctx context.Context, server, statement string) error {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// empty deletes what a test left, from the tables that it touched.
func empty(ctx context.Context, owner string) error {
	conn, err := pgx.Connect(ctx, owner)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx) // does nothing after a commit
	rows, err := tx.Query(ctx, `SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname <> 'schema_versions' AND pg_relation_size(c.oid) > 0`, postgres.Schema)
	if err != nil {
		return err
	}
	used, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '5s'"); err != nil {
		return err
	}
	for i, name := range used {
		used[i] = pgx.Identifier{postgres.Schema, name}.Sanitize()
	}
	if len(used) > 0 {
		if _, err := tx.Exec(ctx, "TRUNCATE "+strings.Join(used, ", ")+" RESTART IDENTITY CASCADE"); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, "SELECT set_config('app.tenant', 'default', true)"); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "INSERT INTO "+postgres.Schema+".tenants (tenant, description, created_at) VALUES ('default', 'the tenant of a server that knows no tenants', now()) ON CONFLICT DO NOTHING"); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// dropOrphans drops databases of processes that are gone. It is no failure where it cannot.
func dropOrphans(server string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "SELECT datname::text FROM pg_database WHERE datname LIKE $1", strings.ReplaceAll(poolPrefix, "_", `\_`)+"%")
	if err != nil {
		return
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return
	}
	for _, name := range names {
		var pid int
		if n, err := fmt.Sscanf(strings.TrimPrefix(name, poolPrefix), "%d_", &pid); n != 1 || err != nil || syscall.Kill(pid, 0) == nil {
			continue
		}
		_, _ = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize())
	}
}
