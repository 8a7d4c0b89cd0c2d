package ollama

import (
	"context"

	"github.com/ollama/ollama/api"

	"fairlead/providers"
	"fairlead/providers/internal/wire"
)

// Embed gives one vector for each text; see providers.Embedder. No texts make no call.
func (c *Client) Embed(ctx context.Context, req *providers.EmbedRequest) (*providers.Embeddings, error) {
	if err := ctx.Err(); err != nil {
		return nil, providers.AsError(ctx, c.wire.Backend, req.Model, err)
	}
	if len(req.Texts) == 0 {
		return &providers.Embeddings{Model: req.Model}, nil
	}
	if req.Model == "" || req.Dimensions < 0 {
		return nil, c.fail(providers.KindInvalid, req.Model, "a request for vectors needs a model, and dimensions that are not negative")
	}
	options := map[string]any{}
	if c.numCtx > 0 {
		options["num_ctx"] = c.numCtx
	}
	body, err := wire.Marshal(api.EmbedRequest{
		Model: req.Model, Input: req.Texts, Dimensions: req.Dimensions,
		KeepAlive: c.keepAlive, Truncate: c.truncate, Options: options,
	})
	if err != nil {
		return nil, c.fail(providers.KindInvalid, req.Model, "the request cannot be written as JSON")
	}
	// The type of the answer is ours: that of the API package takes null for the number 0.
	var answer struct {
		Model           string        `json:"model"`
		Embeddings      []wire.Vector `json:"embeddings"`
		PromptEvalCount int64         `json:"prompt_eval_count"`
	}
	if e := c.fetch(ctx, "api/embed", req.Model, body, &answer); e != nil {
		return nil, e
	}
	out := &providers.Embeddings{Model: answer.Model, Usage: providers.Usage{Input: answer.PromptEvalCount}}
	for _, v := range answer.Embeddings {
		out.Vectors = append(out.Vectors, v)
	}
	if err := wire.CheckVectors(out.Vectors, len(req.Texts), req.Dimensions); err != nil {
		return nil, c.fail(providers.KindProtocol, req.Model, "%s", err)
	}
	return out, nil
}
