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
	// Dialect is what its servers speak. Required.
	Dialect Dialect
	// New makes the adapter under test: a Generator, and an Embedder and a Lister where the dialect has
	// them. Required.
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

// prepare fills in the factories, with servers that answer well.
func (w *Wire) prepare(h Harness) Harness {
	h.Generator = func(t testing.TB) providers.Generator {
		return w.generator(t, newServer(t, w.format(), nil), Endpoint{})
	}
	h.Embedder = func(t testing.TB) providers.Embedder {
		return w.embedder(t, newServer(t, w.format(), nil), Endpoint{})
	}
	return h
}

func (w *Wire) format() *format {
	if w.Dialect == Ollama {
		return &ollamaFormat
	}
	return &openaiFormat
}

// adapter makes the adapter for a server; what e leaves open is filled in.
func (w *Wire) adapter(t testing.TB, s *server, e Endpoint) any {
	if e.URL == "" {
		e.URL = s.URL + w.format().base
	}
	e.Key = secretKey
	return w.New(t, e)
}

func (w *Wire) generator(t testing.TB, s *server, e Endpoint) providers.Generator {
	t.Helper()
	g, ok := w.adapter(t, s, e).(providers.Generator)
	if !ok {
		t.Fatal("the adapter is no Generator")
	}
	return g
}

func (w *Wire) embedder(t testing.TB, s *server, e Endpoint) providers.Embedder {
	t.Helper()
	g, ok := w.adapter(t, s, e).(providers.Embedder)
	if !ok {
		t.Fatal("the adapter is no Embedder")
	}
	return g
}

// runWire is what holds for adapters over a wire.
func runWire(t *testing.T, h Harness) {
	w := h.Wire
	t.Run("answers", func(t *testing.T) { runAnswers(t, w) })
	t.Run("failures", func(t *testing.T) { runFailures(t, w) })
	t.Run("statuses", func(t *testing.T) { runStatuses(t, w) })
	t.Run("offsets", func(t *testing.T) { runOffsets(t, w) })
	t.Run("contexts", func(t *testing.T) { runContexts(t, w) })
	t.Run("connections", func(t *testing.T) { runConnections(t, w) })
	if h.Does.Has(providers.Tools) {
		t.Run("tools", func(t *testing.T) { runTools(t, w) })
	}
	t.Run("requests", func(t *testing.T) { runRequests(t, h) })
	if h.Does.Has(providers.Embed) {
		t.Run("vectors", func(t *testing.T) { runVectors(t, w) })
	}
	t.Run("models", func(t *testing.T) { runModels(t, w) })
}
