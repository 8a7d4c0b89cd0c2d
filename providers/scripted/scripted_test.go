package scripted

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"fairlead/providers"
	"fairlead/providers/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	for _, model := range []string{"echo", "fixed?text=one+two+three", "json?value={\"a\":+1}", "slow?ttft=0s&tps=1000000", "obedient", "flaky?p=0", "infinite?text=a+b"} {
		t.Run(model, func(t *testing.T) {
			providertest.Run(t, providertest.Harness{
				Does:      providers.Chat,
				Generator: func(testing.TB) providers.Generator { return New(Config{}) },
				Request: func() *providers.Request {
					limit := 20
					return &providers.Request{Model: model, Messages: []providers.Message{providers.Text(providers.User, "one two  three")}, MaxTokens: &limit}
				},
			})
		})
	}
	for _, model := range []string{"embed", "embed?dims=3", "flaky?p=0"} {
		t.Run(model, func(t *testing.T) {
			providertest.Run(t, providertest.Harness{
				Does:       providers.Embed,
				Embedder:   func(testing.TB) providers.Embedder { return New(Config{}) },
				EmbedModel: model,
			})
		})
	}
}

func ask(model, question string) *providers.Request {
	return &providers.Request{Model: model, Messages: []providers.Message{providers.Text(providers.User, question)}}
}

func TestModelsAnswerAsTheyAreNamed(t *testing.T) {
	two := 2
	for _, tc := range []struct {
		model  string
		change func(*providers.Request)
		text   string
		finish providers.FinishReason
		usage  *providers.Usage
	}{
		{"echo", nil, " one  two\nthree ", providers.FinishStop, &providers.Usage{Input: 3, Output: 3}},
		{"echo?in=100&out=7", nil, " one  two\nthree ", providers.FinishStop, &providers.Usage{Input: 100, Output: 7}},
		{"echo?report=false", nil, " one  two\nthree ", providers.FinishStop, nil},
		{"echo", func(r *providers.Request) { r.MaxTokens = &two }, " one  two\n", providers.FinishLength, &providers.Usage{Input: 3, Output: 2}},
		{"echo", func(r *providers.Request) { r.Stop = []string{"", "two"} }, " one  ", providers.FinishStop, &providers.Usage{Input: 3, Output: 1}},
		{"echo", func(r *providers.Request) { r.Messages = nil }, "", providers.FinishStop, &providers.Usage{}},
		{"fixed?text=a+b%26c", nil, "a b&c", providers.FinishStop, &providers.Usage{Input: 3, Output: 2}},
		{"fixed", nil, "This is a fixed answer.", providers.FinishStop, &providers.Usage{Input: 3, Output: 5}},
		{`json?value={"a":1}`, nil, `{"a":1}`, providers.FinishStop, &providers.Usage{Input: 3, Output: 1}},
		{"infinite", func(r *providers.Request) { r.MaxTokens = &two }, " one  two\n", providers.FinishLength, &providers.Usage{Input: 3, Output: 2}},
		{"flaky?p=0&text=fine", nil, "fine", providers.FinishStop, &providers.Usage{Input: 3, Output: 1}},
	} {
		p := New(Config{})
		req := ask(tc.model, " one  two\nthree ")
		if tc.change != nil {
			tc.change(req)
		}
		a, err := providers.Collect(p.Generate(t.Context(), req))
		if err != nil {
			t.Errorf("%s: %v", tc.model, err)
			continue
		}
		if d := cmp.Diff(&providers.Answer{Text: tc.text, Finish: tc.finish, Usage: tc.usage, Model: tc.model}, a); d != "" {
			t.Errorf("%s: %s", tc.model, d)
		}
		if tc.usage != nil && p.Billed() != *tc.usage {
			t.Errorf("%s: billed %+v, reported %+v", tc.model, p.Billed(), *tc.usage)
		}
	}
}

func TestSlowTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, start := New(Config{}), time.Now()
		var at []time.Duration
		for c, err := range p.Generate(t.Context(), ask("slow?text=a+b+c", "x")) {
			if err != nil {
				t.Fatal(err)
			}
			if c.Text != "" {
				at = append(at, time.Since(start))
			}
		}
		if d := cmp.Diff([]time.Duration{200 * time.Millisecond, 220 * time.Millisecond, 240 * time.Millisecond}, at); d != "" {
			t.Error(d)
		}
		if d := time.Since(start); d != 240*time.Millisecond {
			t.Errorf("the end took time: %v", d)
		}

		ctx, cancel := context.WithTimeout(t.Context(), 210*time.Millisecond)
		defer cancel()
		a, err := providers.Collect(p.Generate(ctx, ask("slow?text=a+b+c", "x")))
		if providers.KindOf(err) != providers.KindTimeout || a.Text != "a " || !providers.Billed(err) {
			t.Errorf("a deadline between words: %q, %v", a.Text, err)
		}
		if got := p.Account("slow?text=a+b+c"); got != (Account{Calls: 2, Failed: 1, Billed: providers.Usage{Input: 2, Output: 4}}) {
			t.Errorf("account %+v", got)
		}
	})
}

func TestHangEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, start := New(Config{}), time.Now()
		for model, text := range map[string]string{"hang": "", "hang?after=2": "a b "} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			a, err := providers.Collect(p.Generate(ctx, ask(model, "a b c")))
			cancel()
			if providers.KindOf(err) != providers.KindTimeout || a.Text != text || providers.Billed(err) != (text != "") {
				t.Errorf("%s: %q, %v, billed %v", model, a.Text, err, providers.Billed(err))
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := p.Embed(ctx, &providers.EmbedRequest{Model: "hang", Texts: []string{"a"}}); providers.KindOf(err) != providers.KindTimeout {
			t.Errorf("embed: %v", err)
		}
		if d := time.Since(start); d != 3*time.Minute {
			t.Errorf("it took %v", d)
		}
		if b := p.Billed(); b != (providers.Usage{Input: 3, Output: 2}) {
			t.Errorf("billed %+v", b)
		}
	})
}

func TestStatusIsAsAnAdapterWouldSay(t *testing.T) {
	p := New(Config{Backend: "b"})
	for model, want := range map[string]providers.Error{
		"status":                        {Kind: providers.KindUnavailable, Status: 503},
		"status?code=429&retry_after=2": {Kind: providers.KindRateLimited, Status: 429, RetryAfter: 2 * time.Second},
		"status?code=400":               {Kind: providers.KindInvalid, Status: 400},
		"status?code=400&error=context_length_exceeded":         {Kind: providers.KindContextLength, Status: 400, Code: "context_length_exceeded"},
		"status?code=400&error=content_filter":                  {Kind: providers.KindContentFilter, Status: 400, Code: "content_filter"},
		"status?code=429&error=insufficient_quota":              {Kind: providers.KindQuota, Status: 429, Code: "insufficient_quota"},
		"status?code=401":                                       {Kind: providers.KindAuth, Status: 401},
		"status?code=402":                                       {Kind: providers.KindQuota, Status: 402},
		"status?code=404":                                       {Kind: providers.KindNotFound, Status: 404},
		"status?code=408":                                       {Kind: providers.KindTimeout, Status: 408},
		"status?code=500&retry_after=150ms&error=overloaded.be": {Kind: providers.KindUnavailable, Status: 500, RetryAfter: 150 * time.Millisecond, Code: "overloaded.be"},
	} {
		want.Backend, want.Model = "b", model
		a, err := providers.Collect(p.Generate(t.Context(), ask(model, "x")))
		var got *providers.Error
		if !errors.As(err, &got) || *got != want || a.Usage != nil || a.Text != "" {
			t.Errorf("%s: %+v", model, err)
		}
		if _, err := p.Embed(t.Context(), &providers.EmbedRequest{Model: model}); providers.KindOf(err) != want.Kind {
			t.Errorf("%s: embed: %v", model, err)
		}
		if _, err := p.Classify(t.Context(), &providers.ClassifyRequest{Model: model}); providers.KindOf(err) != want.Kind {
			t.Errorf("%s: classify: %v", model, err)
		}
		if got := p.Account(model); got != (Account{Calls: 3, Failed: 3}) {
			t.Errorf("%s: account %+v", model, got)
		}
	}
}

func TestFlakyIsTheSameEveryTime(t *testing.T) {
	run := func(model string) (failed []int) {
		p := New(Config{})
		for i := range 1000 {
			if _, err := providers.Collect(p.Generate(t.Context(), ask(model, "x"))); err != nil {
				failed = append(failed, i)
			}
		}
		return failed
	}
	first := run("flaky?p=0.3&seed=1")
	if n := len(first); n < 250 || n > 350 {
		t.Errorf("%d of 1000 calls failed", n)
	}
	if !slices.Equal(first, run("flaky?p=0.3&seed=1")) {
		t.Error("the same script failed otherwise")
	}
	if slices.Equal(first, run("flaky?p=0.3&seed=2")) {
		t.Error("another seed made no difference")
	}
	if n := len(run("flaky?p=1&code=429")); n != 1000 {
		t.Errorf("with p=1 %d of 1000 calls failed", n)
	}
}

func TestBrokenStreamsAreBilled(t *testing.T) {
	for _, tc := range []struct {
		model string
		kind  providers.Kind
		text  string
		usage *providers.Usage
		bill  providers.Usage
	}{
		{"cut?after=5", providers.KindTruncated, "one two one two one ", &providers.Usage{Input: 2, Output: 5}, providers.Usage{Input: 2, Output: 5}},
		{"cut?after=1&text=a+b&report=false", providers.KindTruncated, "a ", nil, providers.Usage{Input: 2, Output: 1}},
		{"cut?after=0", providers.KindTruncated, "", &providers.Usage{Input: 2}, providers.Usage{Input: 2}},
		{"garbage", providers.KindProtocol, "one two one ", &providers.Usage{Input: 2, Output: 3}, providers.Usage{Input: 2, Output: 3}},
		{"garbage?after=0&in=5&out=9", providers.KindProtocol, "", &providers.Usage{Input: 5, Output: 9}, providers.Usage{Input: 5, Output: 9}},
	} {
		p := New(Config{})
		a, err := providers.Collect(p.Generate(t.Context(), ask(tc.model, "one two")))
		if providers.KindOf(err) != tc.kind || !providers.Billed(err) || !providers.Retryable(err) {
			t.Errorf("%s: %v", tc.model, err)
		}
		if a.Text != tc.text || a.Finish != providers.FinishUnset || !cmp.Equal(a.Usage, tc.usage) || p.Billed() != tc.bill {
			t.Errorf("%s: %+v, billed %+v", tc.model, a, p.Billed())
		}
	}
}

func TestACallerWhoLeavesPaysForWhatCame(t *testing.T) {
	p := New(Config{})
	n := 0
	for range p.Generate(t.Context(), ask("infinite?overrun=true", "a b")) {
		if n++; n == 4 {
			break
		}
	}
	if got := p.Account("infinite?overrun=true"); got != (Account{Calls: 1, Billed: providers.Usage{Input: 2, Output: 4}}) {
		t.Errorf("account %+v", got)
	}
	if p.Billed() != (providers.Usage{Input: 2, Output: 4}) {
		t.Errorf("billed %+v", p.Billed())
	}
}

func TestToolAsksThenAnswers(t *testing.T) {
	p := New(Config{})
	req := ask(`tool?name=weather&args={"city":"Köln+am+Rhein"}&n=2`, "How is it?")
	pieces := 0
	for c := range p.Generate(t.Context(), req) {
		pieces += len(c.ToolCalls)
	}
	if pieces < 8 {
		t.Errorf("the arguments came in %d pieces", pieces)
	}
	a, err := providers.Collect(p.Generate(t.Context(), req))
	if err != nil {
		t.Fatal(err)
	}
	want := []providers.ToolCall{
		{ID: "call_2_1", Name: "weather", Arguments: `{"city":"Köln am Rhein"}`},
		{ID: "call_2_2", Name: "weather", Arguments: `{"city":"Köln am Rhein"}`},
	}
	if d := cmp.Diff(want, a.ToolCalls); d != "" || a.Finish != providers.FinishToolCalls || a.Text != "" {
		t.Errorf("%+v %s", a, d)
	}
	req.Messages = append(req.Messages,
		providers.Message{Role: providers.Assistant, ToolCalls: a.ToolCalls},
		providers.Message{Role: providers.ToolRole, ToolCallID: "call_2_1", Parts: []providers.Part{{Text: "Rain."}}},
		providers.Message{Role: providers.ToolRole, ToolCallID: "call_2_2", Parts: []providers.Part{{Text: "Sun."}}})
	if a, err = providers.Collect(p.Generate(t.Context(), req)); err != nil || a.Text != "The tool weather answered: Rain.\nSun." || a.Finish != providers.FinishStop {
		t.Errorf("%+v, %v", a, err)
	}
	req.Messages = append(req.Messages, providers.Text(providers.User, "And now?"))
	if a, err = providers.Collect(p.Generate(t.Context(), req)); err != nil || len(a.ToolCalls) != 2 {
		t.Errorf("a new question: %+v, %v", a, err)
	}
	req.ToolChoice.Mode = providers.ToolsNone
	if a, err = providers.Collect(p.Generate(t.Context(), req)); err != nil || a.ToolCalls != nil || a.Text == "" {
		t.Errorf("tools were ruled out: %+v, %v", a, err)
	}
}

func TestVectorsDependOnTextsAlone(t *testing.T) {
	p := New(Config{})
	got, err := p.Embed(t.Context(), &providers.EmbedRequest{Model: "embed?dims=4", Texts: []string{"a b", "c", "a b"}})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Vectors[0], got.Vectors[2]) || slices.Equal(got.Vectors[0], got.Vectors[1]) {
		t.Errorf("vectors %v", got.Vectors)
	}
	// A golden vector: it must be the same on every machine, and in the next version.
	if d := cmp.Diff([]float32{-0.53765196, -0.5354803, 0.05896365, -0.6486251}, got.Vectors[0]); d != "" {
		t.Error(d)
	}
	if got.Usage != (providers.Usage{Input: 5}) || p.Billed() != got.Usage {
		t.Errorf("usage %+v, billed %+v", got.Usage, p.Billed())
	}
	if got, err = p.Embed(t.Context(), &providers.EmbedRequest{Model: "embed", Texts: []string{"a"}, Dimensions: 3}); err != nil || len(got.Vectors[0]) != 3 {
		t.Errorf("%v, %v", got, err)
	}
	for _, dims := range []int{-1, maxDimensions + 1} {
		if _, err = p.Embed(t.Context(), &providers.EmbedRequest{Model: "embed", Dimensions: dims}); providers.KindOf(err) != providers.KindInvalid {
			t.Errorf("%d dimensions: %v", dims, err)
		}
	}
}

func TestClassify(t *testing.T) {
	p := New(Config{})
	got, err := p.Classify(t.Context(), &providers.ClassifyRequest{Model: "classify?label=spam&other=ham&p=0.25", Texts: []string{"a b"}})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]providers.Class{{{Name: "ham", Probability: 0.75}, {Name: "spam", Probability: 0.25}}}
	if d := cmp.Diff(want, got.Classes); d != "" || got.Usage.Input != 2 {
		t.Errorf("%+v %s", got, d)
	}
}

func TestModelsAreAllThere(t *testing.T) {
	p := New(Config{})
	models, err := p.Models(t.Context())
	if err != nil || len(models) != len(kindOf) {
		t.Fatalf("%v, %v", models, err)
	}
	for _, m := range models {
		s, err := Parse(m.Name)
		if err != nil || s.Does() != m.Does {
			t.Errorf("%s: %v", m.Name, err)
		}
		if m.Does.Has(providers.Chat) && m.Name != "hang" && m.Name != "infinite" {
			a, err := providers.Collect(p.Generate(t.Context(), ask(m.Name, "say hello")))
			if err == nil && a.Finish == providers.FinishUnset {
				t.Errorf("%s: %+v", m.Name, a)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Models(ctx); providers.KindOf(err) != providers.KindCanceled {
		t.Errorf("canceled: %v", err)
	}
}

func TestTheWrongUseIsAnError(t *testing.T) {
	p := New(Config{})
	if _, err := providers.Collect(p.Generate(t.Context(), ask("gpt", "x"))); providers.KindOf(err) != providers.KindNotFound || !strings.Contains(err.Error(), "use one of classify, cut") {
		t.Errorf("an unknown model: %v", err)
	}
	if _, err := providers.Collect(p.Generate(t.Context(), ask("embed", "x"))); providers.KindOf(err) != providers.KindUnsupported {
		t.Errorf("an embedder that should chat: %v", err)
	}
	if _, err := p.Embed(t.Context(), &providers.EmbedRequest{Model: "echo"}); providers.KindOf(err) != providers.KindUnsupported {
		t.Errorf("a chat model that should embed: %v", err)
	}
	if _, err := p.Classify(t.Context(), &providers.ClassifyRequest{Model: "echo"}); providers.KindOf(err) != providers.KindUnsupported {
		t.Errorf("a chat model that should classify: %v", err)
	}
}
