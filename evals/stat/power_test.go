package stat

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSignFlipByHand(t *testing.T) {
	for _, test := range []struct {
		name string
		d    []float64
		want float64
	}{
		{"nothing", nil, 1},
		{"no difference", []float64{0, 0}, 1},
		{"four losses", []float64{-1, 0, -1, -1, 0, -1}, 1.0 / 16},
		{"four gains", []float64{1, 1, 1, 1}, 1},
		{"one each way", []float64{1, -1}, 3.0 / 4},                // sums -2, 0, 0, 2: three are at most 0
		{"of different size", []float64{-0.3, -0.2, 0.1}, 2.0 / 8}, // -0.6 and -0.4
	} {
		near(t, test.name, Worse(test.d, 0, 1), test.want)
	}
	// Drawn signs agree with the normal approximation.
	d := make([]float64, 100)
	for i := range d {
		d[i] = 1
		if i < 60 {
			d[i] = -1
		}
	}
	// The sum is -20 of a standard deviation of 10, counted with half a step of 2: P(Z <= -1.9) = 0.0287.
	if p := Worse(d, 20_000, 3); math.Abs(p-0.0284) > 0.004 {
		t.Errorf("60 of 100 lost: p = %.4f", p)
	}
	if p := Worse(d[:60], 999, 3); p != 1.0/1000 {
		t.Errorf("60 of 60 lost: p = %v, want the least that so many draws can give", p)
	}
}

func TestHolmByHand(t *testing.T) {
	// Sorted: 0.005·4, 0.01·3, 0.03·2, 0.04·1; then each at least the one before.
	got := Holm([]float64{0.01, 0.04, 0.03, 0.005})
	for i, want := range []float64{0.03, 0.06, 0.06, 0.02} {
		near(t, "adjusted", got[i], want)
	}
	if got := Holm([]float64{0.9, 0.8}); got[0] != 1 || got[1] != 1 {
		t.Errorf("adjusted values above 1: %v", got)
	}
	if got := Holm(nil); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

func TestWilsonAgainstPublished(t *testing.T) {
	// Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3 (Wilson).
	for _, test := range []struct {
		successes, n int
		low, high    float64
	}{{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718}} {
		e := Wilson(test.successes, test.n)
		if math.Abs(e.Low-test.low) > 5e-5 || math.Abs(e.High-test.high) > 5e-5 {
			t.Errorf("%d of %d: [%.4f, %.4f], want [%.4f, %.4f]", test.successes, test.n, e.Low, e.High, test.low, test.high)
		}
	}
	if e := Wilson(20, 20); e.High != 1 || e.Low < 0.83 || e.Low > 0.84 {
		t.Errorf("all: %+v", e)
	}
	if e := Wilson(0, 0); e.Low != 0 || e.High != 1 {
		t.Errorf("of nothing: %+v", e)
	}
}

// TestPowerIsAsPromised: a difference of the size that Detectable gives is found about 80 times in 100.
func TestPowerIsAsPromised(t *testing.T) {
	near(t, "by hand", Detectable(0.25, 100), 2.8015852181129684*0.025)
	if !math.IsInf(Detectable(1, 1), 1) {
		t.Error("one case finds nothing")
	}
	if n := CasesFor(0.25, Detectable(0.25, 100)); n < 100 || n > 101 {
		t.Errorf("%d cases for what 100 find", n)
	}
	const n, spread = 80, 0.3
	effect, rng, found := Detectable(spread, n), rand.New(rand.NewPCG(3, 3)), 0
	for range 400 {
		d := make([]float64, n)
		for i := range d {
			d[i] = rng.NormFloat64()*spread + effect
		}
		if (Bootstrap{Resamples: 1000, Seed: rng.Uint64()}).Mean(d).Low > 0 {
			found++
		}
	}
	t.Logf("found %d of 400", found)
	if share := float64(found) / 400; share < 0.75 || share > 0.87 {
		t.Errorf("power %.3f, want about 0.8", share)
	}
}

func TestPassHatByHand(t *testing.T) {
	tries := []Tries{{"a", 3, 4}, {"b", 4, 4}, {"c", 0, 4}}
	for _, test := range []struct {
		k       int
		hat, at float64
	}{
		{1, (0.75 + 1) / 3, (0.75 + 1) / 3},
		{2, (3.0/6 + 1) / 3, 2.0 / 3}, // C(3,2)/C(4,2)
		{4, 1.0 / 3, 2.0 / 3},
	} {
		hat, err := PassHat(test.k, tries)
		if err != nil {
			t.Fatal(err)
		}
		at, err := PassAt(test.k, tries)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "pass^k", hat, test.hat)
		near(t, "pass@k", at, test.at)
	}
	for _, bad := range []struct {
		k     int
		tries []Tries
	}{{5, tries}, {0, tries}, {1, []Tries{{"x", 3, 2}}}} {
		if _, err := PassHat(bad.k, bad.tries); err == nil {
			t.Errorf("k = %d of %v was taken", bad.k, bad.tries)
		}
	}
}

// TestPassHatIsUnbiased: over many runs of a case that passes with chance p, its mean is p^k.
func TestPassHatIsUnbiased(t *testing.T) {
	rng, sum := rand.New(rand.NewPCG(9, 9)), 0.0
	const rounds, p = 20_000, 0.7
	for range rounds {
		c := 0
		for range 5 {
			if rng.Float64() < p {
				c++
			}
		}
		v, err := PassHat(3, []Tries{{"x", c, 5}})
		if err != nil {
			t.Fatal(err)
		}
		sum += v
	}
	if got := sum / rounds; math.Abs(got-p*p*p) > 0.01 {
		t.Errorf("mean %.4f, want %.4f", got, p*p*p)
	}
}

func TestSteady(t *testing.T) {
	s := Steady([]Tries{{"once", 0, 1}, {"sure", 5, 5}, {"even", 2, 4}, {"rarely", 1, 5}, {"never", 0, 5}})
	if s.Cases != 4 || s.Unstable.Mean != 0.5 {
		t.Errorf("%+v", s)
	}
	if diff := cmp.Diff([]string{"even", "rarely"}, s.Flaky); diff != "" {
		t.Error(diff)
	}
}
