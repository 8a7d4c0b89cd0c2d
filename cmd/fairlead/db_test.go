package main

import (
	"encoding/json"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/internal/testdb"
)

func TestDatabaseCommands(t *testing.T) {
	d := testdb.EmptyPostgres(t)
	secrets := []string{d.AppURL}
	for _, text := range []string{d.AppURL, d.OwnerURL} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		secrets = append(secrets, password)
	}
	env := environ("FAIRLEAD_DATABASE_URL="+d.AppURL, "FAIRLEAD_DATABASE_OWNER_URL="+d.OwnerURL)
	try := func(status int, args []string, want ...string) string {
		t.Helper()
		e := commandIn(t, t.Context(), env, "", args...)
		if e.status != status {
			t.Fatalf("fairlead %s: status %d\n%s%s", strings.Join(args, " "), e.status, e.out, e.err)
		}
		for _, w := range want {
			if !strings.Contains(e.out+e.err, w) {
				t.Errorf("fairlead %s does not say %q:\n%s%s", strings.Join(args, " "), w, e.out, e.err)
			}
		}
		for _, secret := range secrets {
			if secret != "" && strings.Contains(e.out+e.err, secret) {
				t.Errorf("fairlead %s tells a password", strings.Join(args, " "))
			}
		}
		return e.out
	}
	try(1, []string{"db", "status"}, "not there", "run fairlead db migrate")
	try(1, []string{"serve"}, "it has no schema: run fairlead db migrate")
	try(1, []string{"search", "x"}, "run fairlead db migrate")
	try(0, []string{"db", "migrate"}, "may serve")
	try(0, []string{"db", "migrate"}, "up to date")
	try(0, []string{"db", "status"}, "up to date")
	version := strings.TrimSpace(try(0, []string{"db", "version"}))
	var got struct{ Version json.Number }
	if err := json.Unmarshal([]byte(try(0, []string{"db", "version", "--json"})), &got); err != nil || got.Version.String() != version {
		t.Errorf("%v, %v, want %s", got, err, version)
	}
	try(0, []string{"db", "doctor"}, "row level security is forced on all")
	try(2, []string{"db", "status", "--server", "http://127.0.0.1:1"}, "without --server")

	try(0, []string{"db", "index", "list"}, "384 dimensions", "all tenants")
	try(0, []string{"db", "index", "make", "48", "--for", "acme"}, "was made")
	try(0, []string{"db", "index", "make", "48", "--for", "acme"}, "is there already")
	name := ""
	for line := range strings.Lines(try(0, []string{"db", "index", "list"})) {
		if strings.Contains(line, "tenant acme") {
			name = strings.Fields(line)[0]
		}
	}
	try(0, []string{"db", "index", "drop", name}, "was dropped")
	try(1, []string{"db", "index", "drop", name}, "no index of vectors of that name")
	try(2, []string{"db", "index", "make", "many"}, "write a number")

	// The same commands as on SQLite, on the same store.
	try(0, []string{"ingest", "testdata/handbook"}, "4 added")
	try(0, []string{"ingest", "testdata/handbook"}, "4 unchanged")
	try(0, []string{"search", "how are receipts handed in", "--top", "1"}, "handbook/expenses.txt")
	try(0, []string{"search", "receipts", "--explain"}, "words")
	try(0, []string{"documents"}, "handbook/travel.md")
	try(0, []string{"ask", "how are receipts handed in"}, "expenses.txt")

	// Who owns the tables does not serve.
	env = environ("FAIRLEAD_DATABASE_URL=" + d.OwnerURL)
	try(1, []string{"serve"}, "row level security")
	env = environ("FAIRLEAD_DATABASE_URL="+d.AppURL, "FAIRLEAD_DATABASE_OWNER_URL="+d.AppURL)
	try(1, []string{"db", "migrate"}, "name the same user")
	env = environ("FAIRLEAD_DATABASE_URL=" + d.AppURL)
	try(2, []string{"db", "migrate"}, "database.owner_url")
}

func TestDatabaseCommandsOnAFile(t *testing.T) {
	dir := t.TempDir()
	if e := command(t, "", "db", "status", "--data", dir); e.status != 1 || !strings.Contains(e.out, "not there") {
		t.Errorf("%+v", e)
	}
	succeed(t, "db", "migrate", "--data", dir)
	if out := succeed(t, "db", "status", "--data", dir); !strings.Contains(out, "up to date") {
		t.Error(out)
	}
	if out := succeed(t, "db", "doctor", "--data", dir); !strings.Contains(out, "nothing wrong") {
		t.Error(out)
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(files) == 0 {
		t.Errorf("%v, %v", files, err)
	}
}
