package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"fairlead/providers"
	"fairlead/providers/tensor"
)

// Pipeline is a compiled Config. It does not change and may be used by several goroutines at once.
type Pipeline struct {
	signature string
	batch     int
	in        encoder
	classes   *classes
	embedding *embedding
	// images says that it takes pictures, and not texts.
	images bool
}

const (
	defaultBatch = 32
	maxBatch     = 4096
)

// New compiles a configuration, and reads the files that it names.
func New(c Config) (*Pipeline, error) {
	p := &Pipeline{signature: c.Signature, batch: c.Batch}
	if p.batch == 0 {
		p.batch = defaultBatch
	}
	if p.batch < 1 || p.batch > maxBatch {
		return nil, fmt.Errorf("batch: %d is not from 1 to %d", c.Batch, maxBatch)
	}
	var err error
	if p.in, err = newEncoder(c.Input); err != nil {
		return nil, fmt.Errorf("input.%w", err)
	}
	p.images = c.Input.Image != nil
	switch o := c.Output; {
	case o.Classes != nil && o.Embedding != nil:
		return nil, errors.New("output: want classes or embedding, not both")
	case o.Classes != nil:
		if p.classes, err = newClasses(*o.Classes); err != nil {
			return nil, fmt.Errorf("output.classes: %w", err)
		}
	case o.Embedding != nil:
		if p.embedding, err = newEmbedding(*o.Embedding); err != nil {
			return nil, fmt.Errorf("output.embedding: %w", err)
		}
	}
	return p, nil
}

// Classifies says whether the pipeline makes classes, and Embeds whether it makes vectors.
func (p *Pipeline) Classifies() bool { return p.classes != nil }

// Embeds says whether the pipeline makes vectors.
func (p *Pipeline) Embeds() bool { return p.embedding != nil }

// Images says whether the pipeline takes pictures, and not texts.
func (p *Pipeline) Images() bool { return p.images }

// items are what a call is about: texts, or pictures.
type items struct {
	texts  []string
	images [][]byte
}

func (i items) len() int { return len(i.texts) + len(i.images) }

func (i items) slice(from, to int) items {
	if i.images != nil {
		return items{images: i.images[from:to]}
	}
	return items{texts: i.texts[from:to]}
}

// encoded is what items become.
type encoded struct {
	inputs []tensor.Tensor
	// lengths are the tokens of each item, padding left out; nil where there are no tokens.
	lengths []int
}

// encoder makes tensors of items. Its errors are about what the caller sent, and repeat nothing of it.
type encoder interface {
	encode(i items) (encoded, error)
	// specs gives what the model's inputs are expected to be.
	specs() []providers.Spec
}

// newEncoder makes the encoder of an input. Its errors begin with the key.
func newEncoder(in Input) (encoder, error) {
	var made encoder
	var err error
	set := 0
	name := ""
	if in.Text != nil {
		set, name = set+1, "text"
		made, err = newTexts(*in.Text)
	}
	if in.Tokens != nil {
		set, name = set+1, "tokens"
		made, err = newTokens(*in.Tokens)
	}
	if in.Image != nil {
		set, name = set+1, "image"
		made, err = newImages(*in.Image)
	}
	if in.Features != nil {
		set, name = set+1, "features"
		made, err = newRecords(*in.Features)
	}
	if set != 1 {
		return nil, errors.New("text, tokens, image or features: want exactly one of them")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return made, nil
}

// call is one use of a pipeline.
type call struct {
	p         *Pipeline
	predictor providers.Predictor
	backend   string
	model     string
	version   string
}

// outputs gives the names of what the pipeline reads.
func (p *Pipeline) outputs() []string {
	switch {
	case p.classes != nil && p.classes.c.Names != "":
		return []string{p.classes.c.Tensor, p.classes.c.Names}
	case p.classes != nil:
		return []string{p.classes.c.Tensor}
	case p.embedding != nil:
		return []string{p.embedding.c.Tensor}
	default:
		return nil
	}
}

// run calls the model for all items, a batch at a time, and gives each answer to take, with the place of its first item.
func (c *call) run(ctx context.Context, all items, take func(at, count int, e encoded, answer *providers.Prediction) error) (usage providers.Usage, model, version string, err error) {
	for at := 0; at < all.len(); at += c.p.batch {
		if err := ctx.Err(); err != nil {
			return usage, model, version, providers.AsError(ctx, c.backend, c.model, err)
		}
		part := all.slice(at, min(at+c.p.batch, all.len()))
		e, err := c.p.in.encode(part)
		if err != nil {
			return usage, model, version, c.fail(providers.KindInvalid, at > 0, err)
		}
		answer, err := c.predictor.Predict(ctx, &providers.PredictRequest{Model: c.model, Version: c.version, Signature: c.p.signature,
			Inputs: e.inputs, Outputs: c.p.outputs()})
		if err != nil {
			failed := providers.AsError(ctx, c.backend, c.model, err)
			if at > 0 && !failed.MayBill { // the batches before were answered
				copied := *failed
				copied.MayBill = true
				failed = &copied
			}
			return usage, model, version, failed
		}
		if err := take(at, part.len(), e, answer); err != nil {
			return usage, model, version, c.fail(providers.KindProtocol, true, err)
		}
		used := answer.Usage
		if used == (providers.Usage{}) {
			for _, n := range e.lengths {
				used.Input, used.Estimated = used.Input+int64(n), true
			}
		}
		if at == 0 {
			usage = used
		} else {
			usage = usage.Add(used)
		}
		model, version = answer.Model, answer.Version
	}
	return usage, model, version, nil
}

// fail makes the error of a call: the text of err is ours.
func (c *call) fail(kind providers.Kind, billed bool, err error) *providers.Error {
	return &providers.Error{Kind: kind, Backend: c.backend, Model: c.model, Detail: err.Error(), MayBill: billed}
}

// Check says where a model's own description does not fit the pipeline: an input or output that is not there, one of
// another type, or an input that the pipeline does not give. A type or shape that the model does not say is no misfit.
func (p *Pipeline) Check(s providers.Signature) error {
	given := p.in.specs()
	var problems []error
	for _, want := range given {
		if found, err := find(s.Inputs, "input", want.Name); err != nil {
			problems = append(problems, err)
		} else if found.Type.Valid() && found.Type != want.Type {
			problems = append(problems, fmt.Errorf("the model's input %s is of type %s, and the pipeline gives %s", want.Name, found.Type, want.Type))
		} else if found.Shape != nil && len(found.Shape) != len(want.Shape) {
			problems = append(problems, fmt.Errorf("the model's input %s has the shape %v, and the pipeline gives %v", want.Name, found.Shape, want.Shape))
		}
	}
	for _, input := range s.Inputs {
		if !slices.ContainsFunc(given, func(g providers.Spec) bool { return g.Name == input.Name }) {
			problems = append(problems, fmt.Errorf("the model has an input %s, which the pipeline does not give", input.Name))
		}
	}
	for _, name := range p.outputs() {
		if _, err := find(s.Outputs, "output", name); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

func find(specs []providers.Spec, what, name string) (providers.Spec, error) {
	names := make([]string, len(specs))
	for i, s := range specs {
		if s.Name == name {
			return s, nil
		}
		names[i] = s.Name
	}
	return providers.Spec{}, fmt.Errorf("the model has no %s %s (it has %v)", what, name, names)
}
