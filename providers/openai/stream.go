package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"unicode/utf8"

	dialect "github.com/sashabaranov/go-openai"

	"fairlead/providers"
	"fairlead/providers/internal/wire"
)

// Generate streams an answer; see providers.Generator.
func (c *Client) Generate(ctx context.Context, req *providers.Request) iter.Seq2[providers.Chunk, error] {
	return func(yield func(providers.Chunk, error) bool) {
		if e := c.generate(ctx, req, yield); e != nil {
			yield(providers.Chunk{}, e)
		}
	}
}

// generate makes the call. It gives nil at the end of the stream and when the loop was left.
func (c *Client) generate(ctx context.Context, req *providers.Request, yield func(providers.Chunk, error) bool) *providers.Error {
	body, e := c.encode(req)
	if e != nil {
		if ctx.Err() != nil {
			return providers.AsError(ctx, c.wire.Backend, req.Model, ctx.Err())
		}
		return e
	}
	call, e := c.wire.Start(ctx, "chat/completions", req.Model, "text/event-stream", body)
	if e != nil {
		return e
	}
	defer call.End()
	if call.Response.StatusCode != http.StatusOK {
		return refused(call)
	}
	switch call.MediaType() {
	case "text/event-stream", "":
	case "application/json":
		p, ok := readProblem(call.ErrorBody())
		if ended := call.Frame(); ended != nil {
			return ended
		}
		if ok {
			e := call.Fail(providers.KindUnavailable, "it sent an error with the status of a success")
			p.apply(e, 0)
			return e
		}
		return call.Fail(providers.KindProtocol, "it answered with JSON instead of an event stream")
	default:
		return call.Fail(providers.KindProtocol, "its answer is not an event stream: is the base URL right?")
	}

	s := stream{call: call}
	events := wire.NewSSE(call, providers.MaxFrame)
	for {
		event, err := events.Next()
		if err != nil {
			if err == io.EOF && s.finish != "" && call.Delimited() && ctx.Err() == nil {
				break // no "[DONE]", but a reason and a clean end of the body
			}
			return call.ReadError(err)
		}
		if e := call.Frame(); e != nil {
			return e
		}
		if string(bytes.TrimSpace(event.Data)) == "[DONE]" && !event.Bare {
			if s.finish == "" {
				return call.Fail(providers.KindTruncated, "it did not say why the answer ended")
			}
			break
		}
		chunk, e := s.take(event)
		if e != nil {
			return e
		}
		if !empty(&chunk) && !yield(chunk, nil) {
			return nil
		}
	}
	last, e := s.last()
	if e != nil {
		return e
	}
	yield(last, nil)
	call.Drain()
	return nil
}

// frame is what we read of a chunk of the dialect. Fields that we do not need are not decoded, so they
// cannot fail.
type frame struct {
	Model   string          `json:"model"`
	Choices []choice        `json:"choices"`
	Usage   *dialect.Usage  `json:"usage"`
	Error   json.RawMessage `json:"error"`
}

type choice struct {
	Index int `json:"index"`
	Delta struct {
		Content          string          `json:"content"`
		ReasoningContent string          `json:"reasoning_content"` // DeepSeek, SGLang, llama.cpp, older vLLM
		Reasoning        string          `json:"reasoning"`         // OpenRouter, newer vLLM
		Refusal          string          `json:"refusal"`
		ToolCalls        []callDelta     `json:"tool_calls"`
		FunctionCall     json.RawMessage `json:"function_call"`
	} `json:"delta"`
	FinishReason string `json:"finish_reason"`
}

// stream is the state of one answer.
type stream struct {
	call    *wire.Call
	model   string
	named   bool // the model's name was passed on
	finish  providers.FinishReason
	refused bool
	usage   *providers.Usage
	calls   calls
}

// take translates an event.
func (s *stream) take(event wire.Event) (chunk providers.Chunk, e *providers.Error) {
	var f frame
	switch err := json.Unmarshal(event.Data, &f); {
	case err != nil && event.Open:
		return chunk, s.call.Fail(providers.KindTruncated, "it ended within a frame")
	case err != nil:
		return chunk, s.call.Fail(providers.KindProtocol, "a frame is not the JSON of a chunk")
	case event.Bare || event.Name == "error" || (len(f.Error) > 0 && string(f.Error) != "null") || (f.Choices == nil && f.Usage == nil):
		return chunk, s.problem(event.Data)
	case !utf8.Valid(event.Data):
		return chunk, s.call.Fail(providers.KindProtocol, "a frame is not UTF-8")
	}
	if f.Model != "" {
		s.model = f.Model
	}
	if f.Usage != nil {
		s.usage = usage(f.Usage)
	}
	for i := range f.Choices {
		if e := s.choice(&f.Choices[i], &chunk); e != nil {
			return chunk, e
		}
	}
	size := len(chunk.Text) + len(chunk.Reasoning)
	for _, d := range chunk.ToolCalls {
		size += len(d.Arguments)
	}
	if empty(&chunk) {
		return chunk, nil
	}
	if !s.named {
		s.named, chunk.Model = true, s.model
	}
	return chunk, s.call.Content(size)
}

func (s *stream) choice(c *choice, chunk *providers.Chunk) *providers.Error {
	if c.Index != 0 {
		return s.call.Fail(providers.KindProtocol, "it sent a second answer, which was not asked for")
	}
	d := &c.Delta
	if len(d.FunctionCall) > 0 && string(d.FunctionCall) != "null" {
		return s.call.Fail(providers.KindProtocol, "it sent a function call of the old form, which was not asked for")
	}
	chunk.Text += d.Content
	chunk.Reasoning += d.ReasoningContent
	if d.Reasoning != d.ReasoningContent { // some send both, with one text
		chunk.Reasoning += d.Reasoning
	}
	if d.Refusal != "" {
		s.refused = true
		chunk.Text += d.Refusal
	}
	for i := range d.ToolCalls {
		delta, problem := s.calls.add(&d.ToolCalls[i])
		if problem != "" {
			return s.call.Fail(providers.KindProtocol, problem)
		}
		if delta != (providers.ToolCallDelta{}) {
			chunk.ToolCalls = append(chunk.ToolCalls, delta)
		}
	}
	if c.FinishReason == "" {
		return nil
	}
	finish, known := finishes[c.FinishReason]
	switch {
	case known:
		s.finish = finish
		return nil
	case c.FinishReason == "error":
		return s.call.Fail(providers.KindUnavailable, "it failed within the answer")
	case c.FinishReason == "abort":
		return s.call.Fail(providers.KindTruncated, "it gave the answer up")
	default:
		e := s.call.Fail(providers.KindProtocol, "the reason why the answer ended is not known")
		e.Code = providers.SafeCode(c.FinishReason)
		return e
	}
}

// finishes are the reasons of the dialect and those that some servers send instead.
var finishes = map[string]providers.FinishReason{
	string(dialect.FinishReasonStop):          providers.FinishStop,
	"eos":                                     providers.FinishStop,
	"eos_token":                               providers.FinishStop,
	"end_turn":                                providers.FinishStop,
	"stop_sequence":                           providers.FinishStop,
	string(dialect.FinishReasonLength):        providers.FinishLength,
	"max_tokens":                              providers.FinishLength,
	"model_length":                            providers.FinishLength,
	string(dialect.FinishReasonToolCalls):     providers.FinishToolCalls,
	string(dialect.FinishReasonFunctionCall):  providers.FinishToolCalls,
	string(dialect.FinishReasonContentFilter): providers.FinishContentFilter,
}

// last makes the chunk that ends a whole answer.
func (s *stream) last() (providers.Chunk, *providers.Error) {
	if problem := s.calls.check(); problem != "" {
		return providers.Chunk{}, s.call.Fail(providers.KindProtocol, problem)
	}
	switch {
	case s.refused:
		s.finish = providers.FinishContentFilter
	case s.finish == providers.FinishStop && len(s.calls) > 0: // what servers say of a forced tool
		s.finish = providers.FinishToolCalls
	}
	return providers.Chunk{Finish: s.finish, Usage: s.usage, Model: s.model}, nil
}

// problem translates a frame that is no chunk.
func (s *stream) problem(data []byte) *providers.Error {
	p, ok := readProblem(data)
	if !ok {
		return s.call.Fail(providers.KindProtocol, "a frame is no chunk of an answer")
	}
	e := s.call.Fail(providers.KindUnavailable, "it sent an error within the stream")
	p.apply(e, 0)
	return e
}

func usage(u *dialect.Usage) *providers.Usage {
	out := &providers.Usage{Input: int64(u.PromptTokens), Output: int64(u.CompletionTokens)}
	if d := u.PromptTokensDetails; d != nil {
		out.CachedInput = int64(d.CachedTokens)
	}
	if d := u.CompletionTokensDetails; d != nil {
		out.Reasoning = int64(d.ReasoningTokens)
	}
	return out
}

func empty(c *providers.Chunk) bool {
	return c.Text == "" && c.Reasoning == "" && len(c.ToolCalls) == 0
}
