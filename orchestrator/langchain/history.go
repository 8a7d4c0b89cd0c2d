package langchain

import (
	"context"
	"slices"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/schema"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/providers"
)

// Sessions keeps conversations. Errors are *fault.Error.
type Sessions interface {
	// SessionMessages gives the last messages of a conversation, at most limit, the oldest first. A
	// conversation that is not there has none.
	SessionMessages(ctx context.Context, tenant, session string, limit int) ([]providers.Message, error)
	// SessionAppend adds messages to the end of a conversation, all or none, and makes it if need be.
	SessionAppend(ctx context.Context, tenant, session string, label label.Label, messages []providers.Message) error
}

// DefaultWindow is how many turns a History gives when its Window is 0.
const DefaultWindow = 8

// messagesPerTurn is how many messages are read for a turn of the window: a question, an answer, and
// room for two rounds of tools.
const messagesPerTurn = 6

// History is one conversation as langchaingo knows one. It gives the last whole turns; a turn is a user's
// message and all that follows it up to the next. Turns that are not whole (a tool's result without its
// call, a call without its result, a question without an answer) and stored system messages are left
// out: a step has its own. It adds whole turns: what a user says is kept back until the model has
// answered. A History is for one run and not for concurrent use.
type History struct {
	Store   Sessions
	Tenant  string
	Session string
	// Label is that of what is added.
	Label label.Label
	// Window is how many turns to give. 0 is DefaultWindow.
	Window int

	pending []providers.Message
}

var _ schema.ChatMessageHistory = (*History)(nil)

// Turns gives the messages of the window.
func (h *History) Turns(ctx context.Context) ([]providers.Message, error) {
	window := h.Window
	if window <= 0 {
		window = DefaultWindow
	}
	stored, err := h.Store.SessionMessages(ctx, h.Tenant, h.Session, window*messagesPerTurn)
	if err != nil {
		return nil, err
	}
	return lastTurns(stored, window), nil
}

// lastTurns gives the last whole turns of a conversation.
func lastTurns(messages []providers.Message, window int) []providers.Message {
	var turns [][]providers.Message
	for _, m := range messages {
		switch {
		case m.Role == providers.System:
		case m.Role == providers.User:
			turns = append(turns, []providers.Message{m})
		case len(turns) > 0:
			last := len(turns) - 1
			turns[last] = append(turns[last], m)
		}
	}
	turns = slices.DeleteFunc(turns, func(turn []providers.Message) bool { return !whole(turn) })
	return slices.Concat(turns[max(len(turns)-window, 0):]...)
}

// whole says whether a turn ends with an answer and has each tool call followed by its result.
func whole(turn []providers.Message) bool {
	open := map[string]int{} // some backends give all their calls one id, or none
	waiting := 0
	for _, m := range turn {
		switch m.Role {
		case providers.Assistant:
			if waiting > 0 {
				return false
			}
			for _, call := range m.ToolCalls {
				open[call.ID]++
				waiting++
			}
		case providers.ToolRole:
			if open[m.ToolCallID] == 0 {
				return false
			}
			open[m.ToolCallID]--
			waiting--
		}
	}
	last := turn[len(turn)-1]
	return last.Role == providers.Assistant && len(last.ToolCalls) == 0
}

// message is one of our messages as langchaingo's: nothing of it is lost on the way through a memory.
type message struct{ providers.Message }

var _ llms.ChatMessage = message{}

// GetType gives the role.
func (m message) GetType() llms.ChatMessageType { return fromRole(m.Role) }

// GetContent gives the text.
func (m message) GetContent() string { return m.TextContent() }

// fromChatMessage gives a message of langchaingo's as ours.
func fromChatMessage(m llms.ChatMessage) (providers.Message, error) {
	if ours, ok := m.(message); ok {
		return ours.Message, nil
	}
	role, err := toRole(m.GetType())
	if err != nil {
		return providers.Message{}, err
	}
	out := providers.Text(role, m.GetContent())
	switch m := m.(type) {
	case llms.AIChatMessage:
		for _, call := range m.ToolCalls {
			if call.FunctionCall != nil {
				out.ToolCalls = append(out.ToolCalls, providers.ToolCall{ID: call.ID, Name: call.FunctionCall.Name, Arguments: call.FunctionCall.Arguments})
			}
		}
	case llms.ToolChatMessage:
		out.ToolCallID = m.ID
	case llms.Named:
		out.Name = m.GetName()
	}
	return out, nil
}

// Messages gives the messages of the window.
func (h *History) Messages(ctx context.Context) ([]llms.ChatMessage, error) {
	turns, err := h.Turns(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]llms.ChatMessage, len(turns))
	for i, m := range turns {
		out[i] = message{m}
	}
	return out, nil
}

// AddMessage adds a message. It is stored when its turn is whole.
func (h *History) AddMessage(ctx context.Context, m llms.ChatMessage) error {
	converted, err := fromChatMessage(m)
	if err != nil {
		return err
	}
	return h.Add(ctx, converted)
}

// Add adds messages. They are stored when their turn is whole.
func (h *History) Add(ctx context.Context, messages ...providers.Message) error {
	for _, m := range messages {
		if m.Role == providers.User {
			h.pending = nil
		}
		h.pending = append(h.pending, m)
		if h.pending[0].Role != providers.User || !whole(h.pending) {
			continue
		}
		turn := h.pending
		h.pending = nil
		if err := h.Store.SessionAppend(ctx, h.Tenant, h.Session, h.Label, turn); err != nil {
			return err
		}
	}
	return nil
}

// AddUserMessage adds what the user says. It is stored with the answer.
func (h *History) AddUserMessage(ctx context.Context, text string) error {
	return h.Add(ctx, providers.Text(providers.User, text))
}

// AddAIMessage adds what the model says, and stores the turn.
func (h *History) AddAIMessage(ctx context.Context, text string) error {
	return h.Add(ctx, providers.Text(providers.Assistant, text))
}

// Clear is refused: a step does not delete a conversation.
func (h *History) Clear(context.Context) error {
	return fault.New(fault.Unimplemented, fault.ReasonUnsupported, "clearing a conversation from a chain: delete the session instead")
}

// SetMessages accepts the end of what is there, by which langchaingo's window memories forget: the window
// is made when reading, and the store keeps everything. Anything else is refused.
func (h *History) SetMessages(ctx context.Context, messages []llms.ChatMessage) error {
	current, err := h.Messages(ctx)
	if err != nil {
		return err
	}
	same := func(a, b llms.ChatMessage) bool {
		return a.GetType() == b.GetType() && a.GetContent() == b.GetContent()
	}
	if len(messages) > len(current) || !slices.EqualFunc(messages, current[len(current)-len(messages):], same) {
		return fault.New(fault.Unimplemented, fault.ReasonUnsupported, "rewriting a conversation from a chain: only turns can be added")
	}
	return nil
}
