package form

import (
	"encoding/json"
	"slices"

	"fairlead/internal/fault"
	"fairlead/providers"
)

// message is a providers.Message as it is stored: with names of its own, so that the Go type can change
// while what is stored stays readable.
type message struct {
	Role       string `json:"role"`
	Parts      []part `json:"parts,omitempty"`
	ToolCalls  []call `json:"tool_calls,omitempty"`
	ToolCallID string `json:"tool_call_id,omitempty"`
	Name       string `json:"name,omitempty"`
}

type part struct {
	Text  string `json:"text,omitempty"`
	Image *image `json:"image,omitempty"`
}

type image struct {
	URL       string `json:"url,omitempty"`
	Data      []byte `json:"data,omitempty"`
	MediaType string `json:"media_type,omitempty"`
	Detail    string `json:"detail,omitempty"`
}

type call struct {
	ID        string `json:"id,omitempty"`
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments,omitempty"`
}

// EncodeMessages gives the JSON of each message.
func EncodeMessages(messages []providers.Message, doing string) ([]string, error) {
	bodies := make([]string, len(messages))
	for i, m := range messages {
		out := message{Role: string(m.Role), ToolCallID: m.ToolCallID, Name: m.Name}
		for _, p := range m.Parts {
			out.Parts = append(out.Parts, part{Text: p.Text, Image: (*image)(p.Image)})
		}
		for _, c := range m.ToolCalls {
			out.ToolCalls = append(out.ToolCalls, call(c))
		}
		body, err := json.Marshal(out)
		if err != nil {
			return nil, fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest, "%s: a message cannot be written as JSON", doing)
		}
		bodies[i] = string(body)
	}
	return bodies, nil
}

// DecodeMessage reads a message. DataLoss when it is not readable.
func DecodeMessage(body []byte) (providers.Message, error) {
	var in message
	if err := json.Unmarshal(body, &in); err != nil {
		return providers.Message{}, fault.Wrap(err, fault.DataLoss, fault.ReasonNone, "reading the conversation: a stored message is not readable")
	}
	m := providers.Message{Role: providers.Role(in.Role), ToolCallID: in.ToolCallID, Name: in.Name}
	for _, p := range in.Parts {
		m.Parts = append(m.Parts, providers.Part{Text: p.Text, Image: (*providers.Image)(p.Image)})
	}
	for _, c := range in.ToolCalls {
		m.ToolCalls = append(m.ToolCalls, providers.ToolCall(c))
	}
	return m, nil
}

// FromTheEnd turns messages that were read from the last back to the order in which they were said, without tools'
// results at their beginning: the calls that those answer are missing, and backends refuse that.
func FromTheEnd(list []providers.Message) []providers.Message {
	for len(list) > 0 && list[len(list)-1].Role == providers.ToolRole {
		list = list[:len(list)-1]
	}
	slices.Reverse(list)
	return list
}
