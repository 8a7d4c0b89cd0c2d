package providertest

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"fairlead/providers"
)

// rounds is how often a race is tried.
const rounds = 40

// runContexts is about contexts that end while the adapter waits. They have come out as successes in
// other clients, now and then: so each is tried many times.
func runContexts(t *testing.T, w *Wire) {
	f := w.format()
	noLeak(t)
	kinds := map[string]providers.Kind{"canceled": providers.KindCanceled, "deadline": providers.KindTimeout}

	t.Run("before the headers", func(t *testing.T) {
		reached := make(chan struct{}, 1)
		s := newServer(t, f, func(x *exchange) { reached <- struct{}{}; x.hang() })
		g := w.generator(t, s, Endpoint{})
		for name, want := range kinds {
			for range rounds {
				ctx, end := ending(t, want)
				go func() { <-reached; end() }()
				r := drain(t, g.Generate(ctx, chatRequest()), nil)
				wantEnded(t, name, r, want, "")
			}
		}
	})

	t.Run("before the first piece", func(t *testing.T) {
		reached := make(chan struct{}, 1)
		s := newServer(t, f, func(x *exchange) { x.send(f.idle); reached <- struct{}{}; x.hang() })
		g := w.generator(t, s, Endpoint{})
		for name, want := range kinds {
			for range rounds {
				ctx, end := ending(t, want)
				go func() { <-reached; end() }()
				r := drain(t, g.Generate(ctx, chatRequest()), nil)
				wantEnded(t, name, r, want, "")
			}
		}
	})

	t.Run("within the answer", func(t *testing.T) {
		s := newServer(t, f, func(x *exchange) { x.send(f.text("Do ")); x.hang() })
		g := w.generator(t, s, Endpoint{})
		for name, want := range kinds {
			for range rounds {
				ctx, end := ending(t, want)
				r := drain(t, g.Generate(ctx, chatRequest()), func(int, providers.Chunk) bool { go end(); return true })
				wantEnded(t, name, r, want, "Do ")
			}
		}
	})

	t.Run("a real deadline in a running stream", func(t *testing.T) {
		s := newServer(t, f, func(x *exchange) {
			for x.send(f.text("x")) {
			}
		})
		g := w.generator(t, s, Endpoint{})
		for range rounds {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(4000)+500)*time.Microsecond)
			r := drain(t, g.Generate(ctx, chatRequest()), nil)
			cancel()
			wantKind(t, r.err, providers.KindTimeout)
		}
	})

	t.Run("at any time", func(t *testing.T) {
		s := newServer(t, f, nil)
		g := w.generator(t, s, Endpoint{})
		for range rounds {
			ctx, cancel := context.WithCancel(t.Context())
			timer := time.AfterFunc(time.Duration(rand.IntN(1500))*time.Microsecond, cancel)
			r := drain(t, g.Generate(ctx, chatRequest()), nil)
			timer.Stop()
			cancel()
			if r.err == nil {
				wantGood(t, r) // it was faster
			} else {
				wantKind(t, r.err, providers.KindCanceled)
			}
		}
	})

	t.Run("the server sees that we left", func(t *testing.T) {
		left := make(chan struct{}, 1)
		s := newServer(t, f, func(x *exchange) {
			x.send(f.text("Do "))
			<-x.r.Context().Done()
			left <- struct{}{}
		})
		g := w.generator(t, s, Endpoint{})
		for range 5 {
			drain(t, g.Generate(lasting, chatRequest()), func(int, providers.Chunk) bool { return false })
			select {
			case <-left:
			case <-time.After(5 * time.Second):
				t.Fatal("the loop was left, but the call went on")
			}
		}
	})
}

func wantEnded(t *testing.T, name string, r *result, kind providers.Kind, text string) {
	t.Helper()
	wantKind(t, r.err, kind)
	if got := r.answer().Text; got != text {
		t.Errorf("%s: text %q, want %q", name, got, text)
	}
	if providers.Billed(r.err) != (text != "") {
		t.Errorf("%s: billed: %v", name, providers.Billed(r.err))
	}
}
