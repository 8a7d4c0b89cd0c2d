package openai_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fairlead/providers"
	"fairlead/providers/openai"
	"fairlead/providers/providertest"
)

// pages answers with the files of a folder in testdata; change may be nil.
type pages struct {
	folder string
	change func(path, body string) (int, string)

	mu    sync.Mutex
	asked []string
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.URL.RequestURI())
	p.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/below")
	body, err := os.ReadFile(filepath.Join("testdata", p.folder, filepath.FromSlash(path)))
	status, text := http.StatusOK, string(body)
	if err != nil {
		status, text = http.StatusNotFound, `{"detail":"Not Found"}`
	}
	if strings.HasPrefix(p.folder, "llamacpp") {
		w.Header().Set("Server", "llama.cpp")
	} else if strings.HasPrefix(p.folder, "lmstudio") && err != nil {
		status, text = http.StatusOK, `{"error":"Unexpected endpoint or method. (GET `+r.URL.Path+`). Returning 200 anyway"}`
	}
	if p.change != nil {
		if s, t := p.change(path, text); s != 0 {
			status, text = s, t
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if path == "/metrics" && status == http.StatusOK {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

func (p *pages) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() { p.asked = nil }()
	return p.asked
}

// at makes a client of the server of a folder.
func at(t testing.TB, p *pages, server string) *openai.Client {
	t.Helper()
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	return of(t, s.URL+"/v1", server)
}

func of(t testing.TB, address, server string) *openai.Client {
	t.Helper()
	c, err := openai.New(openai.Config{Name: "local", BaseURL: address, APIKey: "sk-secret", Server: server})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

const (
	llama = "meta-llama/Llama-3.2-3B-Instruct"
	chat  = providers.Chat | providers.JSON
)

// told are what the servers tell.
var told = []struct {
	folder, server string
	models         []providers.Model
	states         map[string]providers.ModelState // of those that are not ready
	load           providers.Load
	noLoad         bool
	model, missing string
}{
	{folder: "vllm-0.10", server: openai.ServerVLLM, model: "sql-lora", missing: "other",
		models: []providers.Model{{Name: llama, Context: 131072}, {Name: "sql-lora", Context: 131072}},
		load:   providers.Load{Running: 7, Waiting: 2, Cache: 0.5, CacheKnown: true}},
	{folder: "vllm-0.6", server: openai.ServerVLLM, model: llama, missing: "other",
		models: []providers.Model{{Name: llama, Context: 131072}, {Name: "sql-lora", Context: 131072}},
		load:   providers.Load{Running: 1, Cache: 0.5, CacheKnown: true}},
	{folder: "sglang-0.5", server: openai.ServerSGLang, model: "qwen/qwen2.5-0.5b-instruct",
		models: []providers.Model{{Name: "qwen/qwen2.5-0.5b-instruct", Context: 32768, Does: chat | providers.Tools}},
		load:   providers.Load{Running: 162, Waiting: 2826, Slots: 256, Cache: 0.28, CacheKnown: true}},
	{folder: "sglang-0.4", server: openai.ServerSGLang, model: "e5",
		models: []providers.Model{{Name: "e5", Context: 8192, Does: providers.Embed}}, load: providers.Load{Slots: 48}},
	{folder: "tgi-3", server: openai.ServerTGI, model: "tgi",
		models: []providers.Model{{Name: "HuggingFaceH4/zephyr-7b-beta", Context: 2048, Does: chat | providers.Tools}},
		load:   providers.Load{Running: 5, Waiting: 1, Slots: 128}},
	{folder: "llamacpp-b11669", server: openai.ServerLlamaCPP, model: "anything",
		models: []providers.Model{{Name: "models/model.gguf", Context: 4096, Does: chat | providers.Tools}},
		load:   providers.Load{Running: 1, Slots: 2}},
	{folder: "llamacpp-router", server: openai.ServerLlamaCPP, model: "unloaded", missing: "other",
		models: []providers.Model{{Name: "ggml-org/gemma-3-4b-it-GGUF:Q4_K_M", Context: 4096, Does: chat | providers.Vision},
			{Name: "unloaded", Does: chat}, {Name: "broken", Does: chat}, {Name: "loading", Does: chat}, {Name: "sleeping", Does: chat}},
		states: map[string]providers.ModelState{"unloaded": providers.ModelAbsent, "broken": providers.ModelBroken,
			"loading": providers.ModelLoading, "sleeping": providers.ModelAbsent},
		load: providers.Load{Running: 1, Waiting: 2, Slots: 4, Cache: 0.125, CacheKnown: true}},
	{folder: "lmstudio-0.3", server: openai.ServerLMStudio, model: "qwen2-vl-7b-instruct", missing: "other", noLoad: true,
		models: []providers.Model{{Name: "qwen2-vl-7b-instruct", Context: 32768, Does: chat | providers.Vision},
			{Name: "meta-llama-3.1-8b-instruct", Context: 8192, Does: chat | providers.Tools},
			{Name: "text-embedding-nomic-embed-text-v1.5", Context: 2048, Does: providers.Embed}},
		states: map[string]providers.ModelState{"qwen2-vl-7b-instruct": providers.ModelAbsent, "text-embedding-nomic-embed-text-v1.5": providers.ModelAbsent}},
	{folder: "lmstudio-0.4", server: openai.ServerLMStudio, model: "gemma-3-270m-it-qat:2", missing: "other", noLoad: true,
		models: []providers.Model{{Name: "gemma-3-270m-it-qat", Context: 4096, Does: chat | providers.Tools},
			{Name: "text-embedding-nomic-embed-text-v1.5-embedding", Context: 2048, Does: providers.Embed}},
		states: map[string]providers.ModelState{"text-embedding-nomic-embed-text-v1.5-embedding": providers.ModelAbsent}},
}

func TestServersTell(t *testing.T) {
	for _, c := range told {
		for _, server := range []string{c.server, openai.ServerAuto} {
			t.Run(c.folder+" as "+server, func(t *testing.T) {
				client, ctx := at(t, &pages{folder: c.folder}, server), t.Context()
				models, err := client.Models(ctx)
				if d := cmp.Diff(c.models, models); d != "" || err != nil {
					t.Errorf("models: %v (-want +got):\n%s", err, d)
				}
				versions, err := client.Versions(ctx, "")
				if err != nil || len(versions) != len(c.models) {
					t.Fatalf("versions: %+v, %v", versions, err)
				}
				for _, v := range versions {
					want := c.states[v.Model]
					if want == "" {
						want = providers.ModelReady
					}
					if v.State != want {
						t.Errorf("version: %+v", v)
					}
					err := client.Ready(ctx, v.Model, "")
					if lazy := v.State == providers.ModelReady || v.State == providers.ModelAbsent; lazy != (err == nil) ||
						err != nil && providers.KindOf(err) != providers.KindUnavailable {
						t.Errorf("%s is %s: %v", v.Model, v.State, err)
					}
				}
				if err := client.Ready(ctx, c.model, "1"); err != nil {
					t.Errorf("ready: %v", err)
				}
				if err := client.Ready(ctx, "other", ""); (c.missing != "") != (providers.KindOf(err) == providers.KindNotFound) {
					t.Errorf("another name: %v", err)
				}
				load, err := client.Load(ctx, c.model)
				if c.noLoad {
					if providers.KindOf(err) != providers.KindUnsupported {
						t.Errorf("load: %+v, %v", load, err)
					}
				} else if d := cmp.Diff(c.load, load, cmpopts.IgnoreFields(providers.Load{}, "At")); d != "" || err != nil || load.At.IsZero() {
					t.Errorf("load: %v (-want +got):\n%s", err, d)
				}
				if err := client.Probe(ctx); err != nil {
					t.Errorf("probe: %v", err)
				}
			})
		}
	}
}

func TestConformanceOfServers(t *testing.T) {
	for _, c := range told {
		t.Run(c.folder, func(t *testing.T) {
			h := providertest.Hosted{Base: "/v1", Handler: &pages{folder: c.folder}, Ready: c.model, Missing: c.missing,
				New: func(t testing.TB, e providertest.Endpoint) any {
					client, err := openai.New(openai.Config{Name: "fake", BaseURL: e.URL, APIKey: e.Key, MaxAnswer: e.MaxAnswer, Server: c.server})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(client.CloseIdle)
					return client
				}}
			if c.noLoad {
				h.Unsupported = []string{"load"}
			}
			providertest.RunHosted(t, h)
		})
	}
}

func TestWithoutAServerNothingIsAsked(t *testing.T) {
	p := &pages{folder: "vllm-0.10"}
	for _, server := range []string{"", openai.ServerNone} {
		c := at(t, p, server)
		_, versions := c.Versions(t.Context(), "")
		_, load := c.Load(t.Context(), llama)
		for name, err := range map[string]error{"versions": versions, "load": load, "probe": c.Probe(t.Context()), "ready": c.Ready(t.Context(), llama, "")} {
			if providers.KindOf(err) != providers.KindUnsupported {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if asked := p.requests(); len(asked) != 0 {
		t.Errorf("asked %q", asked)
	}
	if _, err := openai.New(openai.Config{Server: "ollama"}); err == nil {
		t.Error("a program that is none")
	}
}

func TestPagesAreBesideTheAPI(t *testing.T) {
	p := &pages{folder: "llamacpp-router"}
	s := httptest.NewServer(p)
	defer s.Close()
	for _, base := range []string{"/v1", "/v1/", "/below/v1", "/below/v1/"} {
		if err := of(t, s.URL+base, openai.ServerLlamaCPP).Probe(t.Context()); err != nil {
			t.Error(err)
		}
		if d := cmp.Diff([]string{strings.TrimSuffix(strings.TrimSuffix(base, "/"), "/v1") + "/health"}, p.requests()); d != "" {
			t.Error(d)
		}
	}
	if _, err := of(t, s.URL+"/v1", openai.ServerLlamaCPP).Load(t.Context(), "a/b&c"); err != nil {
		t.Error(err)
	}
	if d := cmp.Diff([]string{"/props?autoload=false&model=a%2Fb%26c", "/metrics?autoload=false&model=a%2Fb%26c"}, p.requests()); d != "" {
		t.Errorf("a router is not to load a model to count: %s", d)
	}
}

func TestLlamaCPPWithoutMetricsCountsItsSlots(t *testing.T) {
	p := &pages{folder: "llamacpp-b11669"}
	p.change = func(path, _ string) (int, string) {
		if path == "/metrics" {
			return http.StatusNotImplemented, `{"error":{"code":501,"message":"This server does not support metrics endpoint.","type":"not_supported_error"}}`
		}
		return 0, ""
	}
	load, err := at(t, p, openai.ServerLlamaCPP).Load(t.Context(), "m")
	if d := cmp.Diff(providers.Load{Running: 1, Slots: 2}, load, cmpopts.IgnoreFields(providers.Load{}, "At")); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	without := p.change
	p.change = func(path, body string) (int, string) {
		if path == "/slots" {
			return http.StatusNotImplemented, `{"error":{"code":501}}`
		}
		return without(path, body)
	}
	if _, err := at(t, p, openai.ServerLlamaCPP).Load(t.Context(), "m"); providers.KindOf(err) != providers.KindUnsupported {
		t.Errorf("neither metrics nor slots: %v", err)
	}
}

func TestASleepingLlamaCPPIsNotWoken(t *testing.T) {
	p := &pages{folder: "llamacpp-b11669"}
	p.change = func(path, body string) (int, string) {
		return http.StatusOK, strings.Replace(body, `"is_sleeping":false`, `"is_sleeping":true`, 1)
	}
	c := at(t, p, openai.ServerLlamaCPP)
	load, err := c.Load(t.Context(), "m")
	if err != nil || load.Running != 0 || load.Slots != 2 {
		t.Errorf("%+v, %v", load, err)
	}
	for _, path := range p.requests() {
		if !strings.HasPrefix(path, "/props") {
			t.Errorf("it was asked for %s", path)
		}
	}
	versions, err := c.Versions(t.Context(), "m")
	if err != nil || versions[0].State != providers.ModelAbsent || c.Ready(t.Context(), "m", "") != nil {
		t.Errorf("%+v, %v", versions, err)
	}
}

func TestServersThatLoad(t *testing.T) {
	loading := &pages{folder: "llamacpp-b11669", change: func(string, string) (int, string) {
		return http.StatusServiceUnavailable, `{"error":{"message":"Loading model","type":"unavailable_error","code":503}}`
	}}
	c := at(t, loading, openai.ServerAuto) // it is known by its header, while it loads too
	_, load := c.Load(t.Context(), "m")
	for name, err := range map[string]error{"probe": c.Probe(t.Context()), "ready": c.Ready(t.Context(), "m", ""), "load": load} {
		if providers.KindOf(err) != providers.KindUnavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
	without := &pages{folder: "llamacpp-b11669", change: func(path, _ string) (int, string) {
		if path == "/v1/models" {
			return http.StatusOK, `{"object":"list","data":[{"id":"m","owned_by":"llamacpp","meta":null}]}`
		}
		return 0, ""
	}}
	c = at(t, without, openai.ServerLlamaCPP)
	if err := c.Ready(t.Context(), "m", ""); providers.KindOf(err) != providers.KindUnavailable {
		t.Errorf("ready: %v", err)
	}
}

func TestMetricsThatAreNotThere(t *testing.T) {
	for folder, want := range map[string]struct {
		server, body string
		kind         providers.Kind
	}{
		"vllm-0.10":  {openai.ServerVLLM, "python_gc_objects_collected_total 1\n", providers.KindUnsupported},
		"sglang-0.5": {openai.ServerSGLang, "python_gc_objects_collected_total 1\n", providers.KindProtocol},
		"vllm-0.6":   {openai.ServerVLLM, "vllm:num_requests_running NaN\n", providers.KindProtocol},
		"tgi-3":      {openai.ServerTGI, "tgi_queue_size -1\n", providers.KindProtocol},
		"sglang-0.4": {openai.ServerSGLang, strings.Repeat("sglang:num_running_reqs{a=\"b\"} 1\n", 10_000), providers.KindOverrun},
	} {
		p := &pages{folder: folder, change: func(path, _ string) (int, string) {
			if path == "/metrics" {
				return http.StatusOK, want.body
			}
			return 0, ""
		}}
		if load, err := at(t, p, want.server).Load(t.Context(), "m"); providers.KindOf(err) != want.kind {
			t.Errorf("%s: %+v, %v", folder, load, err)
		}
	}
	p := &pages{folder: "vllm-0.10", change: func(path, body string) (int, string) {
		return http.StatusOK, strings.ReplaceAll(body, "0.75\n", "NaN\n")
	}}
	if load, err := at(t, p, openai.ServerVLLM).Load(t.Context(), "m"); err != nil || load.CacheKnown || load.Running != 7 {
		t.Errorf("a share that is none: %+v, %v", load, err)
	}
}

func TestCountsAreThoseOfTheModel(t *testing.T) {
	p := &pages{folder: "vllm-0.10", change: func(path, _ string) (int, string) {
		if path != "/metrics" {
			return 0, ""
		}
		return http.StatusOK, "vllm:num_requests_running{model_name=\"a\"} 1\nvllm:num_requests_running{model_name=\"b\"} 2\n" +
			"vllm:num_requests_waiting{model_name=\"a\"} 10\nvllm:num_requests_waiting{model_name=\"b\"} 20\n"
	}}
	c := at(t, p, openai.ServerVLLM)
	for model, want := range map[string][2]int{"a": {1, 10}, "b": {2, 20}, "adapter": {3, 30}, "": {3, 30}} {
		if load, err := c.Load(t.Context(), model); err != nil || [2]int{load.Running, load.Waiting} != want {
			t.Errorf("%s: %+v, %v", model, load, err)
		}
	}
}

func TestAutoFindsOutOnce(t *testing.T) {
	p := &pages{folder: "tgi-3"}
	down := true
	p.change = func(string, string) (int, string) {
		if down {
			return http.StatusBadGateway, "down"
		}
		return 0, ""
	}
	c := at(t, p, openai.ServerAuto)
	if err := c.Probe(t.Context()); providers.KindOf(err) != providers.KindUnavailable {
		t.Errorf("down: %v", err)
	}
	p.requests()
	down = false
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := c.Probe(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	times := map[string]int{}
	for _, path := range p.requests() {
		times[path]++
	}
	if d := cmp.Diff(map[string]int{"/v1/models": 1, "/info": 1, "/health": 8}, times); d != "" {
		t.Error(d)
	}
}

func TestAutoAndAnUnknownProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pages{folder: "nothing", change: func(path, _ string) (int, string) {
			if path == "/v1/models" {
				return http.StatusOK, `{"object":"list","data":[{"id":"m","owned_by":"somebody"}]}`
			}
			return 0, ""
		}}
		c, err := openai.New(openai.Config{BaseURL: "http://memory/v1", Server: openai.ServerAuto, HTTPClient: &http.Client{Transport: handled{p}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Probe(t.Context()); err != nil {
			t.Errorf("it answers: %v", err)
		}
		first := len(p.requests())
		if _, err := c.Load(t.Context(), "m"); providers.KindOf(err) != providers.KindProtocol {
			t.Errorf("load: %v", err)
		}
		if err := c.Ready(t.Context(), "m", ""); err != nil {
			t.Error(err)
		}
		if asked := p.requests(); len(asked) != 1 {
			t.Errorf("asked again: %q", asked)
		}
		time.Sleep(2 * time.Minute) // on the test's clock
		if err := c.Probe(t.Context()); err != nil {
			t.Error(err)
		}
		if asked := p.requests(); len(asked) != first {
			t.Errorf("asked %q, %d at first", asked, first)
		}
	})
}

// handled is a transport to a handler.
type handled struct{ http.Handler }

func (h handled) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

func TestAnotherProgramBehindTheURLIsFoundOut(t *testing.T) {
	p := &pages{folder: "tgi-3"}
	c := at(t, p, openai.ServerAuto)
	if err := c.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.folder = "lmstudio-0.3"
	p.change = func(path, _ string) (int, string) {
		if path == "/health" {
			return http.StatusNotFound, ""
		}
		return 0, ""
	}
	if err := c.Probe(t.Context()); providers.KindOf(err) != providers.KindProtocol {
		t.Errorf("the first: %v", err)
	}
	if err := c.Probe(t.Context()); err != nil {
		t.Errorf("the second: %v", err)
	}
}

// A proxy of others need not list all that it passes on: whether such a model is ready is not known, and no more.
func TestWhatAnUnknownProgramDoesNotListMayBeThere(t *testing.T) {
	c := at(t, &pages{change: func(path, _ string) (int, string) {
		if path == "/v1/models" {
			return http.StatusOK, `{"data":[{"id":"listed","owned_by":"somebody"}]}`
		}
		return 0, ""
	}}, openai.ServerAuto)
	if err := c.Ready(t.Context(), "listed", ""); err != nil {
		t.Error(err)
	}
	if err := c.Ready(t.Context(), "other", ""); providers.KindOf(err) != providers.KindUnsupported {
		t.Errorf("ready: %v", err)
	}
	if _, err := c.Versions(t.Context(), "other"); providers.KindOf(err) != providers.KindUnsupported {
		t.Errorf("versions: %v", err)
	}
	if err := c.Probe(t.Context()); err != nil {
		t.Error(err)
	}
}
