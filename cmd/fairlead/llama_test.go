package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"

	fairleadv1 "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/testmodel"
)

// behind is a configuration of two llama-servers with the same model, so that whichever answers says the same.
const behind = `
backends:
  first: { kind: openai, url: "FIRST/v1", clearance: restricted }
  second: { kind: openai, url: "SECOND/v1", clearance: restricted }
targets:
  first: { backend: first, model: tiny, does: [chat, json], context: 4096, quality: 0.9, price: {} }
  second: { backend: second, model: tiny, does: [chat, json], context: 4096, quality: 0.1, price: {} }
policies:
  default: { prefer: best, require: { targets: [first] } }
  careful: { prefer: best }
  again: { prefer: best, midstream: restart }
discover: { ollama: false, openai: false }
`

// serveLlamas starts the server before two llama-servers, of which the second may be none.
func serveLlamas(t *testing.T, first, second *testmodel.Server) *served {
	t.Helper()
	if second == nil {
		second = first
	}
	text := strings.NewReplacer("FIRST", first.URL, "SECOND", second.URL).Replace(behind)
	return serve(t, "--config", write(t, filepath.Join(t.TempDir(), "fairlead.yaml"), text))
}

// prompt asks a model for so many tokens. Its seed is the number of tokens, so that answers of two lengths differ.
type prompt struct {
	model  string
	tokens int
}

func (p prompt) text() string { return fmt.Sprintf("Question %d?", p.tokens) }

func (p prompt) json() string {
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}],"max_tokens":%d,"seed":%d,"temperature":0.8,"stream":true,"stream_options":{"include_usage":true}}`,
		p.model, p.text(), p.tokens, p.tokens)
}

func (p prompt) proto() *fairleadv1.ChatRequest {
	tokens, seed, temperature := int32(p.tokens), int64(p.tokens), 0.8
	return &fairleadv1.ChatRequest{Model: p.model, Messages: user(p.text()), Sampling: &fairleadv1.Sampling{MaxTokens: &tokens, Seed: &seed, Temperature: &temperature}}
}

// heard is what a client heard of a stream.
type heard struct {
	// text is what stands, and withdrawn how often what was there before was taken back.
	text      string
	withdrawn int
	finish    string
	tokens    int64
	// reason is the error's, and empty where the stream is whole.
	reason string
}

// overHTTP reads a stream of the dialect. first is called at the first text; it may be nil.
func overHTTP(c *http.Client, address string, p prompt, first func()) (heard, error) {
	var got heard
	req, err := http.NewRequest(http.MethodPost, address+"/v1/chat/completions", strings.NewReader(p.json()))
	if err != nil {
		return got, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header["Idempotency-Key"] = nil // not sent: the request may be sent again when a llama-server closes a connection that is used again
	resp, err := c.Do(req)
	if err != nil {
		return got, err
	}
	defer resp.Body.Close()
	done := false
	lines := bufio.NewReader(resp.Body)
	for {
		line, err := lines.ReadString('\n')
		data, isData := strings.CutPrefix(strings.TrimSpace(line), "data: ")
		if resp.StatusCode != http.StatusOK {
			data, isData = line, true
		}
		switch {
		case isData && data == "[DONE]":
			done = true
		case isData && data != "":
			var chunk struct {
				Error   *struct{ Code string }
				Choices []struct {
					Delta        struct{ Content string }
					FinishReason string `json:"finish_reason"`
				}
				Usage *struct {
					Output int64 `json:"completion_tokens"`
				}
			}
			if err := json.Unmarshal([]byte(data), &chunk); err != nil {
				return got, fmt.Errorf("reading %q: %w", data, err)
			}
			if chunk.Error != nil {
				got.reason = chunk.Error.Code
			}
			for _, choice := range chunk.Choices {
				if choice.Delta.Content != "" && got.text == "" && first != nil {
					first()
				}
				got.text += choice.Delta.Content
				got.finish += choice.FinishReason
			}
			if chunk.Usage != nil {
				got.tokens += chunk.Usage.Output
			}
		}
		if err != nil {
			if (err == io.EOF && done) == (got.reason == "") {
				return got, nil
			}
			return got, fmt.Errorf("the stream ends with %w, done %t, after the error %q", err, done, got.reason)
		}
	}
}

// overRPC is overHTTP over a protocol of the services.
func overRPC(ctx context.Context, c fairleadv1connect.ChatServiceClient, p prompt, first func()) (heard, error) {
	var got heard
	stream, err := c.Chat(ctx, p.proto())
	if err != nil {
		return got, err
	}
	defer stream.Close()
	finished := false
	for stream.Receive() {
		switch ev := stream.Msg().GetEvent(); {
		case ev.GetTextDelta() != nil:
			if got.text == "" && first != nil {
				first()
			}
			got.text += ev.GetTextDelta().GetText()
		case ev.GetRetracted() != nil:
			got.text = ""
			got.withdrawn++
		case ev.GetRunFinished() != nil:
			finished = true
			got.finish = strings.ToLower(strings.TrimPrefix(ev.GetRunFinished().GetFinishReason().String(), "FINISH_REASON_"))
			got.tokens = ev.GetRunFinished().GetUsage().GetOutputTokens()
			if ev.GetRunFinished().GetOutput() != got.text {
				return got, errors.New("the output is not the text")
			}
		}
	}
	var failure *connect.Error
	if errors.As(stream.Err(), &failure) {
		got.reason = failure.Code().String()
		for _, d := range failure.Details() {
			if v, err := d.Value(); err == nil {
				if info, ok := v.(*fairleadv1.ErrorInfo); ok {
					got.reason = info.GetReason()
				}
			}
		}
	}
	if finished == (got.reason != "") {
		return got, fmt.Errorf("finished %t, with the error %q", finished, got.reason)
	}
	return got, nil
}

// Clients at once get each the answer that the model server gives to one alone, and what is counted is what was made.
func TestManyClientsOfALlama(t *testing.T) {
	const clients = 32
	llama := testmodel.Llama(t, "--parallel", "4", "--metrics")
	s := serveLlamas(t, llama, nil)
	var want [clients]heard
	alone := httpClient(t)
	made := 0
	for i := range want {
		p := prompt{"tiny", 20 + 3*i}
		got, err := overHTTP(alone, llama.URL, p, nil)
		if err != nil || got.tokens != int64(p.tokens) || got.finish != "length" || got.text == "" {
			t.Fatalf("%v: %+v", err, got)
		}
		want[i] = got
		made += p.tokens
	}
	all := 0
	for _, way := range []string{"OpenAI dialect", "Connect", "gRPC"} {
		var done sync.WaitGroup
		c, rpc := httpClient(t), fairleadv1connect.NewChatServiceClient(httpClient(t), s.address)
		if way == "gRPC" {
			rpc = fairleadv1connect.NewChatServiceClient(http2Client(t), s.address, protocols[3].options...)
		}
		for i := range want {
			done.Go(func() {
				var got heard
				var err error
				if p := (prompt{"auto", 20 + 3*i}); way == "OpenAI dialect" {
					got, err = overHTTP(c, s.address, p, nil)
				} else {
					got, err = overRPC(t.Context(), rpc, p, nil)
				}
				if err != nil || got != want[i] {
					t.Errorf("%s, client %d: %v: %+v instead of %+v", way, i, err, got, want[i])
				}
			})
		}
		done.Wait()
		all += made
	}
	// The server's own count is that of the answers, and ours, which is written down after them, is the server's.
	_, _, metrics := fetch(t, alone, http.MethodGet, llama.URL+"/metrics", "", "")
	if line := fmt.Sprintf("llamacpp:tokens_predicted_total %d\n", all+made); !strings.Contains(metrics, line) {
		t.Errorf("without %q:\n%s", line, metrics)
	}
	eventually(t, "the usage of all answers", func() bool {
		sums := usageOf(t, "--server", s.address).GetSums()
		return len(sums) == 1 && sums[0].GetAttempts() == 3*clients && sums[0].GetFailed() == 0 && sums[0].GetUsage().GetOutputTokens() == int64(all)
	})
}

// A model server that dies within an answer: the caller hears of it, after all that had come and never as an end, or has
// it taken back and gets a whole answer of the other one. Before an answer has begun the other one is asked in silence.
func TestALlamaIsKilled(t *testing.T) {
	first, second := testmodel.Llama(t), testmodel.Llama(t)
	s := serveLlamas(t, first, second)
	c := httpClient(t)
	rpc := fairleadv1connect.NewChatServiceClient(http2Client(t), s.address, protocols[3].options...)
	const tokens = 2000
	want, err := overHTTP(c, second.URL, prompt{"tiny", tokens}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		name, policy string
		rpc          bool
		want         heard // text aside
	}{
		{"dialect, fail", "policy/default", false, heard{reason: "stream_truncated"}},
		{"gRPC, fail", "policy/default", true, heard{reason: "stream_truncated"}},
		{"gRPC, another target", "policy/careful", true, heard{reason: "stream_truncated"}},
		{"dialect, which takes nothing back", "policy/again", false, heard{reason: "stream_truncated"}},
		{"gRPC, withdrawn", "policy/again", true, heard{withdrawn: 1, finish: "length"}},
	} {
		t.Run(k.name, func(t *testing.T) {
			ask := func(p prompt, begun func()) (heard, error) {
				if k.rpc {
					return overRPC(t.Context(), rpc, p, begun)
				}
				return overHTTP(c, s.address, p, begun)
			}
			for range 10 {
				var got heard
				var err error
				eventually(t, "an answer of the first server", func() bool { // which was just started
					got, err = ask(prompt{"policy/default", 5}, nil)
					return err == nil && got.reason == "" && got.tokens == 5
				})
				got, err = ask(prompt{k.policy, tokens}, first.Kill)
				if err != nil {
					t.Fatal(err)
				}
				dead, err := ask(prompt{"policy/default", 20}, nil)
				if err != nil || dead.text != "" || dead.reason != "upstream_unavailable" {
					t.Errorf("without a server: %+v, %v", dead, err)
				}
				other, err := ask(prompt{"policy/careful", 20}, nil)
				if err != nil || other.reason != "" || other.tokens != 20 {
					t.Errorf("the other server: %+v, %v", other, err)
				}
				first.Start()
				if got.reason == "" && got.withdrawn == 0 { // it was over before the server was
					if got != want {
						t.Fatalf("%d bytes of %d pass for the answer: %+v", len(got.text), len(want.text), got)
					}
					continue
				}
				if k.want.reason == "" && got.text != want.text || k.want.reason != "" && (got.text == "" || !strings.HasPrefix(want.text, got.text)) {
					t.Errorf("%d bytes of %d are not of the answer", len(got.text), len(want.text))
				}
				if got.text = ""; got.tokens != 0 {
					got.tokens = 0 // of both attempts, the first of which nobody counted
				}
				if got != k.want {
					t.Errorf("%+v instead of %+v", got, k.want)
				}
				return
			}
			t.Error("the server was never killed in time: the test tests nothing")
		})
	}
}

// A model server that is gone is left alone, and called again once it is back.
func TestALlamaComesBack(t *testing.T) {
	llama := testmodel.Llama(t)
	s := serveLlamas(t, llama, nil)
	c := httpClient(t)
	ask := func() (status int, retryAfter, body string) {
		status, header, body := fetch(t, c, http.MethodPost, s.address+"/v1/chat/completions", "application/json",
			`{"model":"auto","messages":[{"role":"user","content":"Are you there?"}],"max_tokens":5}`)
		return status, header.Get("Retry-After"), body
	}
	if status, _, body := ask(); status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	llama.Kill()
	for calls := 0; ; calls++ {
		status, retryAfter, body := ask()
		if status != http.StatusServiceUnavailable || !strings.Contains(body, "upstream_unavailable") || calls > 200 {
			t.Fatalf("call %d of a server that is gone: status %d: %s", calls, status, body)
		}
		if retryAfter != "" { // it is left alone
			break
		}
	}
	llama.Start()
	eventually(t, "an answer of the server that came back", func() bool {
		status, _, _ := ask()
		return status == http.StatusOK
	})
	for range 50 { // and it is not left alone again
		if status, _, body := ask(); status != http.StatusOK {
			t.Errorf("status %d: %s", status, body)
		}
	}
}

// A schema goes through to the model server, which holds the model to it.
func TestALlamaKeepsToASchema(t *testing.T) {
	s := serveLlamas(t, testmodel.Llama(t), nil)
	for seed := range 5 {
		status, _, body := fetch(t, httpClient(t), http.MethodPost, s.address+"/v1/chat/completions", "application/json", fmt.Sprintf(
			`{"model":"auto","messages":[{"role":"user","content":"Which?"}],"seed":%d,"max_tokens":300,"response_format":{"type":"json_schema","json_schema":
			{"name":"color","strict":true,"schema":{"type":"object","properties":{"color":{"enum":["red","blue"]}},"required":["color"],"additionalProperties":false}}}}`, seed))
		var answer struct {
			Choices []struct{ Message struct{ Content string } }
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK || len(answer.Choices) != 1 {
			t.Fatalf("status %d: %s", status, body)
		}
		var fits struct{ Color string }
		d := json.NewDecoder(strings.NewReader(answer.Choices[0].Message.Content))
		d.DisallowUnknownFields()
		if err := d.Decode(&fits); err != nil || fits.Color != "red" && fits.Color != "blue" {
			t.Errorf("%q, %v", answer.Choices[0].Message.Content, err)
		}
	}
}
