package ollama_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"fairlead/providers"
	"fairlead/providers/ollama"
)

// BenchmarkOverhead is what the adapter adds to a call: "raw" posts the same body and reads the same answer with net/http
// alone.
func BenchmarkOverhead(b *testing.B) {
	var vectors, answer bytes.Buffer
	vectors.WriteString(`{"model":"m","embeddings":[[0.0125`)
	for i := range 383 {
		fmt.Fprintf(&vectors, ",%.6f", float64(i)/1e3)
	}
	vectors.WriteString(`]],"total_duration":14143917,"load_duration":1019500,"prompt_eval_count":8}`)
	for range 32 {
		answer.WriteString(`{"model":"m","created_at":"2026-11-22T18:00:00.123456Z","message":{"role":"assistant","content":" word"},"done":false}` + "\n")
	}
	answer.WriteString(`{"model":"m","created_at":"2026-11-22T18:00:00.123456Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":8,"eval_count":32}` + "\n")
	for _, c := range []struct {
		name, path, request string
		body                []byte
		call                func(c *ollama.Client) error
	}{
		{"chat of 32 chunks", "chat", `{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}`, answer.Bytes(), func(c *ollama.Client) error {
			_, err := providers.Collect(c.Generate(b.Context(), &providers.Request{Model: "m", Messages: []providers.Message{providers.Text(providers.User, "hi")}}))
			return err
		}},
		{"vector of 384", "embed", `{"model":"m","input":["hi"]}`, vectors.Bytes(), func(c *ollama.Client) error {
			_, err := c.Embed(b.Context(), &providers.EmbedRequest{Model: "m", Texts: []string{"hi"}})
			return err
		}},
	} {
		client := &http.Client{Transport: pulledIn{c.body}}
		b.Run(c.name+"/raw", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				answer, err := client.Post("http://memory/api/"+c.path, "application/json", strings.NewReader(c.request))
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.ReadAll(answer.Body)
				_ = answer.Body.Close()
			}
		})
		b.Run(c.name+"/adapter", func(b *testing.B) {
			adapter, err := ollama.New(ollama.Config{BaseURL: "http://memory", HTTPClient: client})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := c.call(adapter); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
