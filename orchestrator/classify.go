package orchestrator

import (
	"cmp"
	"context"
	"slices"

	"fairlead/internal/label"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// shownClasses is how many classes a step's record shows.
const shownClasses = 10

// doClassify tells the class of a text. Where classes stand for labels, the run's label rises by what was
// found, and also when nothing was found: what could not be classified is not let through as harmless.
func (b *branch) doClassify(ctx context.Context, s *chain.Step, path string, emit emitter) (result, *StepFinished, error) {
	l := label.Join(s.Label, b.labelOf(s.Classify.Text))
	found := routing.Class{Label: chain.Unknown}
	defer func() {
		b.label = label.Join(b.label, s.Classify.LabelOf(found.Label))
		b.classes = b.classes.with(s.ID, found)
	}()
	text, err := s.Classify.Text.Render(b.scope())
	if err != nil {
		return result{}, nil, err
	}
	t, err := b.st.classifierTarget(s.Target)
	if err != nil {
		return result{}, nil, err
	}
	var policy *routing.Policy // the default policy is for answers
	if s.Policy != "" {
		if policy, err = b.policyFor(s.Policy, t.Name); err != nil {
			return result{}, nil, err
		}
	}
	classes, err := b.classify(ctx, &errand{path: path, target: t, policy: policy, label: l, classes: b.classes, emit: emit}, text)
	if err != nil {
		return result{}, nil, err
	}
	found = routing.Class{Label: classes[0].Name, Probability: classes[0].Probability}
	unknown := found.Label == chain.Unknown || found.Probability < s.Classify.UnknownBelow // some targets know themselves that they do not know
	if unknown {
		found.Label = chain.Unknown
	}
	l = label.Join(l, s.Classify.LabelOf(found.Label))
	list := make([]any, len(classes))
	for i, c := range classes {
		list[i] = map[string]any{"name": c.Name, "probability": c.Probability}
	}
	values := map[string]any{"label": found.Label, "probability": found.Probability, "classes": list, "unknown": unknown, "target": t.Name}
	record := map[string]any{"label": found.Label, "probability": found.Probability, "classes": list[:min(len(list), shownClasses)],
		"unknown": unknown, "target": t.Name}
	return result{label: l, values: values}, &StepFinished{Result: record}, nil
}

// classify tells the classes of a text, the most probable first, and at least one.
func (r *run) classify(ctx context.Context, q *errand, text string) (classes []providers.Class, err error) {
	q.needs, q.texts = providers.Classify, []string{text}
	t := q.target
	q.call = func(ctx context.Context) (providers.Usage, string, error) {
		got, err := t.Classifier.Classify(ctx, &providers.ClassifyRequest{Model: t.Model, Version: t.Version, Texts: q.texts})
		if err != nil {
			return providers.Usage{}, "", err
		}
		if len(got.Classes) != 1 || !sound(got.Classes[0]) {
			return providers.Usage{}, "", &providers.Error{Kind: providers.KindProtocol, Backend: t.Backend, Model: t.Model, MayBill: true,
				Detail: "its classes are not one list for each text, with probabilities from 0 to 1"}
		}
		classes = slices.Clone(got.Classes[0])
		slices.SortStableFunc(classes, func(a, b providers.Class) int { return cmp.Compare(b.Probability, a.Probability) })
		return got.Usage, got.Model, nil
	}
	_, _, err = r.errand(ctx, q)
	return classes, err
}

// sound says whether there are classes, and their probabilities are some.
func sound(classes []providers.Class) bool {
	return len(classes) > 0 && !slices.ContainsFunc(classes, func(c providers.Class) bool {
		return !(c.Probability >= 0 && c.Probability <= 1) // NaN is neither
	})
}

// classifierTarget gives the target of a name, which must classify.
func (st *state) classifierTarget(name string) (*target, error) {
	return st.doing(name, providers.Classify, "classify")
}
