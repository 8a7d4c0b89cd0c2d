package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"fairlead/internal/testdb"
)

// TestTrafficIsTheOperators holds that no tenant sees or makes a decision about traffic, and that nobody changes one.
func TestTrafficIsTheOperators(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	conn := connect(t, d.AppURL)
	in := func(name, value, sql string) (int64, error) {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(t.Context())
		if _, err := tx.Exec(t.Context(), "SELECT set_config($1, $2, true), set_config('search_path', 'fairlead', true)", name, value); err != nil {
			t.Fatal(err)
		}
		done, err := tx.Exec(t.Context(), sql)
		if err != nil {
			return 0, err
		}
		return done.RowsAffected(), tx.Commit(t.Context())
	}
	const insert = "INSERT INTO traffic (target, rolled_back, author, reason, at) VALUES ('a', true, 'x/y', '', now())"
	for _, who := range [][2]string{{"app.tenant", "acme"}, {"app.key", "k"}, {"app.tenant", ""}} {
		var pg *pgconn.PgError
		if _, err := in(who[0], who[1], insert); !errors.As(err, &pg) || pg.Code != "42501" {
			t.Errorf("%v decides: %v", who, err)
		}
	}
	if n, err := in("app.operator", "on", insert); n != 1 || err != nil {
		t.Fatalf("an operator decides: %d, %v", n, err)
	}
	for _, who := range [][2]string{{"app.tenant", "acme"}, {"app.tenant", "x"}, {"app.key", "k"}} {
		if n, err := in(who[0], who[1], "SELECT FROM traffic"); n != 0 || err != nil {
			t.Errorf("%v sees %d, %v", who, n, err)
		}
	}
	for _, sql := range []string{"UPDATE traffic SET rolled_back = false", "DELETE FROM traffic", "UPDATE traffic SET at = now() WHERE target = 'a'"} {
		for _, who := range [][2]string{{"app.operator", "on"}, {"app.tenant", "x"}} {
			if n, err := in(who[0], who[1], sql); n != 0 || err != nil {
				t.Errorf("%s as %v: %d rows, %v", sql, who, n, err)
			}
		}
	}
	if _, err := in("app.operator", "on", "TRUNCATE traffic"); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("TRUNCATE: %v", err)
	}
	if n, err := in("app.operator", "on", "SELECT FROM traffic"); n != 1 || err != nil {
		t.Errorf("left: %d, %v", n, err)
	}
}
