package orchestrator

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"strings"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator/chain"
	"fairlead/providers"
	"fairlead/retrieval"
)

// Run runs a chain.
func (e *Engine) Run(ctx context.Context, p auth.Principal, req RunRequest) iter.Seq2[Event, error] {
	st := e.state.Load()
	ch := st.chainFor(&p, req.Chain)
	if ch == nil {
		if p.Models != nil {
			return failed(fault.New(fault.NotFound, fault.ReasonUnknownChain, "there is no chain %q that this caller may run: %s", req.Chain, st.usable(&p)))
		}
		return failed(fault.New(fault.NotFound, fault.ReasonUnknownChain, "there is no chain %q: %s", req.Chain, known("chains", st.chains)))
	}
	return e.runChain(ctx, st, p, ch, req.Limits, req.Input, nil)
}

func (e *Engine) runChain(ctx context.Context, st *state, p auth.Principal, ch *chain.Chain, limits Limits, input map[string]any, history []providers.Message) iter.Seq2[Event, error] {
	values, err := ch.CheckInput(input)
	if err != nil {
		return failed(err)
	}
	r, err := e.newRun(st, p, limits, ch)
	if err != nil {
		return failed(err)
	}
	r.history = history
	stated, _ := values[localeInput].(string)
	r.locale = st.localeOf(stated, spoken(ch, values))
	r.outputSteps = ch.OutputSteps()
	return r.stream(ctx, func(ctx context.Context, emit emitter) (*RunFinished, error) {
		b := &branch{run: r, emit: emit, results: map[string]result{}, input: values, label: r.label}
		if err := b.steps(ctx, ch.Steps); err != nil {
			return nil, fault.At(ch.Name, err)
		}
		output, err := ch.Output.Render(b.scope())
		if err != nil {
			return nil, fault.At(ch.Name, fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadChain, "making the output: %s", err.Error()))
		}
		done := &RunFinished{Output: output, Label: b.labelOf(ch.Output)}
		for _, id := range r.outputSteps {
			done.Finish = cmp.Or(done.Finish, b.results[id].finish)
		}
		return done, nil
	})
}

// result is what a step made.
type result struct {
	values map[string]any
	label  label.Label
	finish providers.FinishReason
	// passages are those of a retrieve step.
	passages []retrieval.Passage
	query    string
}

// branch is a line of steps that run one after the other. Parallel steps run in branches of their own,
// which start from what their parent knows.
type branch struct {
	*run
	emit    emitter
	input   map[string]any
	results map[string]result
	// label is the run's, and rises with what classifiers find.
	label   label.Label
	classes classes
}

// scope is what templates and conditions see.
func (b *branch) scope() *chain.Scope {
	s := &chain.Scope{Input: b.input, Steps: make(map[string]map[string]any, len(b.results)), Run: map[string]any{
		"id": b.id, "chain": b.chain.Name, "version": float64(b.chain.Version),
		"label": b.label.String(), "tenant": b.principal.Tenant,
	}}
	if b.chain.UsesLocale {
		s.Run["locale"] = b.locale()
	}
	for id, res := range b.results {
		s.Steps[id] = res.values
	}
	left := b.origin().left()
	if left.Limited {
		s.Run["left_usd"] = left.Money.USD()
	}
	if !left.Deadline.IsZero() {
		s.Run["left_ms"] = float64(timeUntil(left.Deadline).Milliseconds())
	}
	return s
}

// labelOf gives the label of what is made from templates: the run's, joined with those of the steps whose
// results are used.
func (b *branch) labelOf(templates ...*chain.Template) label.Label {
	l := b.label
	for _, t := range templates {
		if t == nil {
			continue
		}
		for _, path := range t.Paths() {
			if rest, ok := strings.CutPrefix(path, "steps."); ok {
				id, _, _ := strings.Cut(rest, ".")
				l = label.Join(l, b.results[id].label)
			}
		}
	}
	return l
}

// fork gives a branch that starts from what b knows and keeps what it learns to itself.
func (b *branch) fork(emit emitter) *branch {
	return &branch{run: b.run, emit: emit, input: b.input, results: maps.Clone(b.results), label: b.label, classes: b.classes}
}

// learn takes over what a branch has found out about the run, also when the branch failed: its results are
// gone then, and the data is as sensitive as it is. nil has found nothing.
func (b *branch) learn(inner *branch) {
	if inner == nil {
		return
	}
	b.label = label.Join(b.label, inner.label)
	for id, found := range inner.classes {
		b.classes = b.classes.with(id, found)
	}
}
