package retrieval_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
	"fairlead/retrieval/retrievaltest"
)

func TestSearchOutlivesItsEmbedder(t *testing.T) {
	e := &embedders{}
	s := retrieval.NewService(retrievaltest.Store(t), e, retrieval.Config{QueryTimeout: 20 * time.Millisecond})
	ingest(t, s, label.Internal, source("a.txt", "the anchor holds"), source("b.txt", "unrelated"))
	vectors := 0.0
	for what, before := range map[string]func(context.Context, label.Label, []string) error{
		"down":  func(context.Context, label.Label, []string) error { return down },
		"hangs": func(ctx context.Context, _ label.Label, _ []string) error { <-ctx.Done(); return ctx.Err() },
	} {
		e.before = before
		for _, weight := range []*float64{nil, &vectors} {
			found := search(t, s, retrieval.Query{Text: "anchor", LexicalWeight: weight, Explain: true})
			if uris(found) != "a.txt" || !strings.HasPrefix(found.Degraded, "by words alone: ") || found.Exhausted || found.Explanation.Fusion != found.Degraded {
				t.Errorf("%s: %s, %+v", what, uris(found), found)
			}
		}
	}
	// The caller's own end is no reason to go on.
	ctx, cancel := context.WithCancel(t.Context())
	e.before = func(context.Context, label.Label, []string) error { cancel(); return ctx.Err() }
	if _, err := s.Search(ctx, tenant, retrieval.Query{Collection: docs, Text: "anchor", MaxLabel: label.Internal}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	// Words alone need no embedder.
	before, words := e.calls.Load(), 1.0
	if found := search(t, s, retrieval.Query{Text: "anchor", LexicalWeight: &words}); found.Degraded != "" || e.calls.Load() != before {
		t.Errorf("words alone: %+v", found)
	}
}

func TestQueryLabelReachesTheEmbedder(t *testing.T) {
	e := &embedders{}
	s := retrieval.NewService(retrievaltest.Store(t), e, retrieval.Config{})
	ingest(t, s, label.Internal, source("a.txt", "anchor"))
	for _, c := range []struct{ query, want label.Label }{{label.Unset, label.Internal}, {label.Public, label.Public}, {label.Restricted, label.Restricted}} {
		var got label.Label
		e.before = func(_ context.Context, l label.Label, _ []string) error { got = l; return nil }
		search(t, s, retrieval.Query{Text: "anchor", Label: c.query})
		if got != c.want {
			t.Errorf("query %s: the embedder was told %s", c.query, got)
		}
	}
}

func TestWrongQueries(t *testing.T) {
	s := retrievaltest.Service(t, retrieval.Config{})
	ingest(t, s, label.Internal, source("a.txt", "x"))
	two := 2.0
	for what, q := range map[string]retrieval.Query{
		"blank":  {Text: " "},
		"long":   {Text: strings.Repeat("x", 40000)},
		"top":    {Text: "x", Top: 1001},
		"minus":  {Text: "x", Top: -1},
		"weight": {Text: "x", LexicalWeight: &two},
		"filter": {Text: "x", Filter: make(retrieval.Filter, 33)},
		"utf8":   {Text: "\xff"},
	} {
		q.Collection, q.MaxLabel = docs, label.Internal
		if _, err := s.Search(t.Context(), tenant, q); fault.CodeOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", what, err)
		}
	}
	if f := search(t, s, retrieval.Query{Text: "?!"}); f == nil {
		t.Error("a query without words is no error")
	}
}
