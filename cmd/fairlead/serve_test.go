package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"

	fairleadv1 "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
)

func TestServeHealthAndMetrics(t *testing.T) {
	s := serve(t, "--config", playground(t))
	c := httpClient(t)
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, _, body := fetch(t, c, "GET", s.address+path, "", ""); status != 200 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _, body := fetch(t, c, "POST", s.address+"/v1/chat/completions", "application/json",
		`{"model":"auto","messages":[{"role":"user","content":"a private canary"}]}`); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	for path, want := range map[string]int{"/v1/models": 200, "/v1/nothing": 404, "/v1/models/none": 404} {
		if status, _, body := fetch(t, c, "GET", s.address+path, "", ""); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	status, _, metrics := fetch(t, c, "GET", s.address+"/metrics", "", "")
	if status != 200 {
		t.Fatalf("/metrics: %d", status)
	}
	for _, want := range []string{`fairlead_runs_total{chain="(chat)",outcome="ok"} 1`, "fairlead_run_duration_seconds", "fairlead_upstream_attempts_total",
		`fairlead_http_requests_total{method="POST",route="/v1/chat/completions",status="200"} 1`,
		`fairlead_http_requests_total{method="GET",route="/v1/models",status="200"} 1`,
		`fairlead_http_requests_total{method="GET",route="/v1/models/",status="404"} 1`,
		`fairlead_http_requests_total{method="GET",route="/v1/",status="404"} 1`,
		"fairlead_config_last_reload_success 1", // a server that started has loaded its configuration
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics does not have %s", want)
		}
	}
	if got := s.stop(); got != 0 {
		t.Errorf("status %d\n%s", got, s.log)
	}
	if strings.Contains(metrics+s.log.String(), "canary") {
		t.Error("what a caller said is in the metrics or in the log")
	}
	for _, want := range []string{"name=echo", `why="in the configuration"`, "name=extractive",
		"route=/v1/chat/completions status=200 code=ok", "route=/v1/models/ status=404 code=not_found reason=unknown_model"} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, s.log)
		}
	}
}

// Commands and a server that runs elsewhere speak over the API alone.
func TestCommandsCallAServer(t *testing.T) {
	s := serve(t)
	at := func(args ...string) string { return succeed(t, append(args, "--server", s.address)...) }
	if out := at("ingest", "testdata/handbook"); !strings.Contains(out, "4 added") {
		t.Error(out)
	}
	if out := at("ask", "Who approves trips abroad?"); !strings.Contains(out, "head of the department") {
		t.Error(out)
	}
	e := commandIn(t, t.Context(), environ("FAIRLEAD_SERVER="+s.address), "", "documents")
	if e.status != 0 || !strings.Contains(e.out, "handbook/travel.md") {
		t.Errorf("with FAIRLEAD_SERVER: status %d\n%s%s", e.status, e.out, e.err)
	}
	// Without a model "auto" is the chain that answers from documents.
	status, _, body := fetch(t, httpClient(t), "POST", s.address+"/v1/chat/completions", "application/json",
		`{"model":"auto","messages":[{"role":"user","content":"When does the reception desk open?"}]}`)
	if status != 200 || !strings.Contains(body, "opens at eight") {
		t.Errorf("%d %s", status, body)
	}
}

func TestReload(t *testing.T) {
	file := playground(t)
	s := serve(t, "--config", file)
	routing := fairleadv1connect.NewRoutingServiceClient(httpClient(t), s.address)
	policies := func() []string {
		resp, err := routing.ListTargets(t.Context(), &fairleadv1.ListTargetsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return resp.GetPolicies()
	}
	if got := policies(); slices.Contains(got, "careful") {
		t.Fatalf("%q", got)
	}
	// The watch may begin after the first write, so the test writes until it is seen.
	careful := strings.Replace(play, "policies:", "policies:\n  careful: { prefer: best, require: { quality: 0.8 } }", 1)
	eventually(t, "the new policy", func() bool {
		write(t, file, careful)
		return slices.Contains(policies(), "careful")
	})
	write(t, file, strings.Replace(careful, "prefer: best", "prefer: worst", 1))
	s.log.await(t, `level=ERROR msg="the configuration was not taken over.*fairlead\.yaml:\d+:\d+`)
	if got := policies(); !slices.Contains(got, "careful") {
		t.Errorf("after a bad file: %q", got)
	}
	// A file that is well formed but cannot work is as bad.
	write(t, file, careful+"chat: { auto: policy/none }\n")
	s.log.await(t, `(?s)not taken over.*not taken over`)
	if got := policies(); !slices.Contains(got, "careful") {
		t.Errorf("after a file that cannot work: %q", got)
	}
	// So is a bad chain.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	write(t, file, careful)
	write(t, filepath.Join(filepath.Dir(file), "chains", "bad.yaml"), "chain: bad\nversion: none\n")
	s.log.await(t, `not taken over.*bad\.yaml:2:10`)
	if err := os.Remove(filepath.Join(filepath.Dir(file), "chains", "bad.yaml")); err != nil {
		t.Fatal(err)
	}
	write(t, file, play)
	eventually(t, "the old policies", func() bool { return !slices.Contains(policies(), "careful") })
	if out := succeed(t, "chat", "--server", s.address, "--model", "none"); out != "" { // nothing was said to it
		t.Errorf("%q", out)
	}
	if got := s.stop(); got != 0 {
		t.Errorf("status %d\n%s", got, s.log)
	}
}

func TestDrain(t *testing.T) {
	s := serve(t, "--config", playground(t), "--set", "server.drain_delay=0s")
	words := strings.TrimSpace(strings.Repeat("word ", 30))
	c := fairleadv1connect.NewChatServiceClient(httpClient(t), s.address)
	stream, err := c.Chat(t.Context(), &fairleadv1.ChatRequest{Model: "slow", Messages: user(words)})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	var finished *fairleadv1.RunFinished
	checked := false
	for stream.Receive() {
		ev := stream.Msg().GetEvent()
		finished = ev.GetRunFinished()
		if ev.GetTextDelta() == nil || checked {
			continue
		}
		checked = true
		s.interrupt()
		s.log.await(t, "msg=draining in_flight=1")
		other := httpClient(t)
		if status, _, body := fetch(t, other, "GET", s.address+"/readyz", "", ""); status != http.StatusServiceUnavailable {
			t.Errorf("/readyz: %d %s", status, body)
		}
		status, header, body := fetch(t, other, "POST", s.address+"/v1/chat/completions", "application/json",
			`{"model":"auto","messages":[{"role":"user","content":"x"}]}`)
		var refused struct{ Error struct{ Code, Type string } }
		if err := json.Unmarshal([]byte(body), &refused); err != nil {
			t.Error(err)
		}
		if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || refused.Error.Code != "draining" || refused.Error.Type != "server_error" {
			t.Errorf("a new call: %d, %v, %s", status, header, body)
		}
	}
	if err := stream.Err(); err != nil || finished.GetOutput() != words {
		t.Errorf("the stream in flight ended with %v, %q", err, finished.GetOutput())
	}
	if got := s.stop(); got != 0 {
		t.Errorf("status %d\n%s", got, s.log)
	}
}

// What a drain has no time for ends with an error, and the program with status 0: it was asked to end.
func TestDrainCutsWhatIsLeft(t *testing.T) {
	s := serve(t, "--config", playground(t), "--set", "server.drain_grace=50ms")
	c := fairleadv1connect.NewChatServiceClient(httpClient(t), s.address)
	stream, err := c.Chat(t.Context(), &fairleadv1.ChatRequest{Model: "endless", Messages: user("on and on")})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for stream.Receive() {
		if stream.Msg().GetEvent().GetTextDelta() != nil {
			s.interrupt()
		}
	}
	if stream.Err() == nil {
		t.Fatal("a clean end")
	}
	if _, info := infoOf(t, stream.Err()); info.GetReason() != "draining" {
		t.Errorf("%v", stream.Err())
	}
	if got := s.stop(); got != 0 {
		t.Errorf("status %d\n%s", got, s.log)
	}
}

// halting is a server whose runs say one word and then end as a test wants.
type halting struct {
	fairleadv1connect.UnimplementedRunServiceHandler
	end func() error
}

func (h halting) Run(_ context.Context, _ *fairleadv1.RunRequest, s *connect.ServerStream[fairleadv1.RunResponse]) error {
	delta := &fairleadv1.Event_TextDelta{TextDelta: &fairleadv1.TextDelta{Text: "half", Output: true}}
	if err := s.Send(&fairleadv1.RunResponse{Event: &fairleadv1.Event{Sequence: 1, RunId: "r", Kind: delta}}); err != nil {
		return err
	}
	return h.end()
}

// A command never takes part of an answer for the whole, whatever a server does.
func TestHalfAnAnswerIsAFailure(t *testing.T) {
	for name, c := range map[string]struct {
		end  func() error
		want string
	}{
		"a clean end":         {func() error { return nil }, "the answer is not whole"},
		"a broken connection": {func() error { panic(http.ErrAbortHandler) }, "the connection broke"},
		"an error":            {func() error { return connect.NewError(connect.CodeUnavailable, errors.New("the model is gone")) }, "the model is gone"},
	} {
		_, handler := fairleadv1connect.NewRunServiceHandler(halting{end: c.end})
		s := httptest.NewServer(handler)
		for _, args := range [][]string{{"ask", "x"}, {"ask", "x", "--json"}} {
			e := command(t, "", append(args, "--server", s.URL)...)
			if e.status != 1 || !strings.Contains(e.out, "half") || !strings.Contains(e.err, c.want) {
				t.Errorf("%s, fairlead %v: status %d, %q, %q", name, args, e.status, e.out, e.err)
			}
		}
		s.Close()
	}
}
