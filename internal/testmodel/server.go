package testmodel

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to start or to end; only a failure ever takes that long.
const patience = time.Minute

// Server is a model server that a test owns. Its methods are for the test's goroutine.
type Server struct {
	// URL is its address without a path, "http://127.0.0.1:PORT". It stays the same when the server is started again.
	URL string

	t       testing.TB
	program string
	args    []string
	env     []string
	dir     string
	health  string
	log     *log
	process *os.Process
	ended   chan struct{}
}

// Llama starts a llama-server with the model of seed 1 and the flags that are given, such as "--embeddings" or
// "--parallel", "2". It returns once the model is loaded.
func Llama(t testing.TB, flags ...string) *Server {
	t.Helper()
	s := &Server{t: t, program: program(t, "LLAMA", "tools/llamaserver.sh"), health: "/health", dir: t.TempDir()}
	model := filepath.Join(s.dir, "model.gguf")
	if err := os.WriteFile(model, Model(1), 0o600); err != nil {
		t.Fatal(err)
	}
	host, port := s.address()
	s.args = append([]string{"--model", model, "--host", host, "--port", port, "--threads", "1", "--offline"}, flags...)
	s.env = []string{"LLAMA_CACHE=" + s.dir}
	s.own()
	return s
}

// program is the one that the tool named, or the end of the test.
func program(t testing.TB, name, tool string) string {
	t.Helper()
	path := os.Getenv("FAIRLEAD_TEST_" + name + "_SERVER")
	switch {
	case path != "":
		return path
	case os.Getenv("FAIRLEAD_TEST_REQUIRE_"+name) != "":
		t.Fatalf("FAIRLEAD_TEST_%s_SERVER is not set: run this with '%s run go test ...'", name, tool)
	default:
		t.Skipf("FAIRLEAD_TEST_%s_SERVER is not set: '%s run go test ...' does it", name, tool)
	}
	return ""
}

// address picks a free port. That nobody else takes it before the server does cannot be had without the server's help.
func (s *Server) address() (host, port string) {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	s.URL = "http://" + l.Addr().String()
	if host, port, err = net.SplitHostPort(l.Addr().String()); err != nil {
		s.t.Fatal(err)
	}
	return host, port
}

// own starts the server, and ends it with the test.
func (s *Server) own() {
	s.t.Helper()
	s.log = &log{}
	s.t.Cleanup(func() {
		s.Stop()
		if s.t.Failed() {
			s.t.Logf("the last words of %s:\n%s", filepath.Base(s.program), s.log)
		}
	})
	s.Start()
}

// Start starts the server again, on the same port, after Kill or Stop. It returns once the server is ready.
func (s *Server) Start() {
	s.t.Helper()
	if s.process != nil {
		s.t.Fatal("the server runs already")
	}
	cmd := exec.Command(s.program, s.args...) //nolint:gosec // the program is named by who runs the tests
	// Proxies and settings of who runs the tests are not the server's.
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + s.dir}, s.env...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, s.log, s.log
	cmd.SysProcAttr = apart()
	started := make(chan error)
	s.ended = make(chan struct{})
	go func() {
		// The kernel ends the server when the thread that started it ends: this one lives as long as the server.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(s.ended)
	}()
	if err := <-started; err != nil {
		s.t.Fatalf("starting %s: %v", s.program, err)
	}
	s.process = cmd.Process
	s.await()
}

// await asks for the server's health until it is well.
func (s *Server) await() {
	s.t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	limit := time.After(patience)
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		if resp, err := client.Get(s.URL + s.health); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-time.After(wait):
		case <-s.ended:
			s.process = nil
			s.t.Fatalf("%s ended instead of serving:\n%s", s.program, s.log)
		case <-limit:
			s.t.Fatalf("%s is not ready after %v:\n%s", s.program, patience, s.log)
		}
	}
}

// Kill ends the server and its children as a crash would, in the middle of whatever they do.
func (s *Server) Kill() { s.end(kill) }

// Stop asks the server to end and waits for it. A server that has ended already stays so.
func (s *Server) Stop() { s.end(terminate) }

func (s *Server) end(send func(*os.Process) error) {
	if s.process == nil {
		return
	}
	defer func() { s.process = nil }()
	if err := send(s.process); err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, syscall.ESRCH) {
		s.t.Errorf("ending %s: %v", s.program, err)
	}
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.t.Errorf("%s did not end when it was asked to", s.program)
		_ = kill(s.process)
		<-s.ended
	}
}

// log keeps the last words of a server, for tests that fail.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	const most = 16 << 10
	n, _ := l.text.Write(p)
	l.text.Next(max(0, l.text.Len()-most))
	return n, nil
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// String is the server's address, for messages of tests.
func (s *Server) String() string { return fmt.Sprintf("%s at %s", filepath.Base(s.program), s.URL) }
