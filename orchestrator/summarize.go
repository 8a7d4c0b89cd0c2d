package orchestrator

import (
	"context"
	"slices"
	"strconv"
	"sync/atomic"

	"fairlead/internal/label"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/langchain"
	"fairlead/prompts"
	"fairlead/providers"
)

// doSummarize makes one text of several. Each call is routed, paid and explained by itself; the last one,
// whose text is the summary, is streamed.
func (b *branch) doSummarize(ctx context.Context, s *chain.Step, path string, emit emitter) (result, *StepFinished, error) {
	// Calls of langchaingo's goroutines may outlive a failure, and the step's own view of the run does not.
	own := *b
	b = &own
	z := s.Summarize
	args := langchain.SummarizeArgs{Method: string(z.Method), Request: providers.Request{MaxTokens: z.MaxTokens, Temperature: z.Temperature}}
	l := label.Join(s.Label, b.labelOf(z.Text, z.Instruction))
	scope := b.scope()
	if z.Documents != "" {
		from := b.results[z.Documents]
		l = label.Join(l, from.label)
		args.Documents, _ = documents(from.passages)
	} else {
		text, err := z.Text.Render(scope)
		if err != nil {
			return result{}, nil, err
		}
		args.Documents = []providers.Document{{Text: text}}
	}
	instruction := ""
	if z.Instruction != nil {
		var err error
		if instruction, err = z.Instruction.Render(scope); err != nil {
			return result{}, nil, err
		}
	}
	locale, _ := b.input["locale"].(string)
	args.Render = func(name string, values map[string]string) (string, string, error) {
		p, err := b.st.prompts.Get(name, 1, locale)
		if err != nil {
			return "", "", err
		}
		for name, text := range values {
			values[name] = prompts.Fence(text)
		}
		values["instruction"] = instruction
		r, err := p.Render(values)
		return r.System, r.User, err
	}
	policy, err := b.policyFor(s.Policy, s.Target)
	if err != nil {
		return result{}, nil, err
	}
	var calls atomic.Int64
	var text string
	var last *answer
	err = apart(ctx, emit, func(ctx context.Context, emit emitter) (err error) {
		ask := func(ctx context.Context, req *providers.Request, c *call) (*answer, error) {
			c.req, c.policy, c.label, c.classes = req, policy, l, b.classes
			return b.generate(ctx, c, emit)
		}
		args.Call = func(ctx context.Context, req *providers.Request) (*providers.Answer, error) {
			part := path + "/" + strconv.FormatInt(calls.Add(1), 10)
			a, err := ask(ctx, req, &call{path: part, silent: true})
			if err != nil {
				return nil, err
			}
			return a.Answer, nil
		}
		args.Final = func(ctx context.Context, req *providers.Request) (*providers.Answer, error) {
			calls.Add(1)
			a, err := ask(ctx, req, &call{path: path, output: slices.Contains(b.outputSteps, s.ID)})
			if err != nil {
				return nil, err
			}
			last = a
			return a.Answer, nil
		}
		text, err = langchain.Summarize(ctx, args)
		return err
	})
	if err != nil {
		return result{}, nil, err
	}
	values := map[string]any{"text": text, "method": string(z.Method), "documents": float64(len(args.Documents)), "calls": float64(calls.Load())}
	record := map[string]any{"bytes": float64(len(text)), "method": string(z.Method), "calls": float64(calls.Load())}
	return result{label: l, values: values, finish: last.Finish}, &StepFinished{Result: record}, nil
}
