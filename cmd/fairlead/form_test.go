package main

import (
	"path/filepath"
	"testing"

	"fairlead/providers/pipeline"
)

// Vectors of another pooling are other vectors, and those of the same tokenizer elsewhere are the same.
func TestTheFormOfVectors(t *testing.T) {
	form := func(change func(*pipeline.Config)) string {
		t.Helper()
		c := pipeline.Config{Batch: 8, Input: pipeline.Input{Tokens: &pipeline.Tokens{Tokenizer: write(t, filepath.Join(t.TempDir(), "a.json"), "vocabulary"), IDs: "ids", Max: 128}},
			Output: pipeline.Output{Embedding: &pipeline.Embedding{Tensor: "out", Pooling: "mean"}}}
		change(&c)
		got, err := formOf(c)
		if err != nil || len(got) != 8 {
			t.Fatal(got, err)
		}
		return got
	}
	plain := form(func(*pipeline.Config) {})
	for what, change := range map[string]func(*pipeline.Config){
		"file's name": func(c *pipeline.Config) {
			c.Input.Tokens.Tokenizer = write(t, filepath.Join(t.TempDir(), "b.json"), "vocabulary")
		},
		"batch": func(c *pipeline.Config) { c.Batch = 64 },
	} {
		if form(change) != plain {
			t.Errorf("another %s makes other vectors", what)
		}
	}
	for what, change := range map[string]func(*pipeline.Config){
		"vocabulary": func(c *pipeline.Config) { write(t, c.Input.Tokens.Tokenizer, "other words") },
		"pooling":    func(c *pipeline.Config) { c.Output.Embedding.Pooling = "cls" },
		"length":     func(c *pipeline.Config) { c.Input.Tokens.Max = 64 },
		"signature":  func(c *pipeline.Config) { c.Signature = "other" },
	} {
		if form(change) == plain {
			t.Errorf("another %s makes the same vectors", what)
		}
	}
}
