package openaihttp

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
)

// wireCompletion is a plain answer.
type wireCompletion struct {
	ID       string        `json:"id"`
	Object   string        `json:"object"`
	Created  int64         `json:"created"`
	Model    string        `json:"model"`
	Choices  []wireChoice  `json:"choices"`
	Usage    *wireUsage    `json:"usage"`
	Fairlead *wireFairlead `json:"fairlead"`
}

type wireChoice struct {
	Index        int         `json:"index"`
	Message      wireMessage `json:"message"`
	Logprobs     *struct{}   `json:"logprobs"`
	FinishReason string      `json:"finish_reason"`
}

type wireMessage struct {
	Role             string           `json:"role"`
	Content          *string          `json:"content"`
	Refusal          *string          `json:"refusal"`
	ReasoningContent string           `json:"reasoning_content,omitempty"`
	ToolCalls        []wireToolCall   `json:"tool_calls,omitempty"`
	Annotations      []wireAnnotation `json:"annotations,omitempty"`
}

type wireToolCall struct {
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Function wireFunction `json:"function"`
}

type wireFunction struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// completion gives the plain answer of a run that went well.
func (a *answer) completion(created time.Time) *wireCompletion {
	m := wireMessage{Role: "assistant", Annotations: a.annotations()}
	collected := a.collected.Answer()
	m.ReasoningContent = collected.Reasoning
	for _, c := range collected.ToolCalls {
		m.ToolCalls = append(m.ToolCalls, wireToolCall{c.ID, "function", wireFunction{c.Name, c.Arguments}})
	}
	if a.finished.Output != "" || len(m.ToolCalls) == 0 {
		m.Content = &a.finished.Output
	}
	return &wireCompletion{
		ID: "chatcmpl-" + a.run, Object: "chat.completion", Created: created.Unix(), Model: a.model(),
		Choices:  []wireChoice{{Message: m, FinishReason: finishOf(a.finished.Finish)}},
		Usage:    usageOf(a.finished.Usage),
		Fairlead: a.facts(),
	}
}

// chat serves POST /v1/chat/completions.
func (h *handler) chat(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
	body, err := h.readBody(w, r)
	if err != nil {
		return err
	}
	call, err := decodeChat(body)
	if err != nil {
		return err
	}
	if err := limits(r.Header, p, &call.Limits); err != nil {
		return err
	}
	if call.Stream {
		return h.streamChat(w, r, p, call)
	}

	var a answer
	for e, err := range h.Engine.Chat(r.Context(), p, call.ChatRequest) {
		if err != nil {
			a.headers(w.Header())
			return ended(r.Context(), err)
		}
		a.note(&e)
		a.collect(&e)
	}
	a.headers(w.Header())
	if a.finished == nil {
		return fault.New(fault.Internal, fault.ReasonInternal, "the run ended without an end: see the server's log with the request's id")
	}
	return h.writeJSON(w, a.completion(h.Now()))
}

// headers tells what is known of the run so far.
func (a *answer) headers(h http.Header) {
	if a.run != "" {
		h.Set(headerRun, a.run)
	}
	if t := a.target(); t != "" {
		h.Set(headerTarget, t)
	}
	if a.finished != nil && !a.finished.CostIncomplete {
		h.Set(headerCost, dollars(a.finished.Cost))
	}
}

// encodeJSON writes JSON without the escapes that are for HTML only.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// writeJSON sends a whole answer.
func (h *handler) writeJSON(w http.ResponseWriter, v any) error {
	body, err := encodeJSON(v)
	if err != nil {
		return fault.Wrap(err, fault.Internal, fault.ReasonInternal, "writing the answer failed: see the server's log with the request's id")
	}
	w.Header().Set("Content-Type", "application/json")
	h.extend(http.NewResponseController(w))
	_, _ = w.Write(body) // the caller may be gone, and the run is over and accounted for
	return nil
}
