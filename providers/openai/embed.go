package openai

import (
	"context"
	"net/http"

	dialect "github.com/sashabaranov/go-openai"

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
	body, err := wire.Marshal(dialect.EmbeddingRequest{
		Model: dialect.EmbeddingModel(req.Model), Input: req.Texts, Dimensions: req.Dimensions,
		EncodingFormat: dialect.EmbeddingEncodingFormatFloat, // base64 is smaller, but not every server has it
	})
	if err != nil {
		return nil, c.fail(providers.KindInvalid, req.Model, "the request cannot be written as JSON")
	}
	call, e := c.wire.Start(ctx, "embeddings", req.Model, "application/json", body)
	if e != nil {
		return nil, e
	}
	defer call.End()
	if call.Response.StatusCode != http.StatusOK {
		return nil, refused(call)
	}
	out, e := vectors(call, len(req.Texts), req.Dimensions)
	if e != nil {
		return nil, e
	}
	return out, nil
}

// vectors reads the answer to count texts; dimensions is what was asked for, or 0. Its type is ours because that of the SDK takes a missing
// index for 0 and null for the number 0.
func vectors(call *wire.Call, count, dimensions int) (*providers.Embeddings, *providers.Error) {
	var answer struct {
		Data []struct {
			Index     *int        `json:"index"`
			Embedding wire.Vector `json:"embedding"`
		} `json:"data"`
		Model string        `json:"model"`
		Usage dialect.Usage `json:"usage"`
	}
	if e := call.JSON(&answer); e != nil {
		return nil, e
	}
	if len(answer.Data) != count {
		return nil, call.Fail(providers.KindProtocol, "it gave another number of vectors than texts")
	}
	out := &providers.Embeddings{Vectors: make([][]float32, count), Model: answer.Model, Usage: *usage(&answer.Usage)}
	for i, d := range answer.Data {
		at := i // without any index the order is that of the texts
		if d.Index != nil {
			at = *d.Index
		}
		if at < 0 || at >= count || out.Vectors[at] != nil {
			return nil, call.Fail(providers.KindProtocol, "the numbers of its vectors are not those of the texts")
		}
		out.Vectors[at] = d.Embedding
	}
	if err := wire.CheckVectors(out.Vectors, count, dimensions); err != nil {
		return nil, call.Fail(providers.KindProtocol, err.Error())
	}
	return out, nil
}
