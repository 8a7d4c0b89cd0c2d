package langchain

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/prompts"
	"github.com/tmc/langchaingo/schema"
	"go.uber.org/goleak"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/providers"
	"fairlead/retrieval"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder answers every call with the same answer and keeps the requests.
type recorder struct {
	requests []providers.Request
	answer   providers.Answer
	err      error
}

func (r *recorder) call(_ context.Context, req *providers.Request) (*providers.Answer, error) {
	r.requests = append(r.requests, *req)
	if r.err != nil {
		return nil, r.err
	}
	a := r.answer
	return &a, nil
}

func TestModelTranslatesMessagesBothWays(t *testing.T) {
	r := &recorder{answer: providers.Answer{
		Text: "ok", Reasoning: "hm", Finish: providers.FinishToolCalls, Model: "m-1",
		ToolCalls: []providers.ToolCall{{ID: "c1", Name: "f", Arguments: `{"a":1}`}},
		Usage:     &providers.Usage{Input: 10, CachedInput: 4, Output: 3, Reasoning: 1},
	}}
	m := &Model{Do: r.call, Base: providers.Request{Messages: []providers.Message{providers.Text(providers.System, "be brief")}, Query: "q"}}
	out, err := m.GenerateContent(t.Context(), []llms.MessageContent{
		llms.TextParts(llms.ChatMessageTypeSystem, "more"),
		{Role: llms.ChatMessageTypeHuman, Parts: []llms.ContentPart{
			llms.TextPart("look"), llms.ImageURLPart("https://x/y.png"), llms.BinaryPart("image/png", []byte{1}),
			llms.ImageURLWithDetailPart("data:image/gif;base64,AQI=", "low"), llms.WithCacheControl(llms.TextPart("end"), nil)}},
		{Role: llms.ChatMessageTypeAI, Parts: []llms.ContentPart{llms.ToolCall{ID: "c0", FunctionCall: &llms.FunctionCall{Name: "f", Arguments: "{}"}}}},
		{Role: llms.ChatMessageTypeTool, Parts: []llms.ContentPart{
			llms.ToolCallResponse{ToolCallID: "c0", Name: "f", Content: "one"}, llms.ToolCallResponse{ToolCallID: "c9", Content: "two"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []providers.Message{
		providers.Text(providers.System, "be brief"),
		providers.Text(providers.System, "more"),
		{Role: providers.User, Parts: []providers.Part{{Text: "look"}, {Image: &providers.Image{URL: "https://x/y.png"}},
			{Image: &providers.Image{Data: []byte{1}, MediaType: "image/png"}}, {Image: &providers.Image{Data: []byte{1, 2}, MediaType: "image/gif", Detail: "low"}}, {Text: "end"}}},
		{Role: providers.Assistant, ToolCalls: []providers.ToolCall{{ID: "c0", Name: "f", Arguments: "{}"}}},
		{Role: providers.ToolRole, Parts: []providers.Part{{Text: "one"}}, ToolCallID: "c0", Name: "f"},
		{Role: providers.ToolRole, Parts: []providers.Part{{Text: "two"}}, ToolCallID: "c9"},
	}
	if diff := cmp.Diff(want, r.requests[0].Messages); diff != "" {
		t.Error(diff)
	}
	if r.requests[0].Query != "q" || len(m.Base.Messages) != 1 {
		t.Error("the base request is not kept")
	}
	call := llms.ToolCall{ID: "c1", Type: "function", FunctionCall: &llms.FunctionCall{Name: "f", Arguments: `{"a":1}`}}
	wantOut := &llms.ContentResponse{Choices: []*llms.ContentChoice{{
		Content: "ok", StopReason: "tool_calls", ReasoningContent: "hm", FuncCall: call.FunctionCall, ToolCalls: []llms.ToolCall{call},
		GenerationInfo: map[string]any{KeyModel: "m-1", KeyUsage: *r.answer.Usage, "PromptTokens": 10, "CompletionTokens": 3,
			"TotalTokens": 13, "PromptCachedTokens": 4, "ReasoningTokens": 1},
	}}}
	if diff := cmp.Diff(wantOut, out); diff != "" {
		t.Error(diff)
	}
}

func TestModelAppliesOnlyOptionsThatAreSet(t *testing.T) {
	r := &recorder{answer: providers.Answer{Text: "x"}}
	base := providers.Request{Temperature: new(0.0), MaxTokens: new(5), Stop: []string{"a"}, Format: providers.Format{Kind: providers.FormatText}}
	m := &Model{Do: r.call, Base: base}
	if _, err := m.Call(t.Context(), "hi", llms.WithTemperature(0), llms.WithModel("other")); err != nil {
		t.Fatal(err)
	}
	got := r.requests[0]
	if *got.Temperature != 0 || *got.MaxTokens != 5 || got.Stop[0] != "a" || got.TopP != nil || got.Model != "" {
		t.Errorf("unset options changed the request: %+v", got)
	}
	_, err := m.Call(t.Context(), "hi", llms.WithTemperature(0.7), llms.WithMaxTokens(9), llms.WithTopP(0.5), llms.WithSeed(3), llms.WithJSONMode(),
		llms.WithStopWords([]string{"b"}), llms.WithFrequencyPenalty(0.5), llms.WithToolChoice("required"),
		llms.WithTools([]llms.Tool{{Type: "function", Function: &llms.FunctionDefinition{Name: "f", Parameters: map[string]any{"type": "object"}, Strict: true}}}))
	if err != nil {
		t.Fatal(err)
	}
	got = r.requests[1]
	if *got.Temperature != 0.7 || *got.MaxTokens != 9 || *got.TopP != 0.5 || *got.Seed != 3 || got.Format.Kind != providers.FormatJSONObject ||
		got.Stop[0] != "b" || string(got.Extra["frequency_penalty"]) != "0.5" || got.ToolChoice.Mode != providers.ToolsRequired ||
		got.Tools[0].Name != "f" || string(got.Tools[0].Parameters) != `{"type":"object"}` || !*got.Tools[0].Strict {
		t.Errorf("options: %+v", got)
	}
	if base.Extra != nil || *base.Temperature != 0 {
		t.Error("the base request was changed")
	}
	for name, option := range map[string]llms.CallOption{"n": llms.WithN(2), "top_k": llms.WithTopK(4), "choice": llms.WithToolChoice(7)} {
		if _, err := m.Call(t.Context(), "hi", option); providers.KindOf(err) != providers.KindUnsupported {
			t.Errorf("%s: %v", name, err)
		}
	}
	var streamed string
	stop := errors.New("stop")
	if _, err := m.Call(t.Context(), "hi", llms.WithStreamingFunc(func(_ context.Context, b []byte) error { streamed += string(b); return stop })); !errors.Is(err, stop) || streamed != "x" {
		t.Errorf("streaming: %q, %v", streamed, err)
	}
	bad := llms.MessageContent{Role: llms.ChatMessageTypeHuman, Parts: []llms.ContentPart{llms.BinaryPart("audio/wav", nil)}}
	if _, err := m.GenerateContent(t.Context(), []llms.MessageContent{bad}); providers.KindOf(err) != providers.KindUnsupported {
		t.Errorf("audio: %v", err)
	}
}

// evil is text that would be a template, and more, if anything looked at it.
const evil = "{{.x}} {{ range .y }} {% include 'z' %} ${HOME} {input} \x00 12:34:\n  "

func TestGenerateKeepsTheRequestWhole(t *testing.T) {
	r := &recorder{answer: providers.Answer{Text: "  " + evil, Citations: []providers.Citation{{Document: 1}}, ToolCalls: []providers.ToolCall{{ID: "1"}}, Finish: providers.FinishStop}}
	req := providers.Request{
		Messages: []providers.Message{
			providers.Text(providers.System, "sys "+evil),
			providers.Text(providers.User, "before"),
			{Role: providers.Assistant, ToolCalls: []providers.ToolCall{{ID: "7", Name: "f", Arguments: "{}"}}},
			{Role: providers.ToolRole, ToolCallID: "7", Parts: []providers.Part{{Text: "result"}}},
			{Role: providers.User, Name: "ann", Parts: []providers.Part{{Image: &providers.Image{URL: "https://x"}}, {Text: evil}, {Text: "second"}}},
		},
		Documents: []providers.Document{{ID: "d"}}, Query: "q", Temperature: new(0.0), Seed: new(int64(0)),
		Format: providers.Format{Kind: providers.FormatJSONObject}, Tools: []providers.Tool{{Name: "f"}},
	}
	answer, err := Generate(t.Context(), GenerateArgs{Call: r.call, Request: req})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(req, r.requests[0]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&r.answer, answer); diff != "" {
		t.Error(diff)
	}
	picture := providers.Request{Messages: []providers.Message{{Role: providers.User, Parts: []providers.Part{{Image: &providers.Image{URL: "https://x"}}}}}}
	if _, err := Generate(t.Context(), GenerateArgs{Call: r.call, Request: picture}); err != nil || !cmp.Equal(picture, r.requests[1]) {
		t.Errorf("a picture alone: %v\n%s", err, cmp.Diff(picture, r.requests[1]))
	}
	if _, err := Generate(t.Context(), GenerateArgs{Call: r.call}); fault.CodeOf(err) != fault.InvalidArgument {
		t.Errorf("no message: %v", err)
	}
}

func TestErrorsPassThroughUnchanged(t *testing.T) {
	r := &recorder{err: &providers.Error{Kind: providers.KindRateLimited, Backend: "b"}}
	req := providers.Request{Messages: []providers.Message{providers.Text(providers.User, "x")}}
	if a, err := Generate(t.Context(), GenerateArgs{Call: r.call, Request: req}); err != r.err || a != nil {
		t.Errorf("generate: %v, %v", a, err)
	}
	if _, err := Summarize(t.Context(), SummarizeArgs{Method: Refine, Documents: docs("a", "b"), Call: r.call, Render: render}); err != r.err {
		t.Errorf("summarize: %v", err)
	}
	chain := chains.NewLLMChain(&Model{Do: r.call}, prompts.NewPromptTemplate("{{.q}}", []string{"q"}))
	if _, err := chains.Run(t.Context(), chain, "x"); !providers.Retryable(err) {
		t.Errorf("a stock chain: %v", err)
	}
}

// sessions is a store in memory.
type sessions struct {
	messages []providers.Message
	label    label.Label
	appends  int
	err      error
}

func (s *sessions) SessionMessages(_ context.Context, tenant, session string, limit int) ([]providers.Message, error) {
	if tenant != "acme" || session != "s1" {
		return nil, errors.New("another conversation")
	}
	return s.messages[max(len(s.messages)-limit, 0):], nil
}

func (s *sessions) SessionAppend(_ context.Context, tenant, session string, l label.Label, messages []providers.Message) error {
	if s.err != nil {
		return s.err
	}
	s.appends, s.label = s.appends+1, l
	s.messages = append(s.messages, messages...)
	return nil
}

func user(text string) providers.Message { return providers.Text(providers.User, text) }
func ai(text string) providers.Message   { return providers.Text(providers.Assistant, text) }

func asks(id string) providers.Message {
	return providers.Message{Role: providers.Assistant, ToolCalls: []providers.ToolCall{{ID: id, Name: "f"}}}
}

func result(id string) providers.Message {
	return providers.Message{Role: providers.ToolRole, ToolCallID: id, Parts: []providers.Part{{Text: "r"}}}
}

func TestHistoryGivesWholeTurns(t *testing.T) {
	picture := providers.Message{Role: providers.User, Parts: []providers.Part{{Text: "see"}, {Image: &providers.Image{URL: "https://x"}}}}
	for name, c := range map[string]struct {
		stored []providers.Message
		window int
		want   []providers.Message
	}{
		"nothing":                {nil, 2, nil},
		"all":                    {[]providers.Message{user("1"), ai("a"), user("2"), ai("b")}, 2, []providers.Message{user("1"), ai("a"), user("2"), ai("b")}},
		"the last":               {[]providers.Message{user("1"), ai("a"), user("2"), ai("b")}, 1, []providers.Message{user("2"), ai("b")}},
		"begins with a result":   {[]providers.Message{result("9"), ai("z"), user("2"), ai("b")}, 5, []providers.Message{user("2"), ai("b")}},
		"tools stay together":    {[]providers.Message{user("1"), ai("a"), user("2"), asks("c"), result("c"), ai("b")}, 1, []providers.Message{user("2"), asks("c"), result("c"), ai("b")}},
		"a call without result":  {[]providers.Message{user("1"), asks("c"), ai("a"), user("2"), ai("b")}, 5, []providers.Message{user("2"), ai("b")}},
		"a result without call":  {[]providers.Message{user("1"), result("c"), ai("a"), user("2"), ai("b")}, 5, []providers.Message{user("2"), ai("b")}},
		"no answer":              {[]providers.Message{user("1"), user("2"), ai("b"), user("3")}, 5, []providers.Message{user("2"), ai("b")}},
		"system messages":        {[]providers.Message{providers.Text(providers.System, "s"), user("2"), ai("b")}, 5, []providers.Message{user("2"), ai("b")}},
		"pictures":               {[]providers.Message{picture, ai("b")}, 5, []providers.Message{picture, ai("b")}},
		"ids that are all empty": {[]providers.Message{user("1"), asks(""), result(""), ai("a")}, 5, []providers.Message{user("1"), asks(""), result(""), ai("a")}},
	} {
		t.Run(name, func(t *testing.T) {
			h := &History{Store: &sessions{messages: c.stored}, Tenant: "acme", Session: "s1", Window: c.window}
			got, err := h.Turns(t.Context())
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	}
}

func TestGenerateRemembers(t *testing.T) {
	store := &sessions{messages: []providers.Message{user("1"), asks("c"), result("c"), ai("a")}}
	r := &recorder{answer: providers.Answer{Text: "b"}}
	args := GenerateArgs{
		Call: r.call, Remember: "2",
		Request: providers.Request{Messages: []providers.Message{providers.Text(providers.System, "sys"), user("documents and 2")}},
		History: &History{Store: store, Tenant: "acme", Session: "s1", Label: label.Confidential},
	}
	if _, err := Generate(t.Context(), args); err != nil {
		t.Fatal(err)
	}
	want := []providers.Message{providers.Text(providers.System, "sys"), user("1"), asks("c"), result("c"), ai("a"), user("documents and 2")}
	if diff := cmp.Diff(want, r.requests[0].Messages); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]providers.Message{user("1"), asks("c"), result("c"), ai("a"), user("2"), ai("b")}, store.messages); diff != "" {
		t.Error(diff)
	}
	if store.label != label.Confidential || store.appends != 1 {
		t.Errorf("label %v, %d appends", store.label, store.appends)
	}
	store.err = errors.New("down")
	if a, err := Generate(t.Context(), args); err != store.err || a == nil || a.Text != "b" {
		t.Errorf("not remembered: %v, %v", a, err)
	}
	store.err = nil
	r.answer = providers.Answer{ToolCalls: []providers.ToolCall{{ID: "x"}}}
	if _, err := Generate(t.Context(), args); err != nil || store.appends != 1 {
		t.Errorf("half a turn was added: %v", err)
	}
	r.err = errors.New("boom")
	if _, err := Generate(t.Context(), args); err != r.err || store.appends != 1 {
		t.Errorf("a failed turn was added: %v", err)
	}
}

func TestStockWindowMemoryRunsOnHistory(t *testing.T) {
	store := &sessions{}
	h := &History{Store: store, Tenant: "acme", Session: "s1", Window: 5}
	r := &recorder{answer: providers.Answer{Text: "fine"}}
	c := chains.NewConversation(&Model{Do: r.call}, memory.NewConversationWindowBuffer(2, memory.WithChatHistory(h)))
	for _, q := range []string{"one", "two", "three", "four"} {
		if _, err := chains.Run(t.Context(), &c, q); err != nil {
			t.Fatal(err)
		}
	}
	if len(store.messages) != 8 || store.appends != 4 {
		t.Errorf("the store has %d messages by %d appends: a window must not shorten it", len(store.messages), store.appends)
	}
	if err := h.SetMessages(t.Context(), []llms.ChatMessage{llms.HumanChatMessage{Content: "other"}}); fault.CodeOf(err) != fault.Unimplemented {
		t.Errorf("rewriting: %v", err)
	}
	if err := h.Clear(t.Context()); fault.CodeOf(err) != fault.Unimplemented {
		t.Errorf("clearing: %v", err)
	}
}

func TestRetriever(t *testing.T) {
	hit := retrieval.Hit{Score: 0.5, Passage: retrieval.Passage{ID: "p", URI: "a.md", Title: "A", Heading: []string{"H"}, Text: evil,
		Label: label.Internal, Span: retrieval.Span{LineStart: 3, LineEnd: 4}}}
	got, err := Retriever{Search: func(_ context.Context, q string) ([]retrieval.Hit, error) { return []retrieval.Hit{hit}, nil }}.GetRelevantDocuments(t.Context(), "q")
	want := []schema.Document{{PageContent: evil, Score: 0.5, Metadata: map[string]any{MetaID: "p", MetaURI: "a.md", MetaTitle: "A",
		MetaHeading: []string{"H"}, MetaLineStart: 3, MetaLineEnd: 4, MetaScore: 0.5, MetaLabel: "internal"}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	boom := errors.New("boom")
	if _, err := (Retriever{Search: func(context.Context, string) ([]retrieval.Hit, error) { return nil, boom }}).GetRelevantDocuments(t.Context(), "q"); err != boom {
		t.Errorf("%v", err)
	}
}

func BenchmarkGenerate(b *testing.B) {
	answer := &providers.Answer{Text: "an answer"}
	call := func(context.Context, *providers.Request) (*providers.Answer, error) { return answer, nil }
	req := providers.Request{Messages: []providers.Message{providers.Text(providers.System, "be brief"), user("a question")}}
	b.Run("direct", func(b *testing.B) {
		for b.Loop() {
			if _, err := call(b.Context(), &req); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			if _, err := Generate(b.Context(), GenerateArgs{Call: call, Request: req}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("go-template", func(b *testing.B) {
		for b.Loop() {
			chain := chains.NewLLMChain(&Model{Do: call, Base: req}, prompts.NewPromptTemplate("{{.input}}", []string{"input"}))
			if _, err := chains.Run(b.Context(), chain, "a question"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
