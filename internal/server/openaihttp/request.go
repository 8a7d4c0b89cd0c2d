package openaihttp

import (
	"encoding/json"
	"math"
	"strings"

	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/providers"
)

// Limits on the parts of a request.
const (
	maxMessages = 2000
	maxTools    = providers.MaxToolCalls
	maxStops    = 16
)

// chatCall is a decoded POST /v1/chat/completions.
type chatCall struct {
	orchestrator.ChatRequest
	Stream       bool
	IncludeUsage bool
}

// chatReader decodes a chat request. What must be looked at together is kept until the end.
type chatReader struct {
	*reader
	call                             chatCall
	seen                             map[string]bool
	maxTokens, maxCompletion         *int
	metaLabel, metaSession           string
	hasMessages, hasModel, hasChoice bool
	includeUsage                     *bool
}

// decodeChat reads a chat request. The error is a *wireError.
func decodeChat(body []byte) (*chatCall, error) {
	r := &chatReader{reader: newReader(body), seen: make(map[string]bool, 8)}
	r.object(r.field)
	r.end()
	r.check()
	if r.err != nil {
		return nil, r.err
	}
	return &r.call, nil
}

// field reads one top-level field.
func (r *chatReader) field(name string) {
	if r.seen[name] {
		// Two readers may choose differently between the two, and one of them may be a filter.
		r.fail("given twice")
		return
	}
	r.seen[name] = true
	if r.null() {
		return
	}
	req := &r.call.Request
	switch name {
	case "model":
		r.hasModel = true
		if r.call.Model = r.text(); r.call.Model == "" {
			r.fail("expected auto, policy/NAME, chain/NAME or a target's name")
		}
	case "messages":
		r.hasMessages = true
		req.Messages = r.messages()
	case "stream":
		r.call.Stream = r.boolean()
	case "stream_options":
		r.streamOptions()
	case "tools":
		req.Tools = r.tools()
	case "tool_choice":
		r.hasChoice = true
		req.ToolChoice = r.toolChoice()
	case "parallel_tool_calls":
		req.ParallelToolCalls = new(r.boolean())
	case "response_format":
		req.Format = r.format()
	case "max_tokens":
		r.maxTokens = new(int(r.integer(1, math.MaxInt32)))
	case "max_completion_tokens":
		r.maxCompletion = new(int(r.integer(1, math.MaxInt32)))
	case "temperature":
		req.Temperature = new(r.number(0, 2))
	case "top_p":
		req.TopP = new(r.number(0, 1))
	case "stop":
		req.Stop = r.stop()
	case "seed":
		req.Seed = new(r.integer(math.MinInt64, math.MaxInt64))
	case "metadata":
		r.metadata()
	default:
		r.extra(name)
	}
}

// extra keeps a field that the vocabulary does not have, or refuses it when its effect could not be
// carried back.
func (r *chatReader) extra(name string) {
	value := r.raw()
	if r.err != nil {
		return
	}
	alone := map[string]json.RawMessage{name: value}
	switch name {
	case "n":
		if len(providers.MeaningfulExtra(alone)) > 0 {
			r.refuse("only one answer is given: leave n out or set it to 1")
		}
		return
	case "functions", "function_call":
		r.refuse("the old functions are not supported: use tools and tool_choice")
		return
	case "audio":
		r.refuse("answers in audio are not supported")
		return
	case "modalities":
		if len(providers.MeaningfulExtra(alone)) > 0 {
			r.refuse(`only ["text"] is supported`)
		}
		return
	case "logprobs", "top_logprobs":
		if len(providers.MeaningfulExtra(alone)) > 0 {
			r.refuse("log probabilities are not supported")
		}
		return
	}
	if r.call.Request.Extra == nil {
		r.call.Request.Extra = make(map[string]json.RawMessage)
	}
	r.call.Request.Extra[name] = value
}

func (r *chatReader) streamOptions() {
	r.object(func(name string) {
		if name == "include_usage" && !r.null() {
			r.includeUsage = new(r.boolean())
		}
	})
}

func (r *chatReader) stop() []string {
	if r.peek() == '"' {
		return []string{r.text()}
	}
	if c := r.peek(); c != '[' {
		r.wrongType(c, "a string or a list of strings")
		return nil
	}
	var stops []string
	r.list(func(i int) {
		if i >= maxStops {
			r.fail("expected %d at most", maxStops)
			return
		}
		stops = append(stops, r.text())
	})
	return stops
}

// metadata takes our two keys out and passes the rest on.
func (r *chatReader) metadata() {
	rest := map[string]string{}
	r.object(func(name string) {
		if r.peek() != '"' {
			r.path = r.path[:1] // a key that the caller made up is content
			r.fail("expected an object of strings")
			r.path = append(r.path, segment{})
			return
		}
		switch value := r.text(); name {
		case "label":
			r.metaLabel = value
		case "session":
			r.metaSession = value
		default:
			rest[name] = value
		}
	})
	if len(rest) == 0 || r.err != nil {
		return
	}
	if r.call.Request.Extra == nil {
		r.call.Request.Extra = make(map[string]json.RawMessage)
	}
	r.call.Request.Extra["metadata"], _ = json.Marshal(rest) // strings only: it cannot fail
}

// check looks at what only the whole request can tell.
func (r *chatReader) check() {
	if r.err != nil {
		return
	}
	req := &r.call.Request
	switch {
	case !r.hasModel:
		r.failAt("model", "required: auto, policy/NAME, chain/NAME or a target's name")
	case !r.hasMessages:
		r.failAt("messages", "required")
	case len(req.Messages) == 0:
		r.failAt("messages", "expected one at least")
	case r.includeUsage != nil && !r.call.Stream:
		r.failAt("stream_options", "only with stream")
	case r.maxTokens != nil && r.maxCompletion != nil && *r.maxTokens != *r.maxCompletion:
		r.failAt("max_tokens", "differs from max_completion_tokens: give one of them")
	}
	if req.MaxTokens = r.maxCompletion; req.MaxTokens == nil {
		req.MaxTokens = r.maxTokens
	}
	r.call.IncludeUsage = r.includeUsage != nil && *r.includeUsage
	r.call.NoRetract, r.call.Whole = r.call.Stream, !r.call.Stream
	r.checkToolChoice()

	l, err := label.Parse(r.metaLabel)
	if err != nil {
		r.failAt("metadata.label", "expected one of %s", strings.Join(label.Names(), ", "))
	}
	r.call.Label = l
	if !validSession(r.metaSession) {
		r.failAt("metadata.session", "expected %d bytes at most, without control characters", maxSession)
	}
	r.call.Session = r.metaSession
}

func (r *chatReader) checkToolChoice() {
	req := &r.call.Request
	if !r.hasChoice {
		return
	}
	switch req.ToolChoice.Mode {
	case providers.ToolsNamed:
		for _, t := range req.Tools {
			if t.Name == req.ToolChoice.Name {
				return
			}
		}
		r.failAt("tool_choice", "names a function that is not among tools")
	case providers.ToolsRequired:
		if len(req.Tools) == 0 {
			r.failAt("tool_choice", "only with tools")
		}
	}
}
