package faultproxy

import (
	"encoding/json"
	"net/http"
)

// created is when every answer was made.
const created = "2026-01-01T00:00:00Z"

// ollamaFrames is an answer as lines.
func (m *model) ollamaFrames(a *ask) (frames [][]byte) {
	line := func(message object, end object) {
		v := object{"model": a.Model, "created_at": created, "message": message, "done": end != nil}
		for name, value := range end {
			v[name] = value
		}
		frames = append(frames, append(marshal(v), '\n'))
	}
	count := 1
	if tool := a.tool(); tool != "" {
		line(ollamaCall(tool), nil)
	} else {
		parts := pieces(m.answer)
		count = len(parts)
		for _, part := range parts {
			line(object{"role": "assistant", "content": part}, nil)
		}
	}
	line(object{"role": "assistant", "content": ""}, ollamaEnd(count))
	return frames
}

func ollamaCall(tool string) object {
	return object{"role": "assistant", "content": "", "tool_calls": []any{object{"function": object{
		"name": tool, "arguments": json.RawMessage(ToolArguments),
	}}}}
}

func ollamaEnd(output int) object {
	return object{"done_reason": "stop", "prompt_eval_count": promptTokens, "eval_count": output, "total_duration": 1}
}

// ollamaChat is an answer as a whole.
func (m *model) ollamaChat(a *ask) any {
	message := object{"role": "assistant", "content": m.answer}
	if tool := a.tool(); tool != "" {
		message = ollamaCall(tool)
	}
	v := object{"model": a.Model, "created_at": created, "message": message, "done": true}
	for name, value := range ollamaEnd(len(pieces(m.answer))) {
		v[name] = value
	}
	return v
}

func ollamaVectors(a *ask) *answer {
	texts := a.texts()
	if len(texts) == 0 {
		return fails("/api/embed", http.StatusBadRequest, "there is no text to embed")
	}
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		vectors[i] = a.vector(text)
	}
	return document(object{"model": a.Model, "embeddings": vectors, "prompt_eval_count": promptTokens})
}
