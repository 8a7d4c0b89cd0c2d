package testmodel

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"testing"
)

// Ollama starts an Ollama that knows no model. It keeps everything in a folder of the test. settings are more
// variables of its environment, such as "OLLAMA_NUM_PARALLEL=2".
func Ollama(t testing.TB, settings ...string) *Server {
	t.Helper()
	s := &Server{t: t, program: program(t, "OLLAMA", "tools/ollama.sh"), health: "/api/version", dir: t.TempDir(), args: []string{"serve"}}
	host, port := s.address()
	s.env = append([]string{"OLLAMA_HOST=" + net.JoinHostPort(host, port), "OLLAMA_MODELS=" + filepath.Join(s.dir, "models")}, settings...)
	s.own()
	return s
}

// Import gives the model of seed 1 to an Ollama under a name. The template is in Ollama's own language; with an empty one
// the server makes do with the model's. Which words stand in it decides what the server says that the model can do: with
// ".Tools" it takes tools.
func (s *Server) Import(name, template string) {
	s.t.Helper()
	model := Model(1)
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(model))
	s.post("/api/blobs/"+digest, http.StatusCreated, model)
	create := map[string]any{"model": name, "files": map[string]string{"model.gguf": digest}, "stream": false,
		"parameters": map[string]any{"num_thread": 1}} // more would wait for one another
	if template != "" {
		create["template"] = template
	}
	body, err := json.Marshal(create)
	if err != nil {
		s.t.Fatal(err)
	}
	s.post("/api/create", http.StatusOK, body)
}

func (s *Server) post(path string, want int, body []byte) {
	s.t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post(s.URL+path, "application/octet-stream", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if answer, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != want {
		s.t.Fatalf("%s: status %d, %v: %s", path, resp.StatusCode, err, answer)
	}
}
