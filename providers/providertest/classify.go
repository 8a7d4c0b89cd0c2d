package providertest

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/providers"
)

// classified are texts of several kinds.
var classified = []string{
	"the ferry leaves at nine", "der Hafen öffnet um acht Uhr", "I cannot pay my invoice", "the ferry leaves at nine",
	"e\u0301 中国 İ שָׁלוֹם 👩‍👩‍👧 \u200b\ufeff", "x", strings.Repeat("a long text about invoices ", 200),
}

// runClassify is the contract of classifiers. There is one list of classes for each text, in the order of the texts; a
// list has at least one class, the most probable first, with probabilities from 0 to 1. No texts give no lists. A text
// has the same classes whatever stands beside it, but for rounding.
func runClassify(t *testing.T, h Harness) {
	texts := h.Classified
	if texts == nil {
		texts = classified
	}
	request := func(texts []string) *providers.ClassifyRequest {
		return &providers.ClassifyRequest{Model: h.ClassifyModel, Texts: append([]string(nil), texts...)}
	}

	t.Run("order and shape", func(t *testing.T) {
		noLeak(t)
		c := h.Classifier(t)
		before, req := request(texts), request(texts)
		all, err := c.Classify(lasting, req)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(before, req); d != "" {
			t.Errorf("the call changed the request (-before +after):\n%s", d)
		}
		if err := checkClasses(all.Classes, len(texts)); err != nil {
			t.Fatal(err)
		}
		best := map[string]bool{}
		for i, text := range texts {
			best[all.Classes[i][0].Name] = true
			one, err := c.Classify(lasting, request([]string{text}))
			if err != nil {
				t.Fatal(err)
			}
			if err := checkClasses(one.Classes, 1); err != nil {
				t.Fatal(err)
			}
			if d := classesDiffer(all.Classes[i], one.Classes[0]); d != "" {
				t.Errorf("text %d has other classes alone than among others: is the order kept?\n%s", i, d)
			}
		}
		if len(best) < 2 {
			t.Error("all texts have one best class: the test cannot see their order")
		}
	})

	t.Run("no texts", func(t *testing.T) {
		noLeak(t)
		got, err := h.Classifier(t).Classify(lasting, &providers.ClassifyRequest{Model: h.ClassifyModel})
		if err != nil || got == nil || len(got.Classes) != 0 {
			t.Errorf("got %+v, %v: want no classes and no error", got, err)
		}
	})

	t.Run("many texts", func(t *testing.T) {
		noLeak(t)
		c := h.Classifier(t)
		var many []string
		for len(many) < 150 {
			many = append(many, texts...)
		}
		got, err := c.Classify(lasting, request(many))
		if err != nil {
			t.Fatal(err)
		}
		if err := checkClasses(got.Classes, len(many)); err != nil {
			t.Fatal(err)
		}
		for i := range many {
			if d := classesDiffer(got.Classes[i], got.Classes[i%len(texts)]); d != "" {
				t.Fatalf("text %d, which came before, has other classes now\n%s", i, d)
			}
		}
	})

	t.Run("context ended before", func(t *testing.T) {
		noLeak(t)
		c := h.Classifier(t)
		for _, want := range []providers.Kind{providers.KindCanceled, providers.KindTimeout} {
			_, err := c.Classify(endedContext(t, want), request(texts))
			wantKind(t, err, want)
		}
	})

	t.Run("used by many at once", func(t *testing.T) {
		noLeak(t)
		c, req := h.Classifier(t), request(texts)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				got, err := c.Classify(lasting, req)
				if err != nil {
					t.Error(err)
				} else if err := checkClasses(got.Classes, len(texts)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

// checkClasses says what is wrong with the form of classes.
func checkClasses(lists [][]providers.Class, count int) error {
	if len(lists) != count {
		return fmt.Errorf("%d lists of classes for %d texts", len(lists), count)
	}
	for i, list := range lists {
		if len(list) == 0 {
			return fmt.Errorf("text %d has no class", i)
		}
		for k, c := range list {
			switch {
			case c.Name == "":
				return fmt.Errorf("text %d has a class without a name", i)
			case !(c.Probability >= 0 && c.Probability <= 1):
				return fmt.Errorf("text %d has a class of probability %v", i, c.Probability)
			case k > 0 && c.Probability > list[k-1].Probability:
				return fmt.Errorf("text %d has a less probable class before a more probable one", i)
			}
		}
	}
	return nil
}

// classesDiffer says how two lists differ but for rounding, which may put classes of nearly one probability in another
// order.
func classesDiffer(a, b []providers.Class) string {
	of := func(list []providers.Class) map[string]float64 {
		m := map[string]float64{}
		for _, c := range list {
			m[c.Name] = math.Round(c.Probability*1e3) / 1e3
		}
		return m
	}
	near := cmp.Comparer(func(x, y float64) bool { return math.Abs(x-y) < 2e-3 })
	return cmp.Diff(of(a), of(b), near)
}
