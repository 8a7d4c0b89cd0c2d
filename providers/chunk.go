package providers

import "strings"

// FinishReason says why a model stopped.
type FinishReason string

// The reasons. The empty one means that it has not.
const (
	FinishUnset         FinishReason = ""
	FinishStop          FinishReason = "stop"
	FinishLength        FinishReason = "length"
	FinishToolCalls     FinishReason = "tool_calls"
	FinishContentFilter FinishReason = "content_filter"
)

// Usage counts what a call took, in tokens.
type Usage struct {
	// Input is what was read, cached tokens included.
	Input int64
	// CachedInput is the part of Input that the backend had cached.
	CachedInput int64
	// Output is what was written, reasoning included.
	Output int64
	// Reasoning is the part of Output that was reasoning.
	Reasoning int64
	// Estimated is true when the backend reported nothing and the counts are ours.
	Estimated bool
}

// Add gives the sum of two usages; it is estimated when either is.
func (u Usage) Add(v Usage) Usage {
	return Usage{
		Input:       u.Input + v.Input,
		CachedInput: u.CachedInput + v.CachedInput,
		Output:      u.Output + v.Output,
		Reasoning:   u.Reasoning + v.Reasoning,
		Estimated:   u.Estimated || v.Estimated,
	}
}

// ToolCallDelta is a piece of a tool call. Pieces belong together by Index, never by their order: calls
// may be interleaved.
type ToolCallDelta struct {
	// Index is the call's place in the answer, from 0.
	Index int
	// ID and Name come once, in the call's first piece.
	ID   string
	Name string
	// Arguments is a piece of the arguments.
	Arguments string
}

// Citation ties a number in the answer's text to a document of the request, with the exact words, when
// a provider knows them. Answers of other providers cite by "[1]" alone.
type Citation struct {
	// Document is the place in Request.Documents, from 0. The mark in the text is one more.
	Document int
	// Start and End are the quote's bytes within the document's Text.
	Start, End int
}

// Chunk is a piece of a streamed answer. Any of its fields may be empty.
type Chunk struct {
	Text      string
	Reasoning string
	ToolCalls []ToolCallDelta
	Citation  *Citation
	// Usage comes at most once, at the end.
	Usage *Usage
	// Finish is set once, on the last chunk that carries content or after it.
	Finish FinishReason
	// Model is what the backend says it used, on any chunk.
	Model string
}

// Answer is a whole answer: a collected stream.
type Answer struct {
	Text      string
	Reasoning string
	ToolCalls []ToolCall
	Citations []Citation
	// Usage is nil when the backend reported none.
	Usage  *Usage
	Finish FinishReason
	Model  string
}

// Collect reads a stream to its end. On an error it gives what had come so far with the error: the
// answer is then partial and must not be taken for a whole one.
func Collect(stream func(yield func(Chunk, error) bool)) (*Answer, error) {
	var c Collector
	for chunk, err := range stream {
		if err != nil {
			return c.Answer(), err
		}
		c.Add(chunk)
	}
	return c.Answer(), nil
}

// Collector joins chunks into an answer. Its zero value is ready.
type Collector struct {
	text, reasoning strings.Builder
	calls           []ToolCall
	arguments       []*strings.Builder
	answer          Answer
}

// Add takes the next chunk.
func (c *Collector) Add(chunk Chunk) {
	c.text.WriteString(chunk.Text)
	c.reasoning.WriteString(chunk.Reasoning)
	for _, d := range chunk.ToolCalls {
		if d.Index < 0 || d.Index >= MaxToolCalls {
			continue // an adapter reports such an index as an error
		}
		for d.Index >= len(c.calls) {
			c.calls = append(c.calls, ToolCall{})
			c.arguments = append(c.arguments, &strings.Builder{})
		}
		call := &c.calls[d.Index]
		if d.ID != "" {
			call.ID = d.ID
		}
		if d.Name != "" {
			call.Name = d.Name
		}
		c.arguments[d.Index].WriteString(d.Arguments)
	}
	if chunk.Citation != nil {
		c.answer.Citations = append(c.answer.Citations, *chunk.Citation)
	}
	if chunk.Usage != nil {
		u := *chunk.Usage
		c.answer.Usage = &u
	}
	if chunk.Finish != FinishUnset {
		c.answer.Finish = chunk.Finish
	}
	if chunk.Model != "" {
		c.answer.Model = chunk.Model
	}
}

// Len gives how many bytes of text, reasoning and arguments have come.
func (c *Collector) Len() int {
	n := c.text.Len() + c.reasoning.Len()
	for _, a := range c.arguments {
		n += a.Len()
	}
	return n
}

// Answer gives what has come so far.
func (c *Collector) Answer() *Answer {
	a := c.answer
	a.Text, a.Reasoning = c.text.String(), c.reasoning.String()
	if len(c.calls) > 0 {
		a.ToolCalls = make([]ToolCall, len(c.calls))
		for i, call := range c.calls {
			call.Arguments = c.arguments[i].String()
			a.ToolCalls[i] = call
		}
	}
	return &a
}

// Limits that adapters hold a stream to: a backend that goes beyond them is broken or hostile.
const (
	// MaxToolCalls is the most tool calls in one answer.
	MaxToolCalls = 128
	// MaxFrame is the most bytes in one frame of a stream.
	MaxFrame = 4 << 20
	// MaxAnswer is the most bytes in one answer.
	MaxAnswer = 32 << 20
)
