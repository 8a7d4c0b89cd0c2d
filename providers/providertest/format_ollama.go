package providertest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// ollamaLine is a frame with a message.
func ollamaLine(message string) string {
	return fmt.Sprintf(`{"model":"wire-model","created_at":"2026-01-02T03:04:05.678Z","message":%s,"done":false}`+"\n", message)
}

// ollamaEnd is the last frame.
func ollamaEnd(reason string) string {
	return fmt.Sprintf(`{"model":"wire-model","created_at":"2026-01-02T03:04:05.678Z","message":{"role":"assistant","content":""},"done":true,"done_reason":%s,`+
		`"total_duration":11,"load_duration":2,"prompt_eval_count":12,"prompt_eval_duration":3,"eval_count":7,"eval_duration":4}`+"\n", quote(reason))
}

var ollamaFormat = format{
	base: "", chatPath: "/api/chat", mediaType: "application/x-ndjson",
	text: func(s string) string { return ollamaLine(`{"role":"assistant","content":` + quote(s) + `}`) },
	end:  func() (last, mark string) { return "", ollamaEnd("stop") },
	failure: func(words string) string {
		return `{"error":` + quote(words) + "}\n"
	},
	failed: func(words, _, _ string) string {
		return `{"error":` + quote(words) + `}`
	},
	garbage: `{"message":{"content":"NOT "` + "\n",
	wrong: []string{
		ollamaLine(`{"role":"assistant","content":17}`),
		ollamaLine(`"content"`),
		ollamaLine(`{"role":"assistant","content":"","tool_calls":{"function":{}}}`),
		`{"message":{"content":"x"},"done":"no"}` + "\n",
		"[]\n", "null\n", "12\n", "{}\n", `"text"` + "\n",
		`{"message":{"content":"a"},"done":false} {"message":{"content":"b"},"done":false}` + "\n",
		"Internal Server Error\n", "<html>\n",
		`data: {"message":{"content":"x"},"done":false}` + "\n",
	},
	idle: "\n",
	other: func(x *exchange) bool {
		var in struct {
			Model      string
			Input      []string
			Dimensions int
		}
		switch x.r.URL.Path {
		case "/api/embed":
			if json.Unmarshal(x.body, &in) != nil || in.Model == "" {
				x.status(http.StatusBadRequest, "application/json", `{"error":"bad"}`)
				return true
			}
			n := in.Dimensions
			if n == 0 {
				n = 8
			}
			all := [][]float64{}
			for _, text := range in.Input {
				all = append(all, vector(text, n))
			}
			x.json(map[string]any{"model": "wire-embed", "embeddings": all, "total_duration": 1, "prompt_eval_count": 9})
		case "/api/tags":
			x.json(map[string]any{"models": []any{
				map[string]any{"name": "wire-model", "model": "wire-model", "size": 1},
				map[string]any{"name": "wire-embed", "model": "wire-embed", "size": 1},
			}})
		case "/api/show":
			if json.Unmarshal(x.body, &in) != nil || in.Model != "wire-model" {
				x.status(http.StatusNotFound, "application/json", `{"error":"model not found"}`)
				return true
			}
			x.json(map[string]any{"capabilities": []string{"completion", "tools", "vision"},
				"model_info": map[string]any{"general.architecture": "llama", "llama.context_length": 4096}})
		default:
			return false
		}
		return true
	},
}
