package ollama_test

import (
	"context"
	"os"
	"testing"
	"time"

	"fairlead/providers"
	"fairlead/providers/ollama"
)

// TestAgainstARealServer talks to the Ollama at FAIRLEAD_TEST_OLLAMA_URL, which must have a model that can
// chat. Without the variable it is skipped: the fake servers of providertest stand for it.
func TestAgainstARealServer(t *testing.T) {
	address := os.Getenv("FAIRLEAD_TEST_OLLAMA_URL")
	if address == "" {
		t.Skip("FAIRLEAD_TEST_OLLAMA_URL is not set")
	}
	c, err := ollama.New(ollama.Config{BaseURL: address, NumCtx: 2048})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	models, err := c.Models(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("models: %+v", models)
	model := ""
	for _, m := range models {
		if m.Does.Has(providers.Chat) {
			model = m.Name
		}
	}
	if model == "" {
		t.Fatal("no model can chat: pull one")
	}
	limit, zero := 16, 0.0
	req := &providers.Request{Model: model, MaxTokens: &limit, Temperature: &zero,
		Messages: []providers.Message{providers.Text(providers.User, "Say hello.")}}

	a, err := providers.Collect(c.Generate(ctx, req))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("answer: %d bytes, finish %s, usage %+v, model %s", len(a.Text), a.Finish, a.Usage, a.Model)
	if a.Finish == "" || a.Usage == nil || a.Usage.Output == 0 || a.Usage.Output > int64(limit) {
		t.Errorf("answer %+v", a)
	}

	t.Run("no such model", func(t *testing.T) {
		r := *req
		r.Model = "no-such-model:latest"
		_, err := providers.Collect(c.Generate(ctx, &r))
		if k := providers.KindOf(err); k != providers.KindNotFound {
			t.Errorf("%v", err)
		}
	})

	t.Run("a prompt that is too long", func(t *testing.T) {
		r := *req
		text := make([]byte, 64<<10)
		for i := range text {
			text[i] = "word "[i%5]
		}
		r.Messages = []providers.Message{providers.Text(providers.User, string(text))}
		_, err := providers.Collect(c.Generate(ctx, &r))
		if k := providers.KindOf(err); k != providers.KindContextLength {
			t.Errorf("%v", err)
		}
	})

	t.Run("canceled within the answer", func(t *testing.T) {
		long := *req
		many := 1500
		long.MaxTokens = &many
		for range 3 {
			ctx, cancel := context.WithCancel(ctx)
			var err error
			for _, e := range c.Generate(ctx, &long) {
				err = e
				cancel()
			}
			cancel()
			if k := providers.KindOf(err); k != providers.KindCanceled {
				t.Errorf("%v", err)
			}
		}
	})
}
