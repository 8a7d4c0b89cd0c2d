package providers

import "encoding/json"

// Request is one call for an answer. Optional settings are pointers: what is nil is not sent.
type Request struct {
	// Model is the model as the backend calls it.
	Model    string
	Messages []Message
	// Query is the question in the caller's own words, for providers that answer from Documents. Empty:
	// the last user message.
	Query string
	// Documents are the sources, when there are any. They are already part of Messages. Nil: none were looked
	// for; empty: none were found.
	Documents []Document

	Tools      []Tool
	ToolChoice ToolChoice
	// ParallelToolCalls allows several tool calls in one answer. Nil: not said.
	ParallelToolCalls *bool
	Format            Format

	MaxTokens   *int
	Temperature *float64
	TopP        *float64
	Stop        []string
	Seed        *int64

	// Extra holds fields of the OpenAI dialect that this vocabulary does not know, by name. Adapters of
	// that dialect send them as they are; others leave them out.
	Extra map[string]json.RawMessage
}

// Question gives Query, or else the text of the last user message.
func (r *Request) Question() string {
	if r.Query != "" {
		return r.Query
	}
	for i := len(r.Messages) - 1; i >= 0; i-- {
		if r.Messages[i].Role == User {
			return r.Messages[i].TextContent()
		}
	}
	return ""
}

// Needs gives what the request demands of a target, chat included.
func (r *Request) Needs() Capability {
	needs := Chat
	if len(r.Tools) > 0 && r.ToolChoice.Mode != ToolsNone {
		needs |= Tools
	}
	if r.Format.Kind == FormatJSONObject || r.Format.Kind == FormatJSONSchema {
		needs |= JSON
	}
	for _, m := range r.Messages {
		if m.HasImage() {
			needs |= Vision
			break
		}
	}
	return needs
}

// Images gives the number of pictures in the messages.
func (r *Request) Images() (n int) {
	for _, m := range r.Messages {
		for _, p := range m.Parts {
			if p.Image != nil {
				n++
			}
		}
	}
	return n
}

// EstimatePromptTokens gives a rough count of the tokens of the request's prompt, for checks that need
// one before the call: one token for 3.5 bytes of text, 4 for each message, 800 for a picture. It is
// meant to err upward for English and source code; it is not a bill.
func (r *Request) EstimatePromptTokens() int {
	size, extra := 0, 0
	for _, m := range r.Messages {
		extra += 4
		for _, p := range m.Parts {
			if p.Image != nil {
				extra += 800
			} else {
				size += len(p.Text)
			}
		}
		for _, c := range m.ToolCalls {
			size += len(c.Name) + len(c.Arguments)
		}
	}
	for _, t := range r.Tools {
		size += len(t.Name) + len(t.Description) + len(t.Parameters)
	}
	return EstimateTokens(size) + extra + EstimateTokens(len(r.Format.Schema))
}

// EstimateTokens gives a rough count of the tokens in a text of so many bytes.
func EstimateTokens(bytes int) int { return (bytes*2 + 6) / 7 }

// EmbedRequest asks for one vector for each text.
type EmbedRequest struct {
	Model string
	Texts []string
	// Dimensions asks for shorter vectors, where a backend can. 0: as they come.
	Dimensions int
}

// Embeddings answers an EmbedRequest.
type Embeddings struct {
	// Vectors has one vector for each text, in the order of the request, all of one length.
	Vectors [][]float32
	// Model and Version are what the backend says it used.
	Model, Version string
	Usage          Usage
}

// ClassifyRequest asks for the class of each text, or of each image: one of the two, never both.
type ClassifyRequest struct {
	Model string
	// Version names a version of the model, by number or by label. Empty: the backend's default.
	Version string
	Texts   []string
	// Images are whole files, such as JPEG or PNG, for classifiers that look at pictures.
	Images [][]byte
}

// Class is a class with its probability.
type Class struct {
	Name        string
	Probability float64
}

// Classification answers a ClassifyRequest: for each text or image the classes, the most probable first.
type Classification struct {
	Classes [][]Class
	// Model and Version are what the backend says it used.
	Model, Version string
	Usage          Usage
}
