package openai_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"fairlead/internal/testmodel"
	"fairlead/providers"
	"fairlead/providers/openai"
)

// onLlama gives a client of a real llama-server; see testmodel.Llama.
func onLlama(t *testing.T, cfg openai.Config, flags ...string) (*openai.Client, *testmodel.Server) {
	t.Helper()
	s := testmodel.Llama(t, flags...)
	cfg.BaseURL = s.URL + "/v1"
	c, err := openai.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c, s
}

// asking makes a request for so many tokens, which at this temperature are always the same.
func asking(tokens int, text string) *providers.Request {
	zero := 0.0
	return &providers.Request{Model: "tiny", MaxTokens: &tokens, Temperature: &zero, Messages: []providers.Message{providers.Text(providers.User, text)}}
}

// whole collects an answer that must come to its end.
func whole(t *testing.T, c *openai.Client, req *providers.Request) *providers.Answer {
	t.Helper()
	a, err := providers.Collect(c.Generate(t.Context(), req))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestLlamaAnswers(t *testing.T) {
	c, _ := onLlama(t, openai.Config{})
	models, err := c.Models(t.Context())
	if err != nil || len(models) != 1 || models[0].Context != testmodel.Context {
		t.Fatalf("models: %+v, %v", models, err)
	}

	t.Run("to the limit", func(t *testing.T) {
		a := whole(t, c, asking(40, "Say hello."))
		if a.Finish != providers.FinishLength || a.Usage == nil || a.Usage.Output != 40 || a.Usage.Input < 10 || a.Text == "" || a.Model == "" {
			t.Errorf("%+v, usage %+v", a, a.Usage)
		}
		again := whole(t, c, asking(40, "Say hello."))
		if again.Text != a.Text || again.Usage.CachedInput == 0 || again.Usage.CachedInput > again.Usage.Input {
			t.Errorf("the same again: %+v, usage %+v", again, again.Usage)
		}
	})

	t.Run("piece by piece", func(t *testing.T) {
		text, pieces, finish, usage := "", 0, 0, 0
		for chunk, err := range c.Generate(t.Context(), asking(40, "Say hello.")) {
			if err != nil {
				t.Fatal(err)
			}
			if chunk.Text != "" {
				pieces++
			}
			if chunk.Finish != providers.FinishUnset {
				finish++
			}
			if chunk.Usage != nil {
				usage++
			}
			text += chunk.Text
		}
		if want := whole(t, c, asking(40, "Say hello.")).Text; text != want || pieces < 20 || finish != 1 || usage != 1 {
			t.Errorf("%d pieces, %d ends, %d usages, %q instead of %q", pieces, finish, usage, text, want)
		}
	})

	t.Run("to a stop word", func(t *testing.T) {
		all := whole(t, c, asking(60, "Say hello.")).Text
		stop := all[30:33]
		req := asking(60, "Say hello.")
		req.Stop = []string{stop}
		if a, want := whole(t, c, req), all[:strings.Index(all, stop)]; a.Text != want || a.Finish != providers.FinishStop {
			t.Errorf("%q, %s, instead of %q", a.Text, a.Finish, want)
		}
	})

	t.Run("by seed", func(t *testing.T) {
		said := map[string]bool{}
		for seed := range int64(3) {
			one := 1.0
			req := asking(40, "Say hello.")
			req.Temperature, req.Seed = &one, &seed
			first := whole(t, c, req).Text
			if second := whole(t, c, req).Text; second != first {
				t.Errorf("seed %d says %q and then %q", seed, first, second)
			}
			said[first] = true
		}
		if len(said) != 3 {
			t.Errorf("three seeds say %d things", len(said))
		}
	})

	t.Run("prompt too long", func(t *testing.T) {
		_, err := providers.Collect(c.Generate(t.Context(), asking(10, strings.Repeat("word ", 5000))))
		if providers.KindOf(err) != providers.KindContextLength {
			t.Error(err)
		}
	})

	t.Run("no vectors", func(t *testing.T) {
		_, err := c.Embed(t.Context(), &providers.EmbedRequest{Model: "tiny", Texts: []string{"one"}})
		if k := providers.KindOf(err); k != providers.KindUnsupported && k != providers.KindUnavailable && k != providers.KindInvalid {
			t.Errorf("%v: %v", k, err)
		}
	})
}

// An answer that fills the context ends there, and says so.
func TestLlamaFull(t *testing.T) {
	c, _ := onLlama(t, openai.Config{}, "--ctx-size", "512")
	a := whole(t, c, asking(1000, "Say hello."))
	if total := a.Usage.Input + a.Usage.Output; a.Finish != providers.FinishLength || total < 500 || total > 512 {
		t.Errorf("finish %s, usage %+v", a.Finish, a.Usage)
	}
}

// A caller who leaves frees the server's only slot, at once and for whoever is next.
func TestLlamaCanceled(t *testing.T) {
	c, _ := onLlama(t, openai.Config{}, "--parallel", "1")
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		var err error
		for _, e := range c.Generate(ctx, asking(4000, "Say hello.")) {
			err = e
			cancel()
		}
		cancel()
		if providers.KindOf(err) != providers.KindCanceled {
			t.Error(err)
		}
		whole(t, c, asking(5, "Say hello."))
	}
}

const paint = `{"type":"object","properties":{"color":{"type":"string","enum":["red","blue"]},"coats":{"type":"integer","minimum":1,"maximum":3}},"required":["color","coats"],"additionalProperties":false}`

// painted reads what fits the schema above; anything else is an error.
func painted(t *testing.T, text string) {
	t.Helper()
	var p struct {
		Color string
		Coats int
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil || p.Color != "red" && p.Color != "blue" || p.Coats < 1 || p.Coats > 3 {
		t.Errorf("%q does not fit its schema: %v", text, err)
	}
}

// The server holds its answers to a schema, so that even this model's are right, if it was told the schema.
func TestLlamaJSON(t *testing.T) {
	c, _ := onLlama(t, openai.Config{})
	for seed := range int64(5) {
		one := 1.0
		req := asking(500, "Which color?")
		req.Seed, req.Temperature = &seed, &one
		req.Format = providers.Format{Kind: providers.FormatJSONSchema, Schema: []byte(paint)}
		a := whole(t, c, req)
		painted(t, a.Text)
		if a.Finish != providers.FinishStop {
			t.Errorf("finish %s", a.Finish)
		}
	}
}

// The model never ends its turn of itself, so it calls tools until the limit breaks it off, in the last call or after it.
func TestLlamaTools(t *testing.T) {
	c, _ := onLlama(t, openai.Config{})
	calls, one := 0, 1.0
	for seed := range int64(5) {
		req := asking(400, "Paint the door.")
		req.Seed, req.Temperature = &seed, &one
		req.Tools = []providers.Tool{{Name: "paint", Description: "Paints.", Parameters: []byte(paint)}, {Name: "wait"}}
		req.ToolChoice = providers.ToolChoice{Mode: providers.ToolsRequired}
		a := whole(t, c, req)
		if a.Finish != providers.FinishLength || a.Usage.Output != 400 {
			t.Errorf("finish %s, usage %+v", a.Finish, a.Usage)
		}
		for _, call := range a.ToolCalls[:max(0, len(a.ToolCalls)-1)] {
			calls++
			if call.ID == "" || call.Name != "paint" && call.Name != "wait" {
				t.Errorf("%+v", call)
			}
			if call.Name == "paint" {
				painted(t, call.Arguments)
			}
		}
		if len(a.ToolCalls) < 2 {
			continue
		}
		// What the tool said goes back to the model.
		first := a.ToolCalls[0]
		again := asking(10, "Paint the door.")
		again.Tools = req.Tools
		again.Messages = append(again.Messages,
			providers.Message{Role: providers.Assistant, ToolCalls: []providers.ToolCall{first}},
			providers.Message{Role: providers.ToolRole, ToolCallID: first.ID, Parts: []providers.Part{{Text: "done"}}})
		alone := asking(10, "Paint the door.")
		alone.Tools = req.Tools
		if with, without := whole(t, c, again), whole(t, c, alone); with.Usage.Input <= without.Usage.Input {
			t.Errorf("the model did not read the call and its answer: %d tokens, and %d without", with.Usage.Input, without.Usage.Input)
		}
	}
	if calls == 0 {
		t.Error("the model never called a tool: the test tests nothing")
	}
}

func TestLlamaEmbeds(t *testing.T) {
	c, _ := onLlama(t, openai.Config{}, "--embeddings", "--pooling", "mean")
	texts := []string{"The ferry leaves at nine.", "Invoices are paid within thirty days.", "x", "Ærø, 数は合わない"}
	out, err := c.Embed(t.Context(), &providers.EmbedRequest{Model: "tiny", Texts: texts})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Vectors) != len(texts) || out.Usage.Input == 0 || out.Usage.Output != 0 {
		t.Fatalf("%d vectors, usage %+v", len(out.Vectors), out.Usage)
	}
	for i, text := range texts {
		alone, err := c.Embed(t.Context(), &providers.EmbedRequest{Model: "tiny", Texts: []string{text}})
		if err != nil {
			t.Fatal(err)
		}
		var length, likeness float64
		for j, x := range out.Vectors[i] {
			length += float64(x) * float64(x)
			likeness += float64(x) * float64(alone.Vectors[0][j])
		}
		if len(out.Vectors[i]) != testmodel.Dimensions || math.Abs(length-1) > 1e-3 || likeness < 0.999 {
			t.Errorf("%q: %d numbers of length %v, and alone %v like it", text, len(out.Vectors[i]), length, likeness)
		}
	}
	if slices.Equal(out.Vectors[0], out.Vectors[1]) {
		t.Error("two texts have one vector")
	}
	long := strings.Repeat("word ", 3*testmodel.Context)
	if _, err := c.Embed(t.Context(), &providers.EmbedRequest{Model: "tiny", Texts: []string{long}}); err == nil || strings.Contains(err.Error(), "word") {
		t.Errorf("a text that is too long: %v", err)
	}
}

func TestLlamaKey(t *testing.T) {
	good, s := onLlama(t, openai.Config{APIKey: "sesame"}, "--api-key", "sesame")
	whole(t, good, asking(5, "Say hello."))
	for _, key := range []string{"", "wrong-key"} {
		c, err := openai.New(openai.Config{BaseURL: s.URL + "/v1", APIKey: key})
		if err != nil {
			t.Fatal(err)
		}
		_, err = providers.Collect(c.Generate(t.Context(), asking(5, "Say hello.")))
		if providers.KindOf(err) != providers.KindAuth || strings.Contains(fmt.Sprint(err), "wrong-key") {
			t.Errorf("key %q: %v", key, err)
		}
		c.CloseIdle()
	}
}

// A server that dies within answers breaks each of them off: what had come stays, and none passes for whole.
func TestLlamaKilled(t *testing.T) {
	c, s := onLlama(t, openai.Config{}, "--parallel", "4")
	const tokens = 4000
	want := whole(t, c, asking(tokens, "Say hello.")).Text
	broken := 0
	for round := 0; round < 20 && broken < 8; round++ {
		var all sync.WaitGroup
		var mu sync.Mutex
		begun := make(chan struct{})
		var once sync.Once
		for range 4 {
			all.Go(func() {
				var got providers.Collector
				var failed error
				for chunk, err := range c.Generate(t.Context(), asking(tokens, "Say hello.")) {
					if err != nil {
						failed = err
						break
					}
					if got.Add(chunk); chunk.Text != "" {
						once.Do(func() { close(begun) })
					}
				}
				a := got.Answer()
				mu.Lock()
				defer mu.Unlock()
				switch {
				case failed == nil && (a.Text != want || a.Finish != providers.FinishLength):
					t.Errorf("%d bytes of %d passed for a whole answer", len(a.Text), len(want))
				case failed == nil: // it was over before the server was
				case !strings.HasPrefix(want, a.Text):
					t.Errorf("what came before the end is not the beginning: %q", a.Text)
				case a.Text == "" && providers.KindOf(failed) == providers.KindUnavailable:
				case providers.KindOf(failed) != providers.KindTruncated:
					t.Errorf("%v after %d bytes", failed, len(a.Text))
				default:
					broken++
				}
			})
		}
		<-begun
		s.Kill()
		all.Wait()
		if _, err := providers.Collect(c.Generate(t.Context(), asking(5, "Say hello."))); providers.KindOf(err) != providers.KindUnavailable {
			t.Errorf("without a server: %v", err)
		}
		s.Start()
		if whole(t, c, asking(5, "Say hello.")).Finish != providers.FinishLength {
			t.Error("the server that was started again does not answer")
		}
	}
	if broken < 8 {
		t.Errorf("only %d answers were broken off: the test tests nothing", broken)
	}
}
