package openai_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"

	dialect "github.com/sashabaranov/go-openai"

	"fairlead/providers"
	"fairlead/providers/openai"
)

// memory answers each request with one body, without a network.
type memory struct{ body []byte }

func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header:           http.Header{"Content-Type": {"text/event-stream"}},
		TransferEncoding: []string{"chunked"}, ContentLength: -1,
		Body: io.NopCloser(bytes.NewReader(m.body)),
	}, nil
}

const benchChunks = 1000

func benchBody() []byte {
	var b bytes.Buffer
	for i := range benchChunks {
		fmt.Fprintf(&b, `data: {"id":"chatcmpl-9f2b1c","object":"chat.completion.chunk","created":1700000000,"model":"gpt-5-mini-2025-08-07","service_tier":"default","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"content":" word%d"},"logprobs":null,"finish_reason":null}],"usage":null}`+"\n\n", i)
	}
	b.WriteString(`data: {"id":"chatcmpl-9f2b1c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n")
	return b.Bytes()
}

// BenchmarkSSEChunk is the cost of one chunk of a stream, from the bytes of the body to the loop.
func BenchmarkSSEChunk(b *testing.B) {
	c, err := openai.New(openai.Config{BaseURL: "http://memory/v1", HTTPClient: &http.Client{Transport: memory{benchBody()}}})
	if err != nil {
		b.Fatal(err)
	}
	req := &providers.Request{Model: "m", Messages: []providers.Message{providers.Text(providers.User, "hi")}}
	b.ReportAllocs()
	chunks := 0
	for b.Loop() {
		for _, err := range c.Generate(b.Context(), req) {
			if err != nil {
				b.Fatal(err)
			}
			chunks++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(chunks), "ns/chunk")
}

// BenchmarkSDKChunk is the same through the SDK's client, for comparison.
func BenchmarkSDKChunk(b *testing.B) {
	cfg := dialect.DefaultConfig("")
	cfg.BaseURL = "http://memory/v1"
	cfg.HTTPClient = &http.Client{Transport: memory{benchBody()}}
	c := dialect.NewClientWithConfig(cfg)
	req := dialect.ChatCompletionRequest{Model: "m", Messages: []dialect.ChatCompletionMessage{{Role: "user", Content: "hi"}}}
	b.ReportAllocs()
	chunks := 0
	for b.Loop() {
		stream, err := c.CreateChatCompletionStream(context.Background(), req)
		if err != nil {
			b.Fatal(err)
		}
		for {
			if _, err := stream.Recv(); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
			chunks++
		}
		_ = stream.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(chunks), "ns/chunk")
}

// BenchmarkOverhead is what the adapter adds to a call: "raw" posts the same body and reads the same answer with net/http
// alone.
func BenchmarkOverhead(b *testing.B) {
	var vectors bytes.Buffer
	vectors.WriteString(`{"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[0.0125`)
	for i := range 383 {
		fmt.Fprintf(&vectors, ",%.6f", float64(i)/1e3)
	}
	vectors.WriteString(`]}],"usage":{"prompt_tokens":8,"total_tokens":8}}`)
	var answer bytes.Buffer
	for range 32 {
		answer.WriteString(`data: {"id":"c","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}` + "\n\n")
	}
	answer.WriteString(`data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n")
	for _, c := range []struct {
		name, path, media, request string
		body                       []byte
		call                       func(c *openai.Client) error
	}{
		{"chat of 32 chunks", "chat/completions", "text/event-stream", `{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}`, answer.Bytes(),
			func(c *openai.Client) error {
				_, err := providers.Collect(c.Generate(b.Context(), &providers.Request{Model: "m", Messages: []providers.Message{providers.Text(providers.User, "hi")}}))
				return err
			}},
		{"vector of 384", "embeddings", "application/json", `{"model":"m","input":["hi"],"encoding_format":"float"}`, vectors.Bytes(),
			func(c *openai.Client) error {
				_, err := c.Embed(b.Context(), &providers.EmbedRequest{Model: "m", Texts: []string{"hi"}})
				return err
			}},
	} {
		client := &http.Client{Transport: typed{memory{c.body}, c.media}}
		b.Run(c.name+"/raw", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://memory/v1/"+c.path, bytes.NewReader([]byte(c.request)))
				if err != nil {
					b.Fatal(err)
				}
				answer, err := client.Do(req)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.ReadAll(answer.Body)
				_ = answer.Body.Close()
			}
		})
		b.Run(c.name+"/adapter", func(b *testing.B) {
			adapter, err := openai.New(openai.Config{BaseURL: "http://memory/v1", HTTPClient: client})
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

// typed is memory with a media type of its own.
type typed struct {
	memory
	media string
}

func (m typed) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := m.memory.RoundTrip(r)
	if err == nil {
		answer.Header.Set("Content-Type", m.media)
	}
	return answer, err
}
