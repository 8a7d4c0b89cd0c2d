package openai

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"

	dialect "github.com/sashabaranov/go-openai"

	"fairlead/providers"
	"fairlead/providers/internal/wire"
)

// chatRequest is the body of a call. dialect.ChatCompletionRequest cannot tell 0 from unset.
type chatRequest struct {
	Model               string                 `json:"model"`
	Messages            []message              `json:"messages"`
	Tools               []tool                 `json:"tools,omitempty"`
	ToolChoice          any                    `json:"tool_choice,omitempty"`
	ParallelToolCalls   *bool                  `json:"parallel_tool_calls,omitempty"`
	ResponseFormat      *responseFormat        `json:"response_format,omitempty"`
	MaxTokens           *int                   `json:"max_tokens,omitempty"`
	MaxCompletionTokens *int                   `json:"max_completion_tokens,omitempty"`
	Temperature         *float64               `json:"temperature,omitempty"`
	TopP                *float64               `json:"top_p,omitempty"`
	Stop                []string               `json:"stop,omitempty"`
	Seed                *int64                 `json:"seed,omitempty"`
	Stream              bool                   `json:"stream"`
	StreamOptions       *dialect.StreamOptions `json:"stream_options,omitempty"`
}

// message differs from dialect's in that empty content is sent.
type message struct {
	Role string `json:"role"`
	// Content is a string, []dialect.ChatMessagePart, or nil for an assistant that only called tools.
	Content    any        `json:"content"`
	Name       string     `json:"name,omitempty"`
	ToolCalls  []toolCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
}

type toolCall struct {
	ID       string           `json:"id"`
	Type     dialect.ToolType `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

type tool struct {
	Type     dialect.ToolType `json:"type"`
	Function struct {
		Name        string          `json:"name"`
		Description string          `json:"description,omitempty"`
		Parameters  json.RawMessage `json:"parameters"`
		Strict      *bool           `json:"strict,omitempty"`
	} `json:"function"`
}

type responseFormat struct {
	Type       dialect.ChatCompletionResponseFormatType `json:"type"`
	JSONSchema *jsonSchema                              `json:"json_schema,omitempty"`
}

type jsonSchema struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Schema      json.RawMessage `json:"schema"`
	Strict      *bool           `json:"strict,omitempty"`
}

var noParameters = json.RawMessage(`{"type":"object","properties":{}}`)

// encode makes the body of a call.
func (c *Client) encode(req *providers.Request) ([]byte, *providers.Error) {
	if req.Model == "" || len(req.Messages) == 0 {
		return nil, c.fail(providers.KindInvalid, req.Model, "a request needs a model and a message")
	}
	out := chatRequest{
		Model: req.Model, ParallelToolCalls: req.ParallelToolCalls,
		Temperature: req.Temperature, TopP: req.TopP, Stop: req.Stop, Seed: req.Seed,
		Stream: true, StreamOptions: &dialect.StreamOptions{IncludeUsage: true},
	}
	if c.maxTokens == maxCompletionTokens {
		out.MaxCompletionTokens = req.MaxTokens
	} else {
		out.MaxTokens = req.MaxTokens
	}
	for i, m := range req.Messages {
		made, e := c.message(req.Model, i, m)
		if e != nil {
			return nil, e
		}
		out.Messages = append(out.Messages, made)
	}
	for i, t := range req.Tools {
		made := tool{Type: dialect.ToolTypeFunction}
		made.Function.Name, made.Function.Description, made.Function.Strict = t.Name, t.Description, t.Strict
		made.Function.Parameters = t.Parameters
		if len(t.Parameters) == 0 {
			made.Function.Parameters = noParameters
		} else if !json.Valid(t.Parameters) {
			return nil, c.fail(providers.KindInvalid, req.Model, "the parameters of tool %d are not JSON", i)
		}
		out.Tools = append(out.Tools, made)
	}
	switch {
	case len(req.Tools) == 0:
		out.ParallelToolCalls = nil
	case req.ToolChoice.Mode == providers.ToolsNamed:
		out.ToolChoice = dialect.ToolChoice{Type: dialect.ToolTypeFunction, Function: dialect.ToolFunction{Name: req.ToolChoice.Name}}
	case req.ToolChoice.Mode != providers.ToolsUnset:
		out.ToolChoice = string(req.ToolChoice.Mode)
	}
	if f := req.Format; f.Kind != providers.FormatUnset {
		out.ResponseFormat = &responseFormat{Type: dialect.ChatCompletionResponseFormatType(f.Kind)}
		if f.Kind == providers.FormatJSONSchema {
			if !json.Valid(f.Schema) {
				return nil, c.fail(providers.KindInvalid, req.Model, "the schema of the answer is not JSON")
			}
			name := f.Name
			if name == "" {
				name = "answer" // the dialect requires one
			}
			out.ResponseFormat.JSONSchema = &jsonSchema{Name: name, Description: f.Description, Schema: f.Schema, Strict: f.Strict}
		}
	}
	body, err := wire.Marshal(out)
	if err != nil {
		return nil, c.fail(providers.KindInvalid, req.Model, "a number of the request cannot be written as JSON")
	}
	return c.addExtra(body, req)
}

// message translates the message at place i.
func (c *Client) message(model string, i int, m providers.Message) (message, *providers.Error) {
	out := message{Role: string(m.Role), Name: m.Name, ToolCallID: m.ToolCallID}
	switch m.Role {
	case providers.System, providers.User, providers.Assistant, providers.ToolRole:
	default:
		return out, c.fail(providers.KindInvalid, model, "message %d has a role that is none", i)
	}
	for _, call := range m.ToolCalls {
		made := toolCall{ID: call.ID, Type: dialect.ToolTypeFunction}
		made.Function.Name, made.Function.Arguments = call.Name, call.Arguments
		if call.Arguments == "" {
			made.Function.Arguments = "{}" // servers parse it
		}
		out.ToolCalls = append(out.ToolCalls, made)
	}
	if !m.HasImage() {
		if text := m.TextContent(); text != "" || len(m.ToolCalls) == 0 {
			out.Content = text
		}
		return out, nil
	}
	if m.Role != providers.User {
		return out, c.fail(providers.KindUnsupported, model, "message %d has a picture: only a user's may", i)
	}
	var parts []dialect.ChatMessagePart
	for _, p := range m.Parts {
		switch {
		case p.Image != nil:
			url, e := c.imageURL(model, i, p.Image)
			if e != nil {
				return out, e
			}
			parts = append(parts, dialect.ChatMessagePart{Type: dialect.ChatMessagePartTypeImageURL,
				ImageURL: &dialect.ChatMessageImageURL{URL: url, Detail: dialect.ImageURLDetail(p.Image.Detail)}})
		case p.Text != "":
			parts = append(parts, dialect.ChatMessagePart{Type: dialect.ChatMessagePartTypeText, Text: p.Text})
		}
	}
	out.Content = parts
	return out, nil
}

func (c *Client) imageURL(model string, i int, image *providers.Image) (string, *providers.Error) {
	switch {
	case image.URL != "" && len(image.Data) > 0, image.URL == "" && len(image.Data) == 0:
		return "", c.fail(providers.KindInvalid, model, "a picture of message %d must have an address or data, and not both", i)
	case image.URL != "":
		return image.URL, nil
	case image.MediaType == "":
		return "", c.fail(providers.KindInvalid, model, "a picture of message %d has no media type", i)
	default:
		return "data:" + image.MediaType + ";base64," + base64.StdEncoding.EncodeToString(image.Data), nil
	}
}

// addExtra adds the request's extra fields to a body that has others.
func (c *Client) addExtra(body []byte, req *providers.Request) ([]byte, *providers.Error) {
	if len(req.Extra) == 0 {
		return body, nil
	}
	var ours map[string]json.RawMessage
	if err := json.Unmarshal(body, &ours); err != nil {
		return nil, c.fail(providers.KindInvalid, req.Model, "the request cannot be written as JSON")
	}
	for i, name := range slices.Sorted(maps.Keys(req.Extra)) {
		value := req.Extra[name]
		if _, taken := ours[name]; taken {
			return nil, c.fail(providers.KindInvalid, req.Model, "extra field %d is set by the request itself", i)
		}
		if !json.Valid(value) {
			return nil, c.fail(providers.KindInvalid, req.Model, "extra field %d is not JSON", i)
		}
		if name == "n" && string(bytes.TrimSpace(value)) != "1" {
			return nil, c.fail(providers.KindUnsupported, req.Model, "one call gives one answer: n must be 1")
		}
	}
	extra, err := wire.Marshal(req.Extra)
	if err != nil {
		return nil, c.fail(providers.KindInvalid, req.Model, "the extra fields cannot be written as JSON")
	}
	body = append(body[:len(body)-1], ',')
	return append(body, extra[1:]...), nil
}
