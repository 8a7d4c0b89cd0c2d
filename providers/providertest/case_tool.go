package providertest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/providers"
)

// runTools is about tool calls in answers.
func runTools(t *testing.T, w *Wire) {
	noLeak(t)
	weather := providers.ToolCall{ID: "call_a", Name: "weather", Arguments: `{"city":"Oslo"}`}
	tide := providers.ToolCall{ID: "call_b", Name: "tide", Arguments: `{"port":"Bergen","n":12345678901234567890}`}
	type answer struct {
		name, body string
		want       []providers.ToolCall
	}
	var cases []answer
	var broken map[string]string

	if w.Dialect == OpenAI {
		piece := func(fields string) string { return openaiChunk(`{"tool_calls":[`+fields+`]}`, "null") }
		end := openaiChunk(`{}`, "tool_calls") + openaiUsage + openaiDone
		a1 := `{"index":0,"id":"call_a","type":"function","function":{"name":"weather","arguments":""}}`
		a2 := `{"index":0,"function":{"arguments":"{\"city\""}}`
		a3 := `{"index":0,"function":{"arguments":":\"Oslo\"}"}}`
		b1 := `{"index":1,"id":"call_b","type":"function","function":{"name":"tide","arguments":"{\"port\":"}}`
		b2 := `{"index":1,"function":{"arguments":"\"Bergen\",\"n\":12345678901234567890}"}}`
		repeat := func(s, more string) string { return strings.Replace(s, `{"index":0,`, `{"index":0,`+more, 1) }
		cases = []answer{
			{"one after the other", piece(a1) + piece(a2) + piece(a3) + piece(b1) + piece(b2) + end, []providers.ToolCall{weather, tide}},
			{"interleaved", piece(a1) + piece(b1) + piece(a2) + piece(b2) + piece(a3) + end, []providers.ToolCall{weather, tide}},
			{"in one frame", piece(a1+","+b1) + piece(a2+","+b2+","+a3) + end, []providers.ToolCall{weather, tide}},
			{"type repeated", piece(a1) + piece(repeat(a2, `"type":"function",`)) + piece(repeat(a3, `"type":"function",`)) + end, []providers.ToolCall{weather}},
			{"id repeated", piece(a1) + piece(repeat(a2, `"id":"call_a",`)) + piece(repeat(a3, `"id":"call_a",`)) + end, []providers.ToolCall{weather}},
			{"a new id for each piece", piece(a1) + piece(repeat(a2, `"id":"call_x",`)) + piece(repeat(a3, `"id":"call_y",`)) + end, []providers.ToolCall{weather}},
			{"name and id repeated", piece(a1) + strings.ReplaceAll(piece(repeat(a2, `"id":"call_a",`))+piece(a3), `"function":{`, `"function":{"name":"weather",`) + end, []providers.ToolCall{weather}},
			{"counted from 1", piece(b1) + piece(b2) + end, []providers.ToolCall{tide}},
			{"no index", strings.ReplaceAll(piece(a1)+piece(a2)+piece(a3), `"index":0,`, ``) + strings.ReplaceAll(piece(b1)+piece(b2), `"index":1,`, ``) + end, []providers.ToolCall{weather, tide}},
			{"the name late", piece(strings.ReplaceAll(a1, `"name":"weather",`, "")) + piece(a2) + piece(strings.Replace(a3, `"function":{`, `"function":{"name":"weather",`, 1)) + end, []providers.ToolCall{weather}},
			{"the reason stop", piece(a1) + piece(a2) + piece(a3) + strings.ReplaceAll(end, `"tool_calls"`, `"stop"`), []providers.ToolCall{weather}},
		}
		broken = map[string]string{
			"two calls with one number":       piece(a1) + piece(strings.Replace(b1, `"index":1`, `"index":0`, 1)) + end,
			"two calls of a tool, one number": piece(a1) + piece(strings.Replace(a1, "call_a", "call_b", 1)) + end,
			"two names of one call":           piece(a1) + piece(`{"index":0,"function":{"name":"tide","arguments":"{}"}}`) + end,
			"a number below zero":             piece(strings.Replace(a1, `"index":0`, `"index":-1`, 1)) + end,
			"a number beyond any":             piece(strings.Replace(a1, `"index":0`, `"index":1000000`, 1)) + end,
			"no name":                         piece(a2) + piece(a3) + end,
			"too many": many(func(i int) string {
				return piece(fmt.Sprintf(`{"id":"c%d","function":{"name":"f","arguments":"{}"}}`, i))
			}) + end,
		}
	} else {
		line := func(calls string) string {
			return ollamaLine(`{"role":"assistant","content":"","tool_calls":[` + calls + `]}`)
		}
		end := ollamaEnd("stop")
		a := `{"id":"call_a","function":{"index":0,"name":"weather","arguments":{"city":"Oslo"}}}`
		b := `{"id":"call_b","function":{"index":1,"name":"tide","arguments":{"port":"Bergen","n":12345678901234567890}}}`
		cases = []answer{
			{"one after the other", line(a) + line(b) + end, []providers.ToolCall{weather, tide}},
			{"in one frame", line(a+","+b) + end, []providers.ToolCall{weather, tide}},
			{"one number for both", line(a) + line(strings.Replace(b, `"index":1`, `"index":0`, 1)) + end, []providers.ToolCall{weather, tide}},
			{"no number", strings.ReplaceAll(line(a), `"index":0,`, "") + end, []providers.ToolCall{weather}},
			{"in the last frame", strings.Replace(end, `"content":""`, `"content":"","tool_calls":[`+a+`]`, 1), []providers.ToolCall{weather}},
		}
		broken = map[string]string{
			"no name":                line(strings.Replace(a, "weather", "", 1)) + end,
			"arguments of text":      line(strings.Replace(a, `{"city":"Oslo"}`, `"Oslo"`, 1)) + end,
			"too many":               many(func(int) string { return line(a) }) + end,
			"a call that is no call": line(`"weather"`) + end,
		}
	}

	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := call(t, w, Endpoint{}, func(x *exchange) { x.send(c.body) })
			if r.err != nil {
				t.Fatal(r.err)
			}
			if d := cmp.Diff(c.want, r.answer().ToolCalls); d != "" {
				t.Errorf("calls (-want +got):\n%s", d)
			}
			if f := r.answer().Finish; f != providers.FinishToolCalls {
				t.Errorf("finish %q", f)
			}
			ids := map[int]int{}
			for _, chunk := range r.chunks {
				for _, d := range chunk.ToolCalls {
					if d.ID != "" || d.Name != "" {
						if ids[d.Index]++; ids[d.Index] > 1 || d.ID == "" || d.Name == "" {
							t.Errorf("id and name come once and together: %+v", d)
						}
					} else if ids[d.Index] == 0 {
						t.Errorf("a piece came before its id and name: %+v", d)
					}
				}
			}
		})
	}

	t.Run("no id", func(t *testing.T) {
		body := cases[0].body
		for _, id := range []string{`"id":"call_a",`, `"id":"call_b",`} {
			body = strings.ReplaceAll(body, id, "")
		}
		r := call(t, w, Endpoint{}, func(x *exchange) { x.send(body) })
		calls := r.answer().ToolCalls
		if r.err != nil || len(calls) != 2 || calls[0].ID == "" || calls[0].ID == calls[1].ID {
			t.Errorf("results refer to calls by id, so each needs one: %+v, %v", calls, r.err)
		}
	})

	for name, body := range broken {
		t.Run(name, func(t *testing.T) {
			r := call(t, w, Endpoint{}, func(x *exchange) { x.send(body) })
			wantKind(t, r.err, providers.KindProtocol)
		})
	}
}

// many joins more calls than an answer may hold.
func many(one func(i int) string) string {
	var b strings.Builder
	for i := range providers.MaxToolCalls + 1 {
		b.WriteString(one(i))
	}
	return b.String()
}
