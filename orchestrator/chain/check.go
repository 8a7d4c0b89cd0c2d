package chain

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"fairlead/internal/fault"
)

// PromptInput is a value that a prompt takes.
type PromptInput struct {
	Name     string
	Optional bool
}

// DocumentsInput is the prompt input that a generate step's documents fill: with does not give it.
const DocumentsInput = "documents"

// Refs is the world that a chain refers to. A nil function checks nothing.
type Refs struct {
	// Prompt gives the inputs of a prompt's version. Its error says what there is instead.
	Prompt func(name string, version int) ([]PromptInput, error)
	// Policy and Target say whether there is one of that name.
	Policy func(name string) bool
	Target func(name string) bool
	// Classifies says whether the target of that name tells the class of texts.
	Classifies func(name string) bool
	// Predicts says whether the target of that name runs a model over tensors.
	Predicts func(name string) bool
	// Collection says whether there is one of that name now, for any tenant.
	Collection func(name string) bool
}

// Check checks what a chain refers to outside itself. The error is a *fault.Error (fault.InvalidArgument,
// fault.ReasonBadChain) that lists all that is wrong, each on a line that begins with "file:line:column: "
// of the step. Warnings have the same form and are about what may be made later, such as a collection.
func (c *Chain) Check(refs Refs) (warnings []string, err error) {
	var wrong []string
	for _, s := range c.All() {
		at := fmt.Sprintf("%s:%d:%d: step %s: ", c.File, s.Line, s.Column, s.ID)
		fail := func(format string, args ...any) { wrong = append(wrong, at+fmt.Sprintf(format, args...)) }
		if s.Policy != "" && refs.Policy != nil && !refs.Policy(s.Policy) {
			fail("there is no policy %q", s.Policy)
		}
		if s.Target != "" && refs.Target != nil && !refs.Target(s.Target) {
			fail("there is no target %q", s.Target)
		} else if s.Classify != nil && refs.Classifies != nil && !refs.Classifies(s.Target) {
			fail("target %s does not classify", s.Target)
		} else if s.Predict != nil && refs.Predicts != nil && !refs.Predicts(s.Target) {
			fail("target %s does not predict: it is on no server of models over tensors", s.Target)
		}
		if s.Generate != nil && s.Generate.Prompt != "" && refs.Prompt != nil {
			inputs, err := refs.Prompt(s.Generate.Prompt, s.Generate.PromptVersion)
			if err != nil {
				fail("%s", fault.From(err).Text)
			} else if text := s.Generate.match(inputs); text != "" {
				fail("%s", text)
			} else if s.Generate.Documents != "" && !slices.ContainsFunc(inputs, isDocuments) {
				warnings = append(warnings, at+fmt.Sprintf("prompt %s@%d takes no %s: a model will not see them",
					s.Generate.Prompt, s.Generate.PromptVersion, DocumentsInput))
			}
		}
		if s.Retrieve != nil && refs.Collection != nil && len(s.Retrieve.Collection.Paths()) == 0 {
			if name, err := s.Retrieve.Collection.Render(&Scope{}); err == nil && !refs.Collection(name) {
				warnings = append(warnings, at+fmt.Sprintf("there is no collection %q yet", name))
			}
		}
	}
	if wrong != nil {
		err = fault.New(fault.InvalidArgument, fault.ReasonBadChain, "checking chain %s:\n%s", c.Name, strings.Join(wrong, "\n"))
	}
	return warnings, err
}

func isDocuments(in PromptInput) bool { return in.Name == DocumentsInput }

// match says how what a step gives differs from what its prompt takes, or "".
func (g *Generate) match(inputs []PromptInput) string {
	var missing, unknown, names []string
	for _, in := range inputs {
		names = append(names, in.Name)
		_, given := g.With[in.Name]
		switch {
		case isDocuments(in) && g.Documents != "":
			if given {
				return "documents come from the retrieve step: with may not give them too"
			}
		case !given && !in.Optional:
			missing = append(missing, in.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(g.With)) {
		if !slices.Contains(names, name) {
			unknown = append(unknown, fmt.Sprintf("%q%s", name, suggest(name, names)))
		}
	}
	prompt := fmt.Sprintf("prompt %s@%d", g.Prompt, g.PromptVersion)
	switch {
	case missing != nil && unknown != nil:
		return fmt.Sprintf("%s needs %s; it has no %s", prompt, strings.Join(missing, ", "), strings.Join(unknown, ", "))
	case missing != nil:
		return fmt.Sprintf("%s needs %s: give it in with", prompt, strings.Join(missing, ", "))
	case unknown != nil:
		return fmt.Sprintf("%s has no input %s", prompt, strings.Join(unknown, ", "))
	}
	return ""
}
