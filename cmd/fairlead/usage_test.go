package main

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// commands gives every command of the program, those below others too.
func commands() (all []*cobra.Command) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		all = append(all, c)
		for _, below := range c.Commands() {
			walk(below)
		}
	}
	walk((&program{in: strings.NewReader(""), out: io.Discard, err: io.Discard}).root())
	return all
}

func TestHelpOfEveryCommand(t *testing.T) {
	for _, c := range commands() {
		path := strings.Fields(c.CommandPath())[1:]
		e := command(t, "", append(path, "--help")...)
		if e.status != 0 || e.err != "" || !strings.Contains(e.out, "Usage:") {
			t.Errorf("fairlead %s --help: status %d\n%s%s", strings.Join(path, " "), e.status, e.out, e.err)
		}
		if c.Short == "" {
			t.Errorf("%s does not say what it is for", c.CommandPath())
		}
	}
}

func TestCommandsWithoutWorkShowHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"help"}, {"help", "route", "explain"}, {"config"}, {"route"}, {"bench"}, {"completion"}, {"--version"}, {"version"}} {
		if e := command(t, "", args...); e.status != 0 || e.out == "" || e.err != "" {
			t.Errorf("fairlead %v: status %d, %q, %q", args, e.status, e.out, e.err)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if out := succeed(t, "completion", shell); !strings.Contains(out, "fairlead") {
			t.Errorf("completion %s: %q", shell, out)
		}
	}
	if out := succeed(t, "__complete", "rou"); !strings.HasPrefix(out, "route\t") {
		t.Errorf("completing rou: %q", out)
	}
}

func TestUsageErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		args []string
		want string // what the message holds
	}{
		{[]string{"serv"}, "did you mean serve"},
		{[]string{"help", "nothing"}, `"fairlead nothing"`},
		{[]string{"help", "config", "nothing"}, `"fairlead config nothing"`},
		{[]string{"completion", "tcsh"}, "tcsh"},
		{[]string{"route", "nothing"}, "nothing"},
		{[]string{"config", "nothing"}, "nothing"},
		{[]string{"collections", "nothing"}, "nothing"},
		{[]string{"bench", "nothing"}, "nothing"},
		{[]string{"serve", "more"}, "more"},
		{[]string{"version", "more"}, "more"},
		{[]string{"--none"}, "--none"},
		{[]string{"ask", "x", "--none"}, "--none"},
		{[]string{"ask"}, "at least 1"},
		{[]string{"search"}, "at least 1"},
		{[]string{"ingest"}, "at least 1"},
		{[]string{"documents", "show"}, "accepts 1"},
		{[]string{"collections", "create"}, "accepts 1"},
		{[]string{"collections", "delete", "x"}, "--yes"},
		{[]string{"config", "check", "a", "b"}, "at most 1"},
		{[]string{"ask", "x", "--label", "secret"}, "public, internal, confidential or restricted"},
		{[]string{"ingest", ".", "--label", "secret"}, "public, internal, confidential or restricted"},
		{[]string{"search", "x", "--max-label", "secret"}, "public, internal, confidential or restricted"},
		{[]string{"collections", "create", "x", "--label", "secret"}, "public, internal, confidential or restricted"},
		{[]string{"chat", "--label", "secret"}, "public, internal, confidential or restricted"},
		{[]string{"route", "explain", "x", "--label", "secret"}, "public, internal, confidential or restricted"},
		{[]string{"ask", "x", "--timeout", "soon"}, "soon"},
		{[]string{"ask", "x", "--timeout", "-3s"}, "negative"},
		{[]string{"ask", "x", "--budget", "-1"}, "US dollars"},
		{[]string{"ask", "x", "--budget", "NaN"}, "US dollars"}, // it would compare as no limit
		{[]string{"ask", "x", "--budget", "Inf"}, "US dollars"},
		{[]string{"ask", "x", "--input", "top"}, "name=value"},
		{[]string{"ask", "a\xff"}, "UTF-8"},
		{[]string{"search", "x", "--filter", "year"}, "field=value"},
		{[]string{"search", "x", "--filter", "=2026"}, "field=value"},
		{[]string{"search", "x", "--top", "many"}, "many"},
		{[]string{"targets", "--set", "server.listen"}, "path=value"},
		{[]string{"targets", "--server", "localhost:8080"}, "http://"},
		{[]string{"targets", "--server", "ftp://localhost"}, "http://"},
		{[]string{"targets", "--log-level", "loud"}, "debug, info, warn or error"},
		{[]string{"bench", "retrieval"}, "--folder"},
	} {
		e := command(t, "hello\n", c.args...)
		if e.status != 2 || e.out != "" || !strings.Contains(e.err, c.want) || !strings.Contains(e.err, "--help' for how it is used") {
			t.Errorf("fairlead %s: status %d, %q, %q", strings.Join(c.args, " "), e.status, e.out, e.err)
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 1 { // "--log-level loud" is found when the store is not open yet
		t.Errorf("mistakes in the command line left %v, %v", left, err)
	}
}

func TestFailures(t *testing.T) {
	t.Chdir(t.TempDir())
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	secret := httptest.NewUnstartedServer(http.NotFoundHandler())
	secret.Config.ErrorLog = log.New(io.Discard, "", 0) // it says that the certificate was refused, which is the point
	secret.StartTLS()
	defer secret.Close()
	write(t, "file", "")
	write(t, "a/same.md", "# One")
	write(t, "b/same.md", "# Two")
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"targets", "--server", "http://" + closed.Addr().String()}, []string{closed.Addr().String(), "connection refused", "fairlead serve"}},
		{[]string{"targets", "--server", "http://" + other.Listener.Addr().String()}, []string{"404"}},
		{[]string{"targets", "--server", secret.URL}, []string{"certificate", "SSL_CERT_FILE"}},
		{[]string{"targets", "--server", "https://" + other.Listener.Addr().String()}, []string{"TLS", "http://"}},
		{[]string{"serve", "--set", "server.listen=" + address}, []string{address, "another program", "server.listen"}},
		{[]string{"serve", "--set", "server.listen=192.0.2.1:1", "--set", "server.allow_unauthenticated=true"}, []string{"192.0.2.1:1", "server.listen"}},
		{[]string{"serve", "--set", "server.listen=0.0.0.0:0"}, []string{"allow_unauthenticated"}},
		{[]string{"targets", "--set", "server.speed=1"}, []string{"server.speed", "unknown key"}},
		{[]string{"targets", "--data", "file"}, []string{"file"}},
		{[]string{"targets", "--config", "none.yaml"}, []string{"none.yaml", "no such file"}},
		{[]string{"config", "init", filepath.Join("none", "x.yaml")}, []string{"no such file"}},
		{[]string{"ingest", filepath.Join(wd, "a", "same.md"), filepath.Join(wd, "b", "same.md")}, []string{"same name", "same.md"}},
		{[]string{"ingest", "."}, nil}, // two folders below one keep them apart
		{[]string{"bench", "retrieval", "--folder", "none"}, []string{"Cranfield"}},
		{[]string{"chat", "--model", "none"}, []string{`"none"`, "unknown_model"}},
		{[]string{"chat", "--session", "not a name"}, []string{"session"}},
		{[]string{"ask", "x", "--timeout", "1ns"}, []string{"timeout"}},
	} {
		e := command(t, "hello\n", c.args...)
		if c.want == nil {
			if e.status != 0 {
				t.Errorf("fairlead %s: status %d, %q", strings.Join(c.args, " "), e.status, e.err)
			}
			continue
		}
		if e.status != 1 {
			t.Errorf("fairlead %s: status %d, %q", strings.Join(c.args, " "), e.status, e.err)
		}
		for _, want := range c.want {
			if !strings.Contains(e.err, want) {
				t.Errorf("fairlead %s: %q does not say %q", strings.Join(c.args, " "), e.err, want)
			}
		}
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	in, typed := io.Pipe()
	defer typed.Close()
	out, status := newTranscript(), make(chan int, 1)
	config := playground(t)
	go func() {
		status <- run(ctx, []string{"chat", "--model", "endless", "--config", config, "--data", t.TempDir()}, in, out, out, environ())
	}()
	if _, err := typed.Write([]byte("go on\n")); err != nil {
		t.Fatal(err)
	}
	out.await(t, "go on go on")
	cancel()
	if got := <-status; got != 130 {
		t.Errorf("status %d\n%s", got, out)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{{"targets"}, {"demo"}, {"ask", "hello"}, {"ingest", "testdata/handbook"}} {
		if e := commandIn(t, ended, environ(), "", append(args, "--data", t.TempDir())...); e.status != 130 {
			t.Errorf("fairlead %v: status %d, %q", args, e.status, e.err)
		}
	}
}

// A document that is too large is named, and the rest goes on.
func TestIngestALinkedFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "real/guide.md", "# Guide")
	write(t, "real/.hidden/no.md", "# No")
	for _, link := range []struct{ to, name string }{{"real", "linked"}, {".", filepath.Join("real", "loop")}} {
		if err := os.Symlink(link.to, link.name); err != nil {
			t.Fatal(err)
		}
	}
	e := command(t, "", "ingest", "linked")
	if e.status != 0 || !strings.Contains(e.out, "1 added") {
		t.Errorf("status %d\n%s%s", e.status, e.out, e.err)
	}
	// The name is the one that was given, not the one that it points to.
	if e := command(t, "", "documents"); !strings.Contains(e.out, "linked/guide.md") {
		t.Errorf("documents:\n%s%s", e.out, e.err)
	}
}

func TestLargeDocuments(t *testing.T) {
	dir := t.TempDir()
	sparse := func(name string, size int64) {
		if err := os.Truncate(write(t, filepath.Join(dir, name), ""), size); err != nil {
			t.Fatal(err)
		}
	}
	sparse("a.txt", maxFile+1)
	sparse("b.txt", maxFile) // with what is around it, it is more than a request may have
	write(t, filepath.Join(dir, "c.txt"), strings.Repeat(strings.Repeat("word ", 20)+"\n", 5<<20/101))
	write(t, filepath.Join(dir, "d.txt"), "Small.")
	e := command(t, "", "ingest", dir, "--data", t.TempDir())
	if e.status != 1 || !strings.Contains(e.out, "2 added, 0 replaced, 0 unchanged, 2 failed") ||
		!strings.Contains(e.err, "a.txt: it has more than 64 MiB") || !strings.Contains(e.err, "b.txt: it is larger than the server takes") {
		t.Errorf("status %d\n%s%s", e.status, e.out, e.err)
	}
}

func TestChatRemembersItsSession(t *testing.T) {
	s := serve(t, "--config", playground(t))
	out := succeed(t, "targets", "--server", s.address)
	if !strings.Contains(out, "echo") {
		t.Fatal(out)
	}
	tokens := func(in string) []string {
		e := command(t, in, "chat", "--server", s.address, "--session", "s1", "--json")
		if e.status != 0 {
			t.Fatalf("status %d: %s", e.status, e.err)
		}
		var all []string
		for _, r := range runsOf(t, e.out) {
			all = append(all, strings.TrimSpace(r.finished.GetOutput()), r.finished.GetUsage().String())
		}
		return all
	}
	first := tokens("one two three\nfour\n")
	if len(first) != 4 || first[0] != "one two three" || first[2] != "four" {
		t.Fatalf("%q", first)
	}
	// A scripted target bills the words of the whole prompt: three, then three more, the answer to them and one.
	if !strings.Contains(first[1], "input_tokens:3") || !strings.Contains(first[3], "input_tokens:7") {
		t.Errorf("the second turn does not hold the first: %q", first)
	}
	if next := tokens("five\n"); len(next) != 2 || !strings.Contains(next[1], "input_tokens:9") {
		t.Errorf("a later program does not go on with the conversation: %q", next)
	}
}

func TestNoColourWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	p := &program{out: &out}
	if p.style().on {
		t.Error("a buffer is painted")
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if (&program{out: file}).style().on {
		t.Error("a file is painted")
	}
	if got := (style{on: true}).bold("x"); got != "\x1b[1mx\x1b[0m" {
		t.Errorf("%q", got)
	}
}
