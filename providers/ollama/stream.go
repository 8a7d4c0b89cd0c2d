package ollama

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"iter"
	"net/http"
	"unicode/utf8"

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
	if err := ctx.Err(); err != nil {
		return providers.AsError(ctx, c.wire.Backend, req.Model, err)
	}
	body, e := c.encode(req)
	if e != nil {
		return e
	}
	call, e := c.wire.Start(ctx, "api/chat", req.Model, "application/x-ndjson", body)
	if e != nil {
		return e
	}
	defer call.End()
	if call.Response.StatusCode != http.StatusOK {
		return refused(call)
	}
	switch call.MediaType() {
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/json", "":
	default:
		return call.Fail(providers.KindProtocol, "its answer is not a stream of JSON: is the base URL right?")
	}

	s := stream{call: call}
	lines := wire.NewNDJSON(call, providers.MaxFrame)
	for {
		line, open, err := lines.Next()
		if err != nil {
			return call.ReadError(err) // the end of the body too: what is whole has left the loop
		}
		if e := call.Frame(); e != nil {
			return e
		}
		chunk, last, e := s.take(line, open)
		if e != nil {
			return e
		}
		if (chunk.Text != "" || chunk.Reasoning != "" || len(chunk.ToolCalls) > 0) && !yield(chunk, nil) {
			return nil
		}
		if last == nil {
			continue
		}
		if e := call.Frame(); e != nil {
			return e
		}
		yield(*last, nil)
		call.Drain()
		return nil
	}
}

// frame is what we read of a line.
type frame struct {
	Model   string `json:"model"`
	Message *struct {
		Content   string `json:"content"`
		Thinking  string `json:"thinking"`
		ToolCalls []struct {
			ID       string `json:"id"`
			Function struct {
				Name      string          `json:"name"`
				Arguments json.RawMessage `json:"arguments"`
			} `json:"function"`
		} `json:"tool_calls"`
	} `json:"message"`
	Done            bool            `json:"done"`
	DoneReason      string          `json:"done_reason"`
	PromptEvalCount int64           `json:"prompt_eval_count"`
	EvalCount       int64           `json:"eval_count"`
	Error           json.RawMessage `json:"error"`
}

// stream is the state of one answer.
type stream struct {
	call  *wire.Call
	named bool // the model's name was passed on
	calls int
}

// take translates a line: a chunk with content, or an empty one, and after the last line the chunk that
// ends the answer.
func (s *stream) take(line []byte, open bool) (chunk providers.Chunk, last *providers.Chunk, e *providers.Error) {
	var f frame
	switch err := json.Unmarshal(line, &f); {
	case err != nil && open:
		return chunk, nil, s.call.Fail(providers.KindTruncated, "it ended within a frame")
	case err != nil:
		return chunk, nil, s.call.Fail(providers.KindProtocol, "a frame is not the JSON of a chunk")
	case len(f.Error) > 0 && string(f.Error) != "null":
		e := s.call.Fail(providers.KindUnavailable, "it sent an error within the stream")
		apply(e, errorText(line))
		return chunk, nil, e
	case f.Message == nil && !f.Done:
		return chunk, nil, s.call.Fail(providers.KindProtocol, "a frame is no chunk of an answer")
	case !utf8.Valid(line):
		return chunk, nil, s.call.Fail(providers.KindProtocol, "a frame is not UTF-8")
	}
	if m := f.Message; m != nil {
		chunk.Text, chunk.Reasoning = m.Content, m.Thinking
		size := len(m.Content) + len(m.Thinking)
		for _, call := range m.ToolCalls {
			delta := providers.ToolCallDelta{Index: s.calls, ID: call.ID, Name: call.Function.Name, Arguments: "{}"}
			if args := call.Function.Arguments; len(args) > 0 && string(args) != "null" {
				if !object(args) {
					return chunk, nil, s.call.Fail(providers.KindProtocol, "the arguments of a tool call are not an object")
				}
				delta.Arguments = string(args)
			}
			if delta.Name == "" {
				return chunk, nil, s.call.Fail(providers.KindProtocol, "a tool call has no name")
			}
			if s.calls++; s.calls > providers.MaxToolCalls {
				return chunk, nil, s.call.Fail(providers.KindProtocol, "it asked for more tool calls than an answer may hold")
			}
			if delta.ID == "" {
				delta.ID = "call_" + rand.Text() // results refer to calls by id, so every call has one
			}
			size += len(delta.Arguments)
			chunk.ToolCalls = append(chunk.ToolCalls, delta)
		}
		if size > 0 {
			if e := s.call.Content(size); e != nil {
				return providers.Chunk{}, nil, e
			}
			if !s.named {
				s.named, chunk.Model = true, f.Model
			}
		}
	}
	if !f.Done {
		return chunk, nil, nil
	}
	last = &providers.Chunk{Model: f.Model}
	switch f.DoneReason {
	case "stop":
		last.Finish = providers.FinishStop
		if s.calls > 0 {
			last.Finish = providers.FinishToolCalls
		}
	case "length":
		last.Finish = providers.FinishLength
	case "":
		return providers.Chunk{}, nil, s.call.Fail(providers.KindTruncated, "it did not say why the answer ended: its runner was lost")
	case "load", "unload":
		return providers.Chunk{}, nil, s.call.Fail(providers.KindProtocol, "it loaded or unloaded the model and answered nothing")
	default:
		e := s.call.Fail(providers.KindProtocol, "the reason why the answer ended is not known")
		e.Code = providers.SafeCode(f.DoneReason)
		return providers.Chunk{}, nil, e
	}
	if f.PromptEvalCount > 0 || f.EvalCount > 0 {
		last.Usage = &providers.Usage{Input: f.PromptEvalCount, Output: f.EvalCount}
	}
	return chunk, last, nil
}
