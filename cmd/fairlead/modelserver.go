package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"fairlead/internal/config"
	"fairlead/orchestrator"
	"fairlead/providers"
	"fairlead/providers/openinference"
	"fairlead/providers/pipeline"
	"fairlead/providers/pipeline/picture"
	"fairlead/providers/tensor"
	"fairlead/providers/tfserving"
)

// modelServer makes the adapter of a backend that serves models over tensors.
func (f *fleet) modelServer(name string, b config.Backend, header http.Header, trusted *tls.Config) (providers.Predictor, error) {
	if b.Kind == config.KindTFServing {
		c, err := tfserving.New(tfserving.Config{Name: name, URL: b.URL, APIKey: b.APIKey.Reveal(), Header: header,
			HTTPClient: f.outbound(b.Timeouts.Connect, trusted), TLS: trusted, Timeout: b.Timeouts.Call, ConnectTimeout: b.Timeouts.Connect, Inject: f.inject,
			Labels: f.labels[name]})
		if err != nil {
			return nil, err
		}
		f.idle = append(f.idle, c.CloseIdle)
		return c, nil
	}
	variant := openinference.V2
	if b.Kind == config.KindTorchServe {
		variant = openinference.TorchServe
	}
	c, err := openinference.New(openinference.Config{Name: name, URL: b.URL, Variant: variant, APIKey: b.APIKey.Reveal(), Header: header,
		ManagementURL: b.ManagementURL, ManagementKey: b.ManagementKey.Reveal(), Check: b.Check, Timeout: b.Timeouts.Call, TLS: trusted,
		HTTPClient: f.outbound(b.Timeouts.Connect, trusted), DialOptions: []grpc.DialOption{grpc.WithUnaryInterceptor(f.traced)}})
	if err != nil {
		return nil, err
	}
	f.idle, f.closers = append(f.idle, c.CloseIdle), append(f.closers, c.Close)
	return c, nil
}

// inject adds our trace to a call.
func (f *fleet) inject(ctx context.Context, header http.Header) {
	if f.telemetry != nil {
		f.telemetry.Inject(ctx, header)
	}
}

// traced adds our trace to the metadata of a call.
func (f *fleet) traced(ctx context.Context, method string, req, reply any, c *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
	header := http.Header{}
	f.inject(ctx, header)
	for key, values := range header {
		for _, v := range values {
			ctx = metadata.AppendToOutgoingContext(ctx, key, v)
		}
	}
	return call(ctx, method, req, reply, c, options...)
}

// pipelined gives a target the classifier or embedder that its input and output declare, if they do. Errors begin with
// the key.
func pipelined(out *orchestrator.Target, t config.Target, predictor providers.Predictor) error {
	if t.Input == nil && t.Output == nil {
		return nil // callers give it tensors
	}
	if t.Input != nil && t.Input.Example != nil {
		client, ok := predictor.(*tfserving.Client)
		if !ok {
			return fmt.Errorf("input.example: is for kind tfserving")
		}
		out.Classifier = &tfserving.TextClassifier{Client: client, Feature: t.Input.Example.Feature, Signature: t.Signature}
		return nil
	}
	c, err := pipelineOf(t)
	if err != nil {
		return err
	}
	p, err := pipeline.New(c)
	if err != nil {
		return err
	}
	if p.Classifies() {
		out.Classifier = &pipeline.Classifier{Predictor: predictor, Pipeline: p, Backend: t.Backend, Model: t.Model, Version: t.Version}
	}
	if p.Embeds() {
		if out.Form, err = formOf(c); err != nil {
			return err
		}
		out.Embedder = &pipeline.Embedder{Predictor: predictor, Pipeline: p, Backend: t.Backend, Model: t.Model, Version: t.Version}
	}
	return nil
}

// formOf gives a short hash of what makes vectors besides the model: those of another tokenizer or pooling cannot be
// compared with them.
func formOf(c pipeline.Config) (string, error) {
	c.Batch = 0 // how many go together changes none
	if c.Input.Tokens != nil {
		tokens := *c.Input.Tokens
		data, err := os.ReadFile(tokens.Tokenizer) //nolint:gosec // the file that the configuration names
		if err != nil {
			return "", fmt.Errorf("input.tokens.tokenizer: the file %s cannot be read", tokens.Tokenizer)
		}
		tokens.Tokenizer = fmt.Sprintf("%x", sha256.Sum256(data)) // wherever it lies
		c.Input.Tokens = &tokens
	}
	data, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("input: %w", err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))[:8], nil
}

// pipelineOf gives what a target declares in the words of package pipeline.
func pipelineOf(t config.Target) (pipeline.Config, error) {
	c := pipeline.Config{Signature: t.Signature}
	if t.Input == nil || t.Output == nil {
		return c, fmt.Errorf("input: must be set, and output as well")
	}
	c.Batch = t.Input.Batch
	var types typeNames
	if in := t.Input.Text; in != nil {
		c.Input.Text = &pipeline.Text{Tensor: in.Tensor, Column: in.Column}
	}
	if in := t.Input.Tokens; in != nil {
		c.Input.Tokens = &pipeline.Tokens{Tokenizer: in.Tokenizer, IDs: in.IDs, Mask: in.Mask, Types: in.Types, Max: in.Max,
			Full: in.Pad == "max", Type: types.parse("input.tokens.type", in.Type)}
	}
	if in := t.Input.Image; in != nil {
		if len(in.Size) != 2 {
			return c, fmt.Errorf("input.image.size: want [height, width]")
		}
		c.Input.Image = &pipeline.Image{Tensor: in.Tensor, Type: types.parse("input.image.type", in.Type), Picture: picture.Config{
			Height: in.Size[0], Width: in.Size[1], Resize: in.Resize, Shorter: in.Shorter, Aliased: !in.Antialias, Channels: in.Channels,
			Scale: in.Scale, Mean: in.Mean, Std: in.Std, Layout: in.Layout, MaxPixels: int64(in.MaxPixels)}}
	}
	if in := t.Input.Features; in != nil {
		c.Input.Features = &pipeline.Features{Tensor: in.Tensor, Type: types.parse("input.features.type", in.Type)}
		for i, f := range in.List {
			c.Input.Features.List = append(c.Input.Features.List, pipeline.Feature{Name: f.Name, Default: f.Default,
				Type: types.parse(fmt.Sprintf("input.features.list.%d.type", i), f.Type)})
		}
	}
	if o := t.Output.Classes; o != nil {
		c.Output.Classes = &pipeline.Classes{Tensor: o.Tensor, Activation: o.Activation, Labels: o.Labels, LabelsFile: o.LabelsFile, Names: o.Names,
			Temperature: o.Temperature, Top: o.Top, Threshold: o.Threshold, Unknown: o.Unknown}
	}
	if o := t.Output.Embedding; o != nil {
		c.Output.Embedding = &pipeline.Embedding{Tensor: o.Tensor, Pooling: o.Pooling, Normalize: o.Normalize}
	}
	return c, types.err
}

// typeNames reads the names of types and keeps the first error.
type typeNames struct{ err error }

func (n *typeNames) parse(path, name string) tensor.Type {
	if name == "" {
		return tensor.Invalid
	}
	t, err := tensor.ParseType(name)
	if err != nil && n.err == nil {
		n.err = fmt.Errorf("%s: %w", path, err)
	}
	return t
}
