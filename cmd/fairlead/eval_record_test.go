package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fairlead/internal/testmodel"
)

var recordSuites = flag.Bool("record", false, "record the cassettes of evals/suites anew, with the baselines")

// evalServers gives the addresses of the servers that the suites' configurations name, as an environment. Those of the
// suite triage are a trained classifier behind a model server, and a llama-server; without a llama-server there are none.
func evalServers(t *testing.T, suite string) []string {
	t.Helper()
	switch suite {
	case "triage":
		topics, _ := modelServer(t).GRPC(t)
		return environ("EVAL_TOPICS="+topics, "EVAL_LLAMA="+strings.TrimPrefix(testmodel.Llama(t).URL, "http://"))
	case "summarize":
		s := httptest.NewServer(speaks(summary))
		t.Cleanup(s.Close)
		return environ("EVAL_SUMMARIES=" + strings.TrimPrefix(s.URL, "http://"))
	}
	return environ()
}

// The suites give with the servers what they give on their cassettes; with -record they are recorded first.
func TestShippedSuitesWithTheirServers(t *testing.T) {
	for _, suite := range []string{"answer", "summarize", "triage", "search"} {
		t.Run(suite, func(t *testing.T) {
			env, file := evalServers(t, suite), shipped(suite)
			if *recordSuites {
				args := []string{"eval", "run", file, "--update-baseline"}
				if suite != "search" {
					if e := commandIn(t, t.Context(), env, "", "eval", "record", file); e.err != "" && e.status != 1 {
						t.Fatalf("status %d\n%s%s", e.status, e.out, e.err)
					}
				}
				if e := command(t, "", args...); e.status != 0 {
					t.Fatalf("status %d\n%s%s", e.status, e.out, e.err)
				}
			}
			if e := commandIn(t, t.Context(), env, "", "eval", "run", file, "--live"); e.status != 0 {
				t.Errorf("status %d\n%s%s", e.status, e.out, e.err)
			}
		})
	}
}

// speaks is a server with the API of OpenAI whose model answers the last message with what answer makes of it. The
// request's context is that of the call.
func speaks(answer func(ctx context.Context, asked string) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var req struct {
			Messages []struct{ Content string }
			Stream   bool
		}
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil || len(req.Messages) == 0 || !req.Stream {
			http.Error(w, "no such request", http.StatusBadRequest)
			return
		}
		asked := req.Messages[len(req.Messages)-1].Content
		text := answer(r.Context(), asked)
		w.Header().Set("Content-Type", "text/event-stream")
		for _, delta := range []map[string]any{
			{"choices": []any{map[string]any{"index": 0, "delta": map[string]any{"role": "assistant", "content": text}}}},
			{"choices": []any{map[string]any{"index": 0, "delta": map[string]any{}, "finish_reason": "stop"}},
				"usage": map[string]any{"prompt_tokens": len(strings.Fields(asked)), "completion_tokens": len(strings.Fields(text))}},
		} {
			data, err := json.Marshal(delta)
			if err != nil {
				return
			}
			fmt.Fprintf(w, "data: %s\n\n", data)
		}
		fmt.Fprint(w, "data: [DONE]\n\n")
	}
}

// summary answers with three sentences of the text in a message: those whose words are there most often, each word
// counting less once it was said (Nenkova and Vanderwende, "The Impact of Frequency on Summarization", 2005: SumBasic).
func summary(_ context.Context, asked string) string {
	_, text, _ := strings.Cut(asked, "<text>\n")
	text, _, _ = strings.Cut(text, "\n</text>")
	return basic(text, 3)
}

var (
	sentenceEnd = regexp.MustCompile(`([.!?])\s+`)
	aWord       = regexp.MustCompile(`[\p{L}\p{N}]{4,}`)
)

// basic gives n sentences of a text in their order.
func basic(text string, n int) string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	sentences := strings.Split(sentenceEnd.ReplaceAllString(strings.Join(lines, " "), "$1\n"), "\n")
	weight, total := map[string]float64{}, 0.0
	words := func(s string) []string { return aWord.FindAllString(strings.ToLower(s), -1) }
	for _, word := range words(strings.Join(sentences, " ")) {
		weight[word]++
		total++
	}
	for word := range weight {
		weight[word] /= total
	}
	left := make([]int, len(sentences))
	for i := range left {
		left[i] = i
	}
	var chosen []int
	for len(chosen) < n && len(left) > 0 {
		mean := func(i int) float64 {
			list, sum := words(sentences[i]), 0.0
			for _, word := range list {
				sum += weight[word]
			}
			return sum / float64(max(len(list), 1))
		}
		best := slices.MaxFunc(left, func(a, b int) int { return cmp.Or(cmp.Compare(mean(a), mean(b)), cmp.Compare(b, a)) })
		for _, word := range words(sentences[best]) {
			weight[word] *= weight[word]
		}
		chosen = append(chosen, best)
		left = slices.DeleteFunc(left, func(i int) bool { return i == best })
	}
	slices.Sort(chosen)
	out := make([]string, len(chosen))
	for i, at := range chosen {
		out[i] = sentences[at]
	}
	return strings.Join(out, " ")
}
