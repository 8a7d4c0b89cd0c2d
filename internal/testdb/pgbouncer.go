package testdb

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// PgBouncerPool is how many connections to the server the PgBouncer of a test has for each database and user.
const PgBouncerPool = 4

// PgBouncer starts a PgBouncer in transaction mode before a test's database, and gives the URL that leads the role
// that serves through it. It ends with the test. Without a PgBouncer the test is skipped, or fails where
// PostgreSQL is required.
func PgBouncer(tb testing.TB, d Database) string {
	tb.Helper()
	program := pgbouncerProgram(tb)
	app, err := url.Parse(d.AppURL)
	if err != nil {
		tb.Fatalf("reading the database's URL: %v", err)
	}
	// Not tb.TempDir: as root it runs as another user, who could not look into that.
	dir, err := os.MkdirTemp("", "fairlead-pgbouncer-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	password, _ := app.User.Password()
	quoted := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	write(tb, filepath.Join(dir, "users.txt"), quoted(app.User.Username())+" "+quoted(password)+"\n")
	const tries = 5 // another may take the port that was free a moment ago
	for try := 1; ; try++ {
		port := freePort(tb)
		config := filepath.Join(dir, "pgbouncer.ini")
		write(tb, config, fmt.Sprintf(`[databases]
* = host=%s port=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %s
pool_mode = transaction
default_pool_size = %d
max_client_conn = 500
`, app.Hostname(), app.Port(), port, filepath.Join(dir, "users.txt"), PgBouncerPool))
		stop, said := startPgBouncer(tb, program, config)
		if stop != nil {
			tb.Cleanup(stop)
			through := *app
			through.Host = net.JoinHostPort("127.0.0.1", fmt.Sprint(port))
			return through.String()
		}
		if try == tries || !strings.Contains(said, "Address already in use") {
			tb.Fatalf("PgBouncer did not start:\n%s", said)
		}
	}
}

// startPgBouncer starts it and waits until it listens. A nil stop: it ended, and said so.
func startPgBouncer(tb testing.TB, program, config string) (stop func(), said string) {
	tb.Helper()
	arguments := []string{config}
	if os.Geteuid() == 0 { // which it refuses to be
		arguments = []string{"-u", "nobody", config}
	}
	cmd := exec.Command(program, arguments...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatalf("starting %s: %v", program, err)
	}
	var log bytes.Buffer
	lines := bufio.NewScanner(stderr)
	up := false
	for !up && lines.Scan() {
		fmt.Fprintln(&log, lines.Text())
		up = strings.Contains(lines.Text(), "process up")
	}
	drained := make(chan struct{})
	go func() { // a pipe that is full would stop it
		defer close(drained)
		for lines.Scan() {
			fmt.Fprintln(&log, lines.Text())
		}
	}()
	end := func() {
		if err := cmd.Process.Kill(); err != nil && up {
			tb.Errorf("PgBouncer ended before the test: %v", err)
		}
		<-drained
		_ = cmd.Wait() // it was killed
	}
	if !up {
		end()
		return nil, log.String()
	}
	return func() {
		end()
		if tb.Failed() {
			tb.Logf("PgBouncer said:\n%s", log.String())
		}
	}, ""
}

func pgbouncerProgram(tb testing.TB) string {
	tb.Helper()
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer", "/usr/local/sbin/pgbouncer"} {
		if program, err := exec.LookPath(name); err == nil {
			return program
		}
	}
	if os.Getenv(requireVariable) == "1" {
		tb.Fatalf("there is no pgbouncer, and %s=1 says that these tests must run", requireVariable)
	}
	tb.Skip("there is no pgbouncer: install it, or run make test")
	return ""
}

// freePort gives a port of loopback that nobody listened on a moment ago.
func freePort(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func write(tb testing.TB, path, content string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		tb.Fatal(err)
	}
}
