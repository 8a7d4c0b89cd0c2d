package openinference_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/providers"
	"fairlead/providers/openinference"
	"fairlead/providers/pipeline"
	"fairlead/providers/providertest"
	"fairlead/providers/tensor"
)

// live is the server of examples/pytorch, which its check.sh starts. Without the variables the tests are skipped.
type live struct {
	rest, grpc, model string
	// sentences are ones that the models were not trained on, with what PyTorch gives for them in the process that trained them.
	sentences []sentence
	accuracy  float64
}

type sentence struct {
	Text, Class string
	Logits      []float64
	Vector      []float32
}

func liveServer(t *testing.T) live {
	t.Helper()
	l := live{rest: os.Getenv("FAIRLEAD_TEST_OIP_URL"), grpc: os.Getenv("FAIRLEAD_TEST_OIP_GRPC"), model: os.Getenv("FAIRLEAD_TEST_OIP_MODEL")}
	if l.rest == "" || l.grpc == "" || l.model == "" {
		t.Skip("FAIRLEAD_TEST_OIP_URL, FAIRLEAD_TEST_OIP_GRPC and FAIRLEAD_TEST_OIP_MODEL are not set: see examples/pytorch/check.sh")
	}
	var report struct {
		HeldOut struct {
			Accuracy float64 `json:"tickets_accuracy"`
		} `json:"held_out"`
	}
	for name, into := range map[string]any{"expected.json": &l.sentences, "report.json": &report} {
		data, err := os.ReadFile(filepath.Join(l.model, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	l.accuracy = report.HeldOut.Accuracy
	if len(l.sentences) < 40 || l.accuracy < 0.6 {
		t.Fatalf("%d sentences, accuracy %v: the example is not trained", len(l.sentences), l.accuracy)
	}
	return l
}

// ways are those to talk to the server.
func (l live) ways() map[string]openinference.Config {
	return map[string]openinference.Config{
		"grpc":          {URL: l.grpc},
		"rest":          {URL: l.rest},
		"rest, JSON":    {URL: l.rest, Binary: openinference.BinaryNever},
		"rest, binary":  {URL: l.rest, Binary: openinference.BinaryAlways},
		"grpc, trusted": {URL: l.grpc, Check: openinference.CheckNone},
	}
}

// each runs a test once for each way.
func (l live) each(t *testing.T, test func(t *testing.T, cfg openinference.Config)) {
	for name, cfg := range l.ways() {
		t.Run(name, func(t *testing.T) { test(t, cfg) })
	}
}

func dial(t testing.TB, cfg openinference.Config) *openinference.Client {
	t.Helper()
	cfg.Name = "live"
	c, err := openinference.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// The classes are in the order of the logits, as examples/pytorch/fairlead.yaml has them.
var classes = []string{"account", "billing", "delivery", "technical"}

func compiled(t testing.TB, c pipeline.Config) *pipeline.Pipeline {
	t.Helper()
	p, err := pipeline.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (l live) classifier(t testing.TB, cfg openinference.Config) *pipeline.Classifier {
	t.Helper()
	return &pipeline.Classifier{Predictor: dial(t, cfg), Backend: "live", Model: "tickets", Pipeline: compiled(t, pipeline.Config{
		Input:  pipeline.Input{Text: &pipeline.Text{Tensor: "text"}},
		Output: pipeline.Output{Classes: &pipeline.Classes{Tensor: "logits", Activation: pipeline.Softmax, Labels: classes}},
	})}
}

func (l live) embedder(t testing.TB, cfg openinference.Config) *pipeline.Embedder {
	t.Helper()
	return &pipeline.Embedder{Predictor: dial(t, cfg), Backend: "live", Model: "sentences", Pipeline: compiled(t, pipeline.Config{
		Input: pipeline.Input{Tokens: &pipeline.Tokens{Tokenizer: filepath.Join(l.model, "tokenizer.json"),
			IDs: "input_ids", Mask: "attention_mask", Max: 64}},
		Output: pipeline.Output{Embedding: &pipeline.Embedding{Tensor: "hidden", Pooling: pipeline.Mean, Normalize: true}},
	})}
}

func (l live) texts() []string {
	texts := make([]string, len(l.sentences))
	for i, s := range l.sentences {
		texts[i] = s.Text
	}
	return texts
}

func TestLiveConformance(t *testing.T) {
	l := liveServer(t)
	l.each(t, func(t *testing.T, cfg openinference.Config) {
		providertest.Run(t, providertest.Harness{
			Does:       providers.Classify | providers.Embed,
			Classifier: func(t testing.TB) providers.Classifier { return l.classifier(t, cfg) }, ClassifyModel: "tickets",
			Embedder: func(t testing.TB) providers.Embedder { return l.embedder(t, cfg) }, EmbedModel: "sentences",
		})
	})
}

func TestLiveMetadata(t *testing.T) {
	l := liveServer(t)
	want := map[string]providers.Signature{
		"tickets": {
			Inputs:  []providers.Spec{{Name: "text", Type: tensor.String, Shape: []int64{-1}}},
			Outputs: []providers.Spec{{Name: "logits", Type: tensor.Float32, Shape: []int64{-1, 4}}},
		},
		"sentences": {
			Inputs: []providers.Spec{
				{Name: "input_ids", Type: tensor.Int64, Shape: []int64{-1, -1}},
				{Name: "attention_mask", Type: tensor.Int64, Shape: []int64{-1, -1}},
			},
			Outputs: []providers.Spec{{Name: "hidden", Type: tensor.Float32, Shape: []int64{-1, -1, 64}}},
		},
	}
	l.each(t, func(t *testing.T, cfg openinference.Config) {
		c := dial(t, cfg)
		for model, p := range map[string]*pipeline.Pipeline{"tickets": l.classifier(t, cfg).Pipeline, "sentences": l.embedder(t, cfg).Pipeline} {
			about, err := c.Describe(t.Context(), model, "")
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want[model], about.Signatures[""]); d != "" {
				t.Errorf("%s (-want +got):\n%s", model, d)
			}
			if err := p.Check(about.Signatures[""]); err != nil {
				t.Errorf("%s: %v", model, err)
			}
		}
		if err := l.embedder(t, cfg).Pipeline.Check(want["tickets"]); err == nil {
			t.Error("a pipeline fits the description of another model")
		}
	})
}

func TestLiveLifecycle(t *testing.T) {
	l := liveServer(t)
	l.each(t, func(t *testing.T, cfg openinference.Config) {
		c, ctx := dial(t, cfg), t.Context()
		for what, err := range map[string]error{"live": c.Live(ctx), "server ready": c.ServerReady(ctx), "ready": c.Ready(ctx, "tickets", ""), "warm": c.Warm(ctx, "sentences", "")} {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		got, err := c.Versions(ctx, "tickets")
		if d := cmp.Diff([]providers.ModelVersion{{Model: "tickets", State: providers.ModelReady}}, got); err != nil || d != "" {
			t.Errorf("%v (-want +got):\n%s", err, d)
		}
		for what, err := range map[string]error{
			"ready":    c.Ready(ctx, "absent", ""),
			"describe": func() error { _, err := c.Describe(ctx, "absent", ""); return err }(),
			"predict":  func() error { _, err := c.Predict(ctx, asking("absent", one("text", "x"))); return err }(),
		} {
			if k := providers.KindOf(err); k != providers.KindNotFound {
				t.Errorf("%s, of a model that is not there: %v", what, err)
			}
		}
		if err := c.Unload(ctx, "tickets"); err == nil || providers.Retryable(err) {
			t.Errorf("the server takes away what it was told to keep, or may be asked again: %v", err)
		}
		req := asking("tickets", one("text", "x"))
		req.Version = "7"
		if _, err := c.Predict(ctx, req); err == nil || providers.Retryable(err) {
			t.Errorf("a version that is not there: %v", err)
		}
	})
	t.Run("models", func(t *testing.T) {
		models, err := dial(t, openinference.Config{URL: l.rest}).Models(t.Context())
		if d := cmp.Diff([]providers.Model{{Name: "tickets"}, {Name: "sentences"}}, models); err != nil || d != "" {
			t.Errorf("over REST: %v (-want +got):\n%s", err, d)
		}
		if _, err := dial(t, openinference.Config{URL: l.grpc}).Models(t.Context()); providers.KindOf(err) != providers.KindUnsupported {
			t.Errorf("over gRPC, where KServe has no list: %v", err)
		}
	})
}

func asking(model string, inputs ...tensor.Tensor) *providers.PredictRequest {
	return &providers.PredictRequest{Model: model, Inputs: inputs}
}

func one(name string, texts ...string) tensor.Tensor {
	t := tensor.Tensor{Name: name, Type: tensor.String, Shape: []int64{int64(len(texts))}}
	for _, text := range texts {
		t.Strings = append(t.Strings, []byte(text))
	}
	return t
}

func numbers[E int32 | int64 | float32](t *testing.T, name string, shape []int64, values ...E) tensor.Tensor {
	t.Helper()
	made, err := tensor.From(name, shape, values)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// What is wrong is refused once by us, who know the description, and once by the server, where we do not look.
func TestLiveRefusals(t *testing.T) {
	l := liveServer(t)
	row := []int64{1, 2}
	ids, mask := numbers[int64](t, "input_ids", row, 2, 3), numbers[int64](t, "attention_mask", row, 1, 1)
	for name, cfg := range l.ways() {
		for _, check := range []string{openinference.CheckAll, openinference.CheckNone} {
			cfg.Check = check
			c := dial(t, cfg)
			for what, req := range map[string]*providers.PredictRequest{
				"type":              asking("tickets", numbers[float32](t, "text", []int64{1}, 1)),
				"rank":              asking("tickets", tensor.Tensor{Name: "text", Type: tensor.String, Shape: []int64{1, 1}, Strings: [][]byte{{'x'}}}),
				"name":              asking("tickets", one("words", "x")),
				"no input":          asking("tickets"),
				"narrow":            asking("sentences", numbers[int32](t, "input_ids", row, 2, 3), mask),
				"missing":           asking("sentences", ids),
				"other shape":       asking("sentences", ids, numbers[int64](t, "attention_mask", []int64{1, 1}, 1)),
				"no such token":     asking("sentences", numbers[int64](t, "input_ids", row, 2, 1<<40), mask),
				"below zero":        asking("sentences", numbers[int64](t, "input_ids", row, 2, -1), mask),
				"masked":            asking("sentences", ids, numbers[int64](t, "attention_mask", row, 0, 0)),
				"too many rows":     asking("tickets", one("text", make([]string, 65)...)),
				"too many tokens":   asking("sentences", numbers(t, "input_ids", []int64{1, 65}, make([]int64, 65)...), numbers(t, "attention_mask", []int64{1, 65}, make([]int64, 65)...)),
				"no texts":          asking("tickets", one("text")),
				"too long a text":   asking("tickets", one("text", strings.Repeat("a", 17<<10))),
				"too large":         asking("tickets", one("text", strings.Repeat("a", 2<<20))),
				"not UTF-8":         asking("tickets", one("text", "\xff\xfe")),
				"no such an output": {Model: "tickets", Inputs: []tensor.Tensor{one("text", "x")}, Outputs: []string{"loss"}},
			} {
				t.Run(fmt.Sprintf("%s/check %s/%s", name, check, what), func(t *testing.T) {
					_, err := c.Predict(t.Context(), req)
					if k := providers.KindOf(err); k != providers.KindInvalid || providers.Retryable(err) {
						t.Errorf("%v (%v)", err, k)
					}
					if err != nil && strings.Contains(err.Error(), "the inputs must be") {
						t.Errorf("the server's own text is in the error: %v", err)
					}
				})
			}
			if _, err := c.Predict(t.Context(), asking("tickets", one("text", "where is my parcel"))); err != nil {
				t.Errorf("%s: after all that: %v", name, err)
			}
		}
	}
}

// The answers are those that PyTorch gives in the process that trained the models: what was sent is what was read, and
// Fairlead's tokens are those of the tokenizer that the models were trained with.
func TestLiveAnswersAreThoseOfTheModels(t *testing.T) {
	l := liveServer(t)
	l.each(t, func(t *testing.T, cfg openinference.Config) {
		sorted, err := l.classifier(t, cfg).Classify(t.Context(), &providers.ClassifyRequest{Texts: l.texts()})
		if err != nil {
			t.Fatal(err)
		}
		right := 0
		for i, s := range l.sentences {
			if d := s.classesDiffer(sorted.Classes[i]); d != "" {
				t.Errorf("%q: %s", s.Text, d)
			}
			if sorted.Classes[i][0].Name == s.Class {
				right++
			}
		}
		if accuracy := float64(right) / float64(len(l.sentences)); math.Abs(accuracy-l.accuracy) > 1e-6 {
			t.Errorf("accuracy %v, and %v where it was trained", accuracy, l.accuracy)
		}
		made, err := l.embedder(t, cfg).Embed(t.Context(), &providers.EmbedRequest{Texts: l.texts()})
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range l.sentences {
			if d := s.vectorDiffers(made.Vectors[i]); d != "" {
				t.Errorf("%q: %s", s.Text, d)
			}
		}
	})
}

func (s sentence) classesDiffer(got []providers.Class) string {
	total := 0.0
	for _, x := range s.Logits {
		total += math.Exp(x)
	}
	for i, x := range s.Logits {
		for _, c := range got {
			if p := math.Exp(x) / total; c.Name == classes[i] && math.Abs(c.Probability-p) > 1e-4 {
				return fmt.Sprintf("%s has the probability %v, want %v", c.Name, c.Probability, p)
			}
		}
	}
	if len(got) != len(s.Logits) {
		return fmt.Sprintf("%d classes", len(got))
	}
	return ""
}

func (s sentence) vectorDiffers(got []float32) string {
	if len(got) != len(s.Vector) {
		return fmt.Sprintf("%d numbers, want %d", len(got), len(s.Vector))
	}
	for i := range got {
		if math.Abs(float64(got[i]-s.Vector[i])) > 1e-4 {
			return fmt.Sprintf("number %d is %v, want %v", i, got[i], s.Vector[i])
		}
	}
	return ""
}

// Sentences of a class, of which the model has seen none, are nearer to each other than to those of other classes.
func TestLiveVectorsMeanSomething(t *testing.T) {
	l := liveServer(t)
	made, err := l.embedder(t, openinference.Config{URL: l.grpc}).Embed(t.Context(), &providers.EmbedRequest{Texts: l.texts()})
	if err != nil {
		t.Fatal(err)
	}
	var within, across, nearest float64
	var pairs, others int
	for i, a := range l.sentences {
		best, at := math.Inf(-1), 0
		for k, b := range l.sentences {
			if i == k {
				continue
			}
			cosine := 0.0
			for d, x := range made.Vectors[i] {
				cosine += float64(x) * float64(made.Vectors[k][d])
			}
			if a.Class == b.Class {
				within, pairs = within+cosine, pairs+1
			} else {
				across, others = across+cosine, others+1
			}
			if cosine > best {
				best, at = cosine, k
			}
		}
		if l.sentences[at].Class == a.Class {
			nearest++
		}
	}
	within, across, nearest = within/float64(pairs), across/float64(others), nearest/float64(len(l.sentences))
	t.Logf("mean cosine within a class %.3f, across classes %.3f; the nearest is of the same class for %.3f", within, across, nearest)
	if within < across+0.2 || nearest < 0.5 { // 0.25 is chance
		t.Error("vectors of one class are not nearer to each other")
	}
}

// Texts that JSON, protobuf and the binary data write differently arrive the same.
func TestLiveTextsArrive(t *testing.T) {
	l := liveServer(t)
	texts := []string{"", "\x00", "\"\\/\b\f\n\r\t", "\u2028\u2029\ufeff", "中国 İ שָׁלוֹם 👩‍👩‍👧 e\u0301", "{\"inputs\":[]}", strings.Repeat("parcel ", 2000), "[SEP] [PAD]"}
	var first *providers.Prediction
	for name, cfg := range l.ways() {
		got, err := dial(t, cfg).Predict(t.Context(), asking("tickets", one("text", texts...)))
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case first == nil:
			first = got
		default:
			a, _ := first.Output("logits").Floats()
			b, err := got.Output("logits").Floats()
			if d := cmp.Diff(a, b, cmp.Comparer(func(x, y float64) bool { return math.Abs(x-y) < 1e-4 })); err != nil || d != "" {
				t.Errorf("%s: %v, another answer than another way:\n%s", name, err, d)
			}
		}
	}
}

// What 64 callers ask at once is answered to each of them, although the server runs many of them as one batch.
func TestLiveCallersAreNotCrossed(t *testing.T) {
	l := liveServer(t)
	l.each(t, func(t *testing.T, cfg openinference.Config) {
		c, e := l.classifier(t, cfg), l.embedder(t, cfg)
		var wg sync.WaitGroup
		for caller := range 64 {
			wg.Go(func() {
				for round := range 4 {
					s := l.sentences[(caller+round*17)%len(l.sentences)]
					if caller%2 == 0 {
						got, err := c.Classify(t.Context(), &providers.ClassifyRequest{Texts: []string{s.Text}})
						if err != nil {
							t.Error(err)
						} else if d := s.classesDiffer(got.Classes[0]); d != "" {
							t.Errorf("%q: %s", s.Text, d)
						}
						continue
					}
					got, err := e.Embed(t.Context(), &providers.EmbedRequest{Texts: []string{s.Text}})
					if err != nil {
						t.Error(err)
					} else if d := s.vectorDiffers(got.Vectors[0]); d != "" {
						t.Errorf("%q: %s", s.Text, d)
					}
				}
			})
		}
		wg.Wait()
	})
}
