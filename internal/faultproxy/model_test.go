package faultproxy

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

// The proxy's own answers are what the formats' clients expect; the adapters' tests of the whole read them too.
func TestOwnAnswers(t *testing.T) {
	p := start(t, Config{})
	var text strings.Builder
	done := false
	for line := range strings.Lines(p.ask(t.Context(), chatPath, openaiStream).body) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "data: ")
		if line == "[DONE]" {
			done = true
			continue
		}
		var chunk struct {
			Choices []struct{ Delta struct{ Content string } }
		}
		if line != "" && json.Unmarshal([]byte(line), &chunk) != nil {
			t.Errorf("%q", line)
		}
		for _, c := range chunk.Choices {
			text.WriteString(c.Delta.Content)
		}
	}
	if text.String() != DefaultAnswer || !done {
		t.Errorf("openai: %q", text.String())
	}
	text.Reset()
	for line := range strings.Lines(p.ask(t.Context(), ollamaPath, ollamaStream).body) {
		var chunk struct{ Message struct{ Content string } }
		if json.Unmarshal([]byte(line), &chunk) != nil {
			t.Errorf("%q", line)
		}
		text.WriteString(chunk.Message.Content)
	}
	if text.String() != DefaultAnswer {
		t.Errorf("ollama: %q", text.String())
	}

	for path, body := range map[string]string{
		chatPath: openaiPlain, ollamaPath: strings.Replace(ollamaStream, "{", `{"stream":false,`, 1), "/v1/models": "", "/api/tags": "", "/api/version": "", "/api/show": `{"model":"m"}`,
	} {
		if g := p.ask(t.Context(), path, body); g.status != 200 || !json.Valid([]byte(g.body)) {
			t.Errorf("%s: %+v", path, g)
		}
	}
	var vectors struct {
		Data       []struct{ Embedding []float64 }
		Embeddings [][]float64
	}
	for path, body := range map[string]string{"/v1/embeddings": `{"model":"m","input":["a","b"],"dimensions":8}`, "/api/embed": `{"model":"m","input":"a","dimensions":8}`} {
		if g := p.ask(t.Context(), path, body); json.Unmarshal([]byte(g.body), &vectors) != nil || g.body != p.ask(t.Context(), path, body).body {
			t.Errorf("%s: %+v", path, g)
		}
	}
	a, b, c := vectors.Data[0].Embedding, vectors.Data[1].Embedding, vectors.Embeddings[0]
	if len(a) != 8 || len(b) != 8 || a[0] != c[0] || a[0] == b[0] || math.Abs(norm(a)-1) > 1e-6 {
		t.Errorf("vectors: %v, %v, %v", a, b, c)
	}
	for _, path := range []string{"/v1/none", "/api/none"} {
		if g := p.ask(t.Context(), path, openaiPlain); g.status != 404 || !strings.Contains(g.body, `"error"`) {
			t.Errorf("%s: %+v", path, g)
		}
	}
	if g := p.ask(t.Context(), chatPath, "{"); g.status != 400 {
		t.Errorf("%+v", g)
	}
	if joined := strings.Join(pieces(DefaultAnswer), ""); joined != DefaultAnswer {
		t.Errorf("pieces: %q", joined)
	}
}

func norm(v []float64) (sum float64) {
	for _, x := range v {
		sum += x * x
	}
	return math.Sqrt(sum)
}
