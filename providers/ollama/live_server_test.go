package ollama_test

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"fairlead/internal/testmodel"
	"fairlead/providers"
	"fairlead/providers/ollama"
)

// template is testmodel's in Ollama's language.
const template = `{{- if .Tools }}<|im_start|>system
tools: {{ .Tools }}<|im_end|>
{{ end }}{{- range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}{{- range .ToolCalls }}<tool_call>{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}</tool_call>{{ end }}<|im_end|>
{{ end }}<|im_start|>assistant
`

// onOllama gives a client of a real Ollama that has the model "tiny"; see testmodel.Ollama.
func onOllama(t *testing.T, cfg ollama.Config, settings ...string) (*ollama.Client, *testmodel.Server) {
	t.Helper()
	s := testmodel.Ollama(t, settings...)
	s.Import("tiny", template)
	return clientOf(t, s, cfg), s
}

func clientOf(t *testing.T, s *testmodel.Server, cfg ollama.Config) *ollama.Client {
	t.Helper()
	cfg.BaseURL = s.URL
	c, err := ollama.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

// asking makes a request for so many tokens, which at this temperature are always the same.
func asking(tokens int, text string) *providers.Request {
	zero := 0.0
	return &providers.Request{Model: "tiny", MaxTokens: &tokens, Temperature: &zero, Messages: []providers.Message{providers.Text(providers.User, text)}}
}

// whole collects an answer that must come to its end.
func whole(t *testing.T, c *ollama.Client, req *providers.Request) *providers.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	a, err := providers.Collect(c.Generate(ctx, req))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// patience is how long a test waits for what must come; only a failure ever waits that long.
const patience = time.Minute

func TestLiveAnswers(t *testing.T) {
	c, _ := onOllama(t, ollama.Config{NumCtx: 2048})
	models, err := c.Models(t.Context())
	if err != nil || len(models) != 1 || models[0].Name != "tiny:latest" || models[0].Context != 2048 ||
		!models[0].Does.Has(providers.Chat|providers.JSON|providers.Tools) || models[0].Does.Has(providers.Vision) || models[0].Host != "" {
		t.Fatalf("models: %+v, %v", models, err)
	}

	t.Run("to the limit", func(t *testing.T) {
		a := whole(t, c, asking(40, "Say hello."))
		if a.Finish != providers.FinishLength || a.Usage == nil || a.Usage.Output != 40 || a.Usage.Input < 10 || a.Text == "" || a.Model == "" {
			t.Errorf("%+v, usage %+v", a, a.Usage)
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
			seed++ // 0 is any
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

	t.Run("no such model", func(t *testing.T) {
		req := asking(5, "Say hello.")
		req.Model = "no-such-model"
		if _, err := providers.Collect(c.Generate(t.Context(), req)); providers.KindOf(err) != providers.KindNotFound {
			t.Error(err)
		}
		if _, err := c.Embed(t.Context(), &providers.EmbedRequest{Model: "no-such-model", Texts: []string{"x"}}); providers.KindOf(err) != providers.KindNotFound {
			t.Error(err)
		}
	})

	t.Run("prompt too long", func(t *testing.T) {
		_, err := providers.Collect(c.Generate(t.Context(), asking(10, strings.Repeat("word ", 5000))))
		if providers.KindOf(err) != providers.KindContextLength {
			t.Error(err)
		}
	})
}

// An answer that fills the context ends there, and says so. The server counts the last token, which it does not read.
func TestLiveFull(t *testing.T) {
	c, _ := onOllama(t, ollama.Config{NumCtx: 512})
	a := whole(t, c, asking(1000, "Say hello."))
	if total := a.Usage.Input + a.Usage.Output; a.Finish != providers.FinishLength || total < 500 || total > 513 {
		t.Errorf("finish %s, usage %+v", a.Finish, a.Usage)
	}
}

// A caller who leaves is gone at once, and others are answered. The server has more slots than callers leave: Ollama 0.17.4
// sometimes keeps the slot of one who left, for ever, and an Ollama of one slot then answers nobody.
func TestLiveCanceled(t *testing.T) {
	c, _ := onOllama(t, ollama.Config{NumCtx: 1024}, "OLLAMA_NUM_PARALLEL=8")
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		var err error
		for _, e := range c.Generate(ctx, asking(900, "Say hello.")) {
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

func TestLiveFormats(t *testing.T) {
	c, _ := onOllama(t, ollama.Config{})
	one := 1.0
	t.Run("schema", func(t *testing.T) {
		for seed := range int64(5) {
			req := asking(500, "Which color?")
			seed++
			req.Seed, req.Temperature = &seed, &one
			req.Format = providers.Format{Kind: providers.FormatJSONSchema,
				Schema: []byte(`{"type":"object","properties":{"color":{"type":"string","enum":["red","blue"]},"ok":{"type":"boolean"}},"required":["color","ok"]}`)}
			a := whole(t, c, req)
			var fits struct {
				Color string
				OK    *bool
			}
			d := json.NewDecoder(strings.NewReader(a.Text))
			d.DisallowUnknownFields()
			if err := d.Decode(&fits); err != nil || fits.Color != "red" && fits.Color != "blue" || fits.OK == nil || a.Finish != providers.FinishStop {
				t.Errorf("%q, finish %s: %v", a.Text, a.Finish, err)
			}
		}
	})
	t.Run("object", func(t *testing.T) { // which the model may not come to the end of
		for seed := range int64(3) {
			req := asking(60, "Give me JSON.")
			seed++
			req.Seed, req.Temperature = &seed, &one
			req.Format.Kind = providers.FormatJSONObject
			a := whole(t, c, req)
			if !strings.HasPrefix(strings.TrimSpace(a.Text), "{") || a.Finish == providers.FinishStop && !json.Valid([]byte(a.Text)) {
				t.Errorf("%q, finish %s", a.Text, a.Finish)
			}
		}
	})
	t.Run("tools", func(t *testing.T) {
		req := asking(20, "Paint the door.")
		without := whole(t, c, req)
		req.Tools = []providers.Tool{{Name: "paint", Description: "Paints.", Parameters: []byte(`{"type":"object","properties":{"color":{"type":"string"}}}`)}}
		with := whole(t, c, req)
		req.Messages = append(req.Messages,
			providers.Message{Role: providers.Assistant, ToolCalls: []providers.ToolCall{{ID: "1", Name: "paint", Arguments: `{"color":"red"}`}}},
			providers.Message{Role: providers.ToolRole, ToolCallID: "1", Parts: []providers.Part{{Text: "done"}}})
		called := whole(t, c, req)
		if with.Usage.Input <= without.Usage.Input || called.Usage.Input <= with.Usage.Input {
			t.Errorf("the model reads %d tokens, with a tool %d, with a call of it %d", without.Usage.Input, with.Usage.Input, called.Usage.Input)
		}
	})
}

func TestLiveEmbeds(t *testing.T) {
	c, _ := onOllama(t, ollama.Config{})
	texts := []string{"The ferry leaves at nine.", "Invoices are paid within thirty days.", "x", "Ærø, 数は合わない"}
	out, err := c.Embed(t.Context(), &providers.EmbedRequest{Model: "tiny", Texts: texts})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Vectors) != len(texts) || out.Usage.Input == 0 {
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
	long := strings.Repeat("word ", 3*testmodel.Context)
	if _, err := c.Embed(t.Context(), &providers.EmbedRequest{Model: "tiny", Texts: []string{long}}); providers.KindOf(err) != providers.KindContextLength {
		t.Errorf("a text that is too long: %v", err)
	}
}

// state gives the one version of the model.
func state(t *testing.T, c *ollama.Client) providers.ModelVersion {
	t.Helper()
	all, err := c.Versions(t.Context(), "tiny")
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	return all[0]
}

// A model is loaded by a call or before it, stays for as long as the client says, and goes then.
func TestLiveKeepAlive(t *testing.T) {
	c, s := onOllama(t, ollama.Config{KeepAlive: 10 * time.Minute, NumCtx: 1024})
	if err := c.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.Ready(t.Context(), "tiny", ""); err != nil {
		t.Error(err)
	}
	if err := c.Ready(t.Context(), "other", ""); providers.KindOf(err) != providers.KindNotFound {
		t.Error(err)
	}
	if v := state(t, c); v.State != providers.ModelAbsent || v.Bytes < 400_000 {
		t.Errorf("before: %+v", v)
	}
	if err := c.Warm(t.Context(), "tiny", ""); err != nil {
		t.Fatal(err)
	}
	if v := state(t, c); v.State != providers.ModelReady || v.Bytes <= 0 || time.Until(v.Expires) < 9*time.Minute || time.Until(v.Expires) > 10*time.Minute {
		t.Errorf("warm: %+v", v)
	}
	if err := c.Warm(t.Context(), "other", ""); providers.KindOf(err) != providers.KindNotFound {
		t.Error(err)
	}
	// The next client wants it gone at once.
	brief := clientOf(t, s, ollama.Config{KeepAlive: time.Millisecond, NumCtx: 1024})
	whole(t, brief, asking(5, "Say hello."))
	for limit := time.After(time.Minute); state(t, c).State != providers.ModelAbsent; {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-limit:
			t.Fatal("the model stays")
		}
	}
	forever := clientOf(t, s, ollama.Config{KeepAlive: -1, NumCtx: 1024})
	whole(t, forever, asking(5, "Say hello."))
	if v := state(t, forever); v.State != providers.ModelReady || time.Until(v.Expires) < 24*time.Hour {
		t.Errorf("for ever: %+v", v)
	}
}

// A server that dies within an answer breaks it off: what had come stays, and does not pass for whole.
func TestLiveKilled(t *testing.T) {
	c, s := onOllama(t, ollama.Config{})
	const tokens = 1000
	want := whole(t, c, asking(tokens, "Say hello.")).Text
	for range 10 {
		var got providers.Collector
		var failed error
		for chunk, err := range c.Generate(t.Context(), asking(tokens, "Say hello.")) {
			if err != nil {
				failed = err
				break
			}
			if got.Add(chunk); chunk.Text != "" {
				s.Kill()
			}
		}
		a := got.Answer()
		if _, err := providers.Collect(c.Generate(t.Context(), asking(5, "Say hello."))); providers.KindOf(err) != providers.KindUnavailable {
			t.Errorf("without a server: %v", err)
		}
		if err := c.Probe(t.Context()); providers.KindOf(err) != providers.KindUnavailable {
			t.Errorf("without a server: %v", err)
		}
		s.Start()
		whole(t, c, asking(5, "Say hello."))
		switch {
		case failed == nil && a.Text == want: // it was over before the server was
			continue
		case providers.KindOf(failed) != providers.KindTruncated || !strings.HasPrefix(want, a.Text) || a.Text == "":
			t.Errorf("%v after %d bytes of %d", failed, len(a.Text), len(want))
		}
		return
	}
	t.Error("the server was never killed in time: the test tests nothing")
}
