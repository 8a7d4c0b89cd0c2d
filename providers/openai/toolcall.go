package openai

import (
	"crypto/rand"

	"fairlead/providers"
)

// callDelta is a piece of a tool call on the wire.
type callDelta struct {
	Index    *int   `json:"index"`
	ID       string `json:"id"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// call is a tool call as far as it has come.
type call struct {
	// index is its number on the wire, which is a key and no place: some servers count from 1. -1: the
	// server gives none.
	index int
	id    string
	// name is empty until it has come; held are the arguments that came before it.
	name, held string
}

// calls are the tool calls of an answer, in the order in which they began.
type calls []call

// add gives a piece as the vocabulary has it: id and name once, in the call's first piece, however often
// the server repeats them. It says what is wrong with the piece otherwise.
func (c *calls) add(d *callDelta) (out providers.ToolCallDelta, problem string) {
	if d.Index != nil && (*d.Index < 0 || *d.Index >= providers.MaxToolCalls) {
		return out, "a tool call has a number that none may have"
	}
	at := c.find(d)
	if at < 0 {
		if len(*c) >= providers.MaxToolCalls {
			return out, "it asked for more tool calls than an answer may hold"
		}
		at = len(*c)
		*c = append(*c, call{index: -1, id: d.ID})
		if d.Index != nil {
			(*c)[at].index = *d.Index
		}
	}
	have := &(*c)[at]
	name := d.Function.Name
	if have.name != "" {
		// another id alone is a server that makes a new one for each piece
		if name != "" && (name != have.name || (d.ID != "" && d.ID != have.id)) {
			return out, "two tool calls share one number"
		}
		if d.Function.Arguments == "" {
			return out, ""
		}
		return providers.ToolCallDelta{Index: at, Arguments: d.Function.Arguments}, ""
	}
	if have.id == "" {
		have.id = d.ID
	}
	if name == "" {
		if have.held += d.Function.Arguments; len(have.held) > providers.MaxFrame {
			return out, "a tool call has no name"
		}
		return out, ""
	}
	if have.id == "" {
		have.id = "call_" + rand.Text() // results refer to calls by id, so every call has one
	}
	out = providers.ToolCallDelta{Index: at, ID: have.id, Name: name, Arguments: have.held + d.Function.Arguments}
	have.name, have.held = name, ""
	return out, ""
}

// find gives the place of the call that a piece belongs to, or -1 for a new one.
func (c calls) find(d *callDelta) int {
	for i := range c {
		switch {
		case d.Index != nil && c[i].index == *d.Index:
			return i
		case d.Index == nil && d.ID != "" && c[i].id == d.ID:
			return i
		}
	}
	if d.Index == nil && d.ID == "" && d.Function.Name == "" {
		return len(c) - 1
	}
	return -1
}

// check says what is wrong with the calls of a whole answer.
func (c calls) check() string {
	for i := range c {
		if c[i].name == "" {
			return "a tool call has no name"
		}
	}
	return ""
}
