package ollama

import (
	"bytes"
	"encoding/json"

	"github.com/ollama/ollama/api"

	"fairlead/providers"
	"fairlead/providers/internal/wire"
)

// chatRequest is the body of a call. api.ChatRequest is not used for what doc.go says of its types.
type chatRequest struct {
	Model     string          `json:"model"`
	Messages  []message       `json:"messages"`
	Tools     []tool          `json:"tools,omitempty"`
	Format    json.RawMessage `json:"format,omitempty"`
	Options   map[string]any  `json:"options,omitempty"`
	KeepAlive *api.Duration   `json:"keep_alive,omitempty"`
	Think     *api.ThinkValue `json:"think,omitempty"`
	Truncate  *bool           `json:"truncate,omitempty"`
	Shift     *bool           `json:"shift,omitempty"`
	Stream    bool            `json:"stream"`
}

type message struct {
	Role       string          `json:"role"`
	Content    string          `json:"content"`
	Images     []api.ImageData `json:"images,omitempty"`
	ToolCalls  []toolCall      `json:"tool_calls,omitempty"`
	ToolName   string          `json:"tool_name,omitempty"`
	ToolCallID string          `json:"tool_call_id,omitempty"`
}

type toolCall struct {
	ID       string `json:"id,omitempty"`
	Function struct {
		Index     int             `json:"index"`
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"function"`
}

type tool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string          `json:"name"`
		Description string          `json:"description,omitempty"`
		Parameters  json.RawMessage `json:"parameters"`
	} `json:"function"`
}

var (
	noParameters = json.RawMessage(`{"type":"object","properties":{}}`)
	noArguments  = json.RawMessage(`{}`)
	formatJSON   = json.RawMessage(`"json"`)
)

// encode makes the body of a call.
func (c *Client) encode(req *providers.Request) ([]byte, *providers.Error) {
	if req.Model == "" || len(req.Messages) == 0 {
		return nil, c.fail(providers.KindInvalid, req.Model, "a request needs a model and a message")
	}
	out := chatRequest{
		Model: req.Model, Options: c.options(req), KeepAlive: c.keepAlive, Think: c.think,
		Truncate: c.truncate, Shift: c.truncate, Stream: true,
	}
	tools := map[string]string{} // the names of the tools that calls so far are for
	for i, m := range req.Messages {
		made, e := c.message(req.Model, i, m, tools)
		if e != nil {
			return nil, e
		}
		out.Messages = append(out.Messages, made)
	}
	switch req.ToolChoice.Mode {
	case providers.ToolsUnset, providers.ToolsAuto:
		for i, t := range req.Tools {
			made := tool{Type: "function"}
			made.Function.Name, made.Function.Description, made.Function.Parameters = t.Name, t.Description, t.Parameters
			if len(t.Parameters) == 0 {
				made.Function.Parameters = noParameters
			} else if !json.Valid(t.Parameters) {
				return nil, c.fail(providers.KindInvalid, req.Model, "the parameters of tool %d are not JSON", i)
			}
			out.Tools = append(out.Tools, made)
		}
	case providers.ToolsNone: // the only way to say it is not to name the tools
	default:
		if len(req.Tools) > 0 {
			return nil, c.fail(providers.KindUnsupported, req.Model, "the server cannot be told to use a tool: let the tool choice be auto")
		}
	}
	switch req.Format.Kind {
	case providers.FormatJSONObject:
		out.Format = formatJSON
	case providers.FormatJSONSchema:
		if !json.Valid(req.Format.Schema) {
			return nil, c.fail(providers.KindInvalid, req.Model, "the schema of the answer is not JSON")
		}
		out.Format = req.Format.Schema
	}
	body, err := wire.Marshal(out)
	if err != nil {
		return nil, c.fail(providers.KindInvalid, req.Model, "a number of the request cannot be written as JSON")
	}
	return body, nil
}

// options gives the settings of a call by Ollama's names.
func (c *Client) options(req *providers.Request) map[string]any {
	options := map[string]any{}
	if c.numCtx > 0 {
		options["num_ctx"] = c.numCtx
	}
	if req.MaxTokens != nil {
		options["num_predict"] = *req.MaxTokens
	}
	if req.Temperature != nil {
		options["temperature"] = *req.Temperature
	}
	if req.TopP != nil {
		options["top_p"] = *req.TopP
	}
	if len(req.Stop) > 0 {
		options["stop"] = req.Stop
	}
	if req.Seed != nil {
		options["seed"] = *req.Seed
	}
	return options
}

// message translates the message at place i.
func (c *Client) message(model string, i int, m providers.Message, tools map[string]string) (message, *providers.Error) {
	out := message{Role: string(m.Role), Content: m.TextContent(), ToolCallID: m.ToolCallID}
	switch m.Role {
	case providers.System, providers.User, providers.Assistant:
	case providers.ToolRole:
		out.ToolName = tools[m.ToolCallID] // most models' templates know results by the tool's name
	default:
		return out, c.fail(providers.KindInvalid, model, "message %d has a role that is none", i)
	}
	for n, call := range m.ToolCalls {
		made := toolCall{ID: call.ID}
		made.Function.Index, made.Function.Name = n, call.Name
		made.Function.Arguments = json.RawMessage(call.Arguments)
		if call.Arguments == "" {
			made.Function.Arguments = noArguments
		} else if !object(made.Function.Arguments) {
			return out, c.fail(providers.KindInvalid, model, "the arguments of tool call %d in message %d are not a JSON object", n, i)
		}
		tools[call.ID] = call.Name
		out.ToolCalls = append(out.ToolCalls, made)
	}
	for _, p := range m.Parts {
		switch {
		case p.Image == nil:
		case p.Image.URL != "" && len(p.Image.Data) > 0, p.Image.URL == "" && len(p.Image.Data) == 0:
			return out, c.fail(providers.KindInvalid, model, "a picture of message %d must have an address or data, and not both", i)
		case p.Image.URL != "":
			return out, c.fail(providers.KindUnsupported, model, "message %d has a picture by address, which the server cannot fetch: send its data", i)
		default:
			out.Images = append(out.Images, p.Image.Data)
		}
	}
	return out, nil
}

// object says whether text is a JSON object.
func object(text []byte) bool {
	text = bytes.TrimSpace(text)
	return len(text) > 0 && text[0] == '{' && json.Valid(text)
}
