package orchestrator

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

const (
	// classifyStep is the path of the only step of a call for classes outside runs.
	classifyStep = "classify"
	// shownClasses is how many classes a step's record shows.
	shownClasses = 10
	// maxPicture is the most bytes of a picture's file in a step.
	maxPicture = 20 << 20
)

// Classify tells classes. It is not failed over: classes of two classifiers cannot be compared, so the caller gets those
// of the target that was named, or an error.
func (e *Engine) Classify(ctx context.Context, p auth.Principal, req ClassifyRequest) (*Classified, error) {
	switch {
	case len(req.Texts) == 0 && len(req.Images) == 0:
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "there is nothing to classify: send a text or an image at least")
	case len(req.Texts) > 0 && len(req.Images) > 0:
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "there are texts and images to classify: send one of the two")
	}
	r, err := e.newRun(e.state.Load(), p, req.Limits, nil)
	if err != nil {
		return nil, err
	}
	t, err := r.st.doingFor(&p, req.Target, providers.Classify, "classify")
	if err != nil {
		return nil, err
	}
	r.started = time.Now()
	ctx, cancel := r.bound(ctx)
	defer cancel()
	var got *answered
	err = r.alone(ctx, classifyStep, func(ctx context.Context, emit emitter) (err error) {
		got, err = r.errand(ctx, &errand{path: classifyStep, target: t, label: r.label, caching: renew(req.NoCache), emit: emit,
			question: &question{needs: providers.Classify, texts: req.Texts, images: req.Images}})
		return err
	})
	if err != nil {
		return nil, r.verdict(ctx, err, false)
	}
	return &Classified{
		Classification: providers.Classification{Classes: got.classes, Model: got.model, Version: got.version, Usage: got.usage},
		Target:         got.target.Named(), Cost: got.cost, CostKnown: got.known, Cached: got.cached,
	}, nil
}

// doingFor gives the target of a name for a caller, which must do what is needed. verb says so in words. What the caller
// may not name is not there.
func (st *state) doingFor(p *auth.Principal, name string, needs providers.Capability, verb string) (*target, error) {
	if !MayName(p, name) || name == "" {
		return nil, fault.New(fault.NotFound, fault.ReasonUnknownTarget, "there is no target %q that this caller may use", name)
	}
	if st.byName[name] == nil && (p.Models != nil || p.Policies != nil) {
		return nil, fault.New(fault.NotFound, fault.ReasonUnknownTarget, "there is no target %q that this caller may use", name)
	}
	return st.doing(name, needs, verb)
}

// doClassify tells the class of a text, a picture or a record. Where classes stand for labels, the run's label rises by
// what was found, and also when nothing was found: what could not be classified is not let through as harmless.
func (b *branch) doClassify(ctx context.Context, s *chain.Step, path string, emit emitter) (result, *StepFinished, error) {
	l := label.Join(s.Label, b.labelOf(s.Classify.Templates()...))
	found := routing.Class{Label: chain.Unknown}
	defer func() {
		b.label = label.Join(b.label, s.Classify.LabelOf(found.Label))
		b.classes = b.classes.with(s.ID, found)
	}()
	question, err := b.classifying(s.Classify)
	if err != nil {
		return result{}, nil, err
	}
	t, err := b.st.doing(s.Target, providers.Classify, "classify")
	if err != nil {
		return result{}, nil, err
	}
	var policy *routing.Policy // the default policy is for answers
	if s.Policy != "" {
		if policy, err = b.policyFor(s.Policy, t.Name); err != nil {
			return result{}, nil, err
		}
	}
	got, err := b.errand(ctx, &errand{path: path, target: t, policy: policy, label: l, classes: b.classes, question: question, emit: emit})
	if err != nil {
		return result{}, nil, err
	}
	classes := got.classes[0]
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
	values := map[string]any{"label": found.Label, "probability": found.Probability, "classes": list, "unknown": unknown, "target": got.target.Named()}
	record := map[string]any{"label": found.Label, "probability": found.Probability, "classes": list[:min(len(list), shownClasses)],
		"unknown": unknown, "target": got.target.Name}
	return result{label: l, values: values}, &StepFinished{Result: record}, nil
}

// classifying makes the question of a classify step.
func (b *branch) classifying(c *chain.Classify) (*question, error) {
	q := &question{needs: providers.Classify}
	switch {
	case c.Image != nil:
		text, err := c.Image.Render(b.scope())
		if err != nil {
			return nil, err
		}
		file, err := picture(text)
		q.images = [][]byte{file}
		return q, err
	case c.Text != nil:
		text, err := c.Text.Render(b.scope())
		q.texts = []string{text}
		return q, err
	default:
		text, err := b.record(c.Features)
		q.texts = []string{text}
		return q, err
	}
}

// picture reads a file in base64, with or without padding, or as a data URL.
func picture(text string) ([]byte, error) {
	bad := func(why string) error {
		return fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "reading the image: %s: give a picture's file in base64, or as a URL that begins with data: and has ;base64", why)
	}
	if rest, ok := strings.CutPrefix(text, "data:"); ok {
		kind, data, ok := strings.Cut(rest, ",")
		if !ok || !strings.HasSuffix(kind, ";base64") {
			return nil, bad("it is a data URL, and not in base64")
		}
		text = data
	}
	text = strings.TrimRight(strings.TrimSpace(text), "=")
	if base64.RawStdEncoding.DecodedLen(len(text)) > maxPicture {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonTooLarge, "reading the image: it has more than %d MiB", maxPicture>>20)
	}
	file, err := base64.RawStdEncoding.DecodeString(text) // it skips the ends of lines
	switch {
	case err != nil:
		return nil, bad("it is not base64")
	case len(file) == 0:
		return nil, bad("it is empty")
	}
	return file, nil
}

// record makes a record of features: a JSON object. A feature without a value is left out, so that its default counts.
func (b *branch) record(features []chain.Feature) (string, error) {
	scope := b.scope()
	values := make(map[string]any, len(features))
	for _, f := range features {
		v, err := f.Value.Value(scope)
		if err != nil {
			return "", err
		}
		if text, ok := v.(string); ok {
			if text = strings.TrimSpace(text); text == "" {
				continue
			}
			d := json.NewDecoder(strings.NewReader(text))
			d.UseNumber()
			if d.Decode(&v) != nil || d.More() {
				v = nil
			}
		} else if v == nil {
			continue
		}
		switch v.(type) {
		case bool, float64, int, int64, json.Number:
			values[f.Name] = v
		default:
			return "", fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "making the record: feature %s is no number, and neither true nor false", f.Name)
		}
	}
	data, err := json.Marshal(values)
	if err != nil {
		return "", fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "making the record: one of its numbers is not finite")
	}
	return string(data), nil
}
