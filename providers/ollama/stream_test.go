package ollama_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ollama/ollama/api"

	"fairlead/providers"
	"fairlead/providers/ollama"
)

// memory answers each request with one body, without a network, and keeps the last request's.
type memory struct {
	body  []byte
	asked *string
}

func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	if m.asked != nil {
		b, _ := io.ReadAll(r.Body)
		*m.asked = string(b)
	}
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header:           http.Header{"Content-Type": {"application/x-ndjson"}},
		TransferEncoding: []string{"chunked"}, ContentLength: -1,
		Body: io.NopCloser(bytes.NewReader(m.body)),
	}, nil
}

var hi = &providers.Request{Model: "m", Messages: []providers.Message{providers.Text(providers.User, "hi")}}

// FuzzStream: whatever a server sends, an answer without an error has a finish, an error is one of ours,
// and nothing panics.
func FuzzStream(f *testing.F) {
	for _, s := range []string{
		"{\"message\":{\"content\":\"a\"},\"done\":false}\n{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"eval_count\":3}\n",
		"{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}}]}}\n", "{\"error\":\"x\"}\n", "{\"done\":true}", "nonsense\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := ollama.New(ollama.Config{HTTPClient: &http.Client{Transport: memory{body: body}}, MaxAnswer: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		a, err := providers.Collect(c.Generate(t.Context(), hi))
		var e *providers.Error
		switch {
		case err == nil && a.Finish == providers.FinishUnset:
			t.Fatal("a success without a finish")
		case err == nil && !strings.Contains(strings.ToLower(string(body)), "done"):
			t.Fatal("a success without the mark of the end on the wire")
		case err != nil && !errors.As(err, &e):
			t.Fatalf("a foreign error: %T", err)
		case !utf8.ValidString(a.Text + a.Reasoning):
			t.Fatal("text that is not UTF-8")
		}
	})
}

// TestWhyNotTheSDKsClient watches the reasons in doc.go. Where one of them fails, the SDK has become
// better, and the reason should go.
func TestWhyNotTheSDKsClient(t *testing.T) {
	base, _ := url.Parse("http://memory")
	const some = `{"message":{"content":"some"},"done":false}` + "\n"
	for name, body := range map[string]string{
		"cut":              some,
		"a line of 9 MB":   some + strings.Repeat(" ", 9<<20) + some,
		"done, no reason":  some + `{"message":{"content":""},"done":true}` + "\n",
		"a frame of nulls": some + "null\n" + some,
	} {
		sdk := api.NewClient(base, &http.Client{Transport: memory{body: []byte(body)}})
		err := sdk.Chat(context.Background(), &api.ChatRequest{Model: "m"}, func(api.ChatResponse) error { return nil })
		if err != nil {
			t.Errorf("%s: the SDK gives %v: it sees this now", name, err)
		}
		c, err := ollama.New(ollama.Config{HTTPClient: &http.Client{Transport: memory{body: []byte(body)}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := providers.Collect(c.Generate(t.Context(), hi)); err == nil {
			t.Errorf("%s: a success", name)
		}
	}
}

func TestSettingsOfTheBackendAreSent(t *testing.T) {
	var asked string
	c, err := ollama.New(ollama.Config{
		HTTPClient: &http.Client{Transport: memory{asked: &asked}},
		KeepAlive:  5 * time.Minute, NumCtx: 8192, Think: "low", Truncate: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = providers.Collect(c.Generate(t.Context(), hi))
	const want = `{"model":"m","messages":[{"role":"user","content":"hi"}],"options":{"num_ctx":8192},"keep_alive":"5m0s","think":"low","stream":true}`
	if asked != want {
		t.Errorf("sent %s\nwant %s", asked, want)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]ollama.Config{
		"address": {BaseURL: "localhost:11434"},
		"key":     {APIKey: "a\nb"},
		"limit":   {MaxAnswer: -1},
		"think":   {Think: "hard"},
		"window":  {NumCtx: -1},
	} {
		if _, err := ollama.New(cfg); err == nil || !strings.Contains(err.Error(), "backend ollama") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHistoryThatTheServerCannotReadIsRefused(t *testing.T) {
	c, err := ollama.New(ollama.Config{HTTPClient: &http.Client{Transport: memory{}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"not JSON", `"text"`, "[1]", "{"} {
		req := &providers.Request{Model: "m", Messages: []providers.Message{
			{Role: providers.Assistant, ToolCalls: []providers.ToolCall{{ID: "a", Name: "f", Arguments: args}}},
		}}
		_, err := providers.Collect(c.Generate(t.Context(), req))
		if providers.KindOf(err) != providers.KindInvalid || strings.Contains(err.Error(), args) && args != "{" {
			t.Errorf("%s: %v", args, err)
		}
	}
}
