package openai_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	dialect "github.com/sashabaranov/go-openai"

	"fairlead/providers"
	"fairlead/providers/openai"
)

func client(t testing.TB, body []byte) *openai.Client {
	t.Helper()
	c, err := openai.New(openai.Config{BaseURL: "http://memory/v1", HTTPClient: &http.Client{Transport: memory{body}}, MaxAnswer: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// FuzzStream: whatever a server sends, an answer without an error has a finish and only whole text, an
// error is one of ours, and nothing panics.
func FuzzStream(f *testing.F) {
	for _, s := range []string{
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
		"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}\n\n",
		"data: {\"error\":{\"message\":\"x\",\"code\":500}}\n\n", "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n", "data: [DONE]", ": x\n\nnonsense",
		"event: error\ndata: {\"object\":\"error\",\"message\":\"m\"}\n\n", "data: {\"choices\":[{\"delta\":{\"content\":\"\\ud83d\"}}]}\n\n",
	} {
		f.Add([]byte(s))
	}
	req := &providers.Request{Model: "m", Messages: []providers.Message{providers.Text(providers.User, "hi")}}
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := providers.Collect(client(t, body).Generate(t.Context(), req))
		var e *providers.Error
		switch {
		case err == nil && a.Finish == providers.FinishUnset:
			t.Fatal("a success without a finish")
		case err == nil && !strings.Contains(string(body), "finish_reason") && !strings.Contains(strings.ToLower(string(body)), "finish"):
			t.Fatal("a success without a reason on the wire")
		case err != nil && !errors.As(err, &e):
			t.Fatalf("a foreign error: %T", err)
		case !utf8.ValidString(a.Text + a.Reasoning):
			t.Fatal("text that is not UTF-8")
		}
		for _, call := range a.ToolCalls {
			if err == nil && (call.ID == "" || call.Name == "") {
				t.Fatalf("a call without id or name: %+v", call)
			}
		}
	})
}

// TestWhyNotTheSDKsClient watches the reasons in doc.go. Where one of them fails, the SDK has become
// better, and the reason should go.
func TestWhyNotTheSDKsClient(t *testing.T) {
	read := func(body string) (text string, err error) {
		cfg := dialect.DefaultConfig("")
		cfg.BaseURL, cfg.HTTPClient = "http://memory/v1", &http.Client{Transport: memory{[]byte(body)}}
		stream, err := dialect.NewClientWithConfig(cfg).CreateChatCompletionStream(context.Background(), dialect.ChatCompletionRequest{Model: "m"})
		if err != nil {
			return "", err
		}
		defer stream.Close()
		for {
			r, err := stream.Recv()
			if err != nil {
				return text, err
			}
			for _, c := range r.Choices {
				text += c.Delta.Content
			}
		}
	}
	const some = `data: {"choices":[{"index":0,"delta":{"content":"some"}}]}` + "\n\n"
	for name, body := range map[string]string{
		"whole":                       some + `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n",
		"cut":                         some,
		"cut within a frame":          some + some[:20],
		"a line of an error in words": some + "Internal Server Error\n\ndata: [DONE]\n\n",
	} {
		if text, err := read(body); err != io.EOF || text != "some" {
			t.Errorf("%s: the SDK gave %q, %v: it tells these apart now", name, text, err)
		}
	}
	if _, err := read(`data: {"created":1.5,"choices":[]}` + "\n\ndata: [DONE]\n\n"); err == io.EOF {
		t.Error("the SDK accepts fields of unexpected types that nobody needs now")
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]openai.Config{
		"address":      {BaseURL: "localhost:8000"},
		"key":          {APIKey: "a\nb"},
		"limit":        {MaxAnswer: -1},
		"idle":         {IdleTimeout: -time.Second},
		"tokens field": {MaxTokensField: "tokens"},
	} {
		if _, err := openai.New(cfg); err == nil || !strings.Contains(err.Error(), "backend openai") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s := (openai.Config{APIKey: "secret"}).String(); strings.Contains(s, "secret") {
		t.Error("the key shows")
	}
}

// capture keeps the body of a request.
type capture struct{ body *string }

func (c capture) RoundTrip(r *http.Request) (*http.Response, error) {
	b, _ := io.ReadAll(r.Body)
	*c.body = string(b)
	return nil, errors.New("enough")
}

func TestTheLimitOnTokensHasTheNameThatTheServerWants(t *testing.T) {
	limit := 5
	req := &providers.Request{Model: "m", Messages: []providers.Message{providers.Text(providers.User, "hi")}, MaxTokens: &limit}
	for _, c := range []struct {
		cfg  openai.Config
		want string
	}{
		{openai.Config{}, `"max_completion_tokens":5`},
		{openai.Config{BaseURL: "http://gpu:8000/v1"}, `"max_tokens":5`},
		{openai.Config{BaseURL: "http://gpu:8000/v1", MaxTokensField: "max_completion_tokens"}, `"max_completion_tokens":5`},
	} {
		var body string
		c.cfg.HTTPClient = &http.Client{Transport: capture{&body}}
		client, err := openai.New(c.cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, err = providers.Collect(client.Generate(t.Context(), req))
		if providers.KindOf(err) != providers.KindUnavailable || !strings.Contains(body, c.want) || strings.Count(body, `tokens":5`) != 1 {
			t.Errorf("%s: %s, %v", c.want, body, err)
		}
	}
}

func TestExtraFieldsMustBeNew(t *testing.T) {
	for field, want := range map[string]providers.Kind{"stream": providers.KindInvalid, "model": providers.KindInvalid, "n": providers.KindUnsupported, "broken": providers.KindInvalid} {
		value := "2"
		if field == "broken" {
			value = "{"
		}
		req := &providers.Request{Model: "m", Messages: []providers.Message{providers.Text(providers.User, "hi")}}
		req.Extra = map[string]json.RawMessage{field: json.RawMessage(value)}
		_, err := providers.Collect(client(t, nil).Generate(t.Context(), req))
		if providers.KindOf(err) != want {
			t.Errorf("%s: %v", field, err)
		}
	}
}
