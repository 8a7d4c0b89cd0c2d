package providertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// openaiChunk is a frame with a choice.
func openaiChunk(delta, finish string) string {
	if finish != "null" {
		finish = quote(finish)
	}
	return fmt.Sprintf(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"wire-model","system_fingerprint":"fp","choices":[{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}],"usage":null}`+"\n\n", delta, finish)
}

const openaiUsage = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"wire-model","choices":[],` +
	`"usage":{"prompt_tokens":12,"completion_tokens":7,"total_tokens":19,"prompt_tokens_details":{"cached_tokens":5},"completion_tokens_details":{"reasoning_tokens":3}}}` + "\n\n"

const openaiDone = "data: [DONE]\n\n"

var openaiFormat = format{
	base: "/v1", chatPath: "/v1/chat/completions", mediaType: "text/event-stream; charset=utf-8",
	text: func(s string) string { return openaiChunk(`{"content":`+quote(s)+`}`, "null") },
	end: func() (last, mark string) {
		return openaiChunk(`{}`, "stop") + openaiUsage, openaiDone
	},
	failure: func(words string) string {
		return `data: {"error":{"message":` + quote(words) + `,"type":"server_error","param":null,"code":null}}` + "\n\n"
	},
	failed: func(words, code, param string) string {
		return `{"error":{"message":` + quote(words) + `,"type":"invalid_request_error","param":` + quote(param) + `,"code":` + quote(code) + `}}`
	},
	garbage: "data: {\"choices\":[{\"delta\":{\"content\":\"NOT \"\n\n",
	wrong: []string{
		openaiChunk(`{"content":17}`, "null"),
		openaiChunk(`"content"`, "null"),
		openaiChunk(`{"tool_calls":{"index":0}}`, "null"),
		`data: {"choices":"none"}` + "\n\n",
		`data: {"choices":[{"index":"0","delta":{}}]}` + "\n\n",
		"data: []\n\n", "data: null\n\n", "data: 12\n\n", "data: {}\n\n", `data: "text"` + "\n\n",
		`data: {"choices":[]} {"choices":[]}` + "\n\n",
		"Internal Server Error\n\n", "<html>\n\n",
		`data: {"choices":[{"index":1,"delta":{"content":"B"}}]}` + "\n\n",
		strings.TrimPrefix(openaiChunk(`{"content":"x"}`, "null"), "data: "),
		"event: error\n" + openaiChunk(`{"content":"x"}`, "null"),
		openaiChunk(`{"function_call":{"name":"f","arguments":"{}"}}`, "null"),
	},
	idle: ": OPENROUTER PROCESSING\n\n",
	other: func(x *exchange) bool {
		switch x.r.URL.Path {
		case "/v1/embeddings":
			var in struct {
				Model      string
				Input      []string
				Dimensions int
			}
			if json.Unmarshal(x.body, &in) != nil || in.Model == "" {
				x.status(http.StatusBadRequest, "application/json", `{"error":{"message":"bad"}}`)
				return true
			}
			n := in.Dimensions
			if n == 0 {
				n = 8
			}
			data := []any{}
			for i := range in.Input {
				i = len(in.Input) - 1 - i // backwards: the index counts, not the order
				data = append(data, map[string]any{"object": "embedding", "index": i, "embedding": vector(in.Input[i], n)})
			}
			x.json(map[string]any{"object": "list", "model": "wire-embed", "data": data,
				"usage": map[string]any{"prompt_tokens": 9, "total_tokens": 9}})
		case "/v1/models":
			x.json(map[string]any{"object": "list", "data": []any{
				map[string]any{"id": "wire-model", "object": "model", "created": 1, "owned_by": "me", "max_model_len": 4096},
				map[string]any{"id": "wire-embed", "object": "model", "created": 1.5, "owned_by": "me"},
			}})
		default:
			return false
		}
		return true
	},
}

// crlf writes the frames of an event stream with other line ends.
func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
