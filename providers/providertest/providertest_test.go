package providertest

import (
	"context"
	"iter"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"fairlead/providers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a provider in the process that keeps the contract: the suite must let it pass.
type echo struct{}

var (
	_ providers.Generator = echo{}
	_ providers.Embedder  = echo{}
)

func (echo) Generate(ctx context.Context, req *providers.Request) iter.Seq2[providers.Chunk, error] {
	return func(yield func(providers.Chunk, error) bool) {
		for word := range strings.FieldsSeq(req.Question()) {
			if err := ctx.Err(); err != nil {
				yield(providers.Chunk{}, providers.AsError(ctx, "echo", req.Model, err))
				return
			}
			if !yield(providers.Chunk{Text: word + " "}, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(providers.Chunk{}, providers.AsError(ctx, "echo", req.Model, err))
			return
		}
		yield(providers.Chunk{Finish: providers.FinishStop, Usage: &providers.Usage{Input: 1, Output: 1}}, nil)
	}
}

func (echo) Embed(ctx context.Context, req *providers.EmbedRequest) (*providers.Embeddings, error) {
	if err := ctx.Err(); err != nil {
		return nil, providers.AsError(ctx, "echo", req.Model, err)
	}
	out := &providers.Embeddings{Model: req.Model}
	for _, text := range req.Texts {
		v := make([]float32, 8)
		for i, b := range []byte(text) {
			v[i%8] += float32(b)
		}
		out.Vectors = append(out.Vectors, v)
	}
	return out, nil
}

func TestAProviderInTheProcess(t *testing.T) {
	Run(t, Harness{
		Does:      providers.Chat | providers.Embed,
		Generator: func(testing.TB) providers.Generator { return echo{} },
		Embedder:  func(testing.TB) providers.Embedder { return echo{} },
	})
}
