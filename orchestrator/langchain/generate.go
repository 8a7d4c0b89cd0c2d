package langchain

import (
	"context"
	"slices"

	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/schema"

	"fairlead/internal/fault"
	"fairlead/providers"
)

// GenerateArgs is one generate step.
type GenerateArgs struct {
	// Call makes the model call.
	Call CallFunc
	// Request is what to ask: system messages first, the step's own message last.
	Request providers.Request
	// History is the remembered conversation. Nil: none. Its turns come after the system messages.
	History *History
	// Remember is what to remember as the user's words, when it is not the last message: a prompt with its
	// documents is not worth remembering, the question is. Empty: the last message.
	Remember string
}

// The keys of the chain's values.
const (
	inputKey   = "input"
	historyKey = "history"
	outputKey  = "text"
)

// Generate runs an LLMChain on the request and gives the model's whole answer, with its tool calls,
// citations and usage. Errors of Call and of the history's store are passed on as they are. When the
// model has answered and only remembering failed, it gives both the answer and the error.
func Generate(ctx context.Context, args GenerateArgs) (*providers.Answer, error) {
	n := len(args.Request.Messages)
	if n == 0 {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "generating: there is no message")
	}
	t := &turn{args: args, last: args.Request.Messages[n-1]}
	t.input = slices.IndexFunc(t.last.Parts, func(p providers.Part) bool { return p.Image == nil })
	text := ""
	if t.input >= 0 {
		text = t.last.Parts[t.input].Text
	}
	chain := chains.NewLLMChain(t, prompt{[]string{inputKey}, t.format})
	chain.OutputParser, chain.OutputKey = verbatim{}, outputKey
	if args.History != nil {
		chain.Memory = &turnMemory{memory.NewConversationBuffer(
			memory.WithChatHistory(args.History), memory.WithReturnMessages(true),
			memory.WithMemoryKey(historyKey), memory.WithInputKey(inputKey), memory.WithOutputKey(outputKey)), t}
	}
	_, err := chains.Call(ctx, chain, map[string]any{inputKey: text})
	return t.answer, err
}

// turn is the model of one LLMChain: the request rides in it, so that roles, pictures and tool calls do
// not go through the chain's one text. It is used for one call.
type turn struct {
	args GenerateArgs
	// last is the last message, and input the place of the part whose text goes through the chain, or -1.
	last    providers.Message
	input   int
	history []providers.Message
	answer  *providers.Answer
}

var _ llms.Model = (*turn)(nil)

// format is the chain's prompt: the text as it is. On the way it takes what the memory gave.
func (t *turn) format(values map[string]any) (string, error) {
	remembered, _ := values[historyKey].([]llms.ChatMessage)
	t.history = make([]providers.Message, 0, len(remembered))
	for _, m := range remembered {
		converted, err := fromChatMessage(m)
		if err != nil {
			return "", err
		}
		t.history = append(t.history, converted)
	}
	text, _ := values[inputKey].(string)
	return text, nil
}

// GenerateContent puts the chain's text into the request and calls the model.
func (t *turn) GenerateContent(ctx context.Context, contents []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	given, err := toMessages(contents)
	if err != nil {
		return nil, err
	}
	messages := t.args.Request.Messages
	own := slices.IndexFunc(messages, func(m providers.Message) bool { return m.Role != providers.System })
	if own < 0 {
		own = len(messages) - 1
	}
	last := t.last
	last.Parts = slices.Clone(last.Parts)
	if t.input >= 0 && len(given) == 1 {
		last.Parts[t.input].Text = given[0].TextContent()
	}
	model := Model{Base: t.args.Request, Do: func(ctx context.Context, req *providers.Request) (*providers.Answer, error) {
		answer, err := t.args.Call(ctx, req)
		if err == nil {
			t.answer = answer
		}
		return answer, err
	}}
	model.Base.Messages = slices.Concat(messages[:own], t.history, messages[own:len(messages)-1], []providers.Message{last})
	return model.GenerateContent(ctx, nil, options...)
}

// Call is part of llms.Model.
func (t *turn) Call(ctx context.Context, text string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, t, text, options...)
}

// turnMemory is langchaingo's buffer, which saves the turn as it was and not as two texts.
type turnMemory struct {
	*memory.ConversationBuffer
	turn *turn
}

var _ schema.Memory = (*turnMemory)(nil)

// SaveContext adds the turn to the history. An answer without text, or one that asks for tools, is not
// whole and is not added.
func (m *turnMemory) SaveContext(ctx context.Context, _, _ map[string]any) error {
	t := m.turn
	if t.answer == nil || t.answer.Text == "" || len(t.answer.ToolCalls) > 0 {
		return nil
	}
	said := []providers.Message{t.last}
	messages := t.args.Request.Messages
	switch asked := lastUser(messages); {
	case t.args.Remember != "":
		said = []providers.Message{providers.Text(providers.User, t.args.Remember)}
	case t.last.Role != providers.User && asked >= 0:
		// The answer rests on the results of tools: the turn began with the question before them.
		said = messages[asked:]
	}
	return t.args.History.Add(ctx, append(slices.Clone(said), providers.Text(providers.Assistant, t.answer.Text))...)
}

// lastUser gives the place of the last message of the user, or -1.
func lastUser(messages []providers.Message) int {
	for i, m := range slices.Backward(messages) {
		if m.Role == providers.User {
			return i
		}
	}
	return -1
}
