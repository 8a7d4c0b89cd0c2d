package pipeline

import (
	"testing"

	"fairlead/providers"
	"fairlead/providers/providertest"
)

func TestConformance(t *testing.T) {
	for name, out := range map[string]string{"logits": Softmax, "scores": Sigmoid} {
		t.Run("tokens to "+name, func(t *testing.T) {
			providertest.Run(t, providertest.Harness{Does: providers.Classify, Classifier: func(t testing.TB) providers.Classifier {
				return &Classifier{Predictor: bag{}, Backend: "bag", Pipeline: compile(t, Config{Input: tokens(), Batch: 4,
					Output: Output{Classes: &Classes{Tensor: "logits", Activation: out, Labels: []string{"travel", "billing", "other"}}}})}
			}})
		})
	}
	t.Run("texts to names", func(t *testing.T) {
		providertest.Run(t, providertest.Harness{Does: providers.Classify, Classifier: func(t testing.TB) providers.Classifier {
			return &Classifier{Predictor: bag{}, Backend: "bag", Pipeline: compile(t, Config{Input: Input{Text: &Text{Tensor: "text", Column: true}},
				Output: Output{Classes: &Classes{Tensor: "scores", Names: "classes"}}})}
		}})
	})
	for name, e := range map[string]Embedding{
		"mean": {Tensor: "hidden", Pooling: Mean, Normalize: true}, "cls": {Tensor: "mixed", Pooling: CLS}, "none": {Tensor: "pooled", Normalize: true},
	} {
		t.Run("embedding by "+name, func(t *testing.T) {
			providertest.Run(t, providertest.Harness{Does: providers.Embed, Embedder: func(t testing.TB) providers.Embedder {
				return &Embedder{Predictor: bag{}, Backend: "bag", Pipeline: compile(t, Config{Input: tokens(), Batch: 3, Output: Output{Embedding: &e}})}
			}})
		})
	}
}
