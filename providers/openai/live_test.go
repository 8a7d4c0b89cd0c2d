package openai_test

import (
	"context"
	"os"
	"testing"
	"time"

	"fairlead/providers"
	"fairlead/providers/openai"
)

// TestAgainstARealServer talks to the server of the dialect at FAIRLEAD_TEST_OPENAI_URL, such as
// llama.cpp's llama-server on loopback. Without the variable it is skipped: the fake servers of
// providertest stand for it.
func TestAgainstARealServer(t *testing.T) {
	address := os.Getenv("FAIRLEAD_TEST_OPENAI_URL")
	if address == "" {
		t.Skip("FAIRLEAD_TEST_OPENAI_URL is not set")
	}
	c, err := openai.New(openai.Config{BaseURL: address, APIKey: os.Getenv("FAIRLEAD_TEST_OPENAI_KEY")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	models, err := c.Models(ctx)
	if err != nil || len(models) == 0 {
		t.Fatalf("models: %+v, %v", models, err)
	}
	t.Logf("models: %+v", models)
	limit, zero := 16, 0.0
	req := &providers.Request{Model: models[0].Name, MaxTokens: &limit, Temperature: &zero,
		Messages: []providers.Message{providers.Text(providers.System, "Be brief."), providers.Text(providers.User, "Say hello.")}}

	a, err := providers.Collect(c.Generate(ctx, req))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("answer: %d bytes, finish %s, usage %+v, model %s", len(a.Text), a.Finish, a.Usage, a.Model)
	if a.Finish == "" || a.Usage == nil || a.Usage.Input == 0 || a.Usage.Output == 0 || a.Usage.Output > int64(limit) {
		t.Errorf("answer %+v", a)
	}

	t.Run("canceled within the answer", func(t *testing.T) {
		long := *req
		many := 2000
		long.MaxTokens = &many
		for range 5 {
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

	t.Run("JSON schema", func(t *testing.T) {
		r := *req
		r.Format = providers.Format{Kind: providers.FormatJSONSchema, Schema: []byte(`{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"],"additionalProperties":false}`)}
		a, err := providers.Collect(c.Generate(ctx, &r))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%q, finish %s", a.Text, a.Finish)
	})

	t.Run("a prompt that is too long", func(t *testing.T) {
		r := *req
		text := make([]byte, 4<<20)
		for i := range text {
			text[i] = "word "[i%5]
		}
		r.Messages = []providers.Message{providers.Text(providers.User, string(text))}
		_, err := providers.Collect(c.Generate(ctx, &r))
		if k := providers.KindOf(err); k != providers.KindContextLength {
			t.Errorf("%v", err)
		}
	})

	t.Run("embed", func(t *testing.T) {
		out, err := c.Embed(ctx, &providers.EmbedRequest{Model: models[0].Name, Texts: []string{"one", "two"}})
		if k := providers.KindOf(err); err != nil && (k == providers.KindUnavailable || k == providers.KindInvalid || k == providers.KindUnsupported) {
			t.Skipf("the server does not embed: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d numbers", len(out.Vectors[0]))
	})
}
