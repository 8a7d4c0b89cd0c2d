package providers

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"fairlead/internal/fault"
)

func TestCollectJoinsInterleavedToolCallsByIndex(t *testing.T) {
	chunks := []Chunk{
		{Text: "a"}, {ToolCalls: []ToolCallDelta{{Index: 0, ID: "x", Name: "f"}}},
		{ToolCalls: []ToolCallDelta{{Index: 1, ID: "y", Name: "g", Arguments: `{"b":`}}},
		{ToolCalls: []ToolCallDelta{{Index: 0, Arguments: `{"a":1}`}, {Index: 1, Arguments: `2}`}}},
		{Text: "b", Finish: FinishToolCalls, Usage: &Usage{Input: 3, Output: 4}, Model: "m"},
	}
	a, err := Collect(func(yield func(Chunk, error) bool) {
		for _, c := range chunks {
			if !yield(c, nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []ToolCall{{"x", "f", `{"a":1}`}, {"y", "g", `{"b":2}`}}
	if a.Text != "ab" || len(a.ToolCalls) != 2 || a.ToolCalls[0] != want[0] || a.ToolCalls[1] != want[1] ||
		a.Finish != FinishToolCalls || a.Usage.Output != 4 || a.Model != "m" {
		t.Errorf("collected %+v", a)
	}
}

func TestErrorsAnswerQuestions(t *testing.T) {
	err := fmt.Errorf("attempt: %w", &Error{Kind: KindRateLimited, Backend: "openai", Model: "m", Status: 429, RetryAfter: 2 * time.Second})
	if !Retryable(err) || RetryAfter(err) != 2*time.Second || Billed(err) {
		t.Error("a 429 is retryable, after its time, and not billed")
	}
	f := (&Error{Kind: KindTruncated, MayBill: true}).Fault()
	if f.Code != fault.Unavailable || f.Reason != fault.ReasonStreamTruncated || !Billed(f) {
		t.Errorf("truncated: %v %v", f.Code, f.Reason)
	}
	for k := range kinds {
		if kinds[k].text == "" {
			t.Errorf("kind %d has no text", k)
		}
	}
}

func TestAsErrorLetsTheContextDecide(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	if e := AsError(ctx, "b", "m", errors.New("use of closed connection")); e.Kind != KindTimeout {
		t.Errorf("kind %v", e.Kind)
	}
	if e := AsError(t.Context(), "b", "m", &Error{Kind: KindProtocol}); e.Kind != KindProtocol {
		t.Errorf("kind %v", e.Kind)
	}
}

func TestSafeCode(t *testing.T) {
	if SafeCode("messages[1].content") == "" || SafeCode("you said: secret") != "" {
		t.Error("codes pass, sentences do not")
	}
}

func TestPriceCountsCachedTokensOnce(t *testing.T) {
	cached := 0.025
	p := Price{Input: 0.25, CachedInput: &cached, Output: 2}
	got := p.Cost(Usage{Input: 1000, CachedInput: 400, Output: 100})
	if want := Money(600*250 + 400*25 + 100*2000); got != want {
		t.Errorf("cost %d, want %d", got, want)
	}
	if s := USD(0.0125).String(); s != "$0.012500" {
		t.Errorf("text %s", s)
	}
}

func TestCapabilities(t *testing.T) {
	for _, name := range CapabilityNames() {
		c, err := ParseCapability(name)
		if err != nil || c.String() != name {
			t.Errorf("%q: %v %v", name, c, err)
		}
	}
	if !(Chat | Tools).Has(Chat) || Chat.Has(Chat|Tools) {
		t.Error("Has")
	}
}
