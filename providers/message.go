package providers

import (
	"encoding/json"
	"strings"
)

// Role says who speaks a message.
type Role string

// The roles. OpenAI's "developer" is read as System.
const (
	System    Role = "system"
	User      Role = "user"
	Assistant Role = "assistant"
	ToolRole  Role = "tool"
)

// Image is a picture: by address or by value, never both.
type Image struct {
	// URL is an http(s) address. Adapters pass it on and never fetch it.
	URL string
	// Data is the picture's bytes, in the format that MediaType names.
	Data []byte
	// MediaType is such as "image/png". Required with Data.
	MediaType string
	// Detail is "", "auto", "low" or "high".
	Detail string
}

// Part is a piece of a message: text, or a picture when Image is set.
type Part struct {
	Text  string
	Image *Image
}

// ToolCall is a model's wish to have a tool called.
type ToolCall struct {
	ID   string
	Name string
	// Arguments is what the model wrote: JSON by intent, not by guarantee.
	Arguments string
}

// Message is one turn of a conversation.
type Message struct {
	Role  Role
	Parts []Part
	// ToolCalls is what an assistant asked for.
	ToolCalls []ToolCall
	// ToolCallID is the call that a tool message answers.
	ToolCallID string
	// Name is the speaker's name, where a backend can use one.
	Name string
}

// Text makes a message of one text part.
func Text(role Role, text string) Message {
	return Message{Role: role, Parts: []Part{{Text: text}}}
}

// TextContent gives the message's text parts, joined by newlines.
func (m Message) TextContent() string {
	if len(m.Parts) == 1 {
		return m.Parts[0].Text
	}
	var texts []string
	for _, p := range m.Parts {
		if p.Image == nil {
			texts = append(texts, p.Text)
		}
	}
	return strings.Join(texts, "\n")
}

// HasImage says whether a part of the message is a picture.
func (m Message) HasImage() bool {
	for _, p := range m.Parts {
		if p.Image != nil {
			return true
		}
	}
	return false
}

// Tool is a function that a model may ask for.
type Tool struct {
	Name        string
	Description string
	// Parameters is the JSON Schema of the arguments. Empty: no arguments.
	Parameters json.RawMessage
	// Strict asks the backend to hold the arguments to the schema. Nil: not said.
	Strict *bool
}

// ToolMode says whether a model must, may or may not ask for tools.
type ToolMode string

// The modes. The empty one is the backend's default.
const (
	ToolsUnset    ToolMode = ""
	ToolsAuto     ToolMode = "auto"
	ToolsNone     ToolMode = "none"
	ToolsRequired ToolMode = "required"
	ToolsNamed    ToolMode = "named"
)

// ToolChoice is a mode and, with ToolsNamed, the tool's name.
type ToolChoice struct {
	Mode ToolMode
	Name string
}

// FormatKind says what form an answer must have.
type FormatKind string

// The forms. The empty one is free text.
const (
	FormatUnset      FormatKind = ""
	FormatText       FormatKind = "text"
	FormatJSONObject FormatKind = "json_object"
	FormatJSONSchema FormatKind = "json_schema"
)

// Format is the form of an answer.
type Format struct {
	Kind        FormatKind
	Name        string
	Description string
	// Schema is a JSON Schema, with FormatJSONSchema.
	Schema json.RawMessage
	Strict *bool
}

// Document is a source that a request's answer should rest on. Prompts show documents to a model under
// their numbers, from 1 in the order of Request.Documents; the extractive provider reads them here.
type Document struct {
	// ID is the passage's id: what a citation refers to.
	ID string
	// Title and Heading say where the text stands.
	Title   string
	Heading []string
	// Text is the passage.
	Text string
}
