package langchain

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/tmc/langchaingo/llms"

	"fairlead/providers"
)

// unsupported says that a request of langchaingo's cannot be put into ours.
func unsupported(detail string) error {
	return &providers.Error{Kind: providers.KindUnsupported, Backend: "langchain", Detail: detail}
}

// toMessages translates messages. A tool's results become one message each.
func toMessages(contents []llms.MessageContent) ([]providers.Message, error) {
	var out []providers.Message
	for _, c := range contents {
		role, err := toRole(c.Role)
		if err != nil {
			return nil, err
		}
		m := providers.Message{Role: role}
		for _, part := range c.Parts {
			if cached, ok := part.(llms.CachedContent); ok {
				part = cached.ContentPart
			}
			switch part := part.(type) {
			case llms.TextContent:
				m.Parts = append(m.Parts, providers.Part{Text: part.Text})
			case llms.ImageURLContent:
				image, err := toImage(part)
				if err != nil {
					return nil, err
				}
				m.Parts = append(m.Parts, providers.Part{Image: image})
			case llms.BinaryContent:
				if !strings.HasPrefix(part.MIMEType, "image/") {
					return nil, unsupported("binary content other than pictures")
				}
				m.Parts = append(m.Parts, providers.Part{Image: &providers.Image{Data: part.Data, MediaType: part.MIMEType}})
			case llms.ToolCall:
				call := providers.ToolCall{ID: part.ID}
				if part.FunctionCall != nil {
					call.Name, call.Arguments = part.FunctionCall.Name, part.FunctionCall.Arguments
				}
				m.ToolCalls = append(m.ToolCalls, call)
			case llms.ToolCallResponse:
				result := providers.Text(providers.ToolRole, part.Content)
				result.ToolCallID, result.Name = part.ToolCallID, part.Name
				out = append(out, result)
			default:
				return nil, unsupported("a part of a message that is no text, picture or tool call")
			}
		}
		if len(m.Parts) > 0 || len(m.ToolCalls) > 0 {
			out = append(out, m)
		}
	}
	return out, nil
}

func toRole(t llms.ChatMessageType) (providers.Role, error) {
	switch t {
	case llms.ChatMessageTypeSystem:
		return providers.System, nil
	case llms.ChatMessageTypeHuman, llms.ChatMessageTypeGeneric:
		return providers.User, nil
	case llms.ChatMessageTypeAI:
		return providers.Assistant, nil
	case llms.ChatMessageTypeTool, llms.ChatMessageTypeFunction:
		return providers.ToolRole, nil
	}
	return "", unsupported("a message of an unknown role")
}

func fromRole(r providers.Role) llms.ChatMessageType {
	switch r {
	case providers.System:
		return llms.ChatMessageTypeSystem
	case providers.Assistant:
		return llms.ChatMessageTypeAI
	case providers.ToolRole:
		return llms.ChatMessageTypeTool
	}
	return llms.ChatMessageTypeHuman
}

// toImage reads an address, or the picture itself from a data: address.
func toImage(part llms.ImageURLContent) (*providers.Image, error) {
	rest, ok := strings.CutPrefix(part.URL, "data:")
	if !ok {
		return &providers.Image{URL: part.URL, Detail: part.Detail}, nil
	}
	head, body, _ := strings.Cut(rest, ",")
	mediaType, isBase64 := strings.CutSuffix(head, ";base64")
	data, err := base64.StdEncoding.DecodeString(body)
	if !isBase64 || !strings.HasPrefix(mediaType, "image/") || err != nil {
		return nil, unsupported("a data address that is no picture in base64")
	}
	return &providers.Image{Data: data, MediaType: mediaType, Detail: part.Detail}, nil
}

// apply puts the options that were set over the request. Zero is not set: what the request says stays.
func apply(req *providers.Request, o *llms.CallOptions) error {
	switch {
	case o.N > 1 || o.CandidateCount > 1:
		return unsupported("more than one answer to a request")
	case o.TopK != 0 || o.MinLength != 0 || o.MaxLength != 0 || o.RepetitionPenalty != 0:
		return unsupported("top_k, min_length, max_length and repetition_penalty")
	}
	if o.MaxTokens > 0 {
		req.MaxTokens = new(o.MaxTokens)
	}
	if o.Temperature != 0 {
		req.Temperature = new(o.Temperature)
	}
	if o.TopP != 0 {
		req.TopP = new(o.TopP)
	}
	if o.Seed != 0 {
		req.Seed = new(int64(o.Seed))
	}
	if len(o.StopWords) > 0 {
		req.Stop = o.StopWords
	}
	if o.JSONMode || o.ResponseMIMEType == "application/json" {
		req.Format = providers.Format{Kind: providers.FormatJSONObject}
	}
	if o.FrequencyPenalty != 0 || o.PresencePenalty != 0 {
		extra := map[string]json.RawMessage{}
		for k, v := range req.Extra {
			extra[k] = v
		}
		for name, v := range map[string]float64{"frequency_penalty": o.FrequencyPenalty, "presence_penalty": o.PresencePenalty} {
			if v != 0 {
				raw, err := json.Marshal(v)
				if err != nil {
					return unsupported(name + " that is no number")
				}
				extra[name] = raw
			}
		}
		req.Extra = extra
	}
	return applyTools(req, o)
}

func applyTools(req *providers.Request, o *llms.CallOptions) error {
	functions := make([]llms.FunctionDefinition, 0, len(o.Tools)+len(o.Functions))
	for _, t := range o.Tools {
		if t.Function == nil {
			return unsupported("a tool that is no function")
		}
		functions = append(functions, *t.Function)
	}
	functions = append(functions, o.Functions...)
	if len(functions) > 0 {
		req.Tools = nil
	}
	for _, f := range functions {
		tool := providers.Tool{Name: f.Name, Description: f.Description}
		if f.Strict {
			tool.Strict = new(true)
		}
		if f.Parameters != nil {
			raw, err := json.Marshal(f.Parameters)
			if err != nil {
				return unsupported("a tool whose parameters are no JSON")
			}
			tool.Parameters = raw
		}
		req.Tools = append(req.Tools, tool)
	}
	switch choice := o.ToolChoice.(type) {
	case nil:
	case string:
		mode := providers.ToolMode(choice)
		switch mode {
		case providers.ToolsAuto, providers.ToolsNone, providers.ToolsRequired:
			req.ToolChoice = providers.ToolChoice{Mode: mode}
		default:
			return unsupported("a tool choice other than auto, none, required or a tool")
		}
	case llms.ToolChoice:
		return named(req, choice)
	case *llms.ToolChoice:
		return named(req, *choice)
	default:
		return unsupported("a tool choice other than auto, none, required or a tool")
	}
	return nil
}

func named(req *providers.Request, choice llms.ToolChoice) error {
	if choice.Function == nil || choice.Function.Name == "" {
		return unsupported("a tool choice without a name")
	}
	req.ToolChoice = providers.ToolChoice{Mode: providers.ToolsNamed, Name: choice.Function.Name}
	return nil
}

// The keys of GenerationInfo beside langchaingo's own PromptTokens, CompletionTokens, TotalTokens,
// PromptCachedTokens and ReasoningTokens, which are ints.
const (
	// KeyUsage holds a providers.Usage.
	KeyUsage = "fairlead.usage"
	// KeyModel holds the name of the model that the backend says answered.
	KeyModel = "fairlead.model"
	// KeyCitations holds a []providers.Citation.
	KeyCitations = "fairlead.citations"
)

// toResponse translates an answer.
func toResponse(a *providers.Answer) *llms.ContentResponse {
	choice := &llms.ContentChoice{
		Content: a.Text, StopReason: string(a.Finish), ReasoningContent: a.Reasoning,
		GenerationInfo: map[string]any{KeyModel: a.Model},
	}
	if a.Citations != nil {
		choice.GenerationInfo[KeyCitations] = a.Citations
	}
	if u := a.Usage; u != nil {
		choice.GenerationInfo[KeyUsage] = *u
		choice.GenerationInfo["PromptTokens"] = int(u.Input)
		choice.GenerationInfo["CompletionTokens"] = int(u.Output)
		choice.GenerationInfo["TotalTokens"] = int(u.Input + u.Output)
		choice.GenerationInfo["PromptCachedTokens"] = int(u.CachedInput)
		choice.GenerationInfo["ReasoningTokens"] = int(u.Reasoning)
	}
	for _, call := range a.ToolCalls {
		choice.ToolCalls = append(choice.ToolCalls, llms.ToolCall{
			ID: call.ID, Type: "function", FunctionCall: &llms.FunctionCall{Name: call.Name, Arguments: call.Arguments},
		})
	}
	if len(choice.ToolCalls) > 0 {
		choice.FuncCall = choice.ToolCalls[0].FunctionCall
	}
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{choice}}
}
