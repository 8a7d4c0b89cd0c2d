package faultproxy

import "net/http"

type object = map[string]any

// chatID is the id of every answer: the same each time.
const chatID = "chatcmpl-fault"

// openaiFrames is an answer as an event stream.
func (m *model) openaiFrames(a *ask) (frames [][]byte) {
	event := func(v any) { frames = append(frames, append(append([]byte("data: "), marshal(v)...), "\n\n"...)) }
	chunk := func(delta object, finish any) {
		event(object{
			"id": chatID, "object": "chat.completion.chunk", "created": 0, "model": a.Model,
			"choices": []any{object{"index": 0, "delta": delta, "finish_reason": finish}},
		})
	}
	count := 0
	finish := "stop"
	chunk(object{"role": "assistant", "content": ""}, nil)
	if tool := a.tool(); tool != "" {
		finish = "tool_calls"
		chunk(object{"tool_calls": []any{object{"index": 0, "id": toolCallID, "type": "function", "function": object{"name": tool, "arguments": ""}}}}, nil)
		for _, part := range halves(ToolArguments) {
			count++
			chunk(object{"tool_calls": []any{object{"index": 0, "function": object{"arguments": part}}}}, nil)
		}
	} else {
		for _, part := range pieces(m.answer) {
			count++
			chunk(object{"content": part}, nil)
		}
	}
	chunk(object{}, finish)
	if a.StreamOptions.IncludeUsage {
		event(object{
			"id": chatID, "object": "chat.completion.chunk", "created": 0, "model": a.Model, "choices": []any{}, "usage": openaiUsage(count),
		})
	}
	return append(frames, []byte("data: [DONE]\n\n"))
}

// promptTokens is what every prompt is said to have.
const promptTokens = 10

func openaiUsage(output int) object {
	return object{"prompt_tokens": promptTokens, "completion_tokens": output, "total_tokens": promptTokens + output}
}

// openaiChat is an answer as a whole.
func (m *model) openaiChat(a *ask) any {
	message, finish, count := object{"role": "assistant", "content": m.answer}, "stop", len(pieces(m.answer))
	if tool := a.tool(); tool != "" {
		message["content"], finish, count = nil, "tool_calls", 2
		message["tool_calls"] = []any{object{"id": toolCallID, "type": "function", "function": object{"name": tool, "arguments": ToolArguments}}}
	}
	return object{
		"id": chatID, "object": "chat.completion", "created": 0, "model": a.Model, "usage": openaiUsage(count),
		"choices": []any{object{"index": 0, "message": message, "finish_reason": finish}},
	}
}

func openaiVectors(a *ask) *answer {
	texts := a.texts()
	if len(texts) == 0 {
		return fails("/v1/embeddings", http.StatusBadRequest, "there is no text to embed")
	}
	data := make([]any, len(texts))
	for i, text := range texts {
		var v any = a.vector(text)
		if a.Encoding == "base64" {
			v = packed(a.vector(text))
		}
		data[i] = object{"object": "embedding", "index": i, "embedding": v}
	}
	return document(object{"object": "list", "model": a.Model, "data": data, "usage": openaiUsage(0)})
}
