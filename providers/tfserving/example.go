package tfserving

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	tensorflow "fairlead/gen/thirdparty/tensorflow"
	serving "fairlead/gen/thirdparty/tensorflow/serving"
	"fairlead/providers"
)

// Feature is the values of one feature of an example: of one kind alone.
type Feature struct {
	Bytes  [][]byte
	Floats []float32
	Ints   []int64
}

// Example is what a model of examples judges: features by name.
type Example map[string]Feature

// ExampleRequest asks a model of examples about each of them.
type ExampleRequest struct {
	Model, Version string
	// Signature names the way of calling the model. Empty: "serving_default".
	Signature string
	Examples  []Example
}

// Regression answers an ExampleRequest: for each example a number.
type Regression struct {
	Values []float32
	// Model and Version are what the backend says it used; over REST it does not say the version.
	Model, Version string
}

// exampleResults is what an api reads of an answer: classes or values.
type exampleResults struct {
	classes        [][]providers.Class
	values         []float32
	model, version string
}

// ClassifyExamples gives the classes of each example, the most probable first. Scores that are no probabilities are
// KindProtocol; a class without a label is named by its number. No examples make no call.
func (c *Client) ClassifyExamples(ctx context.Context, req *ExampleRequest) (*providers.Classification, error) {
	out, e := c.judge(ctx, req, methodClassify)
	if e != nil {
		return nil, e
	}
	for _, classes := range out.classes {
		for i := range classes {
			p := classes[i].Probability
			const slack = 1e-3 // what sums and floats of 16 bits may be off
			if !(p >= -slack && p <= 1+slack) {
				return nil, c.fail(providers.KindProtocol, req.Model, "its scores are no probabilities")
			}
			classes[i].Probability = min(max(p, 0), 1)
			if classes[i].Name == "" {
				classes[i].Name = strconv.Itoa(i)
			}
		}
		slices.SortStableFunc(classes, func(a, b providers.Class) int { return cmp.Compare(b.Probability, a.Probability) })
	}
	return &providers.Classification{Classes: out.classes, Model: out.model}, nil
}

// Regress gives the number of each example. One that is not finite is KindProtocol. No examples make no call.
func (c *Client) Regress(ctx context.Context, req *ExampleRequest) (*Regression, error) {
	out, e := c.judge(ctx, req, methodRegress)
	if e != nil {
		return nil, e
	}
	for _, v := range out.values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, c.fail(providers.KindProtocol, req.Model, "it gave a value that is not a number")
		}
	}
	return &Regression{Values: out.values, Model: out.model, Version: out.version}, nil
}

func (c *Client) judge(ctx context.Context, req *ExampleRequest, method string) (*exampleResults, *providers.Error) {
	if e := c.checkTarget(ctx, req.Model, req.Version); e != nil {
		return nil, e
	}
	if e := c.checkExamples(req); e != nil {
		return nil, e
	}
	if len(req.Examples) == 0 {
		return &exampleResults{model: req.Model}, nil
	}
	ctx, cancel := c.deadline(ctx)
	defer cancel()
	s := spec{model: req.Model, version: req.Version, signature: signatureName(req.Signature)}
	d, _, e := c.fitting(ctx, s, func(_ *described, sig *providers.Signature) *providers.Error {
		if sig.Method != method {
			return c.fail(providers.KindInvalid, req.Model, "signature %q is none for %s: name one that is", s.signature, method)
		}
		return nil
	})
	if e != nil {
		return nil, e
	}
	out, e := c.api.examples(ctx, s, method, req.Examples)
	if e != nil {
		return nil, c.refused(s, e)
	}
	if out.version != "" && out.version != d.description.Version {
		c.discovery.forget(s.model, s.version)
	}
	return out, nil
}

// checkExamples says what is wrong with examples whatever the model.
func (c *Client) checkExamples(req *ExampleRequest) *providers.Error {
	l, total := c.cfg.Limits, int64(0)
	if int64(len(req.Examples)) > l.Texts {
		return c.fail(providers.KindInvalid, req.Model, "the request has more than %d examples, the limit", l.Texts)
	}
	for i, example := range req.Examples {
		for name, f := range example {
			kinds := 0
			for _, n := range []int{len(f.Bytes), len(f.Floats), len(f.Ints)} {
				kinds += min(n, 1)
			}
			if kinds > 1 || name == "" || !utf8.ValidString(name) {
				return c.fail(providers.KindInvalid, req.Model, "a feature of example %d has values of several kinds, or no name", i)
			}
			total += int64(4*len(f.Floats) + 8*len(f.Ints))
			for _, b := range f.Bytes {
				if total += int64(len(b)); int64(len(b)) > l.Text {
					return c.fail(providers.KindInvalid, req.Model, "a text of example %d has more than %d bytes, the limit", i, l.Text)
				}
			}
		}
	}
	if total > l.Bytes {
		return c.fail(providers.KindInvalid, req.Model, "the examples have more than %d bytes, the limit", l.Bytes)
	}
	return nil
}

// input makes the message of examples.
func input(list []Example) *serving.Input {
	out := make([]*tensorflow.Example, len(list))
	for i, example := range list {
		features := make(map[string]*tensorflow.Feature, len(example))
		for name, f := range example {
			features[name] = f.message()
		}
		out[i] = &tensorflow.Example{Features: &tensorflow.Features{Feature: features}}
	}
	return &serving.Input{Kind: &serving.Input_ExampleList{ExampleList: &serving.ExampleList{Examples: out}}}
}

func (f Feature) message() *tensorflow.Feature {
	switch {
	case len(f.Floats) > 0:
		return &tensorflow.Feature{Kind: &tensorflow.Feature_FloatList{FloatList: &tensorflow.FloatList{Value: f.Floats}}}
	case len(f.Ints) > 0:
		return &tensorflow.Feature{Kind: &tensorflow.Feature_Int64List{Int64List: &tensorflow.Int64List{Value: f.Ints}}}
	default:
		return &tensorflow.Feature{Kind: &tensorflow.Feature_BytesList{BytesList: &tensorflow.BytesList{Value: f.Bytes}}}
	}
}

// appendField writes a message as a field.
func appendField(b []byte, field protowire.Number, message []byte) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendBytes(b, message)
}

// TextClassifier classifies texts with a model of examples: each text is an example with one feature.
type TextClassifier struct {
	Client *Client
	// Feature is the name of the feature that holds the text. Empty: "text".
	Feature string
	// Signature is as in ExampleRequest.
	Signature string
}

var _ providers.Classifier = (*TextClassifier)(nil)

// Classify gives the classes of each text; see providers.Classifier. No texts make no call.
func (t *TextClassifier) Classify(ctx context.Context, req *providers.ClassifyRequest) (*providers.Classification, error) {
	name := t.Feature
	if name == "" {
		name = "text"
	}
	examples := make([]Example, len(req.Texts))
	for i, text := range req.Texts {
		examples[i] = Example{name: {Bytes: [][]byte{[]byte(text)}}}
	}
	return t.Client.ClassifyExamples(ctx, &ExampleRequest{Model: req.Model, Version: req.Version, Signature: t.Signature, Examples: examples})
}
