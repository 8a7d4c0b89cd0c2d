package langchain

import (
	"context"
	"slices"

	"github.com/tmc/langchaingo/llms"

	"fairlead/providers"
)

// CallFunc calls a model: it routes, pays, streams to whoever listens, and gives the whole answer. The
// request is its own. It must be safe for concurrent use where a chain calls models side by side.
type CallFunc func(ctx context.Context, req *providers.Request) (*providers.Answer, error)

// Model is a routed model as langchaingo's chains and agents know one. It does not change and is safe for
// concurrent use when Do is.
type Model struct {
	// Do makes the calls.
	Do CallFunc
	// Base is what every request begins with: its messages come before those that a chain gives, and its
	// settings hold where a call's options are not set. llms.WithModel is not looked at: the router
	// decides.
	Base providers.Request
}

var _ llms.Model = (*Model)(nil)

// GenerateContent calls the model. Errors of Do are passed on as they are; what cannot be translated is a
// *providers.Error of KindUnsupported. A streaming function gets the whole text at once, at the end: live
// pieces go to whoever listens to Do.
func (m *Model) GenerateContent(ctx context.Context, messages []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	var o llms.CallOptions
	for _, option := range options {
		option(&o)
	}
	converted, err := toMessages(messages)
	if err != nil {
		return nil, err
	}
	req := m.Base
	req.Messages = slices.Concat(m.Base.Messages, converted)
	if err := apply(&req, &o); err != nil {
		return nil, err
	}
	answer, err := m.Do(ctx, &req)
	if err != nil {
		return nil, err
	}
	if o.StreamingFunc != nil && answer.Text != "" {
		if err := o.StreamingFunc(ctx, []byte(answer.Text)); err != nil {
			return nil, err
		}
	}
	return toResponse(answer), nil
}

// Call asks with one text and gives the answer's text.
func (m *Model) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, m, prompt, options...)
}
