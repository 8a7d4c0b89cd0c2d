package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var wholeKey = regexp.MustCompile(`fl_([a-z2-7]{16})_([0-9A-Za-z]{43})`)

// inFolder gives a way to run commands on a store of their own, that must do their work.
func inFolder(t *testing.T) (folder string, do func(args ...string) string) {
	t.Helper()
	folder = t.TempDir()
	return folder, func(args ...string) string {
		t.Helper()
		return succeed(t, append(args, "--data", folder)...)
	}
}

func TestKeysOnTheirOwn(t *testing.T) {
	folder, do := inFolder(t)
	out := do("keys", "create", "bot", "--expires", "90d", "--model", "big,small", "--policy", "default")
	m := wholeKey.FindStringSubmatch(out)
	if m == nil || strings.Count(out, m[2]) != 1 || !strings.Contains(out, "It is shown this once") ||
		!strings.Contains(out, "of the tenant default, for chat,search up to the label internal, with models big,small and policies default only, until ") {
		t.Fatalf("created:\n%s", out)
	}
	if info, err := os.Stat(filepath.Join(folder, "fairlead.db.pepper")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the pepper: %v, %v", info, err)
	}
	var made struct {
		Key struct {
			ID, Tenant, Ceiling string
			Scopes              []string
		}
		Secret string
	}
	if err := json.Unmarshal([]byte(do("keys", "create", "importer", "--scope", "ingest,search", "--ceiling", "confidential", "--json")), &made); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(made.Key.Scopes) != "[SCOPE_INGEST SCOPE_SEARCH]" || made.Key.Ceiling != "LABEL_CONFIDENTIAL" || wholeKey.FindString(made.Secret) != made.Secret {
		t.Errorf("made %+v", made)
	}
	rotated := do("keys", "rotate", m[1], "--grace", "1h")
	next := wholeKey.FindStringSubmatch(rotated)
	if next == nil || next[1] == m[1] || !strings.Contains(rotated, "The old key, "+m[1]+", works until ") {
		t.Fatalf("rotated:\n%s", rotated)
	}
	if out := do("keys", "revoke", made.Secret); out != "revoked\n" { // the whole key, pasted
		t.Errorf("revoked: %s", out)
	}
	list := do("keys", "list")
	lines := strings.Split(strings.TrimSpace(list), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[1], next[1]) || !strings.Contains(lines[2], " revoked ") || !strings.Contains(lines[3], " works until ") {
		t.Errorf("listed:\n%s", list)
	}
	secrets := []string{m[2], next[2], made.Secret[20:]}
	for _, s := range secrets {
		if strings.Contains(list+do("keys", "list", "--json"), s) {
			t.Error("the list shows a secret")
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range secrets {
			if strings.Contains(string(raw), s) {
				t.Errorf("%s holds a secret", file)
			}
		}
	}
}

func TestKeysRefused(t *testing.T) {
	folder := t.TempDir()
	for what, c := range map[string]struct {
		args   []string
		env    []string
		status int
		says   string
	}{
		"scope":          {[]string{"keys", "create", "k", "--scope", "chat,all"}, nil, 2, `reading the scope "all"`},
		"expiry":         {[]string{"keys", "create", "k", "--expires", "soon"}, nil, 2, "such as 90d"},
		"past":           {[]string{"keys", "create", "k", "--expires", "2020-01-01"}, nil, 1, "which is past"},
		"unknown":        {[]string{"keys", "revoke", "aaaaaaaaaaaaaaaa"}, nil, 1, "no such key"},
		"tenant":         {[]string{"keys", "create", "k", "--tenant", "nobody"}, nil, 1, `"nobody": there is none of that name`},
		"own key":        {[]string{"keys", "list", "--key", "x"}, nil, 2, "--key is for a server"},
		"short pepper":   {[]string{"keys", "create", "k"}, []string{"FAIRLEAD_AUTH_PEPPER=short"}, 1, "it has 5 bytes, and 32 are the least"},
		"serve":          {[]string{"serve", "--tenant", "acme"}, nil, 2, "a server knows a caller's tenant by its key"},
		"another server": {[]string{"collections", "--tenant", "acme", "--server", "http://127.0.0.1:1"}, nil, 2, "--tenant is for commands that run on their own"},
		"a broken key":   {[]string{"collections", "--server", "http://127.0.0.1:1"}, []string{"FAIRLEAD_KEY=a\nb"}, 2, "characters that no key"},
		"no yes":         {[]string{"tenants", "delete", "acme"}, nil, 2, "say --yes"},
		"local":          {[]string{"tenants", "delete", "default", "--yes"}, nil, 1, "always there"},
		"own tenant":     {[]string{"tenants", "disable", "default"}, nil, 1, "the caller's own"},
	} {
		e := commandIn(t, t.Context(), environ(c.env...), "", append(c.args, "--data", folder)...)
		if e.status != c.status || !strings.Contains(e.err, c.says) {
			t.Errorf("%s: status %d, %q, want %d and %q", what, e.status, e.err, c.status, c.says)
		}
	}
}

func TestTenantsOnTheirOwn(t *testing.T) {
	_, do := inFolder(t)
	if out := do("tenants", "create", "acme", "--description", "The customer."); !strings.Contains(out, "fairlead keys create NAME --tenant acme") {
		t.Errorf("made: %s", out)
	}
	file := write(t, filepath.Join(t.TempDir(), "only-acme.txt"), "The zebra of acme sleeps.\n")
	do("ingest", file, "--tenant", "acme")
	do("keys", "create", "k", "--tenant", "acme")
	if out := do("collections", "--tenant", "acme"); !strings.Contains(out, "docs") {
		t.Errorf("acme has:\n%s", out)
	}
	if out := do("collections"); strings.Contains(out, "docs") {
		t.Errorf("the default tenant has what is acme's:\n%s", out)
	}
	if out := do("keys", "list"); strings.Contains(out, "works") {
		t.Errorf("the default tenant has keys:\n%s", out)
	}
	if out := do("tenants", "list"); !regexp.MustCompile(`(?m)^acme +The customer\. .* open *$`).MatchString(out) || !strings.Contains(out, "\ndefault ") {
		t.Errorf("listed:\n%s", out)
	}
	do("tenants", "disable", "acme")
	if out := do("tenants", "list"); !strings.Contains(out, "disabled ") {
		t.Errorf("listed:\n%s", out)
	}
	do("tenants", "enable", "acme")
	if out := do("tenants", "list"); strings.Contains(out, "disabled ") {
		t.Errorf("listed:\n%s", out)
	}
	do("tenants", "disable", "acme")
	if out := do("tenants", "delete", "acme", "--yes"); !strings.HasPrefix(out, "acme: deleted") {
		t.Errorf("deleted: %s", out)
	}
	if out := do("tenants", "list"); strings.Contains(out, "acme") {
		t.Errorf("listed:\n%s", out)
	}
}

// TestKeysOverAServer makes keys through one that serves, and looks for their secrets in its log and in its database.
func TestKeysOverAServer(t *testing.T) {
	folder := t.TempDir()
	s := serve(t, "--data", folder, "--log-level", "debug")
	succeed(t, "tenants", "create", "acme", "--server", s.address)
	out := succeed(t, "keys", "create", "bot", "--tenant", "acme", "--server", s.address)
	m := wholeKey.FindStringSubmatch(out)
	if m == nil || !strings.Contains(out, "of the tenant acme") {
		t.Fatalf("created:\n%s", out)
	}
	rotated := wholeKey.FindStringSubmatch(succeed(t, "keys", "rotate", m[0], "--tenant", "acme", "--server", s.address))
	if e := command(t, "", "keys", "revoke", m[0]+"x", "--tenant", "acme", "--server", s.address); e.status != 1 || strings.Contains(e.err, m[2]) {
		t.Errorf("a slip of the hand: %d %s", e.status, e.err)
	}
	if out := succeed(t, "keys", "list", "--tenant", "acme", "--server", s.address); strings.Count(out, "works") != 2 {
		t.Errorf("listed:\n%s", out)
	}
	dump := dumpSQLite(t, filepath.Join(folder, "fairlead.db"))
	if !strings.Contains(dump, m[1]) || !strings.Contains(dump, rotated[1]) {
		t.Error("the dump has no keys: the test looks in the wrong place")
	}
	for _, secret := range []string{m[2], rotated[2]} {
		if strings.Contains(dump, secret) {
			t.Error("the database holds a secret")
		}
		if strings.Contains(s.log.String(), secret) {
			t.Error("the log holds a secret")
		}
	}
	s.stop()
	if strings.Contains(s.log.String(), m[2]) {
		t.Error("the log holds a secret")
	}
}

// dumpSQLite gives all tables as text.
func dumpSQLite(t *testing.T, file string) string {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var names []string
	query := func(statement string, each func(row []any)) {
		t.Helper()
		rows, err := db.QueryContext(t.Context(), statement)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		columns, err := rows.Columns()
		for err == nil && rows.Next() {
			row := make([]any, len(columns))
			into := make([]any, len(columns))
			for i := range row {
				into[i] = &row[i]
			}
			if err = rows.Scan(into...); err == nil {
				each(row)
			}
		}
		if err != nil || rows.Err() != nil {
			t.Fatal(err, rows.Err())
		}
	}
	query("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'", func(row []any) { names = append(names, fmt.Sprint(row[0])) })
	var b strings.Builder
	for _, name := range names {
		query(`SELECT * FROM "`+name+`"`, func(row []any) { fmt.Fprintf(&b, "%s %q\n", name, row) })
	}
	return b.String()
}

func TestAKeyIsShownToOneServerOnly(t *testing.T) {
	var elsewhere, here []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere = append(elsewhere, r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusTeapot)
	}))
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		here = append(here, r.Header.Get("Authorization"))
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	for _, env := range [][]string{{"FAIRLEAD_KEY=secret-of-env\n"}, nil} {
		args := []string{"collections", "--server", server.URL}
		if env == nil {
			args = append(args, "--key", "secret-of-flag")
		}
		e := commandIn(t, t.Context(), environ(env...), "", args...)
		if e.status != 1 || strings.Contains(e.out+e.err, "secret-of") {
			t.Errorf("status %d: %s", e.status, e.err)
		}
	}
	if fmt.Sprint(here) != "[Bearer secret-of-env Bearer secret-of-flag]" || len(elsewhere) != 2 || strings.Join(elsewhere, "") != "" {
		t.Errorf("here %q, elsewhere %q", here, elsewhere)
	}
	if e := commandIn(t, t.Context(), environ("FAIRLEAD_KEY=secret-of-env"), "", "keys", "create", "--help"); strings.Contains(e.out, "secret-of-env") {
		t.Error("the help shows the key of the environment")
	}
}

func TestParseExpiry(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"90d": "2027-02-20T12:00:00Z", "1d": "2026-11-23T12:00:00Z", "12h": "2026-11-23T00:00:00Z", "2027-03-31": "2027-04-01T00:00:00Z",
		"2027-03-31T10:00:00+02:00": "2027-03-31T08:00:00Z",
	} {
		got, err := parseExpiry(text, now)
		if err != nil || got.AsTime().Format(time.RFC3339) != want {
			t.Errorf("%s: %v, %v, want %s", text, got.AsTime(), err, want)
		}
	}
	for _, text := range []string{"0d", "-1d", "d", "999999999d", "-1h", "0s", "tomorrow", "2027-02-30", "31.3.2027"} {
		if got, err := parseExpiry(text, now); err == nil {
			t.Errorf("%s: %v", text, got.AsTime())
		}
	}
	if got, err := parseExpiry("", now); got != nil || err != nil {
		t.Errorf("never: %v, %v", got, err)
	}
}
