package scripted

import (
	"context"
	"hash/fnv"
	"math"
	"strings"

	"fairlead/providers"
)

// Embed gives vectors that depend on the texts alone: equal texts have equal vectors, others have
// nothing in common. With Dimensions the vectors have that many numbers.
func (p *Provider) Embed(ctx context.Context, req *providers.EmbedRequest) (*providers.Embeddings, error) {
	c, err := p.begin(ctx, req.Model, providers.Embed)
	if err != nil {
		return nil, err
	}
	defer c.end()
	if req.Dimensions < 0 || req.Dimensions > maxDimensions {
		return nil, c.fail(&providers.Error{Kind: providers.KindInvalid, Param: "dimensions"})
	}
	if err := c.answers(ctx); err != nil {
		return nil, err
	}
	dims := c.script.dims
	if req.Dimensions > 0 {
		dims = req.Dimensions
	}
	out := &providers.Embeddings{Vectors: make([][]float32, len(req.Texts)), Model: req.Model}
	for i, text := range req.Texts {
		out.Vectors[i] = vector(text, dims)
	}
	c.bill(countWords(req.Texts), 0)
	if usage := c.report(); usage != nil {
		out.Usage = *usage
	}
	return out, nil
}

// Classify gives every text the same classes.
func (p *Provider) Classify(ctx context.Context, req *providers.ClassifyRequest) (*providers.Classification, error) {
	c, err := p.begin(ctx, req.Model, providers.Classify)
	if err != nil {
		return nil, err
	}
	defer c.end()
	if err := c.answers(ctx); err != nil {
		return nil, err
	}
	probability := c.script.p
	if c.script.kind == "flaky" {
		probability = 1 // its p is that of a failure
	}
	out := &providers.Classification{Classes: make([][]providers.Class, len(req.Texts)), Model: req.Model}
	for i := range req.Texts {
		classes := []providers.Class{{Name: c.script.label, Probability: probability}, {Name: c.script.other, Probability: 1 - probability}}
		if probability < 0.5 {
			classes[0], classes[1] = classes[1], classes[0]
		}
		out.Classes[i] = classes
	}
	c.bill(countWords(req.Texts), 0)
	if usage := c.report(); usage != nil {
		out.Usage = *usage
	}
	return out, nil
}

// vector makes a vector of length 1 whose direction is drawn from the text's hash.
func vector(text string, dims int) []float32 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // a hash's Write never fails
	state := h.Sum64()
	v, sum := make([]float64, dims), 0.0
	for i := range v {
		state = mix(state)
		v[i] = 2*unit(state) - 1
		sum += float64(v[i] * v[i]) // the conversion forbids fusing, which some processors would
	}
	out := make([]float32, dims)
	for i := range v {
		out[i] = float32(v[i] / math.Sqrt(sum))
	}
	return out
}

func countWords(texts []string) int64 {
	n := 0
	for _, t := range texts {
		n += len(strings.Fields(t))
	}
	return int64(n)
}
