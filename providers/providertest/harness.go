package providertest

import (
	"context"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"fairlead/providers"
)

// Harness says what to test and how to make it.
type Harness struct {
	// Does says which parts of the suite run: Chat or Extract for the stream contract, Embed for that of
	// embedders, Classify for that of classifiers; with Wire also Tools, JSON and Vision. Required.
	Does providers.Capability

	// Generator makes the provider under test. Required with Chat or Extract, unless Wire is set.
	Generator func(t testing.TB) providers.Generator
	// Request makes a new request that the provider answers with some text; each call gives an equal
	// one. Nil: a short conversation with two documents, of model "model".
	Request func() *providers.Request

	// Embedder makes the embedder under test. Required with Embed, unless Wire is set.
	Embedder func(t testing.TB) providers.Embedder
	// EmbedModel is the model that the embedder is asked for. Empty: "model".
	EmbedModel string

	// Classifier makes the classifier under test. Required with Classify.
	Classifier func(t testing.TB) providers.Classifier
	// ClassifyModel is the model that the classifier is asked for. Empty: "model".
	ClassifyModel string
	// Classified are the texts that it is tried on, five or more, of which some but not all have one best class. Nil:
	// sentences.
	Classified []string

	// Wire is set for adapters that speak one of the dialects of the fake servers.
	Wire *Wire
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	t.Helper()
	if h.Request == nil {
		h.Request = defaultRequest
	}
	if h.EmbedModel == "" {
		h.EmbedModel = "model"
	}
	if h.ClassifyModel == "" {
		h.ClassifyModel = "model"
	}
	if h.Wire != nil {
		h = h.Wire.prepare(h)
	}
	if h.Does&(providers.Chat|providers.Extract) != 0 {
		t.Run("stream", func(t *testing.T) { runStream(t, h) })
	}
	if h.Does.Has(providers.Embed) {
		t.Run("embed", func(t *testing.T) { runEmbed(t, h) })
	}
	if h.Does.Has(providers.Classify) {
		t.Run("classify", func(t *testing.T) { runClassify(t, h) })
	}
	if h.Wire != nil {
		t.Run("wire", func(t *testing.T) { runWire(t, h) })
	}
}

// defaultRequest makes a conversation that chat models and answerers from documents can both answer.
func defaultRequest() *providers.Request {
	seven, limit, warm := int64(7), 200, 0.5
	return &providers.Request{
		Model: "model",
		Messages: []providers.Message{
			providers.Text(providers.System, "Answer from the documents. [1] The harbour office opens at eight. [2] The ferry leaves at nine."),
			providers.Text(providers.User, "When does the ferry leave?"),
		},
		Query: "When does the ferry leave?",
		Documents: []providers.Document{
			{ID: "d1", Title: "Harbour", Heading: []string{"Office"}, Text: "The harbour office opens at eight. It closes at five."},
			{ID: "d2", Title: "Ferry", Heading: []string{"Times"}, Text: "The ferry leaves at nine. It comes back at noon."},
		},
		MaxTokens:   &limit,
		Temperature: &warm,
		Seed:        &seven,
	}
}

// clock is a context whose deadline passes when expire is called, so that tests need not wait for it.
type clock struct {
	context.Context
	done chan struct{}
	once sync.Once
}

func newClock(parent context.Context) *clock {
	return &clock{Context: parent, done: make(chan struct{})}
}

func (c *clock) expire() { c.once.Do(func() { close(c.done) }) }

// Done is closed by expire alone: these tests never end the parent before the call has ended.
func (c *clock) Done() <-chan struct{} { return c.done }

func (c *clock) Err() error {
	select {
	case <-c.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// noLeak checks, when the test ends, that it left no goroutine behind. Call it before anything that
// registers a cleanup which ends goroutines.
func noLeak(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		if !t.Failed() {
			goleak.VerifyNone(t, before)
		}
	})
}
