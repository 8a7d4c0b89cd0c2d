package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// ollamaWith serves the lists of an Ollama that has one local model, one local embedder and one cloud model.
func ollamaWith(t *testing.T) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/tags", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"models": [{"name": "local:8b"}, {"name": "embed:latest"},
			{"name": "big:120b-cloud", "remote_model": "big:120b", "remote_host": "https://ollama.com:443"}]}`))
	})
	mux.HandleFunc("POST /api/show", func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Model string }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Errorf("reading what is asked: %v", err)
		}
		does := `"completion"`
		if asked.Model == "embed:latest" {
			does = `"embedding"`
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"capabilities": [` + does + `], "model_info": {"x.context_length": 8192}}`))
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestAFoundOllamaJoins(t *testing.T) {
	t.Chdir(t.TempDir())
	env := []string{"OLLAMA_HOST=" + ollamaWith(t).URL}
	e := commandIn(t, t.Context(), env, "", "targets")
	for _, want := range []string{"local:8b", "embed:latest", "restricted"} {
		if e.status != 0 || !strings.Contains(e.out, want) {
			t.Errorf("status %d, without %q:\n%s%s", e.status, want, e.out, e.err)
		}
	}
	// What a cloud model is sent leaves the machine, whatever the address of the Ollama that is asked.
	if strings.Contains(e.out, "cloud") {
		t.Errorf("a model that Ollama sends on to another host joined by itself:\n%s", e.out)
	}
}

func TestAFoundModelYieldsToTheFile(t *testing.T) {
	t.Chdir(t.TempDir())
	config := write(t, "fairlead.yaml", `
backends: { play: { kind: scripted } }
targets: { "local:8b": { backend: play, model: echo }, gpt-5-mini: { backend: play, model: echo } }
`)
	env := []string{"OLLAMA_HOST=" + ollamaWith(t).URL, "OPENAI_API_KEY=none"}
	e := commandIn(t, t.Context(), env, "", "targets", "--config", config)
	if e.status != 0 || strings.Count(e.out, "local:8b") != 2 || strings.Count(e.out, "gpt-5-mini") != 2 || !strings.Contains(e.out, "embed:latest") {
		t.Errorf("status %d\n%s%s", e.status, e.out, e.err)
	}
}
