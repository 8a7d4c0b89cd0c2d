package stat

import (
	"math"
	"math/rand/v2"
	"testing"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-9) {
		t.Errorf("%s = %.12f, want %.12f", what, got, want)
	}
}

func TestIntervals(t *testing.T) {
	a, b := make([]float64, 200), make([]float64, 200)
	for i := range a {
		b[i] = float64(i%10) / 10
		a[i] = b[i] + 0.02
	}
	m := Mean(b, 1)
	near(t, "mean", m.Mean, 0.45)
	if m.Low >= m.Mean || m.High <= m.Mean || m.High-m.Low > 0.12 || m.High-m.Low < 0.05 {
		t.Errorf("interval %+v", m) // ± 1.96 · 0.287 / √200 = ± 0.040
	}
	if m != Mean(b, 1) || m == Mean(b, 2) {
		t.Error("the interval does not follow from the seed")
	}
	// The same small gain on every case is certain, although the two means' intervals overlap.
	if d := Difference(a, b, 1); d.Low < 0.0199 || d.High > 0.0201 || Mean(a, 1).Low > m.High {
		t.Errorf("difference %+v", d)
	}
	if Mean(nil, 1) != (Estimate{}) {
		t.Error("the mean of nothing")
	}
	if one := Mean([]float64{0.3}, 1); one != (Estimate{0.3, 0.3, 0.3}) {
		t.Errorf("the mean of one: %+v", one)
	}
	narrow := Bootstrap{Seed: 1, Confidence: 0.5}.Mean(b)
	if narrow.High-narrow.Low >= m.High-m.Low {
		t.Errorf("50 %%: %+v, 95 %%: %+v", narrow, m)
	}
}

// TestCoverage: of 95 % intervals about 95 of 100 hold the truth.
func TestCoverage(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	held, rounds := 0, 400
	for range rounds {
		values := make([]float64, 60)
		for i := range values {
			values[i] = rng.NormFloat64()*0.2 + 0.6
		}
		if e := (Bootstrap{Resamples: 1000, Seed: rng.Uint64()}).Mean(values); e.Low <= 0.6 && 0.6 <= e.High {
			held++
		}
	}
	t.Logf("%d of %d intervals hold the truth", held, rounds)
	if share := float64(held) / float64(rounds); share < 0.91 || share > 0.98 {
		t.Errorf("coverage %.3f", share)
	}
}

func BenchmarkBootstrap(b *testing.B) {
	values := make([]float64, 1000)
	for i := range values {
		values[i] = float64(i%17) / 17
	}
	for b.Loop() {
		Mean(values, 1)
	}
}

func BenchmarkCompare(b *testing.B) {
	var base, run []Sample
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 1000 {
		name := string(rune('a'+i%26)) + string(rune('a'+i/26))
		base, run = append(base, Sample{name, rng.Float64()}), append(run, Sample{name, rng.Float64()})
	}
	for b.Loop() {
		Compare(base, run, Bootstrap{})
	}
}
