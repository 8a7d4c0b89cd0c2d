package providertest

import (
	"testing"
	"time"

	"fairlead/providers"
)

// Dialect is a wire format that the fake servers speak.
type Dialect string

// The dialects.
const (
	// OpenAI is the chat completions API with server-sent events.
	OpenAI Dialect = "openai"
	// Ollama is Ollama's own API with one JSON object on each line.
	Ollama Dialect = "ollama"
)

// Wire says how to make an adapter that talks to a server.
type Wire struct {
	Dialect Dialect
	// New makes the adapter under test. What it returns is tested as each of Generator, Embedder and
	// Lister that it is; the first is required.
	New func(t testing.TB, e Endpoint) any
}

// Endpoint is where an adapter under test finds its server, and the limits it is to keep.
type Endpoint struct {
	// URL is the base address, as a configuration names it: with "/v1" for OpenAI, bare for Ollama.
	URL string
	// Key is the credential to send as a bearer token. It must never show in an error.
	Key string
	// MaxAnswer is the most bytes in one answer. 0: the adapter's default.
	MaxAnswer int
	// IdleTimeout is the longest time between two pieces of an answer. 0: the adapter's default.
	IdleTimeout time.Duration
}

func (w *Wire) prepare(h Harness) Harness { return h }

func runWire(t *testing.T, h Harness) { _ = providers.Chat; t.Skip("no cases yet") }
