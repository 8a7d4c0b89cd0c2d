package orchestrator

import (
	"context"
	"encoding/json"
	"slices"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator/chain"
	"fairlead/providers"
	"fairlead/retrieval"
)

func (b *branch) doGenerate(ctx context.Context, s *chain.Step, path string, emit emitter) (result, *StepFinished, error) {
	g := s.Generate
	c, err := b.ask(s, path)
	if err != nil {
		return result{}, nil, err
	}
	var a *answer
	if g.Session {
		a, err = b.converse(ctx, c, b.history, emit)
	} else {
		a, err = b.generate(ctx, c, emit)
	}
	if err != nil {
		return result{}, nil, err
	}
	res := result{values: a.result(true), label: c.label, finish: a.Finish}
	if g.Format.Kind == providers.FormatJSONObject || g.Format.Kind == providers.FormatJSONSchema {
		var value any
		if err := json.Unmarshal([]byte(a.Text), &value); err != nil {
			return result{}, nil, fault.Wrap(err, fault.Unavailable, fault.ReasonUpstreamProtocol,
				"target %s was asked for JSON and its answer (finish %q) is not", a.target.Name, a.Finish)
		}
		res.values["json"] = value
	}
	return res, a.finished(b.run, c.label), nil
}

// ask makes the call of a generate step.
func (b *branch) ask(s *chain.Step, path string) (*call, error) {
	g := s.Generate
	scope := b.scope()
	l := label.Join(b.label, s.Label)
	req := &providers.Request{
		MaxTokens: g.MaxTokens, Temperature: g.Temperature, TopP: g.TopP, Seed: g.Seed, Stop: g.Stop, Format: g.Format,
	}
	var passages []retrieval.Passage
	shown := ""
	if g.Documents != "" {
		from := b.results[g.Documents]
		passages, req.Query = from.passages, from.query
		l = label.Join(l, from.label)
		req.Documents, shown = documents(passages)
	}
	if g.Query != nil {
		query, err := g.Query.Render(scope)
		if err != nil {
			return nil, err
		}
		req.Query = query
		l = label.Join(l, b.labelOf(g.Query))
	}
	messages, used, err := b.prompt(g, scope, shown)
	if err != nil {
		return nil, err
	}
	req.Messages = messages
	policy, err := b.policyFor(s.Policy, s.Target)
	if err != nil {
		return nil, err
	}
	return &call{path: path, req: req, policy: policy, label: label.Join(l, b.labelOf(used...)), passages: passages, classes: b.classes, output: slices.Contains(b.outputSteps, s.ID)}, nil
}

// prompt makes the messages of a generate step, and gives the templates that were used.
func (b *branch) prompt(g *chain.Generate, scope *chain.Scope, shown string) ([]providers.Message, []*chain.Template, error) {
	var system, user string
	var used []*chain.Template
	render := func(t *chain.Template) (string, error) {
		if t == nil {
			return "", nil
		}
		used = append(used, t)
		return t.Render(scope)
	}
	var err error
	if g.Prompt == "" {
		if system, err = render(g.System); err == nil {
			user, err = render(g.User)
		}
		if err == nil && shown != "" {
			user = shown + "\n" + user
		}
	} else {
		values := map[string]string{}
		for name, t := range g.With {
			if values[name], err = render(t); err != nil {
				return nil, nil, err
			}
		}
		locale, lerr := render(g.Locale)
		if lerr != nil {
			return nil, nil, lerr
		}
		p, perr := b.st.prompts.Get(g.Prompt, g.PromptVersion, locale)
		if perr != nil {
			return nil, nil, perr
		}
		if g.Documents != "" {
			values[chain.DocumentsInput] = shown
		}
		r, rerr := p.Render(values)
		system, user, err = r.System, r.User, rerr
	}
	if err != nil {
		return nil, nil, err
	}
	var messages []providers.Message
	if system != "" {
		messages = append(messages, providers.Text(providers.System, system))
	}
	return append(messages, providers.Text(providers.User, user)), used, nil
}
