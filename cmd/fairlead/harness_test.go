package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write the golden files and docs/cli.md anew")

// asProgram makes the test's own binary behave as the program, for tests that need it as a process.
const asProgram = "FAIRLEAD_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must come; only a failure ever waits that long.
const patience = 30 * time.Second

// environ is an environment without keys, in which nothing is looked for on the network.
func environ(more ...string) []string {
	return append([]string{"FAIRLEAD_DISCOVER_OLLAMA=false"}, more...)
}

// ending is how a command ended and what it said.
type ending struct {
	status   int
	out, err string
}

// chains of Go errors, protocols' words and colours have no place in what a person reads.
var unreadable = regexp.MustCompile("\x1b|%!|<nil>|goroutine |rpc error|unknown: |dial tcp|proto: |stat [^ ]+:|: connect: |read tcp|unexpected EOF|internal error")

// command runs one command line as a whole.
func command(t testing.TB, in string, args ...string) ending {
	t.Helper()
	return commandIn(t, t.Context(), environ(), in, args...)
}

func commandIn(t testing.TB, ctx context.Context, env []string, in string, args ...string) ending {
	t.Helper()
	var out, errOut bytes.Buffer
	o := ending{status: run(ctx, args, strings.NewReader(in), &out, &errOut, env)}
	o.out, o.err = out.String(), errOut.String()
	for _, text := range []string{o.out, o.err} {
		if m := unreadable.FindString(text); m != "" {
			t.Errorf("fairlead %s: %q is nothing for a person to read, in:\n%s", strings.Join(args, " "), m, text)
		}
	}
	if o.status != 0 && !strings.Contains("\n"+o.err, "\nfairlead: ") && o.status != 130 {
		t.Errorf("fairlead %s: status %d, and no word of why: %q", strings.Join(args, " "), o.status, o.err)
	}
	return o
}

// succeed runs a command line that must do its work, and gives what it wrote.
func succeed(t testing.TB, args ...string) string {
	t.Helper()
	o := command(t, "", args...)
	if o.status != 0 {
		t.Fatalf("fairlead %s: status %d\n%s%s", strings.Join(args, " "), o.status, o.out, o.err)
	}
	return o.out
}

// transcript is a writer whose text a test can wait for.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newTranscript() *transcript { return &transcript{more: make(chan struct{})} }

func (w *transcript) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.more)
	w.more = make(chan struct{})
	return w.text.Write(p)
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// await waits until the text matches, and gives the match with its groups.
func (w *transcript) await(t testing.TB, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	limit := time.After(patience)
	for {
		w.mu.Lock()
		m, more := re.FindStringSubmatch(w.text.String()), w.more
		w.mu.Unlock()
		if m != nil {
			return m
		}
		select {
		case <-more:
		case <-limit:
			t.Fatalf("%q was never written; there is:\n%s", pattern, w)
		}
	}
}

// served is a program that serves.
type served struct {
	address string
	log     *transcript
	// stop interrupts it, waits for its end and gives its status. It may be called again.
	stop func() int
	// interrupt interrupts it and does not wait.
	interrupt func()
}

// serve starts `fairlead serve` on a free port, with a store of its own.
func serve(t testing.TB, args ...string) *served {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &served{log: newTranscript(), interrupt: cancel}
	status := make(chan int, 1)
	args = append([]string{"serve", "--set", "server.listen=127.0.0.1:0", "--data", t.TempDir()}, args...)
	go func() { status <- run(ctx, args, strings.NewReader(""), io.Discard, s.log, environ()) }()
	s.stop = sync.OnceValue(func() int {
		cancel()
		select {
		case code := <-status:
			return code
		case <-time.After(patience):
			t.Errorf("the server did not end; its log:\n%s", s.log)
			return -1
		}
	})
	t.Cleanup(func() { s.stop() })
	s.address = s.log.await(t, `msg=serving address=(http://127\.0\.0\.1:\d+)`)[1]
	return s
}

// httpClient gives a client whose connections end with the test.
func httpClient(t testing.TB) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// http2Client speaks HTTP/2 without TLS alone, as gRPC needs it.
func http2Client(t testing.TB) *http.Client {
	tr := &http.Transport{Protocols: new(http.Protocols)}
	tr.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// fetch sends a request and gives status and body.
func fetch(t testing.TB, c *http.Client, method, url, contentType, body string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(data)
}

// eventually asks again and again, a little slower each time, until the answer is yes.
func eventually(t testing.TB, what string, ask func() bool) {
	t.Helper()
	limit := time.After(patience)
	for wait := 5 * time.Millisecond; !ask(); wait = min(2*wait, 200*time.Millisecond) {
		select {
		case <-time.After(wait):
		case <-limit:
			t.Fatalf("%s: it never came", what)
		}
	}
}

// play is a configuration of scripted targets; echo is the one that the default policy takes.
const play = `
backends:
  play: { kind: scripted }
targets:
  echo: { backend: play, model: echo, quality: 0.9, price: { input: 1, output: 2 } }
  cut: { backend: play, model: "cut?after=5", quality: 0.1, price: { input: 1, output: 2 } }
  slow: { backend: play, model: "slow?ttft=10ms&tps=20", quality: 0.1, price: { input: 1, output: 2 } }
  endless: { backend: play, model: "infinite?tps=200&overrun=true", quality: 0.1, price: { input: 1, output: 2 } }
policies:
  default: { prefer: best, attempts: 1 }
chains: { dir: chains }
`

// broken is a chain that retrieves and then asks a target whose stream is cut.
const broken = `
chain: broken
version: 1
input: { question: string }
steps:
  - id: context
    retrieve: { collection: docs, query: "{{question}}", top: 2 }
  - id: draft
    generate: { user: "one two three four five six seven eight {{question}}" }
    target: cut
output: "{{steps.draft.text}}"
`

// playground writes the configuration play, with its chains, and gives its path.
func playground(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "chains", "broken.yaml"), broken)
	return write(t, filepath.Join(dir, "fairlead.yaml"), play)
}

func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
