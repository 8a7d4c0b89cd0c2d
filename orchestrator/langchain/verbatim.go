package langchain

import (
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/prompts"
	"github.com/tmc/langchaingo/schema"
)

// prompt is a prompt for a chain that is no template: a function of the chain's values.
type prompt struct {
	variables []string
	format    func(values map[string]any) (string, error)
}

var _ prompts.FormatPrompter = prompt{}

// FormatPrompt gives what the function makes of the values.
func (p prompt) FormatPrompt(values map[string]any) (llms.PromptValue, error) {
	text, err := p.format(values)
	if err != nil {
		return nil, err
	}
	return prompts.StringPromptValue(text), nil
}

// GetInputVariables gives the names of the values that the prompt needs.
func (p prompt) GetInputVariables() []string { return p.variables }

// verbatim is an output parser that leaves the text as it is.
type verbatim struct{}

var _ schema.OutputParser[any] = verbatim{}

func (verbatim) Parse(text string) (any, error)                               { return text, nil }
func (verbatim) ParseWithPrompt(text string, _ llms.PromptValue) (any, error) { return text, nil }
func (verbatim) GetFormatInstructions() string                                { return "" }
func (verbatim) Type() string                                                 { return "verbatim" }
