package providertest

import (
	"context"
	"errors"
	"iter"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/providers"
)

// result is what a stream did.
type result struct {
	chunks []providers.Chunk
	err    error
	// finishAt is the place of the chunk with the Finish, or -1.
	finishAt int
}

func (r *result) answer() *providers.Answer {
	var c providers.Collector
	for _, chunk := range r.chunks {
		c.Add(chunk)
	}
	return c.Answer()
}

// drain reads a stream to its end and checks all that holds for every stream, good or bad. After each
// chunk it calls each, when there is one; each ends the loop by returning false.
func drain(t testing.TB, stream iter.Seq2[providers.Chunk, error], each func(i int, c providers.Chunk) bool) *result {
	t.Helper()
	r := &result{finishAt: -1}
	usages, ended := 0, false
	stream(func(c providers.Chunk, err error) bool {
		if ended {
			t.Error("the stream went on after its loop had ended")
			return false
		}
		if r.err != nil {
			t.Errorf("after an error came %+v, %v: nothing may", c, err)
			return false
		}
		if err != nil {
			r.err = err
			if !cmp.Equal(c, providers.Chunk{}) {
				t.Errorf("an error came with content: %+v", c)
			}
			var e *providers.Error
			if !errors.As(err, &e) {
				t.Errorf("the error is a %T, not a *providers.Error: %v", err, err)
			}
			return true // a stream that goes on now is found out
		}
		if r.finishAt >= 0 && (c.Text != "" || c.Reasoning != "" || len(c.ToolCalls) > 0 || c.Citation != nil || c.Finish != "") {
			t.Errorf("content or a second finish after the finish: %+v", c)
		}
		if c.Usage != nil {
			if usages++; usages > 1 {
				t.Error("usage came twice")
			}
		}
		for _, d := range c.ToolCalls {
			if d.Index < 0 || d.Index >= providers.MaxToolCalls {
				t.Errorf("tool call index %d is out of range", d.Index)
			}
		}
		r.chunks = append(r.chunks, c)
		if c.Finish != providers.FinishUnset && r.finishAt < 0 {
			r.finishAt = len(r.chunks) - 1
		}
		if each != nil && !each(len(r.chunks)-1, c) {
			ended = true
			return false
		}
		return true
	})
	if r.err == nil && r.finishAt < 0 && !ended {
		t.Error("the stream ended without an error and without a finish")
	}
	return r
}

// wantKind checks the kind of a failed call.
func wantKind(t testing.TB, err error, want providers.Kind) {
	t.Helper()
	var e *providers.Error
	if !errors.As(err, &e) {
		t.Errorf("got %v, want a *providers.Error of kind %d (%v)", err, want, (&providers.Error{Kind: want}))
		return
	}
	if e.Kind != want {
		t.Errorf("kind %d, want %d: %v", e.Kind, want, err)
	}
}

// lasting is the context of calls that end by themselves. It is not the test's, which ends before leaks
// are looked for and would hide them.
var lasting = context.Background()

// runStream is the stream contract.
func runStream(t *testing.T, h Harness) {
	t.Run("completes", func(t *testing.T) {
		noLeak(t)
		g := h.Generator(t)
		before, req := h.Request(), h.Request()
		// of this kind of context a derived one that is never canceled keeps a goroutine
		r := drain(t, g.Generate(newClock(lasting), req), nil)
		if r.err != nil {
			t.Fatalf("a good call failed: %v", r.err)
		}
		if r.answer().Text == "" {
			t.Error("the answer has no text")
		}
		if d := cmp.Diff(before, req); d != "" {
			t.Errorf("the call changed the request (-before +after):\n%s", d)
		}
	})

	t.Run("not looped over", func(t *testing.T) {
		noLeak(t)
		_ = h.Generator(t).Generate(lasting, h.Request())
	})

	t.Run("looped over twice", func(t *testing.T) {
		noLeak(t)
		stream := h.Generator(t).Generate(lasting, h.Request())
		for range 2 {
			if r := drain(t, stream, nil); r.err != nil {
				t.Fatalf("each loop is a call of its own: %v", r.err)
			}
		}
	})

	t.Run("context ended before", func(t *testing.T) {
		noLeak(t)
		g := h.Generator(t)
		for name, want := range map[string]providers.Kind{"canceled": providers.KindCanceled, "deadline": providers.KindTimeout} {
			t.Run(name, func(t *testing.T) {
				r := drain(t, g.Generate(endedContext(t, want), h.Request()), nil)
				if len(r.chunks) != 0 {
					t.Errorf("chunks came: %+v", r.chunks)
				}
				wantKind(t, r.err, want)
			})
		}
	})

	t.Run("context ends between chunks", func(t *testing.T) {
		noLeak(t)
		g := h.Generator(t)
		whole := drain(t, g.Generate(lasting, h.Request()), nil)
		if whole.finishAt == 0 {
			t.Skip("the answer is one chunk: there is no between")
		}
		for at := range min(whole.finishAt, 8) {
			endBetween(t, g, h.Request(), at, providers.KindCanceled)
			endBetween(t, g, h.Request(), at, providers.KindTimeout)
		}
	})

	t.Run("loop broken", func(t *testing.T) {
		noLeak(t)
		g := h.Generator(t)
		whole := drain(t, g.Generate(lasting, h.Request()), nil)
		for at := range min(len(whole.chunks), 8) {
			drain(t, g.Generate(lasting, h.Request()), func(i int, _ providers.Chunk) bool { return i < at })
		}
	})

	t.Run("used by many at once", func(t *testing.T) {
		noLeak(t)
		g, req := h.Generator(t), h.Request()
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for range 4 {
					var each func(int, providers.Chunk) bool
					if worker%4 == 3 {
						each = func(int, providers.Chunk) bool { return false } // some leave early
					}
					if r := drain(t, g.Generate(lasting, req), each); r.err != nil {
						t.Errorf("worker %d: %v", worker, r.err)
					}
				}
			})
		}
		wg.Wait()
		if d := cmp.Diff(h.Request(), req); d != "" {
			t.Errorf("the calls changed the request (-before +after):\n%s", d)
		}
	})
}

// endedContext gives a context that ended in the way that leads to kind.
func endedContext(t testing.TB, kind providers.Kind) context.Context {
	if kind == providers.KindTimeout {
		ctx, cancel := context.WithTimeout(t.Context(), -1)
		t.Cleanup(cancel)
		return ctx
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// ending gives a context and what ends it in the way that leads to kind.
func ending(t testing.TB, kind providers.Kind) (context.Context, func()) {
	if kind == providers.KindTimeout {
		c := newClock(lasting)
		t.Cleanup(c.expire)
		return c, c.expire
	}
	ctx, cancel := context.WithCancel(lasting)
	t.Cleanup(cancel)
	return ctx, cancel
}

// endBetween ends the context after the chunk at: the next thing to come is the error.
func endBetween(t *testing.T, g providers.Generator, req *providers.Request, at int, kind providers.Kind) {
	t.Helper()
	ctx, end := ending(t, kind)
	defer end()
	r := drain(t, g.Generate(ctx, req), func(i int, _ providers.Chunk) bool {
		if i == at {
			end()
		}
		return true
	})
	if len(r.chunks) != at+1 {
		t.Errorf("the context ended after chunk %d, but %d chunks came", at, len(r.chunks))
	}
	wantKind(t, r.err, kind)
}
