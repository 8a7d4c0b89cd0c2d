package tfserving_test

import (
	"testing"

	"fairlead/providers"
	"fairlead/providers/pipeline"
	"fairlead/providers/providertest"
	"fairlead/providers/tfserving"
	"fairlead/providers/tfserving/tfservingtest"
)

// served is the model of the suite.
func served(t testing.TB, way string) *tfserving.Client {
	s := &tfservingtest.Server{}
	s.Put("model", 1, &tfservingtest.Version{Regressor: trained()})
	return serve(t, way, s, nil)
}

func compiled(t testing.TB, cfg pipeline.Config) *pipeline.Pipeline {
	t.Helper()
	cfg.Input = pipeline.Input{Text: &pipeline.Text{Tensor: "text"}}
	p, err := pipeline.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestConformance(t *testing.T) {
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			t.Run("tensors", func(t *testing.T) {
				providertest.Run(t, providertest.Harness{
					Does: providers.Classify | providers.Embed,
					Classifier: func(t testing.TB) providers.Classifier {
						return &pipeline.Classifier{Predictor: served(t, way), Backend: "served", Pipeline: compiled(t,
							pipeline.Config{Output: pipeline.Output{Classes: &pipeline.Classes{Tensor: "scores", Names: "classes"}}})}
					},
					Embedder: func(t testing.TB) providers.Embedder {
						return &pipeline.Embedder{Predictor: served(t, way), Backend: "served", Pipeline: compiled(t,
							pipeline.Config{Signature: tfservingtest.Embed, Output: pipeline.Output{Embedding: &pipeline.Embedding{Tensor: "embedding"}}})}
					},
				})
			})
			t.Run("examples", func(t *testing.T) {
				providertest.Run(t, providertest.Harness{Does: providers.Classify, Classifier: func(t testing.TB) providers.Classifier {
					return &tfserving.TextClassifier{Client: served(t, way), Signature: tfservingtest.Classify}
				}})
			})
		})
	}
}
