package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// faultproxyRun is `fairlead faultproxy` as it runs.
type faultproxyRun struct {
	address  string
	out, log *transcript
	// stop interrupts it and gives its status.
	stop func() int
}

func runFaultproxy(t *testing.T, args ...string) *faultproxyRun {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f := &faultproxyRun{out: newTranscript(), log: newTranscript()}
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, append([]string{"faultproxy", "--listen", "127.0.0.1:0"}, args...), strings.NewReader(""), f.out, f.log, environ())
	}()
	f.stop = func() int {
		cancel()
		select {
		case code := <-status:
			status <- code
			return code
		case <-time.After(patience):
			t.Error("the fault proxy did not end")
			return -1
		}
	}
	t.Cleanup(func() { f.stop() })
	f.address = f.log.await(t, `at (http://127\.0\.0\.1:\d+)`)[1]
	return f
}

// ask sends a request and gives what came, cut off or not.
func (f *faultproxyRun) ask(t *testing.T) (status int, body string, err error) {
	t.Helper()
	resp, err := httpClient(t).Post(f.address+"/v1/chat/completions?key=canary", "application/json",
		strings.NewReader(`{"model":"m","stream":true,"messages":[{"role":"user","content":"a private canary"}]}`))
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), err
}

func TestFaultproxyCommand(t *testing.T) {
	back := runFaultproxy(t)
	f := runFaultproxy(t, "--upstream", back.address, "--script", "cut:100, status:503, close:7,none", "--fault", "html=1")
	if status, body, err := f.ask(t); status != 200 || len(body) != 100 || err != nil {
		t.Errorf("cut: %d, %q, %v", status, body, err)
	}
	if status, _, _ := f.ask(t); status != http.StatusServiceUnavailable {
		t.Errorf("status: %d", status)
	}
	if _, body, err := f.ask(t); len(body) != 7 || err == nil {
		t.Errorf("close: %q, %v", body, err)
	}
	if status, body, err := f.ask(t); status != 200 || !strings.HasSuffix(body, "data: [DONE]\n\n") || err != nil {
		t.Errorf("none: %d, %q, %v", status, body, err)
	}
	if _, body, _ := f.ask(t); !strings.Contains(body, "<html>") {
		t.Errorf("html: %q", body)
	}
	f.out.await(t, `(?m)^1 POST "/v1/chat/completions": cut:100 → status 200, 100 bytes, .+s$`)
	f.out.await(t, `(?m)^3 POST "/v1/chat/completions": close:7 → status 200, 7 bytes`)
	if code := f.stop(); code != 0 {
		t.Errorf("status %d: %s", code, f.log)
	}
	f.out.await(t, `(?m)^requests +5\nclose +1\ncut +1\nhtml +1\nstatus +1$`)
	if text := f.out.String() + f.log.String(); strings.Contains(text, "canary") {
		t.Errorf("content is shown:\n%s", text)
	}
}

func TestFaultproxyJSON(t *testing.T) {
	f := runFaultproxy(t, "--json", "--fault", "cut=1", "--seed", "7")
	if _, _, err := f.ask(t); err != nil {
		t.Error(err)
	}
	f.out.await(t, `"number":1,`)
	f.stop()
	for line := range strings.Lines(f.out.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %q", line)
		}
	}
	f.out.await(t, `"hits":\{"cut":1\}`)
}

// The address is taken: that is said, and how to take another.
func TestFaultproxyAddressTaken(t *testing.T) {
	f := runFaultproxy(t)
	e := command(t, "", "faultproxy", "--listen", strings.TrimPrefix(f.address, "http://"))
	if e.status != 1 || !strings.Contains(e.err, "--listen HOST:PORT") {
		t.Errorf("status %d: %s", e.status, e.err)
	}
}

func TestFaultproxyUsageErrors(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"faultproxy", "--fault", "cut"}, "KIND=PART"},
		{[]string{"faultproxy", "--fault", "cut=0.6", "--fault", "reset=0.6"}, "add up to 1.2"},
		{[]string{"faultproxy", "--script", "cut:200,later"}, `no kind "later"`},
		{[]string{"faultproxy", "--repeat"}, "no script"},
		{[]string{"faultproxy", "--upstream", "127.0.0.1:8000"}, "http://127.0.0.1:8000"},
		{[]string{"faultproxy", "more"}, "more"},
	} {
		e := command(t, "", c.args...)
		if e.status != 2 || e.out != "" || !strings.Contains(e.err, c.want) || !strings.Contains(e.err, "--help' for how it is used") {
			t.Errorf("fairlead %s: status %d, %q, %q", strings.Join(c.args, " "), e.status, e.out, e.err)
		}
	}
}
