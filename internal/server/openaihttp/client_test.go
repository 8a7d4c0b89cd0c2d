package openaihttp

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/openai/openai-go/v3/shared"
)

// These tests drive the handler with OpenAI's own Go client, as applications do.

func clientOf(server *httptest.Server, options ...option.RequestOption) openai.Client {
	return openai.NewClient(append([]option.RequestOption{
		option.WithBaseURL(server.URL + "/v1"), option.WithAPIKey("key"), option.WithMaxRetries(0),
	}, options...)...)
}

func asking(model string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.DeveloperMessage("be short"), openai.UserMessage("hi")},
	}
}

func TestClientPlain(t *testing.T) {
	client := clientOf(serveEngine(t))
	var resp *http.Response
	params := asking("fixed")
	params.Temperature, params.MaxCompletionTokens = openai.Float(0), openai.Int(50)
	got, err := client.Chat.Completions.New(t.Context(), params, option.WithResponseInto(&resp))
	if err != nil {
		t.Fatal(err)
	}
	if got.Choices[0].Message.Content != "one two three four" || got.Choices[0].FinishReason != "stop" || got.Model != "fixed" {
		t.Errorf("answer %s", got.RawJSON())
	}
	if got.Usage.CompletionTokens == 0 || got.Usage.TotalTokens != got.Usage.PromptTokens+got.Usage.CompletionTokens {
		t.Errorf("usage %+v", got.Usage)
	}
	if run := resp.Header.Get(headerRun); run == "" || got.ID != "chatcmpl-"+run || resp.Header.Get(headerTarget) != "fixed" {
		t.Errorf("headers %v", resp.Header)
	}
}

// accumulate reads a stream to its end through the client's accumulator.
func accumulate(stream *ssestream.Stream[openai.ChatCompletionChunk]) (acc openai.ChatCompletionAccumulator, chunks []openai.ChatCompletionChunk, err error) {
	defer stream.Close()
	for stream.Next() {
		chunk := stream.Current()
		if !acc.AddChunk(chunk) {
			return acc, chunks, errors.New("the accumulator refuses a chunk")
		}
		chunks = append(chunks, chunk)
	}
	return acc, chunks, stream.Err()
}

func TestClientStream(t *testing.T) {
	client := clientOf(serveEngine(t))
	params := asking("auto")
	params.StreamOptions.IncludeUsage = openai.Bool(true)
	acc, chunks, err := accumulate(client.Chat.Completions.NewStreaming(t.Context(), params))
	if err != nil {
		t.Fatal(err)
	}
	if acc.Choices[0].Message.Content != "one two three four" || acc.Choices[0].FinishReason != "stop" || acc.Usage.CompletionTokens == 0 {
		t.Errorf("accumulated %+v", acc.ChatCompletion)
	}
	if chunks[0].Choices[0].Delta.Role != "assistant" {
		t.Errorf("no role in the first chunk: %s", chunks[0].RawJSON())
	}
	last := chunks[len(chunks)-1]
	if len(last.Choices) != 0 || !strings.Contains(last.RawJSON(), `"fairlead":{"run":"`) {
		t.Errorf("last chunk %s", last.RawJSON())
	}
	for _, c := range chunks {
		if c.ID != chunks[0].ID || c.Created != chunks[0].Created || c.Model != "fixed" || c.ID == "" {
			t.Errorf("chunk %s", c.RawJSON())
		}
	}
}

func TestClientTools(t *testing.T) {
	client := clientOf(serveEngine(t))
	params := asking("tool")
	params.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
		Name: "weather", Parameters: shared.FunctionParameters{"type": "object"},
	})}
	plain, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	streamed, _, err := accumulate(client.Chat.Completions.NewStreaming(t.Context(), params))
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []openai.ChatCompletion{*plain, streamed.ChatCompletion} {
		choice := got.Choices[0]
		if choice.FinishReason != "tool_calls" || len(choice.Message.ToolCalls) != 1 {
			t.Fatalf("answer %+v", choice)
		}
		call := choice.Message.ToolCalls[0]
		var args map[string]string
		if err := json.Unmarshal([]byte(call.Function.Arguments), &args); err != nil || call.Function.Name != "weather" || args["city"] != "Köln" || call.ID == "" {
			t.Errorf("call %+v, %v", call, err)
		}
	}
	// The answer and the tool's result go back, as the client writes them.
	params.Model = "fixed"
	params.Messages = append(params.Messages, plain.Choices[0].Message.ToParam(), openai.ToolMessage("rain", plain.Choices[0].Message.ToolCalls[0].ID))
	if _, err := client.Chat.Completions.New(t.Context(), params); err != nil {
		t.Error(err)
	}
}

func TestClientEmbeddings(t *testing.T) {
	client := clientOf(serveEngine(t))
	params := openai.EmbeddingNewParams{
		Model: "embedder",
		Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"the sick leave policy", "the parking rules"}},
	}
	got, err := client.Embeddings.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Data) != 2 || got.Data[1].Index != 1 || got.Model != "embedder" || cmp.Equal(got.Data[0].Embedding, got.Data[1].Embedding) {
		t.Fatalf("embeddings %s", got.RawJSON())
	}
	var norm float64
	for _, v := range got.Data[0].Embedding {
		norm += v * v
	}
	if math.Abs(norm-1) > 1e-3 {
		t.Errorf("the vector's length is %v", math.Sqrt(norm))
	}
	params.Input = openai.EmbeddingNewParamsInputUnion{OfArrayOfTokens: []int64{1, 2}}
	_, err = client.Embeddings.New(t.Context(), params)
	if e, ok := errors.AsType[*openai.Error](err); !ok || e.StatusCode != 400 || e.Param != "input[0]" || e.Code != codeUnsupported {
		t.Errorf("tokens: %v", err)
	}
}

func TestClientModels(t *testing.T) {
	client := clientOf(serveEngine(t))
	var ids []string
	for pages := client.Models.ListAutoPaging(t.Context()); pages.Next(); {
		ids = append(ids, pages.Current().ID)
	}
	for _, id := range []string{"auto", "policy/default", "fixed", "embedder"} {
		if !slices.Contains(ids, id) {
			t.Errorf("%s is not listed: %v", id, ids)
		}
		if got, err := client.Models.Get(t.Context(), id); err != nil || got.ID != id || got.OwnedBy == "" || got.Created == 0 {
			t.Errorf("%s: %+v, %v", id, got, err)
		}
	}
	_, err := client.Models.Get(t.Context(), "chain/none")
	if e, ok := errors.AsType[*openai.Error](err); !ok || e.StatusCode != 404 || e.Code != "model_not_found" {
		t.Errorf("an unknown model: %v", err)
	}
}

func TestClientErrors(t *testing.T) {
	client := clientOf(serveEngine(t))
	for name, c := range map[string]struct {
		change func(*openai.ChatCompletionNewParams)
		status int
		kind   string
		code   string
	}{
		"unknown model": {func(p *openai.ChatCompletionNewParams) { p.Model = "none" }, 404, typeInvalid, "model_not_found"},
		"rate limit":    {func(p *openai.ChatCompletionNewParams) { p.Model = "limited" }, 429, typeRate, "rate_limit_exceeded"},
		"down":          {func(p *openai.ChatCompletionNewParams) { p.Model = "down" }, 503, typeServer, "upstream_unavailable"},
		"no messages":   {func(p *openai.ChatCompletionNewParams) { p.Messages = []openai.ChatCompletionMessageParamUnion{} }, 400, typeInvalid, "invalid_value"},
		"two answers":   {func(p *openai.ChatCompletionNewParams) { p.N = openai.Int(2) }, 400, typeInvalid, "unsupported_value"},
	} {
		params := asking("fixed")
		c.change(&params)
		check := func(how string, err error) {
			e, ok := errors.AsType[*openai.Error](err)
			if !ok || e.StatusCode != c.status || e.Type != c.kind || e.Code != c.code || e.Message == "" || e.Response.Header.Get("X-Request-Id") == "" {
				t.Errorf("%s, %s: %v %+v", name, how, err, e)
			}
		}
		_, err := client.Chat.Completions.New(t.Context(), params)
		check("plain", err)
		_, chunks, err := accumulate(client.Chat.Completions.NewStreaming(t.Context(), params))
		check("stream", err)
		if len(chunks) > 0 {
			t.Errorf("%s: chunks before the status", name)
		}
	}
}

func TestClientIsToldWhenToComeBack(t *testing.T) {
	client := clientOf(serveEngine(t))
	_, err := client.Chat.Completions.New(t.Context(), asking("busy"))
	if e, ok := errors.AsType[*openai.Error](err); !ok || e.StatusCode != 429 || e.Response.Header.Get("Retry-After") != "2" {
		t.Errorf("%v", err)
	}
}

func TestClientSeesABrokenStream(t *testing.T) {
	client := clientOf(serveEngine(t))
	acc, chunks, err := accumulate(client.Chat.Completions.NewStreaming(t.Context(), asking("cut")))
	frame, ok := errors.AsType[*ssestream.StreamError](err)
	if !ok || !strings.Contains(string(frame.Event.Data), `"code":"stream_truncated"`) {
		t.Errorf("error %v", err)
	}
	if len(chunks) == 0 || acc.Choices[0].Message.Content == "" || acc.Choices[0].FinishReason != "" {
		t.Errorf("before the cut came %+v", acc.Choices)
	}
}

// cutServer breaks every stream off without the frame that tells of it.
func cutServer(t *testing.T) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write(newFrames("id", "m", 1, false).text(nil, "content", "Hel"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(server.Close)
	return server
}

func TestClientSeesABrokenConnection(t *testing.T) {
	client := clientOf(cutServer(t))
	_, chunks, err := accumulate(client.Chat.Completions.NewStreaming(t.Context(), asking("any")))
	if err == nil || len(chunks) != 1 {
		t.Errorf("error %v after %d chunks", err, len(chunks))
	}
}

func TestClientHeadersNarrowTheRun(t *testing.T) {
	client := clientOf(serveEngine(t))
	for header, c := range map[string]struct {
		value  string
		status int
		code   string
	}{
		headerLabel:   {"secret", 400, "invalid_value"},
		headerTimeout: {"soon", 400, "invalid_value"},
		headerBudget:  {"-1", 400, "invalid_value"},
		headerSession: {strings.Repeat("s", maxSession+1), 400, "invalid_value"},
	} {
		_, err := client.Chat.Completions.New(t.Context(), asking("fixed"), option.WithHeader(header, c.value))
		if e, ok := errors.AsType[*openai.Error](err); !ok || e.StatusCode != c.status || e.Code != c.code || e.Param != header {
			t.Errorf("%s: %v", header, err)
		}
	}
	if _, err := client.Chat.Completions.New(t.Context(), asking("fixed"),
		option.WithHeader(headerLabel, "public"), option.WithHeader(headerTimeout, "5s"), option.WithHeader(headerBudget, fmt.Sprint(1.5))); err != nil {
		t.Error(err)
	}
}
