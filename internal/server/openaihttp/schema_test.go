package openaihttp

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// published compiles a component of OpenAI's published description of its API.
type published struct{ compiler *jsonschema.Compiler }

const schemaURL = "https://fairlead.invalid/openai.json"

func readPublished(t *testing.T) *published {
	t.Helper()
	data := os.Getenv("FAIRLEAD_DATA")
	if data == "" {
		t.Skip("FAIRLEAD_DATA is not set: it names a folder with openai/openapi.yaml.gz, OpenAI's published description")
	}
	file, err := os.Open(filepath.Join(data, "openai", "openapi.yaml.gz"))
	if err != nil {
		t.Skipf("no published description: %v", err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Components struct {
			Schemas map[string]any `yaml:"schemas"`
		} `yaml:"components"`
	}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	// Only the components that answers are made of are compiled; the rest would be checked for nothing.
	needed := map[string]any{}
	var need func(name string)
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				need(strings.TrimPrefix(ref, "#/components/schemas/"))
			}
			for k := range v {
				v[k] = walk(v[k])
			}
			// OpenAPI 3.0's way to allow null still stands in places, and JSON Schema does not know it.
			if v["nullable"] == true {
				delete(v, "nullable")
				return map[string]any{"anyOf": []any{v, map[string]any{"type": "null"}}}
			}
		}
		return v
	}
	need = func(name string) {
		if _, ok := needed[name]; ok {
			return
		}
		schema, ok := doc.Components.Schemas[name]
		if !ok {
			t.Fatalf("the published description has no %s", name)
		}
		needed[name] = schema
		needed[name] = walk(schema)
	}
	for _, name := range []string{
		"CreateChatCompletionResponse", "CreateChatCompletionStreamResponse", "ErrorResponse", "ListModelsResponse", "Model", "CreateEmbeddingResponse",
	} {
		need(name)
	}
	out, err := json.Marshal(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "components": map[string]any{"schemas": needed},
	})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := jsonschema.UnmarshalJSON(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	p := &published{compiler: jsonschema.NewCompiler()}
	if err := p.compiler.AddResource(schemaURL, plain); err != nil {
		t.Fatal(err)
	}
	return p
}

// check holds a JSON text to a component.
func (p *published) check(t *testing.T, component string, text []byte) {
	t.Helper()
	schema, err := p.compiler.Compile(schemaURL + "#/components/schemas/" + component)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v: %s", component, err, text)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%s: %v\n%s", component, err, text)
	}
}

func TestAnswersFitThePublishedDescription(t *testing.T) {
	p := readPublished(t)
	for name, run := range map[string]script{"plain": plainRun, "tools": toolRun, "chain": chainRun} {
		w, _ := call(t, run, ask+`}`)
		p.check(t, "CreateChatCompletionResponse", w.Body.Bytes())
		for _, options := range []string{`,"stream":true}`, `,"stream":true,"stream_options":{"include_usage":true}}`} {
			w, _ = call(t, run, ask+options)
			frames := bytes.Split(bytes.TrimSuffix(w.Body.Bytes(), []byte("data: [DONE]\n\n")), []byte("\n\n"))
			checked := 0
			for _, frame := range frames {
				if chunk, ok := bytes.CutPrefix(frame, []byte("data: ")); ok {
					p.check(t, "CreateChatCompletionStreamResponse", chunk)
					checked++
				}
			}
			if checked < 3 {
				t.Errorf("%s: %d chunks", name, checked)
			}
		}
	}
	server := serveEngine(t)
	get := func(method, path, body string, status int) []byte {
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != status {
			t.Fatalf("%s %s: status %d, %v: %s", method, path, resp.StatusCode, err, got)
		}
		return got
	}
	p.check(t, "ListModelsResponse", get("GET", "/v1/models", "", 200))
	p.check(t, "Model", get("GET", "/v1/models/fixed", "", 200))
	p.check(t, "CreateEmbeddingResponse", get("POST", "/v1/embeddings", `{"model":"embedder","input":"a text"}`, 200))
	p.check(t, "CreateChatCompletionResponse", get("POST", "/v1/chat/completions", `{"model":"fixed","messages":[{"role":"user","content":"hi"}]}`, 200))
	for path, status := range map[string]int{"/v1/models/none": 404, "/v1/none": 404, "/v1/embeddings": 405} {
		p.check(t, "ErrorResponse", get("GET", path, "", status))
	}
	p.check(t, "ErrorResponse", get("POST", "/v1/chat/completions", `{"model":"fixed","messages":[{"role":"user","content":7}]}`, 400))
}

func TestThePublishedDescriptionIsHeldTo(t *testing.T) {
	p := readPublished(t)
	schema, err := p.compiler.Compile(schemaURL + "#/components/schemas/CreateChatCompletionStreamResponse")
	if err != nil {
		t.Fatal(err)
	}
	for _, finish := range []string{`null`, `"stop"`, `"tired"`} {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(fmt.Sprintf(
			`{"id":"i","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":%s}]}`, finish)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); (err != nil) != (finish == `"tired"`) {
			t.Errorf("finish reason %s: %v", finish, err)
		}
	}
}
