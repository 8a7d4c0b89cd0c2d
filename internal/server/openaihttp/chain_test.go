package openaihttp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"fairlead/internal/label"
)

// facts reads the field "fairlead" of an answer or a chunk.
func factsOf(t *testing.T, raw string) (f wireFairlead) {
	t.Helper()
	var body struct {
		Fairlead *struct {
			wireFairlead
			CostUSD json.Number `json:"cost_usd"`
		}
	}
	if err := json.Unmarshal([]byte(raw), &body); err != nil || body.Fairlead == nil {
		t.Fatalf("no facts: %v: %s", err, raw)
	}
	body.Fairlead.wireFairlead.CostUSD = rawNumber(body.Fairlead.CostUSD)
	return body.Fairlead.wireFairlead
}

func TestAChainAnswersWithItsCitations(t *testing.T) {
	client := clientOf(serveEngine(t))
	params := asking("chain/answer")
	params.Messages = append(params.Messages, openai.UserMessage("How do I start the press?"))
	plain, err := client.Chat.Completions.New(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	const want = "Turn the red key [1], und zügig [1, 2]."
	message := plain.Choices[0].Message
	if message.Content != want || plain.Model != "chain/answer" {
		t.Errorf("answer %s", plain.RawJSON())
	}
	streamed, chunks, err := accumulate(client.Chat.Completions.NewStreaming(t.Context(), params))
	if err != nil || streamed.Choices[0].Message.Content != want || len(chunks) < 4 {
		t.Fatalf("stream %v of %d chunks: %+v", err, len(chunks), streamed.Choices)
	}
	for _, raw := range []string{plain.RawJSON(), chunks[len(chunks)-1].RawJSON()} {
		f := factsOf(t, raw)
		if f.Target != "citing" || f.Run == "" || len(f.Citations) != 2 {
			t.Fatalf("facts %+v", f)
		}
		for i, c := range f.Citations {
			if c.Number != i+1 || !strings.HasPrefix(c.URI, "manual/") || c.LineStart < 1 || c.LineEnd < c.LineStart || c.DocumentID == "" {
				t.Errorf("citation %+v", c)
			}
		}
	}
	// Each mark is annotated where it stands, in characters.
	var at []string
	for _, a := range message.Annotations {
		at = append(at, string([]rune(want)[a.URLCitation.StartIndex:a.URLCitation.EndIndex]))
		if !strings.HasPrefix(a.URLCitation.URL, "manual/") || a.URLCitation.Title == "" {
			t.Errorf("annotation %+v", a)
		}
	}
	if strings.Join(at, " ") != "[1] [1, 2] [1, 2]" {
		t.Errorf("annotations at %q", at)
	}
	if !strings.Contains(chunks[len(chunks)-1].RawJSON(), `"annotations":[{"type":"url_citation"`) {
		t.Errorf("no annotations in the last chunk: %s", chunks[len(chunks)-1].RawJSON())
	}
}

func TestAChainThatStreamsNothingIsOneChunk(t *testing.T) {
	client := clientOf(serveEngine(t))
	var resp *http.Response
	plain, err := client.Chat.Completions.New(t.Context(), asking("chain/wrapped"), option.WithResponseInto(&resp))
	if err != nil {
		t.Fatal(err)
	}
	const want = "A: one two three four B: worth it"
	if plain.Choices[0].Message.Content != want || resp.Header.Get(headerCost) != "0.002" {
		t.Errorf("cost %s, answer %s", resp.Header.Get(headerCost), plain.RawJSON())
	}
	acc, chunks, err := accumulate(client.Chat.Completions.NewStreaming(t.Context(), asking("chain/wrapped")))
	if err != nil || acc.Choices[0].Message.Content != want || len(chunks) != 3 {
		t.Errorf("stream %v of %d chunks: %+v", err, len(chunks), acc.Choices)
	}
	if f := factsOf(t, chunks[len(chunks)-1].RawJSON()); f.CostUSD != "0.002" {
		t.Errorf("cost in the last chunk: %s", f.CostUSD)
	}
}

func TestMoneyAndTargetsAreTold(t *testing.T) {
	client := clientOf(serveEngine(t))
	for model, want := range map[string]struct{ target, cost string }{
		"priced": {"priced", "0.002"}, "unpriced": {"unpriced", ""}, "policy/failover": {"fixed", "0"},
	} {
		var resp *http.Response
		got, err := client.Chat.Completions.New(t.Context(), asking(model), option.WithResponseInto(&resp))
		if err != nil {
			t.Errorf("%s: %v", model, err)
			continue
		}
		if resp.Header.Get(headerTarget) != want.target || resp.Header.Get(headerCost) != want.cost || got.Model != want.target {
			t.Errorf("%s: %v", model, resp.Header)
		}
		f := factsOf(t, got.RawJSON())
		if f.CostIncomplete != (want.cost == "") || f.Target != want.target || f.ReportedModel == "" {
			t.Errorf("%s: %+v", model, f)
		}
		_, chunks, err := accumulate(client.Chat.Completions.NewStreaming(t.Context(), asking(model), option.WithResponseInto(&resp)))
		if err != nil || resp.Header.Get(headerTarget) != want.target || resp.Header.Get(headerRun) == "" {
			t.Errorf("%s: stream %v, %v", model, err, resp.Header)
			continue
		}
		if f := factsOf(t, chunks[len(chunks)-1].RawJSON()); f.Target != want.target || f.CostIncomplete != (want.cost == "") {
			t.Errorf("%s: last chunk %+v", model, f)
		}
	}
}

func TestLimitsReachTheEngine(t *testing.T) {
	client := clientOf(serveEngine(t))
	for _, c := range []struct {
		model, header, value string
		status               int
		code                 string
	}{
		{"fixed", headerLabel, "restricted", 422, "no_target"},
		{"priced", headerBudget, "0.0000001", 429, "insufficient_quota"},
		{"hang", headerTimeout, "50ms", 504, "deadline_exceeded"},
	} {
		_, err := client.Chat.Completions.New(t.Context(), asking(c.model), option.WithHeader(c.header, c.value))
		if e, ok := errors.AsType[*openai.Error](err); !ok || e.StatusCode != c.status || e.Code != c.code {
			t.Errorf("%s: %v %+v", c.header, err, e)
		}
	}
	// A field that only another dialect's backend can honour is not dropped in silence.
	params := asking("fixed")
	params.FrequencyPenalty = openai.Float(1)
	_, err := client.Chat.Completions.New(t.Context(), params)
	if e, ok := errors.AsType[*openai.Error](err); !ok || e.StatusCode != 422 || !strings.Contains(e.Message, "frequency_penalty") {
		t.Errorf("a field with a meaning: %v", err)
	}
	params = asking("fixed")
	params.User, params.FrequencyPenalty = openai.String("u"), openai.Float(0)
	if _, err := client.Chat.Completions.New(t.Context(), params); err != nil {
		t.Errorf("fields without one: %v", err)
	}
}

func TestASessionRemembers(t *testing.T) {
	client := clientOf(serveEngine(t))
	for _, l := range []label.Label{label.Internal, label.Public} {
		if _, err := client.Chat.Completions.New(t.Context(), asking("fixed"), option.WithHeader(headerSession, "s1"), option.WithHeader(headerLabel, l.String())); err != nil {
			t.Fatal(err)
		}
	}
	var resp *http.Response
	got, err := client.Chat.Completions.New(t.Context(), asking("fixed"), option.WithHeader(headerSession, "s1"), option.WithResponseInto(&resp))
	if err != nil {
		t.Fatal(err)
	}
	alone, err := client.Chat.Completions.New(t.Context(), asking("fixed"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Usage.PromptTokens <= alone.Usage.PromptTokens {
		t.Errorf("the third turn's prompt has %d tokens, a first one has %d", got.Usage.PromptTokens, alone.Usage.PromptTokens)
	}
}

func TestLeavingAStreamEarlyEndsTheCall(t *testing.T) {
	client := clientOf(serveEngine(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream := client.Chat.Completions.NewStreaming(ctx, asking("hang"))
	if !stream.Next() {
		t.Fatal(stream.Err())
	}
	cancel() // the server's Close and goleak tell when the call does not end
	for stream.Next() {
	}
	if stream.Err() == nil {
		t.Error("an abandoned stream ended well")
	}
	_ = stream.Close()
}
