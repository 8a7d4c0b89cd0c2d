package ollama_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead/providers"
	"fairlead/providers/ollama"
	"fairlead/providers/providertest"
)

// hosts answers as Ollama 0.17 does beside answers: the lists are the examples of its documentation (docs/api.md), with a model
// of another host; what it does is read off its handlers (server/routes.go).
type hosts struct {
	pulled func(w io.Writer) // nil: a pull that succeeds

	mu     sync.Mutex
	bodies []string
}

const pullLines = `{"status":"pulling manifest"}
{"status":"pulling 6a0746a1ec1a","digest":"sha256:6a0746a1ec1a","total":1000}
{"status":"pulling 6a0746a1ec1a","digest":"sha256:6a0746a1ec1a","total":1000,"completed":400}
{"status":"pulling 6a0746a1ec1a","digest":"sha256:6a0746a1ec1a","total":1000,"completed":1000}
{"status":"pulling 4fa551d4f938","digest":"sha256:4fa551d4f938","total":24,"completed":24}
{"status":"verifying sha256 digest"}
{"status":"writing manifest"}
{"status":"success"}
`

func (s *hosts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.bodies = append(s.bodies, r.URL.Path+" "+string(body))
	s.mu.Unlock()
	var req struct{ Model string }
	_ = json.Unmarshal(body, &req)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	page := func(name string) {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			panic(err)
		}
		_, _ = w.Write(text)
	}
	refuse := func(status int, text string) {
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"error":%q}`, text)
	}
	known := map[string]string{"mistral": "generate", "mistral:latest": "generate", "all-minilm": "embed", "all-minilm:latest": "embed"}[req.Model]
	switch r.URL.Path {
	case "/api/version":
		_, _ = io.WriteString(w, `{"version":"0.17.4"}`)
	case "/api/tags":
		page("tags.json")
	case "/api/ps":
		page("ps.json")
	case "/api/show":
		page("show.json")
	case "/api/generate":
		switch known {
		case "":
			refuse(http.StatusNotFound, "model '"+req.Model+"' not found")
		case "embed":
			refuse(http.StatusBadRequest, `"all-minilm" does not support generate`)
		default:
			_, _ = io.WriteString(w, `{"model":"mistral","created_at":"2026-11-22T18:00:00Z","response":"","done":true,"done_reason":"load"}`)
		}
	case "/api/embed":
		_, _ = io.WriteString(w, `{"model":"all-minilm","embeddings":[]}`)
	case "/api/pull":
		w.Header().Set("Content-Type", "application/x-ndjson")
		if s.pulled != nil {
			s.pulled(w)
		} else {
			_, _ = io.WriteString(w, pullLines)
		}
	default:
		http.NotFound(w, r)
	}
}

// hosting makes a client of a server.
func hosting(t testing.TB, s *hosts, cfg ollama.Config) *ollama.Client {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	cfg.BaseURL = server.URL
	c, err := ollama.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

func TestConformanceOfHosting(t *testing.T) {
	providertest.RunHosted(t, providertest.Hosted{Handler: &hosts{}, Ready: "mistral", Missing: "other",
		New: func(t testing.TB, e providertest.Endpoint) any {
			c, err := ollama.New(ollama.Config{Name: "fake", BaseURL: e.URL, APIKey: e.Key, MaxAnswer: e.MaxAnswer})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.CloseIdle)
			return c
		}})
}

func TestVersionsTellWhatIsInMemory(t *testing.T) {
	c := hosting(t, &hosts{}, ollama.Config{})
	got, err := c.Versions(t.Context(), "")
	expires, _ := time.Parse(time.RFC3339, "2026-11-22T18:38:31.83753-07:00")
	want := []providers.ModelVersion{
		{Model: "deepseek-r1:latest", State: providers.ModelAbsent, Detail: "it is loaded by its first call", Bytes: 4683075271},
		{Model: "mistral:latest", State: providers.ModelReady, Bytes: 5137025024, Expires: expires},
		{Model: "all-minilm:latest", State: providers.ModelReady, Bytes: 45960996, Expires: expires},
		{Model: "gpt-oss:120b-cloud", State: providers.ModelReady, Detail: "the server sends its calls on to another"},
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	for _, name := range []string{"mistral", "mistral:latest", "Mistral:latest"} {
		if got, err := c.Versions(t.Context(), name); err != nil || len(got) != 1 || got[0].Model != "mistral:latest" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if err := c.Ready(t.Context(), name, ""); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.Ready(t.Context(), "deepseek-r1", ""); err != nil {
		t.Errorf("a model that its first call loads: %v", err)
	}
	for _, name := range []string{"mistral:7b", "library/mistral", "latest", ":"} {
		if err := c.Ready(t.Context(), name, ""); providers.KindOf(err) != providers.KindNotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWarmLoadsAsCallsWould(t *testing.T) {
	s := &hosts{}
	c := hosting(t, s, ollama.Config{NumCtx: 8192, KeepAlive: -1})
	if err := c.Warm(t.Context(), "mistral", ""); err != nil {
		t.Fatal(err)
	}
	if err := c.Warm(t.Context(), "all-minilm", ""); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`/api/generate {"model":"mistral","options":{"num_ctx":8192},"keep_alive":-1,"stream":false}`,
		`/api/generate {"model":"all-minilm","options":{"num_ctx":8192},"keep_alive":-1,"stream":false}`,
		`/api/embed {"model":"all-minilm","options":{"num_ctx":8192},"keep_alive":-1,"stream":false}`,
	}
	if d := cmp.Diff(want, s.bodies); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if err := c.Warm(t.Context(), "other", ""); providers.KindOf(err) != providers.KindNotFound {
		t.Errorf("%v", err)
	}
}

func TestPullTellsHowFarItIs(t *testing.T) {
	c := hosting(t, &hosts{}, ollama.Config{})
	var got []providers.Pulled
	err := c.Pull(t.Context(), "mistral", func(p providers.Pulled) error { got = append(got, p); return nil })
	want := []providers.Pulled{
		{Status: "asking for the model"},
		{Status: "fetching", Total: 1000}, {Status: "fetching", Done: 400, Total: 1000}, {Status: "fetching", Done: 1000, Total: 1000},
		{Status: "fetching", Done: 1024, Total: 1024}, {Status: "checking", Done: 1024, Total: 1024},
		{Status: "writing", Done: 1024, Total: 1024}, {Status: "done", Done: 1024, Total: 1024},
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	enough := errors.New("enough")
	if err := c.Pull(t.Context(), "mistral", func(providers.Pulled) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("told's own error: %v", err)
	}
}

func TestPullsThatFail(t *testing.T) {
	whole := strings.SplitAfter(pullLines, "\n")
	parts := &strings.Builder{}
	for i := range 2000 {
		fmt.Fprintf(parts, `{"status":"pulling x","digest":"d%d","total":1}`+"\n", i)
	}
	for name, c := range map[string]struct {
		body string
		kind providers.Kind
	}{
		"cut":                     {strings.Join(whole[:len(whole)-2], ""), providers.KindTruncated},
		"cut within a line":       {strings.TrimSuffix(pullLines, `ess"}`+"\n"), providers.KindTruncated},
		"no such model":           {`{"error":"pull model manifest: file does not exist"}` + "\n", providers.KindNotFound},
		"disk full":               {`{"error":"write /root/.ollama/x: no space left on device moonlight"}` + "\n", providers.KindUnknown},
		"no network":              {`{"error":"Get \"https://registry.ollama.ai/v2/\": dial tcp: lookup moonlight"}` + "\n", providers.KindUnavailable},
		"needs a newer server":    {`{"error":"pull model manifest: 412: The model you are attempting to pull requires a newer version of Ollama."}`, providers.KindUnsupported},
		"an error that is none":   {`{"error":{"a":1}}` + "\n", providers.KindUnavailable},
		"a line of no status":     {"{}\n", providers.KindProtocol},
		"not JSON":                {"moonlight\n", providers.KindProtocol},
		"a line without an end":   {strings.Repeat("x", 1<<20), providers.KindOverrun},
		"more parts than any has": {parts.String(), providers.KindOverrun},
		"nothing":                 {"", providers.KindTruncated},
	} {
		t.Run(name, func(t *testing.T) {
			s := &hosts{pulled: func(w io.Writer) { _, _ = io.WriteString(w, c.body) }}
			err := hosting(t, s, ollama.Config{}).Pull(t.Context(), "m", nil)
			if providers.KindOf(err) != c.kind || strings.Contains(fmt.Sprint(err), "moonlight") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// pulledIn is a transport that answers with one body.
type pulledIn struct{ body []byte }

func (p pulledIn) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, ContentLength: -1,
		TransferEncoding: []string{"chunked"}, Body: io.NopCloser(bytes.NewReader(p.body))}, nil
}

func FuzzPull(f *testing.F) {
	for _, s := range []string{pullLines, "", "{}", `{"status":"pulling x","digest":"d","total":-1,"completed":9223372036854775807}` + "\n" + `{"status":"success"}`,
		`{"status":"success","error":null}`, `{"error":"x"}`, `{"status":"success","digest":"d","total":5,"completed":9}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := ollama.New(ollama.Config{HTTPClient: &http.Client{Transport: pulledIn{body}}})
		if err != nil {
			t.Fatal(err)
		}
		var last providers.Pulled
		err = c.Pull(t.Context(), "m", func(p providers.Pulled) error {
			if p.Done < last.Done || p.Total < last.Total || p.Done > p.Total || p.Status == "" || p == last {
				t.Fatalf("%q: %+v after %+v", body, p, last)
			}
			last = p
			return nil
		})
		var e *providers.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("%q: %v", body, err)
		}
		if done := last.Status == "done"; done != (err == nil) {
			t.Fatalf("%q: %v after %+v", body, err, last)
		}
	})
}
