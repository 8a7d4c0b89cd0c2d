package rpc

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/providers"
)

var roles = map[pb.Role]providers.Role{
	pb.Role_ROLE_SYSTEM:    providers.System,
	pb.Role_ROLE_USER:      providers.User,
	pb.Role_ROLE_ASSISTANT: providers.Assistant,
	pb.Role_ROLE_TOOL:      providers.ToolRole,
}

// messages reads a conversation.
func messages(list []*pb.Message) ([]providers.Message, error) {
	out := make([]providers.Message, len(list))
	for i, m := range list {
		message, err := message(fmt.Sprintf("messages[%d]", i), m)
		if err != nil {
			return nil, err
		}
		out[i] = message
	}
	return out, nil
}

// message reads one turn and holds it to what its role may say.
func message(field string, m *pb.Message) (providers.Message, error) {
	out := providers.Message{Role: roles[m.GetRole()], ToolCallID: m.GetToolCallId(), Name: m.GetName()}
	switch {
	case out.Role == "":
		return out, invalid(field+".role", "it is needed")
	case out.Role == providers.ToolRole && out.ToolCallID == "":
		return out, invalid(field+".tool_call_id", "a message of ROLE_TOOL names the call that it answers")
	case out.Role != providers.ToolRole && out.ToolCallID != "":
		return out, invalid(field+".tool_call_id", "only a message of ROLE_TOOL answers a call")
	case out.Role != providers.Assistant && len(m.GetToolCalls()) > 0:
		return out, invalid(field+".tool_calls", "only a message of ROLE_ASSISTANT asks for tools")
	case len(m.GetParts()) == 0 && len(m.GetToolCalls()) == 0:
		return out, invalid(field+".parts", "the message says nothing")
	}
	if len(m.GetParts()) > 0 {
		out.Parts = make([]providers.Part, len(m.GetParts()))
	}
	for i, p := range m.GetParts() {
		part, err := part(fmt.Sprintf("%s.parts[%d]", field, i), out.Role, p)
		if err != nil {
			return out, err
		}
		out.Parts[i] = part
	}
	for _, c := range m.GetToolCalls() {
		out.ToolCalls = append(out.ToolCalls, providers.ToolCall{ID: c.GetId(), Name: c.GetName(), Arguments: c.GetArguments()})
	}
	return out, nil
}

func part(field string, role providers.Role, p *pb.Part) (providers.Part, error) {
	image := p.GetImage()
	if image == nil {
		return providers.Part{Text: p.GetText()}, nil
	}
	if role != providers.User {
		return providers.Part{}, invalid(field+".image", "only a message of ROLE_USER shows pictures")
	}
	out := &providers.Image{URL: image.GetUrl(), Data: image.GetData(), MediaType: image.GetMediaType(), Detail: image.GetDetail()}
	if out.URL != "" {
		u, err := url.Parse(out.URL)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
			return providers.Part{}, invalid(field+".image.url", "it is not an address that begins with https://")
		}
		return providers.Part{Image: out}, nil
	}
	if !strings.HasPrefix(out.MediaType, "image/") {
		return providers.Part{}, invalid(field+".image.media_type", "data needs a media type such as image/png")
	}
	return providers.Part{Image: out}, nil
}

// tools reads the tools and the choice between them.
func tools(list []*pb.Tool, choice *pb.ToolChoice) ([]providers.Tool, providers.ToolChoice, error) {
	var none providers.ToolChoice
	out := make([]providers.Tool, 0, len(list))
	names := make(map[string]bool, len(list))
	for i, t := range list {
		field := fmt.Sprintf("tools[%d]", i)
		if names[t.GetName()] {
			return nil, none, invalid(field+".name", "another tool has the same name")
		}
		names[t.GetName()] = true
		schema, err := object(field+".parameters_json", t.GetParametersJson())
		if err != nil {
			return nil, none, err
		}
		out = append(out, providers.Tool{Name: t.GetName(), Description: t.GetDescription(), Parameters: schema, Strict: t.Strict})
	}
	mode, ok := toolModes[choice.GetMode()]
	if !ok {
		return nil, none, invalid("tool_choice.mode", "there is no such mode")
	}
	switch {
	case mode == providers.ToolsNamed && !names[choice.GetName()]:
		return nil, none, invalid("tool_choice.name", "MODE_NAMED needs the name of one of the tools")
	case mode != providers.ToolsNamed && choice.GetName() != "":
		return nil, none, invalid("tool_choice.name", "only MODE_NAMED names a tool")
	case mode == providers.ToolsRequired && len(out) == 0:
		return nil, none, invalid("tool_choice.mode", "MODE_REQUIRED needs tools")
	}
	if len(out) == 0 {
		out = nil
	}
	return out, providers.ToolChoice{Mode: mode, Name: choice.GetName()}, nil
}

var toolModes = map[pb.ToolChoice_Mode]providers.ToolMode{
	pb.ToolChoice_MODE_UNSPECIFIED: providers.ToolsUnset,
	pb.ToolChoice_MODE_AUTO:        providers.ToolsAuto,
	pb.ToolChoice_MODE_NONE:        providers.ToolsNone,
	pb.ToolChoice_MODE_REQUIRED:    providers.ToolsRequired,
	pb.ToolChoice_MODE_NAMED:       providers.ToolsNamed,
}

var formats = map[pb.ResponseFormat_Kind]providers.FormatKind{
	pb.ResponseFormat_KIND_UNSPECIFIED: providers.FormatUnset,
	pb.ResponseFormat_KIND_TEXT:        providers.FormatText,
	pb.ResponseFormat_KIND_JSON_OBJECT: providers.FormatJSONObject,
	pb.ResponseFormat_KIND_JSON_SCHEMA: providers.FormatJSONSchema,
}

// format reads the form of the answer.
func format(f *pb.ResponseFormat) (providers.Format, error) {
	kind := formats[f.GetKind()]
	schema, err := object("response_format.schema_json", f.GetSchemaJson())
	switch {
	case err != nil:
		return providers.Format{}, err
	case kind == providers.FormatJSONSchema && schema == nil:
		return providers.Format{}, invalid("response_format.schema_json", "KIND_JSON_SCHEMA needs a schema")
	case kind != providers.FormatJSONSchema && schema != nil:
		return providers.Format{}, invalid("response_format.schema_json", "only KIND_JSON_SCHEMA has a schema")
	}
	if f == nil {
		return providers.Format{}, nil
	}
	return providers.Format{Kind: kind, Name: f.GetName(), Schema: schema, Strict: f.Strict}, nil
}

// object reads a text that must be a JSON object, or nothing.
func object(field, text string) (json.RawMessage, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	raw := json.RawMessage(strings.TrimSpace(text))
	if !json.Valid(raw) {
		return nil, invalid(field, "it is not JSON")
	}
	if raw[0] != '{' {
		return nil, invalid(field, "it is JSON, but not an object")
	}
	return raw, nil
}
