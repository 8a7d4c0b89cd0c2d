package providertest

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/providers"
)

// runEmbed is the contract of embedders. An empty list of texts gives an empty list of vectors; a text
// has the same vector whatever stands beside it, but for rounding.
func runEmbed(t *testing.T, h Harness) {
	texts := []string{"the ferry leaves at nine", "der Hafen öffnet um acht Uhr", "x", "the ferry leaves at nine", "a longer text about the tides and the moon"}

	t.Run("order and shape", func(t *testing.T) {
		noLeak(t)
		e := h.Embedder(t)
		before := &providers.EmbedRequest{Model: h.EmbedModel, Texts: append([]string(nil), texts...)}
		req := &providers.EmbedRequest{Model: h.EmbedModel, Texts: append([]string(nil), texts...)}
		all, err := e.Embed(lasting, req)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(before, req); d != "" {
			t.Errorf("the call changed the request (-before +after):\n%s", d)
		}
		if err := checkVectors(all.Vectors, len(texts)); err != nil {
			t.Fatal(err)
		}
		for i, text := range texts {
			one, err := e.Embed(lasting, &providers.EmbedRequest{Model: h.EmbedModel, Texts: []string{text}})
			if err != nil {
				t.Fatal(err)
			}
			if err := checkVectors(one.Vectors, 1); err != nil {
				t.Fatal(err)
			}
			if !near(all.Vectors[i], one.Vectors[0]) {
				t.Errorf("text %d has another vector alone than among others: is the order kept?", i)
			}
		}
		if near(all.Vectors[0], all.Vectors[1]) {
			t.Error("two different texts have one vector")
		}
	})

	t.Run("no texts", func(t *testing.T) {
		noLeak(t)
		got, err := h.Embedder(t).Embed(lasting, &providers.EmbedRequest{Model: h.EmbedModel})
		if err != nil || got == nil || len(got.Vectors) != 0 {
			t.Errorf("got %+v, %v: want no vectors and no error", got, err)
		}
	})

	t.Run("context ended before", func(t *testing.T) {
		noLeak(t)
		e := h.Embedder(t)
		for _, want := range []providers.Kind{providers.KindCanceled, providers.KindTimeout} {
			_, err := e.Embed(endedContext(t, want), &providers.EmbedRequest{Model: h.EmbedModel, Texts: texts})
			wantKind(t, err, want)
		}
	})

	t.Run("used by many at once", func(t *testing.T) {
		noLeak(t)
		e, req := h.Embedder(t), &providers.EmbedRequest{Model: h.EmbedModel, Texts: texts}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				got, err := e.Embed(lasting, req)
				if err != nil {
					t.Error(err)
				} else if err := checkVectors(got.Vectors, len(texts)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

// checkVectors says what is wrong with the shape of vectors.
func checkVectors(vectors [][]float32, count int) error {
	if len(vectors) != count {
		return fmt.Errorf("%d vectors for %d texts", len(vectors), count)
	}
	for i, v := range vectors {
		if len(v) == 0 {
			return fmt.Errorf("vector %d is empty", i)
		}
		if len(v) != len(vectors[0]) {
			return fmt.Errorf("vector %d has %d numbers, vector 0 has %d", i, len(v), len(vectors[0]))
		}
		for _, x := range v {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return errors.New("a vector holds what is not a number")
			}
		}
	}
	return nil
}

// near says whether two vectors are the same but for rounding.
func near(a, b []float32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if math.Abs(float64(a[i])-float64(b[i])) > 1e-3 {
			return false
		}
	}
	return true
}
