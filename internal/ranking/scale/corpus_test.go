package scale

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func TestTheSameSeedMakesTheSame(t *testing.T) {
	one, two, other := NewCorpus(1, 32), NewCorpus(1, 32), NewCorpus(2, 32)
	d1, p1, v1 := one.Document(3, 7, 10)
	d2, p2, v2 := two.Document(3, 7, 10)
	if diff := cmp.Diff([]any{d1, p1, v1}, []any{d2, p2, v2}); diff != "" {
		t.Error(diff)
	}
	if d, _, _ := other.Document(3, 7, 10); d.Text == d1.Text {
		t.Error("another seed makes the same")
	}
	if d, _, _ := one.Document(4, 7, 10); d.Text == d1.Text {
		t.Error("another tenant has the same")
	}
	for i := range p1 {
		s := p1[i].Span
		if d1.Text[s.ByteStart:s.ByteEnd] != p1[i].Text {
			t.Errorf("passage %d is not the text at its span", i)
		}
		if length := dot(v1[i], v1[i]); math.Abs(length-1) > 1e-5 {
			t.Errorf("vector %d has length %f", i, length)
		}
	}
}

func TestWordsAreTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for i := range vocabulary {
		if w := word(i); seen[w] || slices.Contains(grammar, w) {
			t.Fatalf("%q is twice", w)
		} else {
			seen[w] = true
		}
	}
}

// What is near means something: a query's nearest passage is mostly the one that it was made of, and a passage's
// neighbours are of its topic.
func TestNeighboursMeanSomething(t *testing.T) {
	const documents, queries = 400, 100
	c := NewCorpus(1, 384)
	var texts []string
	var vectors [][]float32
	for i := range documents {
		_, passages, v := c.Document(0, i, perDocument)
		for _, p := range passages {
			texts = append(texts, p.Text)
		}
		vectors = append(vectors, v...)
	}
	best := func(v []float32) int {
		at, most := -1, -2.0
		for i, x := range vectors {
			if s := dot(v, x); s > most {
				at, most = i, s
			}
		}
		return at
	}
	own := 0
	for i := range queries {
		q := c.Query(0, i, documents*perDocument)
		n := best(q.Vector)
		words := strings.Fields(q.Text)
		if len(words) < 4 || len(words) > 8 {
			t.Errorf("query %d has %d words", i, len(words))
		}
		all := true
		for _, w := range words {
			all = all && strings.Contains(texts[n], w)
		}
		if all {
			own++
		}
		// Those who crowd it are nearer than what it looks for.
		_, _, crowd := c.Crowd(9, i, 3, q)
		for _, v := range crowd {
			if dot(v, q.Vector) <= dot(vectors[n], q.Vector) {
				t.Errorf("query %d is not crowded", i)
			}
		}
	}
	if t.Logf("the nearest is the query's own passage in %d of %d", own, queries); own < queries*8/10 {
		t.Errorf("the nearest is the query's own passage in %d of %d", own, queries)
	}
}

func TestSharesAreAllOfThem(t *testing.T) {
	for _, n := range []int{150, 2000, 100_000, 99_999} {
		all := shares("x", 50, n)
		sum := 0
		for _, x := range all {
			sum += x.passages
			inJobs := 0
			for _, j := range x.jobs() {
				inJobs += j.n
			}
			if inJobs != x.passages {
				t.Errorf("%s has %d passages and %d in documents", x.name, x.passages, inJobs)
			}
		}
		if sum != n || all[0].passages != n*60/100 || all[1].passages != n*2/100 {
			t.Errorf("%d: %d in all, %d, %d", n, sum, all[0].passages, all[1].passages)
		}
	}
}

func TestFloors(t *testing.T) {
	r := func(before, after float64) *Report {
		return &Report{Recalls: []Recall{{Tenant: "large", Ten: before, Candidates: before}}, Crowded: []Recall{{Ten: after}}}
	}
	for _, c := range []struct {
		before, after float64
		holds         bool
	}{{1, 1, true}, {0.95, 0.9475, true}, {0.94, 0.94, false}, {0.99, 0.98, false}, {0.99, 1, true}} {
		if err := r(c.before, c.after).Check(); (err == nil) != c.holds {
			t.Errorf("%v, %v: %v", c.before, c.after, err)
		}
	}
}
