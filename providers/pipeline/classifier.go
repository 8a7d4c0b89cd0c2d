package pipeline

import (
	"context"
	"errors"
	"fmt"

	"fairlead/providers"
)

// Classifier tells the class of texts, records or pictures by a model over tensors.
type Classifier struct {
	Predictor providers.Predictor
	Pipeline  *Pipeline
	// Backend is the backend's name in errors.
	Backend string
	// Model and Version are taken where a request does not name them.
	Model, Version string
}

var _ providers.Classifier = (*Classifier)(nil)

// Classify gives the classes of each text or image, in their order; see providers.Classifier. Nothing to classify makes
// no call.
func (c *Classifier) Classify(ctx context.Context, req *providers.ClassifyRequest) (*providers.Classification, error) {
	k := newCall(c.Pipeline, c.Predictor, c.Backend, req.Model, c.Model, req.Version, c.Version)
	if err := k.begin(ctx, req.Texts, req.Images, c.Pipeline.Classifies()); err != nil {
		return nil, err
	}
	all := items{texts: req.Texts, images: req.Images}
	out := &providers.Classification{Classes: make([][]providers.Class, all.len()), Model: k.model}
	usage, model, version, err := k.run(ctx, all, func(at, count int, _ encoded, answer *providers.Prediction) error {
		list, err := c.Pipeline.classes.read(answer, count)
		copy(out.Classes[at:], list)
		return err
	})
	if err != nil {
		return nil, err
	}
	out.Usage, out.Version = usage, version
	if model != "" {
		out.Model = model
	}
	return out, nil
}

// Embedder makes vectors of texts by a model over tensors.
type Embedder struct {
	Predictor providers.Predictor
	Pipeline  *Pipeline
	// Backend is the backend's name in errors.
	Backend string
	// Model is taken where a request does not name one. Version is always.
	Model, Version string
}

var _ providers.Embedder = (*Embedder)(nil)

// Embed gives one vector for each text, in their order; see providers.Embedder. No texts make no call.
func (e *Embedder) Embed(ctx context.Context, req *providers.EmbedRequest) (*providers.Embeddings, error) {
	return e.embed(ctx, req.Model, items{texts: req.Texts}, req.Dimensions)
}

// Images gives one vector for each image, in their order, where the pipeline takes images.
func (e *Embedder) Images(ctx context.Context, images [][]byte) (*providers.Embeddings, error) {
	return e.embed(ctx, "", items{images: images}, 0)
}

func (e *Embedder) embed(ctx context.Context, model string, all items, dimensions int) (*providers.Embeddings, error) {
	k := newCall(e.Pipeline, e.Predictor, e.Backend, model, e.Model, "", e.Version)
	if err := k.begin(ctx, all.texts, all.images, e.Pipeline.Embeds()); err != nil {
		return nil, err
	}
	if dimensions < 0 {
		return nil, k.fail(providers.KindInvalid, false, errors.New("dimensions are below 0"))
	}
	out := &providers.Embeddings{Vectors: make([][]float32, all.len()), Model: k.model}
	size := dimensions
	usage, said, version, err := k.run(ctx, all, func(at, count int, in encoded, answer *providers.Prediction) error {
		list, err := e.Pipeline.embedding.read(answer, count, in.lengths)
		if err != nil {
			return err
		}
		if size == 0 {
			size = len(list[0])
		}
		if len(list[0]) != size && dimensions == 0 {
			return fmt.Errorf("it gave vectors of %d numbers, and of %d before", len(list[0]), size)
		}
		copy(out.Vectors[at:], list)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if dimensions > 0 && len(out.Vectors) > 0 && len(out.Vectors[0]) != dimensions {
		return nil, k.fail(providers.KindUnsupported, true, fmt.Errorf("its vectors have %d numbers, and cannot be made shorter", len(out.Vectors[0])))
	}
	out.Usage, out.Version = usage, version
	if said != "" {
		out.Model = said
	}
	return out, nil
}

func newCall(p *Pipeline, predictor providers.Predictor, backend, model, otherModel, version, otherVersion string) *call {
	if model == "" {
		model = otherModel
	}
	if version == "" {
		version = otherVersion
	}
	return &call{p: p, predictor: predictor, backend: backend, model: model, version: version}
}

// begin checks what is common to all calls.
func (c *call) begin(ctx context.Context, texts []string, images [][]byte, can bool) error {
	if err := ctx.Err(); err != nil {
		return providers.AsError(ctx, c.backend, c.model, err)
	}
	switch {
	case !can:
		return c.fail(providers.KindUnsupported, false, errors.New("the target declares no such output"))
	case len(texts) > 0 && len(images) > 0:
		return c.fail(providers.KindInvalid, false, errors.New("a request has texts or images, not both"))
	case len(texts) > 0 && c.p.images:
		return c.fail(providers.KindUnsupported, false, errors.New("the target takes images, and not texts"))
	case len(images) > 0 && !c.p.images:
		return c.fail(providers.KindUnsupported, false, errors.New("the target takes texts, and not images"))
	}
	return nil
}
