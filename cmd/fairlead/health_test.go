package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	serving "fairlead/gen/thirdparty/tensorflow/serving"

	fairleadv1 "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/config"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers/tfserving/tfservingtest"
)

const healthConfig = `
backends:
  labels: { kind: tfserving, url: "URL", clearance: restricted, health: { every: 40ms, timeout: 1s } }
targets:
  topics:
    backend: labels
    model: topics
    version: stable
    input: { text: { tensor: text } }
    output: { classes: { tensor: scores, names: classes } }
    price: { per_call: 0 }
discover: { ollama: false, openai: false }
`

// stateOf gives what a server knows of a target.
func stateOf(t testing.TB, s *served, target string) *fairleadv1.TargetState {
	t.Helper()
	resp, err := fairleadv1connect.NewRoutingServiceClient(httpClient(t), s.address).ListTargets(t.Context(), &fairleadv1.ListTargetsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range resp.GetTargets() {
		if x.GetName() == target {
			return x.GetState()
		}
	}
	t.Fatalf("there is no target %s", target)
	return nil
}

func metricsOf(t testing.TB, s *served) string {
	t.Helper()
	_, _, body := fetch(t, httpClient(t), "GET", s.address+"/metrics", "", "")
	return body
}

// A server goes away and comes back: nobody has called it, and still it is known, and the next call goes through.
func TestAServerThatGoesAwayAndComesBack(t *testing.T) {
	models := modelServer(t)
	models.Label("topics", "stable", 1)
	address, stop := models.GRPC(t)
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "fairlead.yaml"), strings.Replace(healthConfig, "URL", "grpc://"+address, 1)+"chains: { dir: chains }\n")
	write(t, filepath.Join(dir, "chains", "topic.yaml"), `
chain: topic
version: 1
input: { question: string }
steps:
  - id: topic
    classify: { target: topics, text: "{{question}}" }
output: "<{{steps.topic.label}}>"
`)
	s := serve(t, "--config", file)
	eventually(t, "an answer of the server", func() bool {
		st := stateOf(t, s, "topics")
		return st.GetBackendReady() && st.GetVersion() == "1"
	})
	if m := metricsOf(t, s); !strings.Contains(m, `fairlead_backend_up{backend="labels"} 1`) {
		t.Errorf("the metrics do not say that it is up:\n%s", m)
	}
	stop()
	eventually(t, "that it is gone", func() bool { return stateOf(t, s, "topics").GetHealth() == "open" })
	st := stateOf(t, s, "topics")
	if st.GetAttempts() != 0 || st.BackendReady == nil || st.GetBackendReady() || !strings.Contains(st.GetDetail(), "cannot be reached") {
		t.Errorf("after no call at all: %v", st)
	}
	if m := metricsOf(t, s); !strings.Contains(m, `fairlead_backend_up{backend="labels"} 0`) {
		t.Error("the metrics do not say that it is down")
	}
	ask := func() ending {
		return command(t, "", "ask", "--server", s.address, "--chain", "topic", "my invoice is wrong, please refund the payment")
	}
	if e := ask(); e.status == 0 || !strings.Contains(e.err, "its backend does not answer") {
		t.Errorf("status %d: %s%s", e.status, e.out, e.err)
	}
	if st := stateOf(t, s, "topics"); st.GetAttempts() != 0 {
		t.Errorf("a call was made: %v", st)
	}
	if e := command(t, "", "models", "--server", s.address); e.status != 0 || !strings.Contains(e.out, "no: its backend cannot be reached") {
		t.Errorf("fairlead models: %s%s", e.out, e.err)
	}

	_, _ = models.GRPCAt(t, address)
	eventually(t, "that it is back", func() bool { return stateOf(t, s, "topics").GetHealth() == "ready" })
	if e := ask(); e.status != 0 || !strings.Contains(e.out, "<billing>") {
		t.Errorf("status %d: %s%s", e.status, e.out, e.err)
	}
	s.log.await(t, `msg="a backend does not answer when it is asked how it is" backend=labels`)
	s.log.await(t, `msg="a backend answers again" backend=labels`)

	// The label moves to a version that is being loaded, and then it is there.
	models.Put("topics", 2, &tfservingtest.Version{State: serving.ModelVersionStatus_LOADING})
	models.Label("topics", "stable", 2)
	eventually(t, "that the model is not ready", func() bool { return stateOf(t, s, "topics").GetHealth() == "not_ready" })
	models.Put("topics", 2, &tfservingtest.Version{Regressor: tfservingtest.Train(tfservingtest.Corpus()), Input: "text"})
	eventually(t, "that the model is ready", func() bool {
		st := stateOf(t, s, "topics")
		return st.GetHealth() == "ready" && st.GetVersion() == "2"
	})

	// A backend that a new configuration does not ask is not told of any more.
	eventually(t, "the new configuration", func() bool {
		write(t, file, strings.Replace(strings.Replace(healthConfig, "URL", "grpc://"+address, 1), "every: 40ms", "every: 0s", 1)+"chains: { dir: chains }\n")
		return !strings.Contains(metricsOf(t, s), "fairlead_backend_up")
	})
	if s.stop() != 0 {
		t.Errorf("its log:\n%s", s.log)
	}
}

// fakeOllama speaks as much of Ollama's API as health and readying need: a model is loaded with its first call.
type fakeOllama struct {
	mu     sync.Mutex
	loaded bool
	pulled bool
	load   time.Duration
	calls  map[string]int
}

func (o *fakeOllama) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.calls == nil {
		o.calls = map[string]int{}
	}
	o.calls[r.URL.Path]++
	entry := map[string]any{"name": "tiny:latest", "model": "tiny:latest", "size": 3_000_000, "size_vram": 2_000_000, "digest": strings.Repeat("a", 64),
		"expires_at": time.Now().Add(time.Hour).Format(time.RFC3339Nano), "details": map[string]any{"family": "llama"}}
	list := func(there bool) any {
		if there {
			return map[string]any{"models": []any{entry}}
		}
		return map[string]any{"models": []any{}}
	}
	w.Header().Set("Content-Type", "application/json")
	var answer any
	switch r.URL.Path {
	case "/api/version":
		answer = map[string]any{"version": "0.17.4"}
	case "/api/tags":
		answer = list(o.pulled)
	case "/api/ps":
		answer = list(o.pulled && o.loaded)
	case "/api/show":
		answer = map[string]any{"capabilities": []string{"completion"}}
	case "/api/generate", "/api/chat":
		if !o.pulled {
			http.Error(w, `{"error":"model not found"}`, http.StatusNotFound)
			return
		}
		if !o.loaded {
			time.Sleep(o.load)
			o.loaded = true
		}
		answer = map[string]any{"model": "tiny:latest", "created_at": time.Now().Format(time.RFC3339Nano), "response": "", "done": true, "done_reason": "load"}
		if r.URL.Path == "/api/chat" {
			answer = map[string]any{"model": "tiny:latest", "created_at": time.Now().Format(time.RFC3339Nano), "message": map[string]any{"role": "assistant", "content": "hello"},
				"done": true, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 1}
		}
	case "/api/pull":
		o.pulled = true
		for _, line := range []string{`{"status":"pulling manifest"}`, `{"status":"pulling","digest":"sha256:aa","total":10,"completed":10}`, `{"status":"success"}`} {
			fmt.Fprintln(w, line)
		}
		return
	default:
		http.NotFound(w, r)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (o *fakeOllama) set(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
}

func TestModelsOfOllama(t *testing.T) {
	o := &fakeOllama{load: 300 * time.Millisecond}
	server := httptest.NewServer(o)
	t.Cleanup(server.Close)
	file := write(t, filepath.Join(t.TempDir(), "fairlead.yaml"), `
backends:
  workstation: { kind: ollama, url: "`+server.URL+`", clearance: restricted, health: { every: 40ms, timeout: 1s } }
  away: { kind: scripted, clearance: restricted }
targets:
  local: { backend: workstation, model: tiny, quality: 0.6, price: {} }
  dear: { backend: away, model: echo, quality: 0.5, price: {} }
policies:
  default: { prefer: best, attempts: 1 }
discover: { ollama: false, openai: false }
`)
	s := serve(t, "--config", file)
	at := func(args ...string) string { return succeed(t, append(args, "--server", s.address)...) }

	// A model that the server does not have is not called.
	eventually(t, "that it is not there", func() bool { return stateOf(t, s, "local").GetHealth() == "not_ready" })
	if out := at("route", "explain", "hi"); !strings.Contains(out, "not_ready: its model cannot be loaded: its backend does not have the model") {
		t.Error(out)
	}
	if out := at("models", "pull", "local"); !strings.Contains(out, "its server has the model") {
		t.Error(out)
	}
	eventually(t, "that it is there", func() bool { return stateOf(t, s, "local").GetHealth() == "ready" })
	// Out of memory it is ready all the same.
	eventually(t, "that the first call loads it", func() bool {
		st := stateOf(t, s, "local")
		return st.GetBackendReady() && st.GetDetail() == "its model is not in memory: the next call loads it"
	})
	if out := at("models", "warm", "local"); !strings.Contains(out, "in memory") {
		t.Error(out)
	}
	eventually(t, "that it is in memory", func() bool { return stateOf(t, s, "local").GetDetail() == "" })
	if ms := stateOf(t, s, "local").GetLoadMs(); ms < 250 || ms > 5000 {
		t.Errorf("loading took %v ms", ms)
	}
	var list fairleadv1.ListModelsResponse
	if err := protojson.Unmarshal([]byte(at("models", "local", "--json")), &list); err != nil {
		t.Fatal(err)
	}
	if m := list.GetModels(); len(m) != 1 || !m[0].GetReady() || len(m[0].GetVersions()) != 1 || m[0].GetVersions()[0].GetBytes() != 2_000_000 || m[0].GetLoadMs() == 0 {
		t.Errorf("models: %v", m)
	}
	if out := at("models"); !strings.Contains(out, "ready, 2 MB, until ") || !strings.Contains(out, "dear") {
		t.Error(out)
	}
	if out := at("targets"); !strings.Contains(out, "ITS SERVER SAYS") || !strings.Contains(out, "it would take a call") {
		t.Error(out)
	}
	// It leaves memory: what loading took is reckoned with.
	o.set(func() { o.loaded = false })
	eventually(t, "what loading takes in a plan", func() bool {
		return strings.Contains(at("route", "explain", "hi"), "its model is loaded first, in about ")
	})
	if e := command(t, "hi\n", "chat", "--model", "local", "--server", s.address); e.status != 0 || !strings.Contains(e.out, "hello") {
		t.Errorf("status %d: %s%s", e.status, e.out, e.err)
	}
	// A command that runs on its own asks as well, and says what is wrong.
	if out := succeed(t, "models", "--config", file, "--data", t.TempDir()); !strings.Contains(out, "local") {
		t.Error(out)
	}
	for _, args := range [][]string{{"models", "nobody"}, {"models", "warm", "nobody"}, {"models", "warm", "dear"}, {"models", "pull", "dear"}} {
		if e := command(t, "", append(args, "--server", s.address)...); e.status != 1 || !strings.Contains(e.err, args[len(args)-1]) {
			t.Errorf("%v: status %d: %s", args, e.status, e.err)
		}
	}
}

// Who is asked, and who is not.
func TestWhoIsAskedHowItIs(t *testing.T) {
	c := &config.Config{
		Backends: map[string]config.Backend{
			"hosted":  {Kind: config.KindOpenAI},
			"none":    {Kind: config.KindOpenAI, Server: "none"},
			"vllm":    {Kind: config.KindOpenAI, Server: "vllm", Health: config.Health{Every: time.Second, Timeout: time.Second}},
			"ollama":  {Kind: config.KindOllama, Health: config.Health{Every: time.Second}},
			"never":   {Kind: config.KindOllama},
			"tf":      {Kind: config.KindTFServing, Health: config.Health{Every: time.Second}},
			"inside":  {Kind: config.KindHashing, Health: config.Health{Every: time.Second}},
			"scripts": {Kind: config.KindScripted, Health: config.Health{Every: time.Second}},
		},
		Targets: map[string]config.Target{
			"a": {Backend: "tf", Version: "stable", Canary: &config.Canary{Version: "canary"}, Shadow: &config.Shadow{Version: "7"}},
			"b": {Backend: "tf", Version: "12"},
		},
	}
	f := &fleet{asked: map[string]askable{}}
	var targets []routing.Candidate
	for name, b := range c.Backends {
		f.asks(name, b, orchestrator.Target{})
		targets = append(targets, routing.Candidate{Target: &routing.Target{Name: "t-" + name, Backend: name, Model: "m"}})
	}
	var got []string
	for _, b := range f.backends(targets) {
		got = append(got, fmt.Sprint(b.Name, " ", b.Every, " ", b.Targets[0].Name, " ", b.Targets[0].Lazy))
	}
	if want := "ollama 1s t-ollama true, tf 1s t-tf false, vllm 1s t-vllm true"; strings.Join(got, ", ") != want {
		t.Errorf("got %v", got)
	}
	if got := fmt.Sprint(labels(c)); got != "map[tf:[canary stable]]" {
		t.Errorf("labels: %s", got)
	}
}
