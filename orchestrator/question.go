package orchestrator

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"fairlead/providers"
	"fairlead/providers/tensor"
)

// question is what a target answers in one piece: texts or pictures to classify, texts to embed, or tensors to run a
// model over.
type question struct {
	// needs is providers.Classify, Embed or Predict.
	needs  providers.Capability
	texts  []string
	images [][]byte
	// dimensions are those of vectors that were asked for; 0: as they come.
	dimensions int
	inputs     []tensor.Tensor
	outputs    []string
	signature  string
}

// reply answers a question: for each of its items the classes, or a vector; or the outputs.
type reply struct {
	classes [][]providers.Class
	vectors [][]float32
	outputs []tensor.Tensor
	// model and version are what the backend says it used.
	model, version string
	usage          providers.Usage
}

// items gives how many things the question is about: texts, pictures, or rows of tensors.
func (q *question) items() int {
	if q.needs == providers.Predict {
		return max(q.rows(), 1)
	}
	return len(q.texts) + len(q.images)
}

// rows gives the length of the first axis that all inputs share; 0 where they share none.
func (q *question) rows() int {
	n := int64(0)
	for i := range q.inputs {
		in := &q.inputs[i]
		if len(in.Shape) == 0 || in.Shape[0] < 1 || in.Shape[0] > math.MaxInt32 || i > 0 && in.Shape[0] != n {
			return 0
		}
		n = in.Shape[0]
	}
	return int(n)
}

// size gives the bytes of what is sent.
func (q *question) size() (n int) {
	for _, text := range q.texts {
		n += len(text)
	}
	for _, image := range q.images {
		n += len(image)
	}
	for i := range q.inputs {
		n += len(q.inputs[i].Data)
		for _, text := range q.inputs[i].Strings {
			n += len(text)
		}
	}
	return n
}

// only gives the question about some of its texts and pictures, by their places.
func (q *question) only(places []int) *question {
	out := *q
	out.texts, out.images = nil, nil
	for _, i := range places {
		if q.images != nil {
			out.images = append(out.images, q.images[i])
		} else {
			out.texts = append(out.texts, q.texts[i])
		}
	}
	return &out
}

// ask makes the call of a question. A panic of the adapter is a failed call, and so is an answer that is none.
func (t *target) ask(ctx context.Context, q *question) (got *reply, err error) {
	defer func() {
		if value := recover(); value != nil {
			got, err = nil, broken(&t.Target.Target, value)
		}
	}()
	switch q.needs {
	case providers.Classify:
		got, err = t.classes(ctx, q)
	case providers.Embed:
		got, err = t.vectors(ctx, q)
	default:
		got, err = t.outputs(ctx, q)
	}
	if err != nil {
		return nil, err
	}
	got.usage = plausible(got.usage)
	return got, nil
}

func (t *target) misspoke(detail string) error {
	return &providers.Error{Kind: providers.KindProtocol, Backend: t.Backend, Model: t.Model, MayBill: true, Detail: detail}
}

// classes gives the classes of each item, the most probable first, and at least one.
func (t *target) classes(ctx context.Context, q *question) (*reply, error) {
	got, err := t.Classifier.Classify(ctx, &providers.ClassifyRequest{Model: t.Model, Version: t.Version, Texts: q.texts, Images: q.images})
	if err != nil {
		return nil, err
	}
	if got == nil || len(got.Classes) != q.items() || slices.ContainsFunc(got.Classes, unsound) {
		return nil, t.misspoke("its classes are not one list for each item, with probabilities from 0 to 1")
	}
	out := &reply{classes: make([][]providers.Class, len(got.Classes)), model: got.Model, version: got.Version, usage: got.Usage}
	for i, list := range got.Classes {
		out.classes[i] = slices.Clone(list)
		slices.SortStableFunc(out.classes[i], func(a, b providers.Class) int { return cmp.Compare(b.Probability, a.Probability) })
	}
	return out, nil
}

// unsound says whether there are no classes, or their probabilities are none.
func unsound(classes []providers.Class) bool {
	return len(classes) == 0 || slices.ContainsFunc(classes, func(c providers.Class) bool {
		return !(c.Probability >= 0 && c.Probability <= 1) // NaN is neither
	})
}

func (t *target) vectors(ctx context.Context, q *question) (*reply, error) {
	got, err := t.Embedder.Embed(ctx, &providers.EmbedRequest{Model: t.Model, Texts: q.texts, Dimensions: q.dimensions})
	if err != nil {
		return nil, err
	}
	if got == nil || len(got.Vectors) != len(q.texts) {
		return nil, t.misspoke("its vectors are not one for each text")
	}
	return &reply{vectors: got.Vectors, model: got.Model, version: got.Version, usage: got.Usage}, nil
}

func (t *target) outputs(ctx context.Context, q *question) (*reply, error) {
	got, err := t.Predictor.Predict(ctx, &providers.PredictRequest{Model: t.Model, Version: t.Version,
		Signature: cmp.Or(q.signature, t.Signature), Inputs: q.inputs, Outputs: q.outputs})
	if err != nil {
		return nil, err
	}
	if got == nil || len(got.Outputs) == 0 {
		return nil, t.misspoke("it gave no outputs")
	}
	return &reply{outputs: got.Outputs, model: got.Model, version: got.Version, usage: got.Usage}, nil
}

// kin is what questions have in common that may be asked in one call. Empty: this one is asked by itself.
func (t *target) kin(ctx context.Context, q *question) string {
	switch q.needs {
	case providers.Classify:
		switch {
		case len(q.images) == 0:
			return "texts"
		case len(q.texts) == 0:
			return "pictures"
		}
		return ""
	case providers.Embed:
		return fmt.Sprint("vectors of ", q.dimensions)
	}
	if q.rows() == 0 || !t.joinable(ctx, q) {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "tensors %q %q", q.signature, q.outputs)
	for i := range q.inputs {
		in := &q.inputs[i]
		fmt.Fprintf(&b, " %q %s %v", in.Name, in.Type, in.Shape[1:])
	}
	return b.String()
}

// join makes one question of several that are kin.
func join(questions []*question) (*question, error) {
	first := questions[0]
	if len(questions) == 1 {
		return first, nil
	}
	out := &question{needs: first.needs, dimensions: first.dimensions, outputs: first.outputs, signature: first.signature}
	for _, q := range questions {
		out.texts, out.images = append(out.texts, q.texts...), append(out.images, q.images...)
	}
	for i := range first.inputs {
		parts := make([]tensor.Tensor, len(questions))
		for k, q := range questions {
			parts[k] = q.inputs[i]
		}
		joined, err := tensor.Concat(parts...)
		if err != nil {
			return nil, err
		}
		out.inputs = append(out.inputs, joined)
	}
	return out, nil
}

// split gives each question its part of a reply to all. It fails where the outputs do not have a row for each.
func (a *reply) split(questions []*question) ([]*reply, error) {
	out := make([]*reply, len(questions))
	if len(questions) == 1 {
		out[0] = a
		return out, nil
	}
	rows, at := make([]int64, len(questions)), 0
	for i, q := range questions {
		n := q.items()
		rows[i], out[i] = int64(n), &reply{model: a.model, version: a.version}
		if a.classes != nil {
			out[i].classes = a.classes[at : at+n : at+n]
		}
		if a.vectors != nil {
			out[i].vectors = a.vectors[at : at+n : at+n]
		}
		at += n
	}
	for i := range a.outputs {
		parts, err := a.outputs[i].Split(rows...)
		if err != nil {
			return nil, err
		}
		for k := range parts {
			parts[k].Name = a.outputs[i].Name
			out[k].outputs = append(out[k].outputs, parts[k])
		}
	}
	return out, nil
}
