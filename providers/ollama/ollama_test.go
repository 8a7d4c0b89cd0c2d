package ollama_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"

	"fairlead/providers"
	"fairlead/providers/ollama"
	"fairlead/providers/providertest"
)

var _ = flag.Bool("update", false, "rewrite the goldens in providertest/testdata")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	providertest.Run(t, providertest.Harness{
		Does: providers.Chat | providers.Tools | providers.JSON | providers.Vision | providers.Embed,
		Wire: &providertest.Wire{Dialect: providertest.Ollama, New: func(t testing.TB, e providertest.Endpoint) any {
			c, err := ollama.New(ollama.Config{Name: "fake", BaseURL: e.URL, APIKey: e.Key, MaxAnswer: e.MaxAnswer, IdleTimeout: e.IdleTimeout})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}},
	})
}
