package providertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead/providers"
)

// hung is when a call that should have failed by itself is given up.
const hung = 20 * time.Second

// call makes one call to a server that answers with reply, and checks what holds for all calls: one
// request was made, and no error tells a secret.
func call(t *testing.T, w *Wire, e Endpoint, reply func(*exchange)) *result {
	t.Helper()
	s := newServer(t, w.format(), reply)
	ctx, cancel := context.WithTimeout(lasting, hung)
	defer cancel()
	r := drain(t, w.generator(t, s, e).Generate(ctx, chatRequest()), nil)
	if ctx.Err() != nil {
		t.Errorf("the call hung for %v", hung)
	}
	if n := len(s.asked()); n != 1 {
		t.Errorf("the server was asked %d times: adapters never retry", n)
	}
	keepsSecrets(t, r.err)
	return r
}

func chatRequest() *providers.Request {
	return &providers.Request{Model: "asked-model", Messages: []providers.Message{providers.Text(providers.User, secretPrompt)}}
}

// keepsSecrets checks the text of an error and of all its causes.
func keepsSecrets(t testing.TB, err error) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		for _, secret := range []string{secretKey, "SECRET", secretPrompt, "moonlight", "SERVER-WORDS"} {
			if strings.Contains(e.Error(), secret) {
				t.Errorf("an error holds %q: %v", secret, e)
			}
		}
	}
}

// wantGood checks a whole answer of the good server.
func wantGood(t testing.TB, r *result) {
	t.Helper()
	if r.err != nil {
		t.Errorf("a good answer failed: %v", r.err)
		return
	}
	if a := r.answer(); a.Text != goodText || a.Finish != providers.FinishStop {
		t.Errorf("answer %q, finish %q", a.Text, a.Finish)
	}
}

// runAnswers is about answers that are whole.
func runAnswers(t *testing.T, w *Wire) {
	f := w.format()
	last, mark := f.end()
	noLeak(t)

	t.Run("everything is translated", func(t *testing.T) {
		r := call(t, w, Endpoint{}, nil)
		wantGood(t, r)
		want := &providers.Usage{Input: 12, Output: 7}
		if w.Dialect == OpenAI {
			want.CachedInput, want.Reasoning = 5, 3
		}
		a := r.answer()
		if d := cmp.Diff(want, a.Usage); d != "" {
			t.Errorf("usage (-want +got):\n%s", d)
		}
		if a.Model != "wire-model" {
			t.Errorf("model %q", a.Model)
		}
		if len(r.chunks) < 3 {
			t.Errorf("three pieces came as %d chunks", len(r.chunks))
		}
	})

	good := map[string]func(*exchange){
		"a byte order mark":       func(x *exchange) { x.send("\uFEFF" + f.good()) },
		"keep-alives":             func(x *exchange) { x.send(f.idle, f.idle+f.good()[:40], f.good()[40:]) },
		"data after the end":      func(x *exchange) { x.send(f.good(), f.text("MORE"), mark, mark, f.garbage) },
		"twice the end":           func(x *exchange) { x.send(f.good() + mark) },
		"gzip":                    func(x *exchange) { x.zipped(false, f.text("The ferry "), f.text("leaves at nine."), last+mark) },
		"no last line end":        func(x *exchange) { x.send(strings.TrimRight(f.good(), "\n")) },
		"end by closing":          func(x *exchange) { x.undelimited(f.good()) },
		"no end of the body":      func(x *exchange) { x.send(f.good()); x.hang() },
		"carriage returns":        func(x *exchange) { x.send(crlf(f.good())) },
		"content type is missing": func(x *exchange) { x.w.Header()["Content-Type"] = nil; x.began = true; x.send(f.good()) },
	}
	if w.Dialect == OpenAI {
		for name, reply := range map[string]string{
			"no [DONE], but a reason and a clean end":      strings.TrimSuffix(f.good(), mark),
			"event, id and retry fields":                   "retry: 100\n\n: hi\n\nid: 7\nevent: message\n" + f.good(),
			"data without a space":                         strings.ReplaceAll(f.good(), "data: ", "data:"),
			"an event on many lines":                       strings.ReplaceAll(f.good(), `,"model"`, "\ndata: ,\"model\""),
			"lone carriage returns":                        strings.ReplaceAll(f.good(), "\n", "\r"),
			"frames without choices":                       `data: {"choices":[],"prompt_filter_results":[{"prompt_index":0}]}` + "\n\n" + openaiChunk(`{"role":"assistant","content":null}`, "null") + f.good(),
			"a usage without choices":                      strings.ReplaceAll(f.good(), `"choices":[],`, ""),
			"fields of unexpected types that nobody needs": strings.ReplaceAll(f.good(), `"created":1700000000`, `"created":17.5,"id":null,"timings":{"x":[1]}`),
			"an error of null":                             strings.ReplaceAll(f.good(), `"created":1700000000`, `"error":null`),
		} {
			good[name] = func(x *exchange) { x.send(reply) }
		}
	}
	for name, reply := range good {
		t.Run(name, func(t *testing.T) { wantGood(t, call(t, w, Endpoint{}, reply)) })
	}

	for _, size := range []int{70 << 10, 1200 << 10} {
		t.Run(fmt.Sprintf("a frame of %d KiB", size>>10), func(t *testing.T) {
			text := strings.Repeat("0123456789abcdef", size/16)
			r := call(t, w, Endpoint{}, func(x *exchange) { x.send(f.text(text) + last + mark) })
			if r.err != nil || r.answer().Text != text {
				t.Errorf("%d bytes came, %v", len(r.answer().Text), r.err)
			}
		})
	}

	t.Run("odd text", func(t *testing.T) {
		text := "<b>&amp; \u2028 \"quotes\" \\ \n\t 🚢 שלום [DONE] data: x"
		r := call(t, w, Endpoint{}, func(x *exchange) { x.send(f.text(text) + last + mark) })
		if r.err != nil || r.answer().Text != text {
			t.Errorf("got %q, %v", r.answer().Text, r.err)
		}
	})

	t.Run("reasoning", func(t *testing.T) {
		pieces := []string{ollamaLine(`{"role":"assistant","content":"","thinking":"Let me "}`) + ollamaLine(`{"role":"assistant","content":"","thinking":"see."}`)}
		if w.Dialect == OpenAI {
			pieces = []string{
				openaiChunk(`{"reasoning_content":"Let me "}`, "null") + openaiChunk(`{"reasoning_content":"see."}`, "null"),
				openaiChunk(`{"reasoning":"Let me "}`, "null") + openaiChunk(`{"reasoning":"see.","reasoning_content":"see."}`, "null"),
			}
		}
		for _, piece := range pieces {
			r := call(t, w, Endpoint{}, func(x *exchange) { x.send(piece + f.good()) })
			wantGood(t, r)
			if got := r.answer().Reasoning; got != "Let me see." {
				t.Errorf("reasoning %q", got)
			}
		}
	})

	t.Run("reasons", func(t *testing.T) {
		reasons := map[string]providers.FinishReason{"stop": providers.FinishStop, "length": providers.FinishLength}
		if w.Dialect == OpenAI {
			reasons["content_filter"] = providers.FinishContentFilter
			reasons["eos"] = providers.FinishStop
		}
		for word, want := range reasons {
			end := ollamaEnd(word)
			if w.Dialect == OpenAI {
				end = openaiChunk(`{}`, word) + openaiDone
			}
			r := call(t, w, Endpoint{}, func(x *exchange) { x.send(f.text("x") + end) })
			if r.err != nil || r.answer().Finish != want {
				t.Errorf("%s: finish %q, %v", word, r.answer().Finish, r.err)
			}
		}
	})

	if w.Dialect == OpenAI {
		t.Run("a refusal", func(t *testing.T) {
			r := call(t, w, Endpoint{}, func(x *exchange) { x.send(openaiChunk(`{"refusal":"I cannot."}`, "null") + last + mark) })
			if a := r.answer(); r.err != nil || a.Text != "I cannot." || a.Finish != providers.FinishContentFilter {
				t.Errorf("%+v, %v", a, r.err)
			}
		})
	}
}
