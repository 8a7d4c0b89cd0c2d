package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/providers"
	"fairlead/providers/pipeline/picture"
	"fairlead/providers/tensor"
)

// fixed is a model that gives the same whatever it is asked.
type fixed struct {
	outputs []tensor.Tensor
	err     error
	seen    []*providers.PredictRequest
}

func (f *fixed) Predict(_ context.Context, req *providers.PredictRequest) (*providers.Prediction, error) {
	f.seen = append(f.seen, req)
	return &providers.Prediction{Outputs: f.outputs}, f.err
}

func numbers(t testing.TB, name string, typ tensor.Type, shape []int64, values ...float64) tensor.Tensor {
	t.Helper()
	made, err := tensor.FromNumbers(name, typ, shape, values)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func texted(t testing.TB, name string, shape []int64, values ...string) tensor.Tensor {
	t.Helper()
	made, err := tensor.FromStrings(name, shape, values)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// classify gives the classes that fixed outputs become, for so many texts.
func classify(t testing.TB, c Classes, texts int, outputs ...tensor.Tensor) ([][]providers.Class, error) {
	t.Helper()
	k := &Classifier{Predictor: &fixed{outputs: outputs}, Backend: "b", Model: "m",
		Pipeline: compile(t, Config{Input: Input{Text: &Text{Tensor: "text"}}, Output: Output{Classes: &c}})}
	got, err := k.Classify(t.Context(), &providers.ClassifyRequest{Texts: make([]string, texts)})
	if err != nil {
		return nil, err
	}
	return got.Classes, nil
}

var near = cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })

func TestClassesOfScores(t *testing.T) {
	abc := []string{"a", "b", "c"}
	one := []int64{1, 3}
	for name, k := range map[string]struct {
		c    Classes
		out  []tensor.Tensor
		want []providers.Class
	}{
		"softmax": {Classes{Activation: Softmax, Labels: abc}, []tensor.Tensor{numbers(t, "s", tensor.Float64, one, 0, math.Log(2), math.Log(5))},
			[]providers.Class{{Name: "c", Probability: 5.0 / 8}, {Name: "b", Probability: 2.0 / 8}, {Name: "a", Probability: 1.0 / 8}}},
		"softmax of large logits": {Classes{Activation: Softmax, Labels: abc}, []tensor.Tensor{numbers(t, "s", tensor.Float64, one, 1e308, -1e308, 1e308)},
			[]providers.Class{{Name: "a", Probability: 0.5}, {Name: "c", Probability: 0.5}, {Name: "b"}}},
		"temperature": {Classes{Activation: Softmax, Labels: abc, Temperature: 2}, []tensor.Tensor{numbers(t, "s", tensor.Float64, one, 0, 2*math.Log(2), 2*math.Log(5))},
			[]providers.Class{{Name: "c", Probability: 5.0 / 8}, {Name: "b", Probability: 2.0 / 8}, {Name: "a", Probability: 1.0 / 8}}},
		"sigmoid": {Classes{Activation: Sigmoid, Labels: abc, Top: 2}, []tensor.Tensor{numbers(t, "s", tensor.Float64, one, 0, math.Log(3), -1e308)},
			[]providers.Class{{Name: "b", Probability: 0.75}, {Name: "a", Probability: 0.5}}},
		"none": {Classes{Labels: abc}, []tensor.Tensor{numbers(t, "s", tensor.Float64, one, 0.25, 1.00005, -0.00005)},
			[]providers.Class{{Name: "b", Probability: 1}, {Name: "a", Probability: 0.25}, {Name: "c", Probability: 0}}},
		"half types": {Classes{Labels: abc}, []tensor.Tensor{numbers(t, "s", tensor.Float16, one, 0.25, 0.5, 0.125)},
			[]providers.Class{{Name: "b", Probability: 0.5}, {Name: "a", Probability: 0.25}, {Name: "c", Probability: 0.125}}},
		"threshold": {Classes{Labels: abc, Threshold: 0.6}, []tensor.Tensor{numbers(t, "s", tensor.Float64, one, 0.25, 0.5, 0.25)},
			[]providers.Class{{Name: "unknown", Probability: 0.5}}},
		"threshold met": {Classes{Labels: abc, Threshold: 0.5, Top: 1}, []tensor.Tensor{numbers(t, "s", tensor.Float64, one, 0.25, 0.5, 0.25)},
			[]providers.Class{{Name: "b", Probability: 0.5}}},
		"other unknown": {Classes{Labels: abc, Threshold: 0.6, Unknown: "none"}, []tensor.Tensor{numbers(t, "s", tensor.Float64, one, 0.25, 0.5, 0.25)},
			[]providers.Class{{Name: "none", Probability: 0.5}}},
		"one column": {Classes{Labels: abc[:2], Activation: Sigmoid}, []tensor.Tensor{numbers(t, "s", tensor.Float32, []int64{1, 1}, 0)},
			[]providers.Class{{Name: "a", Probability: 0.5}, {Name: "b", Probability: 0.5}}},
		"no column": {Classes{Labels: abc[:2]}, []tensor.Tensor{numbers(t, "s", tensor.Float64, []int64{1}, 0.875)},
			[]providers.Class{{Name: "b", Probability: 0.875}, {Name: "a", Probability: 0.125}}},
		"names": {Classes{Names: "n"}, []tensor.Tensor{numbers(t, "s", tensor.Float64, []int64{1, 2}, 0.25, 0.75), texted(t, "n", []int64{1, 2}, "x", "y")},
			[]providers.Class{{Name: "y", Probability: 0.75}, {Name: "x", Probability: 0.25}}},
	} {
		k.c.Tensor = "s"
		got, err := classify(t, k.c, 1, k.out...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if d := cmp.Diff([][]providers.Class{k.want}, got, near); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestAnswersThatAreNotAsDeclaredAreErrors(t *testing.T) {
	labels := []string{"a", "b"}
	shape := []int64{1, 2}
	c := Classes{Tensor: "s", Labels: labels}
	for name, k := range map[string]struct {
		c    Classes
		out  []tensor.Tensor
		want string
	}{
		"nothing":        {c, nil, "no output s"},
		"text":           {c, []tensor.Tensor{texted(t, "s", shape, "secret", "b")}, "of type BYTES"},
		"truths":         {c, []tensor.Tensor{{Name: "s", Type: tensor.Bool, Shape: shape, Data: []byte{0, 1}}}, "of type BOOL"},
		"labels":         {c, []tensor.Tensor{numbers(t, "s", tensor.Float32, []int64{1, 3}, 0, 0, 1)}, "3 classes, and there are 2 labels"},
		"rows":           {c, []tensor.Tensor{numbers(t, "s", tensor.Float32, []int64{2, 2}, 0, 0, 1, 1)}, "has the shape [2 2], want [1, classes]"},
		"rank":           {c, []tensor.Tensor{numbers(t, "s", tensor.Float32, []int64{1, 1, 2}, 0, 1)}, "has the shape"},
		"scalar":         {c, []tensor.Tensor{numbers(t, "s", tensor.Float32, nil, 0)}, "has the shape"},
		"NaN":            {c, []tensor.Tensor{numbers(t, "s", tensor.Float32, shape, 0, math.NaN())}, "not a finite number"},
		"infinite":       {Classes{Tensor: "s", Labels: labels, Activation: Softmax}, []tensor.Tensor{numbers(t, "s", tensor.Float16, shape, 0, math.Inf(1))}, "not a finite number"},
		"logits":         {c, []tensor.Tensor{numbers(t, "s", tensor.Float32, shape, -3, 2)}, "no probability"},
		"data":           {c, []tensor.Tensor{{Name: "s", Type: tensor.Float32, Shape: shape, Data: make([]byte, 7)}}, "not as its shape says"},
		"bomb":           {c, []tensor.Tensor{{Name: "s", Type: tensor.Float32, Shape: []int64{1, 1 << 62}}}, "not as its shape says"},
		"softmax of one": {Classes{Tensor: "s", Labels: labels, Activation: Softmax}, []tensor.Tensor{numbers(t, "s", tensor.Float32, []int64{1, 1}, 0)}, "sigmoid was meant"},
		"no names":       {Classes{Tensor: "s", Names: "n"}, []tensor.Tensor{numbers(t, "s", tensor.Float32, shape, 0, 1)}, "does not name"},
		"few names":      {Classes{Tensor: "s", Names: "n"}, []tensor.Tensor{numbers(t, "s", tensor.Float32, shape, 0, 1), texted(t, "n", []int64{1, 1}, "secret")}, "does not name"},
		"empty names":    {Classes{Tensor: "s", Names: "n"}, []tensor.Tensor{numbers(t, "s", tensor.Float32, shape, 0, 1), texted(t, "n", shape, "secret", "")}, "has a name that is empty"},
		"no columns":     {Classes{Tensor: "s", Names: "n"}, []tensor.Tensor{numbers(t, "s", tensor.Float32, []int64{1, 0}), texted(t, "n", []int64{1, 0})}, "no classes"},
	} {
		_, err := classify(t, k.c, 1, k.out...)
		if e, ok := errors.AsType[*providers.Error](err); !ok || e.Kind != providers.KindProtocol || !e.MayBill || e.Backend != "b" || e.Model != "m" ||
			!strings.Contains(e.Detail, k.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVectors(t *testing.T) {
	embed := func(c Embedding, dimensions int, outputs ...tensor.Tensor) (*providers.Embeddings, error) {
		in := tokens()
		e := &Embedder{Predictor: &fixed{outputs: outputs}, Backend: "b", Model: "m", Pipeline: compile(t, Config{Input: in, Output: Output{Embedding: &c}})}
		// The first text is [CLS] the [SEP], the second one token shorter.
		return e.Embed(t.Context(), &providers.EmbedRequest{Texts: []string{"the", ""}, Dimensions: dimensions})
	}
	hidden := numbers(t, "h", tensor.Float32, []int64{2, 3, 2}, 3, 0, 0, 6, 0, 6, 1, 1, 3, 5, 1000, 1000)
	for name, k := range map[string]struct {
		c    Embedding
		want [][]float32
	}{
		"mean": {Embedding{Pooling: Mean}, [][]float32{{1, 4}, {2, 3}}},
		"cls":  {Embedding{Pooling: CLS}, [][]float32{{3, 0}, {1, 1}}},
		"unit": {Embedding{Pooling: CLS, Normalize: true}, [][]float32{{1, 0}, {float32(math.Sqrt(0.5)), float32(math.Sqrt(0.5))}}},
	} {
		k.c.Tensor = "h"
		got, err := embed(k.c, 0, hidden)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if d := cmp.Diff(k.want, got.Vectors); d != "" {
			t.Errorf("%s: %s", name, d)
		} else if u := got.Usage; u.Input != 5 || !u.Estimated {
			t.Errorf("%s: %+v", name, u)
		}
	}
	plain := numbers(t, "h", tensor.Int32, []int64{2, 2}, 3, 4, 0, 0)
	if got, err := embed(Embedding{Tensor: "h"}, 2, plain); err != nil || !cmp.Equal(got.Vectors, [][]float32{{3, 4}, {0, 0}}) {
		t.Error(got, err)
	}
	if _, err := embed(Embedding{Tensor: "h"}, 3, plain); providers.KindOf(err) != providers.KindUnsupported {
		t.Error(err)
	}
	for name, k := range map[string]struct {
		c   Embedding
		out []tensor.Tensor
	}{
		"zeros":    {Embedding{Tensor: "h", Normalize: true}, []tensor.Tensor{plain}},
		"rank":     {Embedding{Tensor: "h"}, []tensor.Tensor{hidden}},
		"no axis":  {Embedding{Tensor: "h", Pooling: Mean}, []tensor.Tensor{plain}},
		"short":    {Embedding{Tensor: "h", Pooling: Mean}, []tensor.Tensor{numbers(t, "h", tensor.Float32, []int64{2, 1, 2}, 1, 2, 3, 4)}},
		"rows":     {Embedding{Tensor: "h"}, []tensor.Tensor{numbers(t, "h", tensor.Float32, []int64{1, 2}, 1, 2)}},
		"empty":    {Embedding{Tensor: "h"}, []tensor.Tensor{numbers(t, "h", tensor.Float32, []int64{2, 0})}},
		"NaN":      {Embedding{Tensor: "h"}, []tensor.Tensor{numbers(t, "h", tensor.BFloat16, []int64{2, 1}, 1, math.NaN())}},
		"overflow": {Embedding{Tensor: "h"}, []tensor.Tensor{numbers(t, "h", tensor.Float64, []int64{2, 1}, 1, 1e300)}},
		"sum":      {Embedding{Tensor: "h", Pooling: Mean, Normalize: true}, []tensor.Tensor{numbers(t, "h", tensor.Float64, []int64{2, 3, 1}, 1e308, 1e308, 1e308, 1, 1, 1)}},
		"text":     {Embedding{Tensor: "h"}, []tensor.Tensor{texted(t, "h", []int64{2, 1}, "a", "b")}},
		"nothing":  {Embedding{Tensor: "h"}, nil},
		"data":     {Embedding{Tensor: "h"}, []tensor.Tensor{{Name: "h", Type: tensor.Float32, Shape: []int64{2, 2}}}},
	} {
		if _, err := embed(k.c, 0, k.out...); providers.KindOf(err) != providers.KindProtocol || !providers.Billed(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatTheModelIsAsked(t *testing.T) {
	f := &fixed{outputs: []tensor.Tensor{numbers(t, "s", tensor.Float32, []int64{2, 2}, 0, 1, 1, 0)}}
	in := tokens()
	in.Tokens.Type, in.Tokens.Max, in.Tokens.Full = tensor.Int32, 6, true
	k := &Classifier{Predictor: f, Backend: "b", Version: "2", Pipeline: compile(t, Config{Signature: "sig", Batch: 2, Input: in,
		Output: Output{Classes: &Classes{Tensor: "s", Labels: []string{"a", "b"}}}})}
	got, err := k.Classify(t.Context(), &providers.ClassifyRequest{Model: "m", Version: "stable", Texts: []string{"the ferry", "a", "the", "nine", "x", "x"}})
	if err != nil || len(got.Classes) != 6 || got.Model != "m" || len(f.seen) != 3 {
		t.Fatal(got, err, len(f.seen))
	}
	first := f.seen[0]
	if first.Model != "m" || first.Version != "stable" || first.Signature != "sig" || !slices.Equal(first.Outputs, []string{"s"}) {
		t.Errorf("%+v", first)
	}
	for i, want := range map[int][]int64{0: {2, 5, 7, 3, 0, 0, 2, 6, 3, 0, 0, 0}, 1: {1, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0}, 2: make([]int64, 12)} {
		ids, err := first.Inputs[i].Ints()
		if err != nil || !slices.Equal(ids, want) || first.Inputs[i].Type != tensor.Int32 || !slices.Equal(first.Inputs[i].Shape, []int64{2, 6}) {
			t.Errorf("input %d: %v %v, want %v: %v", i, first.Inputs[i].Shape, ids, want, err)
		}
	}
	if got.Usage.Input != 4+3+3+3+3+3 || !got.Usage.Estimated {
		t.Errorf("%+v", got.Usage)
	}
	// An error goes through as it is, but that batches before it were answered.
	f.err = &providers.Error{Kind: providers.KindUnavailable, Backend: "b"}
	if _, err := k.Classify(t.Context(), &providers.ClassifyRequest{Texts: []string{"x"}}); providers.KindOf(err) != providers.KindUnavailable || providers.Billed(err) {
		t.Error(err)
	}
}

func TestALaterBatchThatFailsIsBilled(t *testing.T) {
	calls := 0
	b := bag{seen: func(*providers.PredictRequest) { calls++ }}
	k := &Classifier{Backend: "b", Pipeline: compile(t, Config{Batch: 1, Input: Input{Features: &Features{Tensor: "x", List: []Feature{{Name: "a"}}}},
		Output: Output{Classes: &Classes{Tensor: "s", Labels: []string{"a", "b"}}}})}
	k.Predictor = &fixed{outputs: []tensor.Tensor{numbers(t, "s", tensor.Float32, []int64{1, 2}, 0, 1)}}
	_, err := k.Classify(t.Context(), &providers.ClassifyRequest{Texts: []string{`{"a":1}`, `{"b":1}`}})
	if providers.KindOf(err) != providers.KindInvalid || !providers.Billed(err) {
		t.Error(err)
	}
	k.Predictor = b
	if _, err := k.Classify(t.Context(), &providers.ClassifyRequest{Texts: []string{`{"b":1}`}}); providers.KindOf(err) != providers.KindInvalid || providers.Billed(err) || calls != 0 {
		t.Error(err, calls)
	}
}

// A picture becomes what this test computes for it by itself: resized by the triangle filter, in the order and on the
// scale that was declared.
func TestAPictureIsClassifiedAsDeclared(t *testing.T) {
	const w, h, size = 9, 6, 4
	src := image.NewNRGBA(image.Rect(0, 0, w, h))
	r := rand.New(rand.NewPCG(1, 2))
	for i := range src.Pix {
		src.Pix[i] = byte(r.Uint32()) | byte(i%4/3*255)
	}
	var file bytes.Buffer
	if err := png.Encode(&file, src); err != nil {
		t.Fatal(err)
	}
	mean, std := []float64{0.4, 0.45, 0.5}, []float64{0.2, 0.25, 0.3}
	want := make([]float64, 0, 3*size*size)
	for k := range 3 {
		for i := range size {
			for j := range size {
				sum, total := 0.0, 0.0
				for y := range h {
					for x := range w {
						// Wide pictures become 4 high and 6 wide, of which the middle 4 are taken.
						fy := max(0, 1-math.Abs(float64(y)+0.5-(float64(i)+0.5)*h/4)/(h/4.0))
						fx := max(0, 1-math.Abs(float64(x)+0.5-(float64(j+1)+0.5)*w/6)/(w/6.0))
						c := src.At(x, y).(color.NRGBA)
						sum += fy * fx * float64([]byte{c.B, c.G, c.R}[k])
						total += fy * fx
					}
				}
				want = append(want, (sum/total/255-mean[k])/std[k])
			}
		}
	}
	f := &fixed{outputs: []tensor.Tensor{numbers(t, "s", tensor.Float32, []int64{2, 2}, 1, 0, 0, 1)}}
	k := &Classifier{Predictor: f, Backend: "b", Model: "m", Pipeline: compile(t, Config{
		Input: Input{Image: &Image{Tensor: "x", Picture: picture.Config{Height: size, Width: size, Resize: picture.Shorter, Shorter: size,
			Mean: mean, Std: std, Channels: picture.BGR}}},
		Output: Output{Classes: &Classes{Tensor: "s", Labels: []string{"cat", "dog"}}},
	})}
	got, err := k.Classify(t.Context(), &providers.ClassifyRequest{Images: [][]byte{file.Bytes(), file.Bytes()}})
	if err != nil || got.Classes[0][0].Name != "cat" || got.Classes[1][0].Name != "dog" {
		t.Fatal(got, err)
	}
	in := f.seen[0].Inputs[0]
	values, err := in.Floats()
	if err != nil || in.Name != "x" || in.Type != tensor.Float32 || !slices.Equal(in.Shape, []int64{2, 3, size, size}) {
		t.Fatal(in.Name, in.Type, in.Shape, err)
	}
	for i, v := range values {
		if math.Abs(v-want[i%len(want)]) > 1e-5 {
			t.Fatalf("number %d is %v, want %v", i, v, want[i%len(want)])
		}
	}
	for name, req := range map[string]*providers.ClassifyRequest{
		"texts": {Texts: []string{"x"}}, "both": {Texts: []string{"x"}, Images: [][]byte{file.Bytes()}}, "broken": {Images: [][]byte{[]byte("secret")}},
	} {
		_, err := k.Classify(t.Context(), req)
		if kind := providers.KindOf(err); kind != providers.KindInvalid && kind != providers.KindUnsupported || strings.Contains(err.Error(), "secret") || len(f.seen) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	text := &Classifier{Predictor: f, Pipeline: compile(t, Config{Input: Input{Text: &Text{Tensor: "x"}}})}
	if _, err := text.Classify(t.Context(), &providers.ClassifyRequest{Texts: []string{"x"}}); providers.KindOf(err) != providers.KindUnsupported {
		t.Error(err)
	}
	whole := &Embedder{Predictor: &fixed{outputs: []tensor.Tensor{numbers(t, "e", tensor.Float32, []int64{1, 2}, 3, 4)}}, Pipeline: compile(t, Config{
		Input:  Input{Image: &Image{Tensor: "x", Type: tensor.Uint8, Picture: picture.Config{Height: 2, Width: 2, Scale: 1}}},
		Output: Output{Embedding: &Embedding{Tensor: "e"}}})}
	if got, err := whole.Images(t.Context(), [][]byte{file.Bytes()}); err != nil || !cmp.Equal(got.Vectors, [][]float32{{3, 4}}) {
		t.Error(got, err)
	}
}

func TestWrongConfigurations(t *testing.T) {
	dir := t.TempDir()
	labels := filepath.Join(dir, "labels.txt")
	if err := os.WriteFile(labels, []byte("\xef\xbb\xbfa\r\nb\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := Input{Text: &Text{Tensor: "x"}}
	classes := func(c Classes) Config { return Config{Input: text, Output: Output{Classes: &c}} }
	ok := compile(t, classes(Classes{Tensor: "s", LabelsFile: labels}))
	if !slices.Equal(ok.classes.labels, []string{"a", "b"}) || !ok.Classifies() || ok.Embeds() || ok.Images() {
		t.Error(ok.classes.labels)
	}
	with := func(change func(*Tokens)) Config {
		in := tokens()
		change(in.Tokens)
		return Config{Input: in}
	}
	for want, c := range map[string]Config{
		"input.text, tokens, image or features: want exactly one": {},
		"want exactly one":               {Input: Input{Text: text.Text, Tokens: tokens().Tokens}},
		"batch: 5000":                    {Input: text, Batch: 5000},
		"input.text: tensor must be set": {Input: Input{Text: &Text{}}},
		"not both":                       {Input: text, Output: Output{Classes: &Classes{}, Embedding: &Embedding{}}},
		"output.classes: tensor must":    classes(Classes{}),
		"activation is neither":          classes(Classes{Tensor: "s", Activation: "relu"}),
		"temperature is for logits":      classes(Classes{Tensor: "s", Temperature: 2}),
		"temperature is not":             classes(Classes{Tensor: "s", Temperature: -2}),
		"threshold is not":               classes(Classes{Tensor: "s", Threshold: 1.5}),
		"top is below":                   classes(Classes{Tensor: "s", Top: -1}),
		"no labels":                      classes(Classes{Tensor: "s", Names: "n", Labels: []string{"a", "b"}}),
		"names and scores are one":       classes(Classes{Tensor: "s", Names: "s"}),
		"labels are listed and":          classes(Classes{Tensor: "s", Labels: []string{"a", "b"}, LabelsFile: labels}),
		"labels must be set":             classes(Classes{Tensor: "s"}),
		"1 labels":                       classes(Classes{Tensor: "s", Labels: []string{"a"}}),
		"label 1 is there twice":         classes(Classes{Tensor: "s", Labels: []string{"a", "a"}}),
		"label 1 is empty":               classes(Classes{Tensor: "s", Labels: []string{"a", ""}}),
		"reading labels":                 classes(Classes{Tensor: "s", LabelsFile: filepath.Join(dir, "none")}),
		"output.embedding: tensor must":  {Input: text, Output: Output{Embedding: &Embedding{}}},
		"pooling is neither":             {Input: text, Output: Output{Embedding: &Embedding{Tensor: "e", Pooling: "max"}}},
		"input.tokens: ids must be set":  with(func(c *Tokens) { c.IDs = "" }),
		"inputs of one name":             with(func(c *Tokens) { c.Mask = c.IDs }),
		"want INT64 or INT32":            with(func(c *Tokens) { c.Type = tensor.Float32 }),
		"max: 2 is not from 3":           with(func(c *Tokens) { c.Max = 2 }),
		"tokenizer must be set":          with(func(c *Tokens) { c.Tokenizer = "" }),
		"reading a tokenizer":            with(func(c *Tokens) { c.Tokenizer = filepath.Join(dir, "none") }),
		"input.image: tensor must":       {Input: Input{Image: &Image{}}},
		"pictures of type BYTES":         {Input: Input{Image: &Image{Tensor: "x", Type: tensor.String}}},
		"becomes 0 x 0":                  {Input: Input{Image: &Image{Tensor: "x"}}},
		"there are 0 features":           {Input: Input{Features: &Features{}}},
		"feature 0 has no name":          {Input: Input{Features: &Features{List: make([]Feature, 1)}}},
		"more inputs than":               {Input: Input{Features: &Features{List: make([]Feature, 65)}}},
		"feature a is there twice":       {Input: Input{Features: &Features{List: []Feature{{Name: "a"}, {Name: "a"}}}}},
		"a type of its own":              {Input: Input{Features: &Features{Tensor: "x", List: []Feature{{Name: "a", Type: tensor.Int8}}}}},
		"is of type BOOL":                {Input: Input{Features: &Features{List: []Feature{{Name: "a", Type: tensor.Bool}}}}},
		"the default of feature a":       {Input: Input{Features: &Features{Type: tensor.Int8, List: []Feature{{Name: "a", Default: &[]float64{300}[0]}}}}},
	} {
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestCheckAgainstTheModelsDescription(t *testing.T) {
	p := compile(t, Config{Input: tokens(), Output: Output{Classes: &Classes{Tensor: "s", Labels: []string{"a", "b"}}}})
	in := func(name string, typ tensor.Type, shape ...int64) providers.Spec {
		return providers.Spec{Name: name, Type: typ, Shape: shape}
	}
	fits := providers.Signature{Inputs: []providers.Spec{in("input_ids", tensor.Int64, -1, 128), in("attention_mask", tensor.Int64), in("token_type_ids", tensor.Invalid)},
		Outputs: []providers.Spec{in("s", tensor.Float32), in("other", tensor.Float32)}}
	if err := p.Check(fits); err != nil {
		t.Error(err)
	}
	err := p.Check(providers.Signature{Inputs: []providers.Spec{in("input_ids", tensor.Int32), in("attention_mask", tensor.Int64, -1), in("position_ids", tensor.Int64)}})
	for _, want := range []string{"input input_ids is of type INT32", "input attention_mask has the shape [-1]", "no input token_type_ids", "an input position_ids", "no output s"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("without %q: %v", want, err)
		}
	}
}

func BenchmarkClassify(b *testing.B) {
	f := &fixed{outputs: []tensor.Tensor{{Name: "s", Type: tensor.Float32, Shape: []int64{32, 3}, Data: make([]byte, 32*3*4)}}}
	k := &Classifier{Predictor: f, Pipeline: compile(b, Config{Input: tokens(), Output: Output{Classes: &Classes{Tensor: "s", Activation: Softmax, Labels: []string{"a", "b", "c"}}}})}
	req := &providers.ClassifyRequest{Texts: slices.Repeat([]string{"When does the ferry leave? At nine, said the harbour office."}, 32)}
	b.ReportAllocs()
	for b.Loop() {
		f.seen = f.seen[:0]
		if _, err := k.Classify(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}
