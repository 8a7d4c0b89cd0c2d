package prompts

import (
	"slices"
	"strings"

	"fairlead/internal/fault"
)

// Input is a value that a prompt takes.
type Input struct {
	Name        string
	Description string
	// Optional: left out, it renders as nothing.
	Optional bool
}

// Prompt is one variant of one version of a prompt. It does not change after it was read.
type Prompt struct {
	Name    string
	Version int
	// Locale is the variant's language tag. Empty: the default variant.
	Locale      string
	Description string
	// Digest is the SHA-256 of the file with its line ends as "\n", in hex: a run records what it said.
	Digest string
	// File is where it was read from, for messages.
	File string

	inputs       []Input
	system, user *Template
}

// Rendered is a prompt with its values in place.
type Rendered struct {
	// System is empty when the prompt has no such part.
	System string
	User   string
}

// Inputs gives the values that the prompt takes, by name.
func (p *Prompt) Inputs() []Input { return slices.Clone(p.inputs) }

// System gives the system part's template. Nil: the prompt has none.
func (p *Prompt) System() *Template { return p.system }

// User gives the user part's template.
func (p *Prompt) User() *Template { return p.user }

// Render puts the values into the prompt. It is strict: a value for an input that the prompt does not
// have and a missing value for one that is not optional are fault.InvalidArgument errors with
// fault.ReasonBadPrompt, which name the inputs and never hold a value. An empty text is a value.
func (p *Prompt) Render(values map[string]string) (Rendered, error) {
	if err := p.check(values); err != nil {
		return Rendered{}, err
	}
	value := func(path string) (string, error) { return values[path], nil }
	var r Rendered
	var err error
	if p.system != nil {
		if r.System, err = p.system.Render(value); err != nil {
			return Rendered{}, err
		}
	}
	if r.User, err = p.user.Render(value); err != nil {
		return Rendered{}, err
	}
	return r, nil
}

func (p *Prompt) check(values map[string]string) error {
	var missing, unknown []string
	for _, in := range p.inputs {
		if _, ok := values[in.Name]; !ok && !in.Optional {
			missing = append(missing, in.Name)
		}
	}
	for name := range values {
		if !slices.ContainsFunc(p.inputs, func(in Input) bool { return in.Name == name }) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	var what []string
	if len(missing) > 0 {
		what = append(what, "it needs "+strings.Join(missing, ", "))
	}
	if len(unknown) > 0 {
		what = append(what, "it has no "+strings.Join(unknown, ", "))
	}
	if what == nil {
		return nil
	}
	return fault.New(fault.InvalidArgument, fault.ReasonBadPrompt, "rendering prompt %s@%d: %s (its inputs: %s)",
		p.Name, p.Version, strings.Join(what, "; "), inputNames(p.inputs))
}

func inputNames(inputs []Input) string {
	if len(inputs) == 0 {
		return "none"
	}
	names := make([]string, len(inputs))
	for i, in := range inputs {
		names[i] = in.Name
		if in.Optional {
			names[i] += "?"
		}
	}
	return strings.Join(names, ", ")
}
