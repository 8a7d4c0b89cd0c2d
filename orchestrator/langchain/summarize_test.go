package langchain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/fault"
	"fairlead/providers"
)

func docs(texts ...string) []providers.Document {
	out := make([]providers.Document, len(texts))
	for i, text := range texts {
		out[i] = providers.Document{Text: text}
	}
	return out
}

// render writes what it was asked for in a form that tests can read.
func render(name string, values map[string]string) (string, string, error) {
	user := values["text"]
	if existing, ok := values["existing"]; ok {
		user = existing + "+" + user
	}
	return "sys:" + name, user, nil
}

// echo answers "<user>", and keeps what was asked as "system|user".
type echo struct {
	mu    sync.Mutex
	asked []string
}

func (e *echo) call(_ context.Context, req *providers.Request) (*providers.Answer, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, req.Messages[0].TextContent()+"|"+req.Messages[1].TextContent())
	return &providers.Answer{Text: "<" + req.Messages[1].TextContent() + ">"}, nil
}

func TestSummarizeMethods(t *testing.T) {
	for name, c := range map[string]struct {
		method    string
		documents []providers.Document
		size      int
		want      string
		asked     int
		final     string
	}{
		"stuff":           {Stuff, docs("a", "b"), 1, "<a\n\nb>", 1, "sys:summarize|a\n\nb"},
		"map reduce":      {MapReduce, docs("aaaa", "bbbb"), 5, "<<aaaa>\n\n<bbbb>>", 3, "sys:summarize-combine|<aaaa>\n\n<bbbb>"},
		"map reduce, one": {MapReduce, docs("a", "b"), 10, "<a\n\nb>", 1, "sys:summarize|a\n\nb"},
		"refine":          {Refine, docs("aaaa", "bbbb", "cccc"), 5, "<<<aaaa>+bbbb>+cccc>", 3, "sys:summarize-refine|<<aaaa>+bbbb>+cccc"},
		"refine, one":     {Refine, docs("a"), 5, "<a>", 1, "sys:summarize|a"},
		"headings":        {Stuff, []providers.Document{{Title: "T", Heading: []string{"H", "I"}, Text: " x "}, {Text: "  "}}, 5, "<T > H > I\nx>", 1, "sys:summarize|T > H > I\nx"},
		"templates":       {Refine, docs(evil, "{{.existing_answer}}"), 75, "", 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e, final := &echo{}, &echo{}
			got, err := Summarize(t.Context(), SummarizeArgs{Method: c.method, Documents: c.documents, PieceSize: c.size, Render: render, Call: e.call, Final: final.call})
			if err != nil {
				t.Fatal(err)
			}
			if name == "templates" {
				c.want = "<<" + strings.TrimSpace(evil) + ">+{{.existing_answer}}>"
				c.final = "sys:summarize-refine|<" + strings.TrimSpace(evil) + ">+{{.existing_answer}}"
			}
			if got != c.want || len(e.asked)+len(final.asked) != c.asked {
				t.Errorf("%q after %d calls; want %q after %d", got, len(e.asked)+len(final.asked), c.want, c.asked)
			}
			if diff := cmp.Diff([]string{c.final}, final.asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSummarizeSplitsLongTextAndKeepsItsWords(t *testing.T) {
	var words []string
	for i := range 5000 {
		words = append(words, fmt.Sprintf("w%d", i))
	}
	var mu sync.Mutex
	seen := map[string]bool{}
	combined := 0
	call := func(_ context.Context, req *providers.Request) (*providers.Answer, error) {
		mu.Lock()
		defer mu.Unlock()
		text := req.Messages[1].TextContent()
		if n := utf8.RuneCountInString(text); n > 2000 {
			t.Errorf("a call with %d characters", n)
		}
		if req.Messages[0].TextContent() == "sys:"+PromptCombine {
			combined++
			return &providers.Answer{Text: strings.Repeat("s", 100)}, nil
		}
		for _, w := range strings.Fields(text) {
			seen[w] = true
		}
		return &providers.Answer{Text: strings.Repeat("m", 400)}, nil
	}
	got, err := Summarize(t.Context(), SummarizeArgs{Method: MapReduce, Documents: docs(strings.Join(words, " ")), PieceSize: 2000, Render: render, Call: call})
	if err != nil || got != strings.Repeat("s", 100) {
		t.Fatalf("%q, %v", got, err)
	}
	for _, w := range words {
		if !seen[w] {
			t.Fatalf("%s was lost", w)
		}
	}
	if combined < 2 {
		t.Errorf("%d combining calls: summaries that are too long for one call are combined in groups", combined)
	}
}

func TestSummarizeBoundsConcurrencyAndEndsItsCalls(t *testing.T) {
	var now, most, after atomic.Int64
	var over atomic.Bool
	boom := &providers.Error{Kind: providers.KindUnavailable}
	var first sync.Once
	gate := make(chan struct{})
	call := func(ctx context.Context, req *providers.Request) (*providers.Answer, error) {
		if over.Load() {
			after.Add(1)
		}
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		failed := false
		if n == 3 {
			first.Do(func() { failed = true; close(gate) })
		}
		if failed {
			return nil, boom
		}
		<-gate
		<-ctx.Done() // the others only end when they are ended
		return nil, ctx.Err()
	}
	var texts []string
	for range 50 {
		texts = append(texts, strings.Repeat("x", 100))
	}
	_, err := Summarize(t.Context(), SummarizeArgs{Method: MapReduce, Documents: docs(texts...), PieceSize: 110, Concurrency: 3, Render: render, Call: call})
	over.Store(true)
	if !errors.Is(err, boom) {
		t.Errorf("error %v", err)
	}
	if now.Load() != 0 || after.Load() != 0 || most.Load() != 3 {
		t.Errorf("%d calls in progress, %d after the end, %d at most at once", now.Load(), after.Load(), most.Load())
	}
}

func TestSummarizeRefuses(t *testing.T) {
	e := &echo{}
	for name, args := range map[string]SummarizeArgs{
		"nothing":       {Method: Stuff, Documents: docs(" ", "")},
		"other methods": {Method: "rerank", Documents: docs("a")},
	} {
		args.Call, args.Render = e.call, render
		if _, err := Summarize(t.Context(), args); fault.CodeOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	boom := errors.New("no such prompt")
	_, err := Summarize(t.Context(), SummarizeArgs{Method: MapReduce, PieceSize: 1, Documents: docs("a", "b"), Call: e.call,
		Render: func(string, map[string]string) (string, string, error) { return "", "", boom }})
	if err != boom || e.asked != nil {
		t.Errorf("%v after %v", err, e.asked)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, method := range []string{Stuff, MapReduce, Refine} {
		if _, err := Summarize(ctx, SummarizeArgs{Method: method, PieceSize: 1, Documents: docs("a", "b"), Call: e.call, Render: render}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add("sys", "user")
	f.Add("", "12:3")
	f.Add("5:", "")
	f.Fuzz(func(t *testing.T, system, user string) {
		s, u, err := unframe(frame(system, user))
		if err != nil || s != system || u != user {
			t.Fatalf("%q %q %v", s, u, err)
		}
		_, _, _ = unframe(user)
	})
}
